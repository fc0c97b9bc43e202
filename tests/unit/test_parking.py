"""Which idle sessions are parked, and when that is looked at again: a decision, with the time handed in."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.proxy.parking import LONGEST, SHORTEST, Standing, due

pytestmark = pytest.mark.requirement("ISO-6")

standings = st.lists(
    st.builds(Standing, session=st.uuids().map(str), since=st.floats(0, 100), held=st.sampled_from(["", "a call"])),
    max_size=6,
)
some = settings(max_examples=100, deadline=None, derandomize=True, database=None)


def test_whoever_was_idle_long_enough_is_parked_longest_idle_first() -> None:
    one, two, three = Standing("one", 20.0), Standing("two", 10.0), Standing("three", 69.0)
    assert due([one, two, three], 80.0, 60.0) == (["two", "one"], LONGEST)
    assert due([three], 128.9, 60.0) == ([], pytest.approx(0.1))
    assert due([three], 129.0, 60.0)[0] == ["three"]


def test_a_session_that_something_holds_is_not_parked_however_idle() -> None:
    assert due([Standing("one", 0.0, "a question is not answered")], 1e9, 0.1) == ([], 0.1)


@pytest.mark.parametrize("idle", [None, 0, 0.0])
def test_without_the_setting_nobody_is_parked(idle: float | None) -> None:
    assert due([Standing("one", 0.0)], 1e9, idle) == ([], LONGEST)


@given(all_of_them=standings, idle=st.floats(0.01, 50))
@some
def test_looking_when_told_to_parks_each_within_moments_of_its_time(all_of_them: list[Standing], idle: float) -> None:
    now, parked = 100.0, dict[str, float]()
    for _ in range(2000):
        left = [one for one in all_of_them if one.session not in parked]
        ripe, wait = due(left, now, idle)
        parked |= dict.fromkeys(ripe, now)
        assert SHORTEST <= wait <= LONGEST
        now += wait
        if now > 160.0:
            break
    for one in all_of_them:
        assert (one.session in parked) is (not one.held)
        if not one.held:
            assert one.since + idle <= parked[one.session] <= max(100.0, one.since + idle + SHORTEST + 1e-6)
