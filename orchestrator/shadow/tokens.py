"""A text as a row of tokens: what it is made of, so that the parts that vary can be told from those that do not.

Two texts with the same *skeleton* (kinds of tokens, and separators as they are) are compared token by token.  A fine
reading takes letters and digits as runs, and spaces, which may fill up a column; a coarse one takes long opaque strings
whole, because base64 has separators wherever chance puts them.

Above: `texts`.  Below: `moments`.
"""

from __future__ import annotations

import re
from typing import Final

from orchestrator.shadow.moments import TIME

_UNITS: Final = "ns|us|µs|μs|ms|seconds?|secs?|s|minutes?|mins?|m|hours?|hrs?|h|[KMGT]i?B|kB|bytes|%"
_SPACED: Final = "d|days?|[kKMGT]?[bB]"
"""Units that may be the end of a hexadecimal number, unless a space or a point says that they are not."""
_UUID: Final = "[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"
_CLOCK: Final = r"\d{1,3}:[0-5]\d:[0-5]\d(?:[.,]\d{1,9})?|[0-2]?\d:[0-5]\d(?= ?[AaPp][Mm])"
_QUANTITY: Final = (
    rf"(?:\d{{1,6}} ?(?:{_UNITS})|\d{{1,6}}[KMGT]|\d+\.\d+ ?(?:{_UNITS}|{_SPACED}|[kKMGT])|\d+ (?:{_SPACED}))"
    r"(?![A-Za-z0-9])"
)
_COMPOUND: Final = (
    r"(?:(?:\d+(?:\.\d+)?(?:h|ms|m|s|us|µs|ns)){2,}|\d+d ?\d+h(?: ?\d+m)?(?: ?\d+s)?|\d+h \d+m(?: \d+s)?"
    r"|\d+m \d+(?:\.\d+)?s|P(?=T?\d)(?:\d+[YMWD])*(?:T(?:\d+(?:\.\d+)?[HMS])+)?)(?![A-Za-z0-9])"
)
"""Such as `1m2.5s`, `2d 3h`, `5m 10s` and `PT1.5S`."""
_GROUPED: Final = r"\d{1,3}(?:,\d{3})+(?:\.\d+)?(?![\d,])"
_DECIMAL: Final = r"\d+\.\d+(?:[eE][+-]?\d+)?(?!\w|\.\w)"
_NO_OCTET: Final = "(?<![0-9A-Fa-f]{2}:)"
"""Of hexadecimal octets such as `d0:a5:12:34:56` the last ones are no clock."""
_EDGE: Final = r"(?<![A-Za-z0-9])"
_SIGN: Final = r"(?:(?<![^\s(\[=:,])[+-])?"
"""A sign belongs to its number where nothing stands before it that it could join."""
_FINE: Final = re.compile(
    rf"{_EDGE}(?:(?P<T>(?:{TIME})(?![0-9]))|(?P<u>{_UUID})(?![A-Za-z0-9])|{_NO_OCTET}(?P<c>{_CLOCK})(?![0-9:])"
    rf"|(?P<p>{_COMPOUND})|(?P<q>{_SIGN}{_QUANTITY})|(?P<g>{_SIGN}{_GROUPED})|(?<!(?<!\.)\.)(?P<f>{_SIGN}{_DECIMAL}))"
    r"|(?P<r>[^\W_]+)|(?P<s> +)|(?P<x>.)",
    re.DOTALL,
)
_WORDS: Final = re.compile(r"(?P<r>[A-Za-z0-9_-]+|[^\W_]+)|(?P<x>.)", re.DOTALL)
_COARSE: Final = re.compile(r"(?P<o>[A-Za-z0-9_+/=~.-]{12,})|(?P<r>[^\W_]+)|(?P<x>.)", re.DOTALL)

_SAME: Final = {
    1e-9: ("ns",),
    1e-6: ("us", "µs", "μs"),
    1e-3: ("ms",),
    60.0: ("m", "min", "mins", "minute", "minutes"),
    3600.0: ("h", "hr", "hrs", "hour", "hours"),
    86400.0: ("d", "day", "days"),
    1024.0: ("k", "K", "kB", "KB", "KiB"),
    1024.0**2: ("M", "MB", "MiB"),
    1024.0**3: ("G", "GB", "GiB"),
    1024.0**4: ("T", "TB", "TiB"),
}
FACTORS: Final = {unit: factor for factor, units in _SAME.items() for unit in units}
"""Of each unit in seconds or bytes; those that are not here are 1."""

_TIMES: Final = {"s", "sec", "secs", "second", "seconds"}.union(
    *(_SAME[one] for one in (1e-9, 1e-6, 1e-3, 60.0, 3600.0, 86400.0))
)
_SIZES: Final = {unit for unit in FACTORS if unit not in _TIMES} | {"b", "B", "bytes"}
SHORT: Final = 3
"""Characters of an abbreviated unit."""
LITERAL: Final = "x"
"""A separator: one character that is no letter and no digit."""
PADDING: Final = "s"
"""Spaces, which may fill up a column."""

Token = tuple[str, str]
"""Kind and text; a time's kind is `T:` and the spelling's name."""


def fine(text: str) -> tuple[Token, ...]:
    """Read a text finely."""
    tokens: list[Token] = []
    for found in _FINE.finditer(text):
        kind = found.lastgroup or LITERAL
        if found["T"] is not None:
            kind = _time_kind(found)
        tokens.append((kind, found[0]))
    return tuple(tokens)


def scaled(one: str, two: str) -> bool:
    """Return whether two units measure the same on another scale, such as ms and s, and are written alike."""
    mine, theirs = one.strip(), two.strip()
    same = any(mine in units and theirs in units for units in (_TIMES, _SIZES))
    alike = one[:1].isspace() == two[:1].isspace() and (len(mine) > SHORT) == (len(theirs) > SHORT)
    return same and alike and FACTORS.get(mine, 1.0) != FACTORS.get(theirs, 1.0)


def quantity(text: str) -> tuple[float, str, float] | None:
    """Read a quantity such as `12.5ms`: in its base unit, its unit as written, the number before the unit."""
    found = re.fullmatch(r"([+-]?\d+(?:\.\d+)?)( ?)(\D+)", text)
    if found is None:
        return None
    number = float(found[1])
    return (
        number * FACTORS.get(found[3].lower() if found[3] not in FACTORS else found[3], 1.0),
        found[2] + found[3],
        number,
    )


def _time_kind(found: re.Match[str]) -> str:
    return "T:" + next(
        name for name in ("iso", "basic", "slash", "usa", "log", "mail", "ctime", "brief") if found[name] is not None
    )


def words(text: str) -> tuple[Token, ...]:
    """Read a text with `_` and `-` as part of its runs, as names of temporary files and base64 have them."""
    return tuple((found.lastgroup or LITERAL, found[0]) for found in _WORDS.finditer(text))


def coarse(text: str) -> tuple[Token, ...]:
    """Read a text coarsely."""
    return tuple((found.lastgroup or LITERAL, found[0]) for found in _COARSE.finditer(text))


def skeleton(tokens: tuple[Token, ...]) -> str:
    """Return what two texts have in common whose tokens can be compared one by one."""
    return "".join([text if kind == LITERAL else f"\x00{kind[0]}" for kind, text in tokens])
