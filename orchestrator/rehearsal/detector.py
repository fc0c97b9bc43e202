"""Looks through written files for secrets and personal data that were let through.  Pure.

Above: `artifacts`, which fails the run by what is found here.  Below: nothing, and nothing of `redact`: two that share
a rule share its hole.  Where that one matches shapes, this one takes texts apart into words and weighs each: by what it
decodes to, by check digits, by how random it is, by who issued it.  A finding names place and rule, never the value.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import urllib.parse
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from orchestrator.rehearsal.sieve import may_have_numbers

PART: Final = 1 << 18
"""Characters that are looked at in one go."""
SEPARATORS: Final = str.maketrans(dict.fromkeys("\"'<>()[]{},;\\|`", " "))
ISSUED: Final = {
    "ghp_": 30, "gho_": 30, "ghu_": 30, "ghs_": 30, "ghr_": 30, "github_pat_": 36, "glpat-": 24, "xoxb-": 20,
    "xoxp-": 20, "sk-": 24, "sk_live_": 28, "rk_live_": 28, "AKIA": 18, "ASIA": 18, "AIza": 36, "npm_": 36, "hf_": 26,
    "pypi-": 26,
}  # fmt: skip
"""How well-known issuers begin their tokens, and the characters such a token has at least."""
ISSUERS: Final = tuple(ISSUED)
WORD_LEAST: Final = 14
"""Characters of the shortest word that any rule knows without an @ in it: `{"alg":1}` in base64, and two dots."""
JOINTS: Final = str.maketrans("", "", "+_-")
RANDOM_LEAST: Final = 32
RANDOM_BITS: Final = 4.2
"""Shannon entropy in bits a character: 32 random characters of base64 have 4.6 on average and 4.2 once in a thousand,
words of a language below 4, hexadecimal digits never above 4."""
BASE64_LEAST: Final = 60
"""A line of a private key has 64 characters (RFC 7468), that of a mail 76."""
BASE64_BITS: Final = 4.7
BASE64_CAPITALS: Final = 0.2
BASE64_SLASHES: Final = 0.1
"""What tells base64, with 26 capitals and one slash in 64 characters, from the path of a file."""
CARD_LENGTHS: Final = range(14, 20)
CARD_BEGINS: Final = "23456"
"""First digits that payment networks use; times since the epoch begin with 1."""
PHONE_DIGITS: Final = range(8, 16)
KNOWN_LEAST: Final = 8
HEADER: Final = "alg"
KEY_NAME: Final = "PRIVATE KEY-----"


@dataclass(frozen=True, slots=True)
class Leak:
    """Something that should not be there.

    Attributes:
        line: where, from 1.
        rule: what it looks like.
    """

    line: int
    rule: str


def look(text: str, known: Iterable[str] = ()) -> list[Leak]:
    """Return what a file holds that nobody should read.

    Args:
        text: the file.
        known: secrets that are known; found as they are and in base64 or percent encoding.
    """
    return [leak for found in looked(_parts(text), known) for leak in found]


def looked(parts: Iterable[str], known: Iterable[str] = ()) -> Iterator[list[Leak]]:
    """Yield what each part of a file holds that nobody should read; whoever has seen enough asks for no more.

    Args:
        parts: the file, in parts of whole lines.
        known: secrets that are known.
    """
    forms = [form for secret in known if len(secret) >= KNOWN_LEAST for form in _forms(secret)]
    first = 1
    for part in parts:
        lines = part.splitlines()
        yield list(_in_part(part, lines, first, forms))
        first += len(lines)


def _parts(text: str) -> Iterator[str]:
    start = 0
    while start < len(text):
        end = text.find("\n", start + PART) + 1 or len(text)
        yield text[start:end]
        start = end


def _in_part(part: str, lines: Sequence[str], first: int, forms: Sequence[str]) -> Iterator[Leak]:
    """Yield what is in a part of a file: each of its words is weighed once, and lines are gone through for what is."""
    said = [form for form in forms if form in part]
    has_key = KEY_NAME in part
    plain = _plain(part)
    heavy = {word: rules for word in set(plain.split()) if (rules := tuple(_weighed(word)))}
    has_numbers = may_have_numbers(plain)
    if not (said or has_key or heavy or has_numbers):
        return
    for number, line in enumerate(lines, start=first):
        yield from (Leak(number, "known secret") for form in said if form in line)
        if has_key and KEY_NAME in line and "BEGIN" in line:
            yield Leak(number, "private key")
        plain = _plain(line)
        if heavy:
            yield from (Leak(number, rule) for word in plain.split() for rule in heavy.get(word, ()))
        if has_numbers and may_have_numbers(plain):
            yield from (Leak(number, rule) for rule in _numbers(plain))


def _plain(text: str) -> str:
    """Return a text in which only white space stands between words."""
    return text.replace("\\n", " ").replace("\\t", " ").translate(SEPARATORS)


def _weighed(word: str) -> Iterator[str]:
    return _in_word(word.strip(".:!?")) if len(word) >= WORD_LEAST or "@" in word else iter(())


def _forms(secret: str) -> set[str]:
    raw = secret.encode(errors="replace")
    encoded = base64.b64encode(raw).decode().rstrip("=")[: -1 if len(raw) % 3 else None]
    return {secret, json.dumps(secret)[1:-1], encoded, urllib.parse.quote(secret, safe="")}


def _in_word(word: str) -> Iterator[str]:
    if "://" in word:
        yield from _address(word)
    elif _is_mail(word):
        yield "mail address"
    parts = word.replace("=", ":").split(":")
    for part in (word, *parts) if len(parts) > 1 else parts:
        if len(part) < WORD_LEAST:
            continue
        if _is_issued(part):
            yield "issued token"
        elif part.count(".") == 2 and _is_signed(part):  # noqa: PLR2004 - header, claims, signature
            yield "signed token"
        elif part.lower() != part and (_is_random(part) or _is_base64(part)):
            yield "random text"
        else:
            continue
        return


def _is_issued(word: str) -> bool:
    if not word.startswith(ISSUERS):
        return False
    least = next((length for prefix, length in ISSUED.items() if word.startswith(prefix)), None)
    plain = all(one.isalnum() or one in "_-" for one in word) and any(map(str.isdigit, word[4:]))
    return least is not None and len(word) >= least and plain


def _address(word: str) -> Iterator[str]:
    try:
        parts = urllib.parse.urlsplit(word[max(0, word.rfind(" ", 0, word.index("://")) + 1) :])
    except ValueError:
        return
    if parts.password and "redacted:" not in parts.password:
        yield "password in an address"


def _is_mail(word: str) -> bool:
    local, at, domain = word.rpartition("@")
    labels = domain.split(".")
    return bool(at and local.strip("=:/")) and len(labels) > 1 and labels[-1].isalpha() and all(labels)


def _is_signed(word: str) -> bool:
    """Tell whether a word is a JSON web token: its first part is an object that names an algorithm."""
    head = word.partition(".")[0]
    try:
        decoded = json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))
    except (binascii.Error, ValueError):
        return False
    return isinstance(decoded, dict) and HEADER in decoded


def _is_random(word: str) -> bool:
    core = word.rstrip("=")
    if len(core) < RANDOM_LEAST or not core.isascii() or not (plain := core.translate(JOINTS)).isalnum():
        return False
    has_all_kinds = not plain.isalpha() and plain.lower() != plain != plain.upper()
    return has_all_kinds and _bits(core) >= RANDOM_BITS


def _is_base64(word: str) -> bool:
    """Tell whether a word is base64 with the slashes that random text has not, by its letters and how few of them."""
    core, slashes = word.rstrip("="), word.count("/")
    plain = core.replace("+", "").replace("/", "")
    if len(core) < BASE64_LEAST or slashes > BASE64_SLASHES * len(core) or not (plain.isascii() and plain.isalnum()):
        return False
    has_capitals = sum(map(str.isupper, core)) >= BASE64_CAPITALS * len(core)
    return has_capitals and not plain.isalpha() and plain.upper() != plain and _bits(core) >= BASE64_BITS


def _bits(word: str) -> float:
    return -sum(count / len(word) * math.log2(count / len(word)) for count in Counter(word).values())


def _numbers(line: str) -> Iterator[str]:
    """Yield what runs of digits are, alone or grouped as people write them."""
    runs = list(_runs(line))
    for at, (start, digits) in enumerate(runs):
        if _is_card(digits):
            yield "card number"
        grouped, end = digits, start + len(digits)
        for next_start, more in runs[at + 1 : at + 5]:
            if next_start != end + 1 or line[end] not in " -" or len(grouped) > CARD_LENGTHS.stop:
                break
            grouped, end = grouped + more, next_start + len(more)
            if len(digits) == 4 and _is_card(grouped):  # noqa: PLR2004 - the first group of every card
                yield "card number"
        if _is_dialled(line, start) and len(grouped) in PHONE_DIGITS:
            yield "telephone number"


def _is_dialled(line: str, start: int) -> bool:
    """Return whether digits are led in by a plus that joins nothing, as that of the version `1.4.7+20261121` does."""
    return start > 0 and line[start - 1] == "+" and not (start > 1 and line[start - 2].isalnum())


def _runs(line: str) -> Iterator[tuple[int, str]]:
    """Yield the runs of digits that are no part of a name, a fraction or hexadecimal digits, with where they begin."""
    start = 0
    while start < len(line):
        end = start
        while end < len(line) and line[end].isdecimal() and line[end].isascii():
            end += 1
        if end > start:
            before, after = line[start - 1 : start], line[end : end + 1]
            if not (before.isalnum() or before in {".", "_"} or after.isalnum() or after == "_"):
                yield start, line[start:end]
        start = end + 1


def _is_card(digits: str) -> bool:
    return len(digits) in CARD_LENGTHS and digits[0] in CARD_BEGINS and _luhn(digits)


def _luhn(digits: str) -> bool:
    """Check a number's last digit, tables instead of sums: the doubled digit's cross sum stands at its index."""
    if len(set(digits)) == 1:
        return False
    table = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)
    odd, even = digits[-1::-2], digits[-2::-2]
    return (sum(map(int, odd)) + sum(table[int(one)] for one in even)) % 10 == 0
