"""Points in time as texts write them: which format, which instant, how coarse.

The format keeps what a client can trip over: separators, zone and its spelling.  Digits of the second's fraction are
apart, because several languages trim trailing zeros.

Above: `tokens`, `times`.  Below: nothing.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from typing import Final

_MONTHS: Final = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_MONTH: Final = "(?P<{}>Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_DAY_NAME: Final = "(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
_ZONE: Final = r"(?P<{}> ?(?:Z|UTC|GMT|[+-]\d\d(?::?\d\d)?)(?![\w]))?"
_CLOCK: Final = r"(?P<{0}h>[01]\d|2[0-3]):(?P<{0}m>[0-5]\d)(?::(?P<{0}s>[0-5]\d|60)(?P<{0}f>[.,]\d{{1,9}})?)?"
_HALF: Final = r"(?P<{}> ?[AaPp][Mm])?"

SPELLINGS: Final = {
    "iso": r"(?P<iy>[12]\d{3})-(?P<iM>[01]\d)-(?P<id>[0-3]\d)(?:(?P<it>[T_ ])"
    + _CLOCK.format("i")
    + _ZONE.format("iz")
    + ")?",
    "basic": r"(?P<by>[12]\d{3})(?P<bM>[01]\d)(?P<bd>[0-3]\d)T(?P<bh>[0-2]\d)(?P<bm>[0-5]\d)(?P<bs>[0-5]\d)(?P<bz>Z)?",
    "slash": r"(?P<sy>[12]\d{3})/(?P<sM>[01]\d)/(?P<sd>[0-3]\d)(?:(?P<st>[T ])"
    + _CLOCK.format("s")
    + _ZONE.format("sz")
    + ")?",
    "usa": r"(?P<uM>\d{1,2})/(?P<ud>\d{1,2})/(?P<uy>[12]\d{3})"
    r"(?:(?P<ut>,? )(?P<uh>\d{1,2}):(?P<um>[0-5]\d)(?::(?P<us>[0-5]\d))?" + _HALF.format("up") + ")?",
    "log": r"(?P<ld>\d\d)/" + _MONTH.format("lM") + r"/(?P<ly>[12]\d{3}):" + _CLOCK.format("l") + _ZONE.format("lz"),
    "mail": rf"(?P<mD>{_DAY_NAME}, )?(?P<md>\d{{1,2}})[ -]"
    + _MONTH.format("mM")
    + r"[ -](?P<my>[12]\d{3}) "
    + _CLOCK.format("m")
    + _ZONE.format("mz"),
    "ctime": rf"(?P<cD>{_DAY_NAME} )"
    + _MONTH.format("cM")
    + r" +(?P<cd>\d{1,2}) "
    + _CLOCK.format("c")
    + r" (?P<cy>[12]\d{3})",
    "brief": _MONTH.format("nM") + r" +(?P<nd>[0-3]?\d) " + _CLOCK.format("n"),
}
"""One pattern for each way to write date and time; a group is named by its spelling's first letter and its part."""
TIME: Final = "|".join(f"(?P<{name}>{pattern})" for name, pattern in SPELLINGS.items())
_COMPILED: Final = {name: re.compile(pattern) for name, pattern in SPELLINGS.items()}
_TICKS: Final = {"f": 0.0, "s": 1.0, "m": 60.0, "d": 86400.0}


@dataclass(frozen=True, slots=True)
class Moment:
    """A point in time.

    Attributes:
        spelling: how it is written, fraction apart; equal texts in another zone are another spelling.
        seconds: since the epoch; one without a zone is taken for UTC.
        tick: how coarse it is, in seconds.
        digits: of the second's fraction.
    """

    spelling: str
    seconds: float
    tick: float
    digits: int


def moment(text: str, name: str, at: float | None = None) -> Moment | None:
    """Read a text that `TIME` found as spelling `name`; None where it is no date, such as the 31st of February.

    Args:
        text: the text.
        name: its spelling.
        at: seconds since the epoch that are near it; one without a year, as logs and `ls` have it, is of no use else.
    """
    found = _COMPILED[name].fullmatch(text)
    if found is None:
        return None
    part = {key[1:]: value for key, value in found.groupdict().items() if value is not None}
    day = _day(part, int(part["y"])) if "y" in part else _nearest(part, at)
    if day is None:
        return None
    fraction = part.get("f", "")
    seconds = day.timestamp() + (float("0." + fraction[1:]) if fraction else 0.0) - _offset(part.get("z", ""))
    finest = next((key for key in "sm" if key in part), "d")
    tick = 10.0 ** -(len(fraction) - 1) if fraction else _TICKS[finest]
    half = " am" if "p" in part else ""
    zone = part.get("z", "")
    spelling = f"{name}:{part.get('D', '') and 'day '}{part.get('t', '')}:{finest}{fraction[:1]}{half}:{zone}"
    return Moment(spelling, seconds, tick, max(0, len(fraction) - 1))


def _day(part: dict[str, str], year: int) -> dt.datetime | None:
    month = part["M"]
    try:
        return dt.datetime(
            year,
            int(month) if month.isdigit() else _MONTHS.index(month.lower()) + 1,
            int(part["d"]),
            _hour(part),
            int(part.get("m", 0)),
            min(int(part.get("s", 0)), 59),
            tzinfo=dt.UTC,
        )
    except ValueError:
        return None


def _nearest(part: dict[str, str], at: float | None) -> dt.datetime | None:
    """Return the day of the year in which it is nearest to a time."""
    if at is None:
        return None
    now = dt.datetime.fromtimestamp(at, dt.UTC)
    days = [day for year in (now.year - 1, now.year, now.year + 1) if (day := _day(part, year)) is not None]
    return min(days, key=lambda day: abs((day - now).total_seconds()), default=None)


def _hour(part: dict[str, str]) -> int:
    hour = int(part.get("h", 0))
    if "p" not in part:
        return hour
    return hour % 12 + (12 if part["p"].strip().lower() == "pm" else 0)


def _offset(zone: str) -> float:
    """Return what a zone is ahead of UTC, in seconds."""
    zone = zone.strip()
    if zone[:1] not in {"+", "-"}:
        return 0.0
    digits = zone[1:].replace(":", "")
    ahead = int(digits[:2]) * 3600.0 + int(digits[2:] or 0) * 60.0
    return -ahead if zone[0] == "-" else ahead
