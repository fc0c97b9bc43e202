"""Freeze windows: times of the week, on a zone's own clock, in which no rollout goes on.

A weekday is that of the moment, as in the conditions of flags: a window `fri 22:00-06:00` is Friday's night until 24:00
and Friday's morning until 06:00.  Above: `plan`.  Below: `fields`; the time zone database.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, ClassVar, Final
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, ConfigDict

from orchestrator.domain.plans.fields import STRICT, Words, about

MIDNIGHT: Final = 24 * 60
BEGINS: Final = r"^([01][0-9]|2[0-3]):[0-5][0-9]$"
ENDS: Final = r"^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$"
QUARTER: Final = 900.0
"""Zones differ by whole quarters of an hour: looking at these finds every midnight, where a weekday ends, and also
the end of windows that end in an hour that is skipped when clocks are put forward."""
DAYS_AHEAD: Final = 8
"""After a week everything has come round; a day more for the zones' offsets."""


class Weekday(StrEnum):
    """A day of the week."""

    MON = "mon"
    TUE = "tue"
    WED = "wed"
    THU = "thu"
    FRI = "fri"
    SAT = "sat"
    SUN = "sun"


ORDER: Final = tuple(Weekday)


def _known_zone(zone: str) -> str:
    try:
        ZoneInfo(zone)
    except (KeyError, ValueError, OSError):  # not known, no name of a zone, or a directory of zones
        raise ValueError("it is not known on this machine") from None
    return zone


@dataclass(frozen=True, slots=True)
class FreezeWindow:
    """A time of the week."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    zone: Annotated[
        Words, AfterValidator(_known_zone), about("Whose clock.", "an IANA name, such as Europe/Vienna or UTC")
    ]
    days: Annotated[tuple[Weekday, ...], about("On which days; by itself all.", "list of mon to sun", min_length=1)] = (
        ORDER
    )
    begin: Annotated[str, about("From this time of day on.", "a time of day from 00:00 to 23:59", pattern=BEGINS)] = (
        "00:00"
    )
    end: Annotated[
        str,
        about("Until this one; before `begin` it is over midnight.", "a time of day from 00:00 to 24:00", pattern=ENDS),
    ] = "24:00"

    def __post_init__(self) -> None:
        if minutes(self.begin) == minutes(self.end):
            raise ValueError("begin and end are the same moment; leave both out for the whole day")

    def covers(self, now: float) -> bool:
        """Tell whether an instant, Unix seconds, lies in the window."""
        local = dt.datetime.fromtimestamp(now, ZoneInfo(self.zone))
        if ORDER[local.weekday()] not in self.days:
            return False
        minute, begin, end = local.hour * 60 + local.minute, minutes(self.begin), minutes(self.end)
        return begin <= minute < end if begin < end else minute >= begin or minute < end

    def __str__(self) -> str:
        days = "every day" if len(set(self.days)) == len(ORDER) else ", ".join(self.days)
        return f"{days} {self.begin}-{self.end} {self.zone}"


def minutes(clock: str) -> int:
    """Return a time of day in minutes since midnight."""
    hour, _, minute = clock.partition(":")
    return int(hour) * 60 + int(minute)


def next_open(windows: Sequence[FreezeWindow], now: float) -> float | None:
    """Return the first instant from `now` on, Unix seconds, that lies in none of the windows; None if there is none."""
    chances = sorted({now, *(end for end in _ends(windows, now) if end > now)})
    return next((each for each in chances if not any(window.covers(each) for window in windows)), None)


def ever_open(windows: Sequence[FreezeWindow]) -> bool:
    """Tell whether there is any time that lies in none of the windows; a week in winter and one in summer tell."""
    weeks = (dt.datetime(2026, 1, 5, tzinfo=dt.UTC), dt.datetime(2026, 7, 6, tzinfo=dt.UTC))
    return any(next_open(windows, week.timestamp()) is not None for week in weeks)


def _ends(windows: Sequence[FreezeWindow], now: float) -> Iterator[float]:
    """Yield the instants at which a window may end within the next days."""
    yield from ((now // QUARTER + step) * QUARTER for step in range(DAYS_AHEAD * 96))
    for window in windows:
        zone = ZoneInfo(window.zone)
        today = dt.datetime.fromtimestamp(now, zone).date()
        hour, minute = divmod(minutes(window.end) % MIDNIGHT, 60)
        for ahead in range(DAYS_AHEAD):
            day = today + dt.timedelta(days=ahead)
            for fold in (0, 1):
                yield dt.datetime(day.year, day.month, day.day, hour, minute, tzinfo=zone, fold=fold).timestamp()
