"""Conditions on the clock: each zone's own reading, over midnight and where the clock is changed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from flag_documents import holds
from hypothesis import given, settings
from hypothesis import strategies as st
from switchover_kit.clock_conditions import ConditionError
from switchover_kit.conditions import condition

pytestmark = pytest.mark.requirement("FLAG-5")

VIENNA = "Europe/Vienna"


def hours(begin: str, end: str, zone: str = VIENNA) -> dict[str, Any]:
    return {"op": "time_of_day", "from": begin, "to": end, "zone": zone}


def days(*names: str, zone: str = VIENNA) -> dict[str, Any]:
    return {"op": "weekday", "value": list(names), "zone": zone}


def at(text: str) -> float:
    """Return an instant in seconds since the epoch."""
    return datetime.fromisoformat(text).timestamp()


@pytest.mark.parametrize(
    ("local", "expected"),
    [
        ("21:59:59", False),
        ("22:00:00", True),
        ("23:59:59", True),
        ("00:00:00", True),
        ("05:59:59", True),
        ("06:00:00", False),
        ("12:00:00", False),
    ],
)
def test_a_range_over_midnight_has_its_beginning_and_not_its_end(local: str, expected: bool) -> None:  # noqa: FBT001
    assert holds(hours("22:00", "06:00"), now=at(f"2026-11-05T{local}+01:00")) is expected
    assert holds(hours("06:00", "22:00"), now=at(f"2026-11-05T{local}+01:00")) is not expected


def test_seconds_count_where_they_are_given_and_parts_of_one_do_not() -> None:
    asked = hours("12:00:01", "12:00:02", "UTC")
    told = [holds(asked, now=at("2026-11-05T12:00:00Z") + part) for part in (0.999999, 1.0, 1.999999, 2.0)]
    assert told == [False, True, True, False]


def test_the_same_instant_is_another_time_of_day_in_every_zone() -> None:
    now = at("2026-11-05T23:30:00Z")
    inside = [
        zone
        for zone in ("UTC", VIENNA, "America/New_York", "Asia/Kathmandu")
        if holds(hours("00:00", "06:00", zone), now=now)
    ]
    assert inside == [VIENNA, "Asia/Kathmandu"]
    assert holds(hours("05:15", "05:16", "Asia/Kathmandu"), now=now)


def test_a_weekday_is_that_of_the_moment_in_its_zone() -> None:
    now = at("2026-11-05T23:30:00Z")  # Thursday in UTC, Friday in Vienna
    assert holds(days("thu", zone="UTC"), now=now)
    assert holds(days("fri"), now=now)
    assert not holds(days("mon", "tue", "wed", "thu", "sat", "sun"), now=now)


def test_a_range_that_the_clock_skips_in_spring_never_comes_that_day() -> None:
    change = at("2026-03-29T01:00:00Z")  # 02:00 becomes 03:00 in Vienna
    skipped = [holds(hours("02:15", "02:45"), now=change + minute * 60) for minute in range(-120, 121)]
    assert not any(skipped)
    begun = [holds(hours("02:30", "04:00"), now=change + seconds) for seconds in (-1, 0, 3599, 3600)]
    assert begun == [False, True, True, False]


def test_a_range_that_comes_twice_in_autumn_holds_both_times() -> None:
    change = at("2026-10-25T01:00:00Z")  # 03:00 becomes 02:00 again in Vienna
    told = [holds(hours("02:15", "02:45"), now=change + minute * 60) for minute in (-46, -45, -16, -15, 14, 15, 44, 45)]
    assert told == [False, True, True, False, False, True, True, False]


def test_a_change_of_half_an_hour_and_a_day_that_was_left_out_are_read_as_the_zone_has_them() -> None:
    lord_howe = at("2026-04-04T15:00:00Z")  # 02:00 becomes 01:30 again
    assert holds(hours("01:30", "01:31", "Australia/Lord_Howe"), now=lord_howe)
    samoa = at("2011-12-30T10:00:00Z")  # after Thursday 29 December 2011 came Saturday 31
    assert holds(days("thu", zone="Pacific/Apia"), now=samoa - 1)
    assert holds(days("sat", zone="Pacific/Apia"), now=samoa)


instants = st.datetimes(datetime(1971, 1, 1), datetime(2037, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001
minutes = st.integers(min_value=0, max_value=1439)


@given(
    instants,
    st.sampled_from([VIENNA, "America/St_Johns", "Africa/Monrovia", "Australia/Lord_Howe", "UTC"]),
    minutes,
    minutes,
)
@settings(max_examples=60, deadline=None)
def test_any_instant_is_read_as_its_zone_reads_it(moment: datetime, zone: str, begin: int, end: int) -> None:
    if begin == end:
        end = (end + 1) % 1440
    local = moment.astimezone(ZoneInfo(zone))
    span = (end - begin) % 1440
    since = (
        timedelta(hours=local.hour, minutes=local.minute, seconds=local.second) - timedelta(minutes=begin)
    ) % timedelta(days=1)
    text = [f"{minute // 60:02}:{minute % 60:02}" for minute in (begin, end)]
    assert holds(hours(*text, zone), now=moment.timestamp()) is (since < timedelta(minutes=span))
    assert holds(days(local.strftime("%a").lower(), zone=zone), now=moment.timestamp())


def test_what_is_remembered_of_one_second_is_not_taken_for_another() -> None:
    asked = condition(hours("12:00", "13:00", "UTC"))
    noon = at("2026-11-05T12:00:00Z")
    moments = [noon, noon + 0.5, noon - 0.5, noon, noon + 3599.9, noon + 3600, noon, -0.5, 0.0, noon + 86400]
    assert [asked(None, {}, now) for now in moments] == [True, True, False, True, True, False, True, False, False, True]


@pytest.mark.parametrize("now", [float("nan"), float("inf"), float("-inf"), 1e30, -1e18])
def test_a_time_beyond_all_calendars_makes_the_condition_false(now: float) -> None:
    assert not holds(hours("00:00", "23:59"), now=now)
    assert not holds(days("mon", "tue", "wed", "thu", "fri", "sat", "sun"), now=now)


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (hours("8:00", "12:00"), "^'from' is \"8:00\"; it must be a time of day from 00:00 to 23:59, such as 22:00$"),
        (hours("08:00", "24:00"), "^'to' is \"24:00\"; it must be a time of day"),
        (hours("08:00", "12:60"), "^'to' is \"12:60\"; it must be a time of day"),
        (hours("\u0660\u0668:00", "12:00"), "^'from' is .*; it must be a time of day"),
        ({"op": "time_of_day", "to": "12:00", "zone": "UTC"}, "^'from' is null; it must be a time of day"),
        (
            hours("08:00", "08:00:00"),
            "^from and to are both 08:00:00; leave the condition out if it is to hold all day$",
        ),
        (
            hours("08:00", "12:00", "Europe/Wien"),
            "^zone 'Europe/Wien' is not known on this machine; check the IANA name",
        ),
        (hours("08:00", "12:00", "../../etc/passwd"), "^zone '../../etc/passwd' is not known on this machine"),
        (hours("08:00", "12:00", "Europe"), "^zone 'Europe' is not known on this machine"),
        (hours("08:00", "12:00", "UTC\0"), "is not known on this machine"),
        (hours("08:00", "12:00", ""), '^zone is ""; it must be an IANA name, such as Europe/Vienna or UTC$'),
        ({"op": "weekday", "value": ["mon"]}, "^zone is null; it must be an IANA name"),
        (
            days("monday"),
            r"^'weekday' has the value \[\"monday\"\]; it must be a list of mon, tue, wed, thu, fri, sat, sun$",
        ),
        (days(), r"^'weekday' has the value \[\]; it must be a list of mon"),
        ({"op": "weekday", "value": [["mon"]], "zone": "UTC"}, r"^'weekday' has the value \[\[\"mon\"\]\]; it must be"),
        (
            {**hours("08:00", "12:00"), "attribute": "created"},
            "^'time_of_day' knows no attribute; it has from, op, to, zone$",
        ),
        ({**days("mon"), "from": "08:00"}, "^'weekday' knows no from; it has op, value, zone$"),
    ],
)
def test_a_clock_that_cannot_be_meant_is_refused_with_what_it_should_be(raw: Any, why: str) -> None:
    with pytest.raises(ConditionError, match=why):
        condition(raw)
