"""When a notice is tried and what becomes of it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.notify.schedule import (
    AT_ONCE,
    Again,
    Delivered,
    Never,
    Outcome,
    Rules,
    judge,
    pause,
    plan,
    seconds_asked,
    settle,
)
from state.flag_entries import Notice

NOW = 1_800_000_000.0
RULES = Rules(initial=1, cap=300, give_up_after=3600)


def notice(seq: int, destination: str = "hook", flag: str = "A", due: float = NOW, attempts: int = 0) -> Notice:
    return Notice(seq, f"id-{seq}", destination, flag, "{}", created=NOW, attempts=attempts, due=due)


def due(*heads: Notice, busy: frozenset[tuple[str, str]] = frozenset(), now: float = NOW, **held: float) -> list[int]:
    return [one.seq for one in plan(heads, now, busy, held, RULES).due]


@pytest.mark.requirement("FLAG-25")
def test_the_oldest_of_each_destination_and_flag_is_due_and_the_next_waits_for_it() -> None:
    heads = [notice(3), notice(1), notice(2, "mail"), notice(4, flag="B")]
    assert due(*heads) == [1, 2, 4]
    assert due(*heads, busy=frozenset({("hook", "A")})) == [2, 4]


@pytest.mark.requirement("FLAG-25")
def test_one_that_waits_for_its_time_keeps_what_comes_after_it_back_and_nobody_else() -> None:
    found = plan([notice(1, due=NOW + 9), notice(2), notice(3, flag="B")], NOW, (), {}, RULES)
    assert [one.seq for one in found.due] == [3]
    assert found.wake == NOW + 9
    assert due(notice(1, due=NOW + 9), notice(2), now=NOW + 9) == [1]


@pytest.mark.requirement("FLAG-26")
def test_a_destination_that_asked_to_be_left_alone_is_and_others_are_not() -> None:
    heads = [notice(1), notice(2, flag="B"), notice(3, "mail")]
    found = plan(heads, NOW, (), {"hook": NOW + 60}, RULES)
    assert [one.seq for one in found.due] == [3]
    assert found.wake == NOW + 60


def test_a_burst_is_told_a_few_at_a_time_to_each_destination() -> None:
    heads = [notice(number, flag=f"F{number}") for number in range(AT_ONCE + 3)]
    assert due(*heads) == list(range(AT_ONCE))
    assert due(*heads[1:], busy=frozenset({("hook", "F0")})) == list(range(1, AT_ONCE))
    assert plan(heads, NOW, (), {}, RULES).wake is None


def test_a_time_that_only_a_clock_set_back_explains_is_not_waited_for() -> None:
    assert due(notice(1, due=NOW + 3600)) == []
    assert due(notice(1, due=NOW + 3601)) == [1]


@pytest.mark.requirement("FLAG-26")
def test_waits_double_up_to_the_cap_and_half_of_each_is_chance() -> None:
    assert [pause(attempts, RULES, 1.0) for attempts in (1, 2, 3, 9, 10, 10_000)] == [1, 2, 4, 256, 300, 300]
    assert [pause(3, RULES, chance) for chance in (0.0, 0.5)] == [2, 3]


@pytest.mark.requirement("FLAG-26")
@pytest.mark.parametrize(
    ("outcome", "now", "expected"),
    [
        (Delivered(), NOW + 5, ("delivered", 3, NOW + 5, "")),
        (Never("answered 404"), NOW + 5, ("failed", 3, NOW + 5, "answered 404")),
        (Again("answered 500"), NOW + 5, ("pending", 3, NOW + 9, "answered 500")),
        (Again("answered 429", wait=60), NOW + 5, ("pending", 3, NOW + 65, "answered 429")),
        (Again("answered 429", wait=1), NOW + 5, ("pending", 3, NOW + 9, "answered 429")),
        (Again("answered 429", wait=1e12), NOW + 5, ("pending", 3, NOW + 3605, "answered 429")),
        (Again("answered 500"), NOW + 3600, ("failed", 3, NOW + 3600, "answered 500; given up after 3600 s")),
        (Again("answered 500"), NOW - 9e9, ("pending", 3, NOW - 9e9 + 4, "answered 500")),
    ],
)
def test_what_a_try_met_decides_what_becomes_of_the_notice(
    outcome: Outcome, now: float, expected: tuple[str, int, float, str]
) -> None:
    mark = settle(notice(1, attempts=2), outcome, now, RULES, 1.0)
    assert (mark.state, mark.attempts, mark.due, mark.error) == expected


@pytest.mark.requirement("FLAG-26")
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        *((status, Delivered) for status in (200, 204, 299)),
        *((status, Never) for status in (400, 404, 410)),
        *((status, Again) for status in (301, 408, 429, 500, 503, 599)),
    ],
)
def test_only_success_is_success_and_only_a_clients_mistake_is_final(status: int, kind: type) -> None:
    assert isinstance(judge(status, None, NOW), kind)


@pytest.mark.requirement("FLAG-26")
@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120.0),
        (" 0 ", 0.0),
        ("Fri, 15 Jan 2027 08:00:30 GMT", 30.0),
        ("Fri, 15 Jan 2027 07:00:00 GMT", 0.0),
        ("9" * 5000, 999_999_999_999.0),
        (None, None),
        ("", None),
        ("-5", None),
        ("soon", None),
        ("١٢", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(header: str | None, seconds: float | None) -> None:
    assert seconds_asked(header, NOW) == seconds
    assert judge(503, header, NOW) == Again("answered 503", seconds)


NOTICES = st.lists(
    st.builds(
        notice,
        st.integers(1, 30),
        st.sampled_from(["hook", "mail"]),
        st.sampled_from(["A", "B", "C"]),
        st.sampled_from([NOW - 1, NOW, NOW + 1]),
    ),
    unique_by=lambda one: one.seq,
)


@pytest.mark.requirement("FLAG-25")
@given(NOTICES, st.frozensets(st.tuples(st.sampled_from(["hook", "mail"]), st.sampled_from(["A", "B"])), max_size=2))
@settings(max_examples=100, deadline=None, derandomize=True, database=None)
def test_nothing_overtakes_and_whatever_may_go_goes_or_has_a_time(
    heads: list[Notice], busy: frozenset[tuple[str, str]]
) -> None:
    found = plan(heads, NOW, busy, {}, RULES)
    rows = [(one.destination, one.flag) for one in found.due]
    assert len(set(rows)) == len(rows)
    assert not set(rows) & busy
    for one in found.due:
        assert one.due <= NOW
        assert one.seq == min(
            other.seq for other in heads if (other.destination, other.flag) == (one.destination, one.flag)
        )
    waiting = [one for one in heads if (one.destination, one.flag) not in busy and one not in found.due]
    oldest = {(one.destination, one.flag): one for one in sorted(waiting, key=lambda one: -one.seq)}
    held_back = [one for row, one in oldest.items() if row not in rows]
    assert found.wake == (NOW + 1 if any(one.due > NOW for one in held_back) else None)
    assert all(one.due > NOW for one in held_back) or len(rows) >= AT_ONCE


def test_deciding_changes_nothing() -> None:
    head = notice(1)
    assert due(head) == due(head)
    assert head == replace(head)
