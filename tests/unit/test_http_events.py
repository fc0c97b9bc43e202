"""What is kept of a session's events: the newest, as many as fit, each stream's its own."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.proxy.http.events import OVERHEAD, EventLog, parse_id

pytestmark = pytest.mark.requirement("HTTP-2")


def test_a_stream_is_replayed_from_after_an_event_and_without_the_others() -> None:
    log = EventLog(10_000)
    first = log.add(1, b"a")
    log.add(2, b"b")
    third = log.add(1, b"c")
    assert [event.data for event in log.after(1, first.number)] == [b"c"]
    assert log.after(1, third.number) == []
    assert [event.data for event in log.after(2, 0)] == [b"b"]


def test_an_event_without_a_message_has_an_id_and_is_not_replayed() -> None:
    log = EventLog(10_000)
    primed = log.add(1, b"")
    log.add(1, b"a")
    assert [event.data for event in log.after(1, 0)] == [b"a"]
    assert log.holds(primed.number)


def test_the_oldest_gives_way_and_is_known_to_be_gone() -> None:
    log = EventLog(3 * OVERHEAD + 3)
    events = [log.add(1, b"x") for _ in range(5)]
    assert [log.holds(event.number) for event in events] == [False, False, True, True, True]


@pytest.mark.parametrize("number", [0, 2, 99])
def test_an_event_that_never_was_is_not_held(number: int) -> None:
    log = EventLog(10_000)
    assert not log.holds(number)
    log.add(1, b"a")
    assert not log.holds(number)


def test_an_event_longer_than_the_log_is_not_kept_and_nothing_is_replayed_around_it() -> None:
    log = EventLog(1000)
    before = log.add(1, b"a")
    log.add(1, b"x" * 1000)
    after = log.add(1, b"b")
    assert not log.holds(before.number)
    assert log.holds(after.number)


@given(st.lists(st.tuples(st.integers(1, 3), st.binary(max_size=300))), st.integers(0, 2000))
def test_a_log_never_holds_more_than_it_may(events: list[tuple[int, bytes]], limit: int) -> None:
    log = EventLog(limit)
    for stream, data in events:
        log.add(stream, data)
    kept = [event for stream in (1, 2, 3) for event in log.after(stream, 0)]
    assert sum(OVERHEAD + len(event.data) for event in kept) <= limit


@given(st.integers(0, 10**12), st.integers(1, 10**12))
def test_an_id_names_its_stream_and_is_read_back(stream: int, number: int) -> None:
    log = EventLog(1000)
    event = log.add(stream, b"a")._replace(number=number)
    assert parse_id(event.id) == (stream, number)


@pytest.mark.parametrize(
    "value", [b"", b"1", b"1-", b"-1", b"1-a", b"a-1", b"1-2-3", b"1 - 2", b"-1-1", b"9" * 30 + b"-1"]
)
def test_what_is_no_id_is_told_from_one(value: bytes) -> None:
    assert parse_id(value) is None
