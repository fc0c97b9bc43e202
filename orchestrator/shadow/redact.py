"""Values for people to read: short, and without what must not leave the process.

Secrets and personal data become a keyed hash, so that equal ones can still be told from different ones.  This is what
the comparison shows; whoever writes artifacts has a detector of its own that does not share these rules.

Above: `compare`, `explain`.  Below: nothing.
"""

from __future__ import annotations

import hashlib
import itertools
import re
from typing import Any, Final

import msgspec

LONGEST: Final = 120
"""Characters of a value that are shown."""
_WORDS: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|\d+")
_SECRET_WORDS: Final = frozenset(
    {"password", "passwd", "passphrase", "pwd", "secret", "secrets", "token", "apikey", "credential", "credentials",
     "authorization", "cookie", "ssn", "iban"}
)  # fmt: skip
_PERSONAL_WORDS: Final = frozenset(
    {"email", "mail", "phone", "telephone", "mobile", "fax", "birth", "birthday", "birthdate", "dob", "passport", "tax",
     "card", "cvv", "cvc", "pin", "otp", "account"}
)  # fmt: skip
_SECRET_PAIRS: Final = frozenset({("api", "key"), ("private", "key"), ("access", "key"), ("pass", "word")})
_LETTERS: Final = str.maketrans("0123456789abcdef", "abcdefghijklmnop")
_RULES: Final = (
    ("secret", re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)", re.DOTALL)),
    ("secret", re.compile(r"\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*")),
    ("secret", re.compile(r"\b(?:sk|pk|ghp|gho|ghs|xox[abp]|glpat|AKIA|ASIA)[-_A-Za-z0-9]{12,}")),
    ("secret", re.compile(r"(?i)(?<=bearer )[\w.~+/=-]{8,}")),
    ("secret", re.compile(r"(?i)(?<=[?&;\s\"'](?:key|sig|pwd)=)[^&\s\"']{4,}")),
    ("secret", re.compile(r"(?i)(?:(?<=token=)|(?<=secret=)|(?<=password=)|(?<=password: ))[^&\s\"']{3,}")),
    ("secret", re.compile(r"(?<=://)[^/\s:@]+:[^/\s@]+(?=@)")),
    ("email", re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")),
    ("card", re.compile(r"\b(?:\d[ -]?){13,19}\b")),
    ("phone", re.compile(r"(?<![\w.])\+\d[\d ()-]{7,}\d")),
    ("address", re.compile(r"(?<![\d.])(?!127\.|0\.0)(?:\d{1,3}\.){3}\d{1,3}(?![\d.])")),
)


class Redactor:
    """Shows values with a key that nobody outside has."""

    def __init__(self, key: bytes = b"") -> None:
        """Take the key of the hashes; without one they can be guessed, which is enough for a terminal only."""
        self._key = key[:64]

    def hashed(self, label: str, text: str) -> str:
        """Return what stands for a text."""
        digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=4, key=self._key).hexdigest()
        return f"<{label}:{digest}>"

    def letters(self, body: bytes) -> str:
        """Return a keyed digest of 64 bits as letters: digits would now and then look like somebody's number."""
        digest = hashlib.blake2b(body, digest_size=8, key=self._key, person=b"profile").hexdigest()
        return digest.translate(_LETTERS)

    def text(self, text: str) -> str:
        """Return a text without what looks like a secret or personal."""
        for label, pattern in _RULES:
            text = pattern.sub(lambda found, label=label: self.hashed(label, found[0]), text)  # type: ignore[misc]
        return text

    def value(self, value: Any, path: str = "") -> Any:
        """Return a value with every text redacted; below a member that is named like a secret nothing is shown."""
        if isinstance(value, dict):
            return {self.text(key): self.value(one, f"{path}.{key}") for key, one in value.items()}
        if isinstance(value, list):
            return [self.value(one, path) for one in value]
        if is_secret(path.rpartition(".")[2]) and not isinstance(value, bool) and value is not None:
            return self.hashed("secret", str(value))
        return self.text(value) if isinstance(value, str) else value

    def shown(self, value: Any, path: str = "") -> str:
        """Return a value as short JSON."""
        text = msgspec.json.encode(self.value(_cut(value), path)).decode()
        return text if len(text) <= LONGEST else f"{text[:LONGEST]}... ({len(text)} characters)"


def is_secret(name: str) -> bool:
    """Tell whether a member's name says that its value is secret; `tokens` counts and `passed` judges, neither is."""
    words = [word.lower() for word in _WORDS.findall(name)]
    return not _SECRET_WORDS.isdisjoint(words) or not _SECRET_PAIRS.isdisjoint(itertools.pairwise(words))


def is_private(name: str) -> bool:
    """Tell whether a member's name says that its value is secret or somebody's own."""
    return is_secret(name) or not _PERSONAL_WORDS.isdisjoint(word.lower() for word in _WORDS.findall(name))


def _cut(value: Any) -> Any:
    """Leave out what would not be shown anyway, before it costs anything."""
    if isinstance(value, list) and len(value) > LONGEST // 2:
        return [*value[: LONGEST // 2], f"... {len(value)} elements"]
    if isinstance(value, dict) and len(value) > LONGEST // 2:
        return dict(list(value.items())[: LONGEST // 2])
    if isinstance(value, str) and len(value) > 40 * LONGEST:
        return f"{value[: 40 * LONGEST]}..."
    return value
