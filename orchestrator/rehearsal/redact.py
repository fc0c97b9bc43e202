"""Takes secrets and personal data out of what is written: each becomes a keyed hash, equal for equal values.  Pure.

Above: `artifacts`, `commands`, and `wiring` for what workers log.  Below: nothing.  The hash (HMAC-SHA256, cut) lets
one see that two values were equal and tells nobody what they were; its key belongs to one installation.  `detector`
looks for what slipped through, by rules of its own: this file and that one share nothing on purpose.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple

DIGITS: Final = 10
"""Hexadecimal digits of a hash: 40 bits tell apart what one report holds."""
SHORTEST_KNOWN: Final = 6
"""Characters of a known secret that is looked for: shorter ones are ordinary words, too."""
MOST_DEPTH: Final = 200
"""Nesting that is followed; what is deeper becomes a hash as a whole."""

SECRET_KEY: Final = re.compile(
    r"pass(?:word|wd|phrase)?$|secret|credential|(?:api|private|access|signing)[-_ ]?key|"
    r"^auth(?:orization)?$|cookie|bearer|session[-_ ]?(?:id|key)|(?:^|[-_ a-z])token$|jwt|otp$|^pin$|"
    r"connection[-_ ]?string|dsn$|e-?mail|phone|ssn|iban|card[-_ ]?num|birth",
    re.IGNORECASE,
)
"""Names whose text values are never shown."""


class Rule(NamedTuple):
    """What is taken out of any text.

    Attributes:
        kind: what it is.
        hints: one of these, in small letters, is part of all that the pattern finds, and sooner looked for; without any
            the pattern is always tried.
        pattern: finds it in a time that grows as the text does and no faster, for workers may say what they like.  A
            group `value` is the part that is secret; where a group `proof` took no part, what was found is nothing.
    """

    kind: str
    hints: tuple[str, ...]
    pattern: re.Pattern[str]


ISSUERS: Final = (
    "sk-", "sk_", "pk-", "pk_", "rk-", "rk_", "gho_", "ghp_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "xox",
    "akia", "asia", "aiza", "ya29.", "npm_", "pypi-", "hf_", "sg.", "dop_v1_",
)  # fmt: skip
"""How tokens of well-known issuers begin, in small letters."""

RULES: Final = (
    Rule("key", ("private key-----",), re.compile(
        r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL)),
    Rule("jwt", ("eyj",), re.compile(r"\beyJ[\w-]{8,}+(?P<proof>\.[\w-]{4,}(?:\.[\w-]*)?)?+")),
    Rule("token", ISSUERS, re.compile(
        r"\b(?:sk|pk|rk)[-_](?:live|test|proj|ant)?[-_]?[\w-]{16,}|\bgh[opusr]_\w{20,}|\bgithub_pat_\w{20,}|\bglpat-[\w-]{16,}|"
        r"\bxox[abeoprs]-[\w-]{10,}|\b(?:AKIA|ASIA)[0-9A-Z]{12,}|\bAIza[\w-]{30,}|\bya29\.[\w-]{10,}|\bnpm_\w{30,}|\bpypi-\w{16,}|"
        r"\bhf_\w{20,}|\bSG\.[\w-]{16,}\.[\w-]{16,}|\bdop_v1_\w{32,}")),
    Rule("bearer", ("bearer ", "basic "), re.compile(
        r"(?i)(?<=bearer )[\w.~+/-]{8,}=*|(?<=basic )[A-Za-z0-9+/]{12,}={0,2}")),
    Rule("password", ("://",), re.compile(r"(?<=://)[^\s/:@\"']*:[^\s/@\"']+(?=@)")),
    Rule("setting", ("passw", "passphrase", "pwd", "secret", "key", "token"), re.compile(
        r"(?i)(?<![a-z])(?<!redacted:)(?!(?<=<)secret:[0-9a-f]{8}>)"
        r"(?:password|passwd|passphrase|pwd|secret|api[-_]?key|access[-_]?key|private[-_]?key|token)"
        r"\"?\s*[=:]\s*(?P<value>\"[^\"]*\"|'[^']*'|[^\s,;&\"'<>{}\[\]]{4,})")),
    Rule("email", ("@",), re.compile(r"[\w.+%'-]++(?P<proof>@[\w-]+(?:\.[\w-]+)*\.[^\W\d_]{2,})?+")),
    Rule("card", (), re.compile(r"[2-6](?<![\w.]\d)(?:\d{13,18}|\d{3}(?:[ -]\d{3,7}){2,4})(?!\w)")),
    Rule("iban", (), re.compile(r"[A-Z](?<!\w[A-Z])[A-Z]\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,4})?\b")),
    Rule("phone", ("+",), re.compile(r"(?<![\w+])\+\d{1,3}[ .-]?(?:\(\d{1,5}\)[ .-]?)?\d(?:[ .-]?\d){5,12}(?!\w)")),
    Rule("random", (), re.compile(
        r"(?<![\w+/-])(?=[\w+-]{24})(?=[\w+/-]*[a-z])(?=[\w+/-]*[A-Z])(?=[\w+/-]*\d)[\w+-]{24,}={0,2}(?![\w+/-])")),
    Rule("base64", ("/",), re.compile(r"[A-Za-z0-9+/](?<![\w+/-][A-Za-z0-9+/])[A-Za-z0-9+/]{59,}+={0,2}(?![\w+-])")),
)  # fmt: skip

KEY_BEGIN, KEY_END, KEY_NAME = "-----BEGIN ", "-----END ", "PRIVATE KEY-----"
"""What a private key's text (RFC 7468) begins and ends with."""
KEY_LINES: Final = 300
"""Lines of a private key that are hidden at the most, should no end of it come: one of 16,384 bits has 200."""

NO_HINT: Final = ("",)
"""Is part of every text."""

IBAN_MODULUS: Final = 97
IBAN_REST: Final = 1


class Redactor:
    """Redacts with one key."""

    def __init__(self, key: bytes, known: Iterable[str] = ()) -> None:
        """Build it.

        Args:
            key: of this installation.
            known: secrets that are known, such as the values of variables; each is taken out wherever it stands.
        """
        self._key = key
        self._known = sorted({one for one in known if len(one) >= SHORTEST_KNOWN}, key=len, reverse=True)
        self._any_known = re.compile("|".join(map(re.escape, self._known)))
        self._rules = [(rule.hints, rule.pattern.sub, self._replacing(rule.kind)) for rule in RULES]

    def value(self, value: Any, *, _depth: int = 0) -> Any:
        """Return a JSON value without secrets; truth values, null and numbers that are nobody's card stay."""
        if isinstance(value, str):
            return self.text(value)
        if _depth >= MOST_DEPTH:
            return self.hashed("deep", repr(type(value)))
        if isinstance(value, Mapping):
            return {self.text(str(key)): self._member(str(key), member, _depth + 1) for key, member in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.value(one, _depth=_depth + 1) for one in value]
        if type(value) is int and self.text(str(value)) != str(value):
            return self.text(str(value))
        return value

    def text(self, text: str) -> str:
        """Return a text without secrets."""
        for secret in self._known:
            if secret in text:
                text = self._any_known.sub(lambda found: self.hashed("known", found[0]), text)
                break
        small = text.casefold()
        for hints, substitute, replace in self._rules:
            for hint in hints or NO_HINT:
                if hint in small:
                    text = substitute(replace, text)
                    break
        return text

    def _member(self, key: str, value: Any, depth: int) -> Any:
        if isinstance(value, str) and value and SECRET_KEY.search(key):
            return self._named(value)
        if isinstance(value, (list, tuple)) and depth < MOST_DEPTH and SECRET_KEY.search(key):
            return [
                self._named(one) if isinstance(one, str) and one else self.value(one, _depth=depth) for one in value
            ]
        return self.value(value, _depth=depth)

    def _named(self, text: str) -> str:
        return text if text.startswith("<redacted:") else self.hashed("named", text)

    def _replacing(self, kind: str) -> Callable[[re.Match[str]], str]:
        def replace(found: re.Match[str]) -> str:
            whole, groups = found[0], found.groupdict()
            if groups.get("proof", "") is None or "<redacted:" in whole or (kind in CHECKS and not CHECKS[kind](whole)):
                return whole
            if "value" in groups:
                secret = groups["value"]
                return whole[: found.start("value") - found.start()] + self.hashed(kind, secret.strip("\"'"))
            return self.hashed(kind, whole)

        return replace

    def hashed(self, kind: str, secret: str) -> str:
        """Return what stands for a secret."""
        digest = hmac.new(self._key, secret.encode(errors="replace"), "sha256").hexdigest()
        return f"<redacted:{kind}:{digest[:DIGITS]}>"


class Lines:
    """Redacts what comes a line at a time, such as a worker's stderr; a private key has many, all of them secret."""

    def __init__(self, redactor: Redactor) -> None:
        """Build it for one stream of lines."""
        self._redactor = redactor
        self._left = 0

    def text(self, line: str) -> str:
        """Return the next line without secrets."""
        rest, hidden = line, ""
        if self._left:
            end = line.find(KEY_END)
            self._left = self._left - 1 if end < 0 else 0
            rest = line[end:] if end >= 0 else ""
            hidden = self._redactor.hashed("key", line[: len(line) - len(rest)])
        if KEY_NAME in rest and rest.rfind(KEY_BEGIN) > rest.rfind(KEY_END):
            self._left = KEY_LINES
        return hidden + self._redactor.text(rest)


def _is_card(text: str) -> bool:
    """Tell whether digits are a payment card's (ISO/IEC 7812: its last digit is Luhn's)."""
    digits = [int(one) for one in text if one.isdigit()]
    doubled = [sum(divmod(2 * one, 10)) if place % 2 else one for place, one in enumerate(reversed(digits))]
    return sum(doubled) % 10 == 0 and len(set(digits)) > 1


def _is_iban(text: str) -> bool:
    """Tell whether a text is an account's number (ISO 13616: 1 modulo 97)."""
    packed = text.replace(" ", "")
    return int("".join(str(int(one, 36)) for one in packed[4:] + packed[:4])) % IBAN_MODULUS == IBAN_REST


def _is_base64(text: str) -> bool:
    """Tell a line of base64 from a path as long: of 64 letters 26 are capitals, 10 are digits, and one is a slash."""
    capitals, slashes = sum(map(str.isupper, text)), text.count("/")
    return min(capitals, len(text) - slashes * 2) * 8 >= len(text) and slashes * 8 <= len(text) and not text.isalpha()


CHECKS: Final[Mapping[str, Callable[[str], bool]]] = {"card": _is_card, "iban": _is_iban, "base64": _is_base64}
"""Kinds whose shape alone proves nothing."""


def known_secrets(*environments: Mapping[str, str]) -> list[str]:
    """Return the values of variables whose names say that they are secret."""
    return [
        value
        for variables in environments
        for name, value in variables.items()
        if SECRET_KEY.search(name) and not value.startswith("/")  # a path to a secret is none
    ]
