"""How a member of a plan is declared: its meaning, what may be written, and durations as people write them.

A plan's dataclasses are its value, the form of its file and the source of the page that describes that form: what
stands in `Annotated` is checked when a file is read (in pydantic's JSON mode, so that a list may be a tuple and a text
a word of a list, and nothing else is converted).  Above: the other modules of this room.  Below: pydantic.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, JsonValue, PlainSerializer

STRICT: Final = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
"""No unknown members, no value of another type quietly converted, no numbers that are none."""

MINUTE: Final = 60.0
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR
WEEK: Final = 7 * DAY
YEAR: Final = 365 * DAY
"""The longest a plan may wait for anything; beyond it a number was meant in another unit."""

UNITS: Final = {"w": WEEK, "d": DAY, "h": HOUR, "min": MINUTE, "m": MINUTE, "s": 1.0}
PART: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(w|d|h|min|m|s)\s*")
DURATIONS: Final = 'seconds, or a text such as "90s", "10m", "1h30m", "2d", "1w"'
UNTIL_RESUMED: Final = "until resumed"


def about(meaning: str, allowed: str = "", **bounds: Any) -> Any:
    """Describe a member.

    Args:
        meaning: what it does, with its unit.
        allowed: what may be written, where type and bounds do not say it well.
        bounds: constraints as `pydantic.Field` knows them.
    """
    extra: dict[str, JsonValue] = {"allowed": allowed}
    return Field(description=meaning, json_schema_extra=extra, **bounds)


def seconds_of(written: Any) -> Any:
    """Return what a duration's text means in seconds; anything but a text as it is.

    Raises:
        ValueError: the text is no duration.
    """
    if not isinstance(written, str):
        return written
    parts = PART.findall(written)
    if not parts or PART.sub("", written).strip():
        raise ValueError("no duration")
    return sum(float(number) * UNITS[unit] for number, unit in parts)


def lasting(seconds: float) -> str:
    """Return a duration in words: its two largest units, such as `1 h 30 min`."""
    if 0 < seconds < 1:
        return f"{seconds:.2g} s"
    rest, words = round(seconds), []
    for unit, size in (("d", DAY), ("h", HOUR), ("min", MINUTE), ("s", 1.0)):
        count, rest = divmod(rest, int(size))
        words += [f"{count} {unit}"] if count else []
    return " ".join(words[:2]) or "0 s"


def _until_resumed(written: Any) -> Any:
    return None if written == UNTIL_RESUMED else seconds_of(written)


def _written_pause(seconds: float | None) -> float | str:
    return UNTIL_RESUMED if seconds is None else seconds


def _without_nul(text: str) -> str:
    if "\0" in text:
        raise ValueError("it holds a NUL character")
    return text


Duration = Annotated[float, BeforeValidator(seconds_of), Field(ge=0, le=YEAR, json_schema_extra={"allowed": DURATIONS})]
Pause = Annotated[
    Annotated[float, Field(ge=0, le=YEAR)] | None, BeforeValidator(_until_resumed), PlainSerializer(_written_pause)
]
"""Seconds; None until somebody resumes."""
Words = Annotated[str, AfterValidator(_without_nul), Field(max_length=2000)]
