"""Who serves a key: evenly spread, sticky, monotone in the weight, and overruled by the kill switch alone.

Nothing here is random: the keys are fixed and the hash is, so what holds once holds always.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.domain.routing import BUCKETS, Choice, Lane, RoutingTable, bucket, choose

pytestmark = pytest.mark.requirement("ROUTE-1")

TABLE = RoutingTable(revision=7, active=1, canary=2, previous=3, previous_warm=True, salt="first salt")
SALTS = ["", "first salt", "second salt", "0123456789abcdef", "s" * 64]
KEYS = [f"session-{n}" for n in range(65_000)]

BINS = 100
CHI_SQUARE = 148.2
"""The 99.9 % quantile of chi-square with 99 degrees of freedom (NIST handbook, table 1.3.6.7.4)."""

given_some = settings(max_examples=100, deadline=None, derandomize=True, database=None)
ANY_KEY = st.text(max_size=40)
ANY_TABLE = st.builds(
    RoutingTable,
    revision=st.integers(1, 9),
    active=st.just(1),
    canary=st.sampled_from([None, 2]),
    previous=st.sampled_from([None, 3]),
    weight=st.integers(0, 100),
    kill_switch=st.booleans(),
    previous_warm=st.booleans(),
    salt=st.sampled_from(SALTS),
    always=st.sampled_from([(), ("a",), ("a*", "vip-1"), ("*",)]),
    new_by=st.sampled_from(["", "began"]),
    new_since=st.just(1000.0),
).map(lambda table: table if table.canary else replace(table, weight=0, always=(), new_by="", new_since=0.0))
ANY_BEGIN = st.sampled_from(
    [None, 0, 999, 1000, 1001.5, True, "soon", "1970-01-01T00:20:00Z", "1970-01-01T00:20:00", []]
)


def chi_square(counts: Counter[int], bins: int, total: int) -> float:
    expected = total / bins
    return sum((counts[n] - expected) ** 2 for n in range(bins)) / expected


@pytest.mark.parametrize("salt", SALTS)
@pytest.mark.parametrize("pattern", ["session-{}", "{}", "user/{:08x}/agent", "{:064b}"])
def test_keys_of_any_shape_fall_evenly_into_the_buckets(pattern: str, salt: str) -> None:
    counts = Counter(bucket(pattern.format(n), salt) * BINS // BUCKETS for n in range(8000))
    assert chi_square(counts, BINS, 8000) < CHI_SQUARE


def test_a_poor_hash_would_not_pass_as_even() -> None:
    counts = Counter(sum(key.encode()) % BINS for key in KEYS[:20_000])
    assert chi_square(counts, BINS, 20_000) > CHI_SQUARE


def test_every_bucket_is_in_range_and_used() -> None:
    assert {bucket(key, salt) for key in KEYS for salt in SALTS[:2]} == set(range(BUCKETS))


@pytest.mark.parametrize("weight", [1, 10, 25, 50, 99])
def test_a_weight_moves_its_share_of_keys(weight: int) -> None:
    moved = sum(choose(replace(TABLE, weight=weight), key).lane is Lane.CANARY for key in KEYS[:30_000])
    assert moved / 30_000 == pytest.approx(weight / 100, abs=0.009)  # three deviations at 50 % of 30,000 keys


def test_a_weight_takes_exactly_the_buckets_below_it() -> None:
    last, first = (next(key for key in KEYS if bucket(key, TABLE.salt) == number) for number in (499, 500))
    at_5 = replace(TABLE, weight=5)
    assert (choose(at_5, last).lane, choose(at_5, first).lane) == (Lane.CANARY, Lane.ACTIVE)


def test_who_comes_first_with_one_salt_is_no_likelier_to_with_another() -> None:
    first = replace(TABLE, weight=20)
    second = replace(first, salt="second salt")
    both = sum(choose(first, key).lane is choose(second, key).lane is Lane.CANARY for key in KEYS)
    assert both / len(KEYS) == pytest.approx(0.2 * 0.2, abs=0.003)


@pytest.mark.parametrize("salt", SALTS)
def test_raising_the_weight_moves_keys_to_the_canary_only_and_lowering_it_only_back(salt: str) -> None:
    def on_canary(weight: int) -> set[str]:
        table = replace(TABLE, weight=weight, salt=salt)
        return {key for key in KEYS[:500] if choose(table, key).lane is Lane.CANARY}

    steps = [on_canary(weight) for weight in range(101)]
    assert all(less <= more for less, more in pairwise(steps))
    assert (steps[0], len(steps[100])) == (set(), 500)


@given_some
@given(key=ANY_KEY, table=ANY_TABLE, revision=st.integers(1, 99))
def test_a_key_stays_where_it_is_whatever_else_changes_in_the_table(
    key: str, table: RoutingTable, revision: int
) -> None:
    assert choose(table, key) == choose(replace(table, revision=revision), key)
    if not table.kill_switch:
        assert choose(table, key) == choose(replace(table, previous=None, previous_warm=False), key)


def test_a_keys_bucket_is_the_same_for_ever() -> None:
    known = {("mission-42", "salt"): 5229, ("mission-42", ""): 6019, ("", "salt"): 5359, ("ключ", "salt"): 8253}
    assert {pair: bucket(*pair) for pair in known} == known


@given_some
@given(key=ANY_KEY, table=ANY_TABLE)
def test_under_the_kill_switch_every_key_goes_to_a_warm_previous_else_to_active(key: str, table: RoutingTable) -> None:
    killed = choose(replace(table, kill_switch=True), key)
    if table.previous is not None and table.previous_warm:
        assert killed == Choice(3, Lane.PREVIOUS)
    else:
        assert killed == Choice(1, Lane.ACTIVE)


@given_some
@given(key=ANY_KEY, table=ANY_TABLE)
def test_a_choice_names_the_lane_that_its_generation_holds(key: str, table: RoutingTable) -> None:
    choice = choose(table, key)
    assert table.lanes()[choice.lane] == choice.generation
    assert choice.generation is not None
    assert table.lane_of(choice.generation) is choice.lane


@given_some
@given(key=ANY_KEY, table=ANY_TABLE)
def test_without_the_kill_switch_previous_is_never_chosen_and_weight_0_and_100_leave_no_doubt(
    key: str, table: RoutingTable
) -> None:
    choice = choose(replace(table, kill_switch=False, always=(), new_by=""), key)
    assert choice.lane is not Lane.PREVIOUS
    if table.weight == 0:
        assert choice.lane is Lane.ACTIVE
    if table.weight == 100:
        assert choice.lane is Lane.CANARY


@given_some
@given(key=ANY_KEY, table=ANY_TABLE, began=ANY_BEGIN, heavier=st.integers(0, 100))
def test_raising_the_weight_takes_no_key_from_the_canary_whatever_else_a_step_says(
    key: str, table: RoutingTable, began: object, heavier: int
) -> None:
    said = {"began": began}
    raised = replace(table, weight=max(table.weight, heavier) if table.canary else 0)
    if choose(table, key, said).lane is Lane.CANARY:
        assert choose(raised, key, said).lane is Lane.CANARY
    assert choose(replace(table, always=()), key, said).lane in {Lane.ACTIVE, choose(table, key, said).lane}


@given_some
@given(key=ANY_KEY, table=ANY_TABLE, began=ANY_BEGIN)
def test_one_who_did_not_begin_after_the_instant_is_taken_by_no_weight_and_the_others_as_without_it(
    key: str, table: RoutingTable, began: object
) -> None:
    with_it = replace(table, new_by="began", always=(), kill_switch=False)
    without = choose(replace(with_it, new_by=""), key)
    is_new = began in (1001.5, "1970-01-01T00:20:00Z")
    assert choose(with_it, key, {"began": began}) == (without if is_new else Choice(1, Lane.ACTIVE))


@pytest.mark.parametrize("weight", [0, 1, 100])
@pytest.mark.parametrize(
    ("key", "lane"),
    [("vip-1", Lane.CANARY), ("vip-12", Lane.ACTIVE), ("internal-7", Lane.CANARY), ("internal-", Lane.CANARY)],
)
def test_keys_that_are_always_the_canarys_are_so_at_any_weight_and_whenever_they_began(
    weight: int, key: str, lane: Lane
) -> None:
    table = replace(TABLE, weight=weight, always=("vip-1", "internal-*"), new_by="began", new_since=1000.0)
    assert choose(table, key).lane is lane
    assert choose(replace(table, kill_switch=True), key).lane is Lane.PREVIOUS
    assert choose(replace(table, canary=None, weight=0), key).lane is Lane.ACTIVE


def test_one_who_does_not_say_when_it_began_is_an_old_one() -> None:
    table = replace(TABLE, weight=100, new_by="began", new_since=1000.0)
    for said in (None, {}, {"other": 2000.0}, {"began": "2026-13-01"}, {"began": "1970-01-02T00:00:00"}):
        assert choose(table, "any", said).lane is Lane.ACTIVE
    assert choose(table, "any", {"began": "1970-01-02T00:00:00+02:00"}).lane is Lane.CANARY


def test_a_table_that_always_gives_somebody_to_the_canary_is_split() -> None:
    assert replace(TABLE, always=("vip-1",)).is_split
    assert not TABLE.is_split


def test_a_table_before_the_first_founding_chooses_nobody() -> None:
    assert choose(RoutingTable(), "any") == Choice(None, Lane.ACTIVE)
    assert choose(RoutingTable(kill_switch=True), "any") == Choice(None, Lane.ACTIVE)


def test_lanes_that_nobody_holds_are_not_listed() -> None:
    assert TABLE.lanes() == {Lane.ACTIVE: 1, Lane.CANARY: 2, Lane.PREVIOUS: 3}
    assert RoutingTable(active=4).lanes() == {Lane.ACTIVE: 4}
    assert (TABLE.lane_of(2), TABLE.lane_of(9)) == (Lane.CANARY, None)


def test_a_salt_longer_than_the_hash_takes_is_cut_and_not_refused() -> None:
    assert bucket("key", "s" * 64) == bucket("key", "s" * 65)
