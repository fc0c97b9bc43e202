"""What a rule asks of the clock: the time of day or the weekday in a zone of the IANA time zone database.

Above it stand the conditions of the rules, below it only the standard library and its time zones.  What is asked is the
reading of the zone's own clock at one instant, so there is nothing to guess when the clock is changed: a reading that
is skipped in spring never comes, one that comes twice in autumn counts both times.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime, tzinfo
from math import floor
from typing import Any, Final, TypeAlias

from switchover_kit.values import shown

Holds: TypeAlias = Callable[[float], bool]
"""Whether a condition holds at an instant, in seconds since the epoch."""

CLOCK_OPS: Final = ("time_of_day", "weekday")
WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_TIME: Final = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])(?::([0-5][0-9]))?", re.ASCII)


class ConditionError(ValueError):
    """A condition of a rule cannot be meant."""


def clock_condition(op: str, raw: Mapping[str, Any]) -> Holds:
    """Compile a condition that asks the clock.

    Args:
        op: one of CLOCK_OPS.
        raw: the condition as the document has it.

    Raises:
        ConditionError: it is no such condition, or this machine does not know its zone; the message says what to do.
    """
    fields = {"op", "zone", "from", "to"} if op == "time_of_day" else {"op", "zone", "value"}
    if unknown := sorted(map(str, raw.keys() - fields)):
        raise ConditionError(f"{op!r} knows no {', '.join(unknown)}; it has {', '.join(sorted(fields))}")
    zone = _zone(raw.get("zone"))
    reading = _time_of_day(raw) if op == "time_of_day" else _weekday(raw)
    return _each_second_once(lambda second: reading(datetime.fromtimestamp(second, zone)))


def _time_of_day(raw: Mapping[str, Any]) -> Callable[[datetime], bool]:
    """Return the test for a time of day, from the first up to and without the second, over midnight if need be."""
    begin, end = _seconds("from", raw.get("from")), _seconds("to", raw.get("to"))
    if begin == end:
        raise ConditionError(f"from and to are both {raw['to']}; leave the condition out if it is to hold all day")

    def within(local: datetime) -> bool:
        second = local.hour * 3600 + local.minute * 60 + local.second
        return begin <= second < end if begin < end else second >= begin or second < end

    return within


def _weekday(raw: Mapping[str, Any]) -> Callable[[datetime], bool]:
    """Return the test for one of some weekdays."""
    names = raw.get("value")
    if not isinstance(names, list) or not names or any(name not in WEEKDAYS for name in names):
        raise ConditionError(f"'weekday' has the value {shown(names)}; it must be a list of {', '.join(WEEKDAYS)}")
    days = frozenset(map(WEEKDAYS.index, names))
    return lambda local: local.weekday() in days


def _seconds(name: str, text: object) -> int:
    """Return a time of day in seconds since midnight."""
    match = _TIME.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise ConditionError(f"{name!r} is {shown(text)}; it must be a time of day from 00:00 to 23:59, such as 22:00")
    hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return hours * 3600 + minutes * 60 + seconds


def _zone(name: object) -> tzinfo:
    """Return a zone by its IANA name."""
    # Imported late: it reads the interpreter's build settings, and most workers have no rule that asks the clock.
    from zoneinfo import ZoneInfo  # noqa: PLC0415

    if not isinstance(name, str) or not name:
        raise ConditionError(f"zone is {shown(name)}; it must be an IANA name, such as Europe/Vienna or UTC")
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # not known, no name of a zone, or a directory of zones
        raise ConditionError(
            f"zone {name!r} is not known on this machine; check the IANA name, such as Europe/Vienna, "
            "and install tzdata if the machine has no time zones"
        ) from None


def _each_second_once(asked: Holds) -> Holds:
    """Remember the answer for the newest second: no clock is read finer, and a busy worker asks often."""
    newest: tuple[int, bool] | None = None

    def holds(now: float) -> bool:
        nonlocal newest
        known = newest  # taken once: another thread may put its own in its place
        try:
            second = floor(now)
            if known is not None and known[0] == second:
                return known[1]
            answer = asked(second)
        except (ValueError, OverflowError, OSError):  # no instant, or one that calendars do not reach
            return False
        newest = second, answer
        return answer

    return holds
