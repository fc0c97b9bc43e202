"""The evidence about a canary: bets that are fair whatever comes, and that find what is worse."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.domain.betting import CEILING, OPENING, STAKES, bet, evidence, together
from orchestrator.domain.evidence import Kind, MarginEvidence, MetricEvidence, Unit
from orchestrator.domain.pool import NEWEST, Pool
from orchestrator.domain.units import Blocks

ALPHA = 0.01
differences = st.floats(-1, 1)
shares = st.floats(0.01, 0.99)
values = st.floats(0, 1e6)
kinds = st.sampled_from(list(Kind))


@pytest.mark.requirement("EV-1")
@given(st.lists(differences, max_size=30))
def test_wealth_is_never_negative_and_mirrored_bets_cannot_both_win(said: list[float]) -> None:
    here = there = OPENING
    for difference in said:
        here, there = bet(here, difference), bet(there, -difference)
    assert min(here) >= 0
    for stake, mine, yours in zip(STAKES, here, there, strict=True):
        assert mine * yours <= 1 + 1e-9, stake  # (1 + bD)(1 - bD) <= 1


@given(st.floats().filter(lambda difference: not -1 <= difference <= 1))
def test_a_difference_that_would_be_no_fair_bet_is_refused(difference: float) -> None:
    with pytest.raises(ValueError, match=r"outside \[-1, 1\]; scale or clip it first"):
        bet(OPENING, difference)


def test_wealth_stops_at_the_ceiling_and_e_values_combine_by_their_mean() -> None:
    wealth = OPENING
    for _ in range(2000):
        wealth = bet(wealth, 1.0)
    assert max(wealth) == CEILING
    assert together([]) == 1.0
    assert together([1.0, 3.0]) == 2.0
    assert evidence(OPENING) == 1.0


@pytest.mark.requirement("EV-1")
@settings(max_examples=60)
@given(kinds, shares, st.lists(st.tuples(st.booleans(), values), max_size=40), values)
def test_the_draw_alone_decides_a_bet_so_its_mean_over_the_draw_is_what_was_staked(
    kind: Kind, share: float, past: list[tuple[bool, float]], value: float
) -> None:
    scale = 1e6 if kind is Kind.RATE else 1.0
    either = [MetricEvidence(kind), MetricEvidence(kind)]
    for evidence_ in either:
        for canary, seen in past:
            evidence_.observe(Unit(canary, seen / scale, share))
    before = either[0].worse
    either[True].observe(Unit(canary=True, value=value / scale, share=share))
    either[False].observe(Unit(canary=False, value=value / scale, share=share))
    after = share * either[True].worse + (1 - share) * either[False].worse
    assert after == pytest.approx(before, rel=1e-9)


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, 1.1, float("nan")])
def test_a_share_that_leaves_nothing_to_draw_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match="leaves nothing to draw"):
        MetricEvidence(Kind.SCORE).observe(Unit(canary=True, value=1.0, share=share))


def rollout(kind: Kind, seed: int, draw: Callable[[random.Random, bool], float], calls: int = 1000) -> int | None:
    """Return the canary call at which a look, every 10 of them, finds a regression; None when none does."""
    rng = random.Random(seed)
    metric, served = MetricEvidence(kind), 0
    while served < calls:
        canary = rng.random() < 0.5
        served += canary
        metric.observe(Unit(canary, draw(rng, canary), 0.5))
        if canary and served % 10 == 0 and metric.worse >= 1 / ALPHA:
            return served
    return None


def failing(rate: float) -> Callable[[random.Random, bool], float]:
    return lambda rng, canary: float(rng.random() < (rate if canary else 0.01))


def lasting(factor: float) -> Callable[[random.Random, bool], float]:
    return lambda rng, canary: 400 * (factor if canary else 1) * rng.lognormvariate(0, 0.5)


def scoring(drop: float) -> Callable[[random.Random, bool], float]:
    return lambda rng, canary: min(100.0, max(0.0, rng.gauss(70 - (drop if canary else 0), 15)))


@pytest.mark.requirement("EV-2")
@pytest.mark.parametrize(
    ("kind", "draw", "within"),
    [
        (Kind.RATE, failing(0.06), 400),
        (Kind.MAGNITUDE, lasting(1.2), 400),
        (Kind.MAGNITUDE, lasting(1.5), 100),
        (Kind.SCORE, scoring(5), 400),
        (Kind.SCORE, scoring(10), 120),
    ],
)
def test_a_regression_is_found_within_the_calls_it_should_take(
    kind: Kind, draw: Callable[[random.Random, bool], float], within: int
) -> None:
    found = [rollout(kind, seed, draw) for seed in range(7)]
    assert sorted(call or 10_000 for call in found)[3] <= within


@pytest.mark.requirement("EV-2")
@pytest.mark.parametrize(
    ("kind", "draw"), [(Kind.RATE, failing(0.01)), (Kind.MAGNITUDE, lasting(1)), (Kind.SCORE, scoring(0))]
)
def test_a_healthy_canary_is_left_alone_and_so_is_a_better_one(
    kind: Kind, draw: Callable[[random.Random, bool], float]
) -> None:
    assert [rollout(kind, seed, draw) for seed in range(5)] == [None] * 5


def test_only_the_slowest_calls_getting_slower_is_seen_in_the_tail() -> None:
    def draw(rng: random.Random, canary: bool) -> float:  # noqa: FBT001 - as `rollout` calls it
        return 400 * rng.lognormvariate(0, 0.5) * (5 if canary and rng.random() < 0.08 else 1)

    assert rollout(Kind.MAGNITUDE, 1, draw) is not None


@pytest.mark.requirement("EV-3")
def test_a_margin_is_certified_where_it_holds_and_not_where_it_does_not() -> None:
    def certified(rate: float, seed: int) -> int | None:
        rng, margin, failures, seen = random.Random(seed), MarginEvidence(0.05, 1.0), 0.5, 25.0
        for call in range(1000):
            canary = rng.random() < 0.5
            value = float(rng.random() < (rate if canary else 0.01))
            margin.observe(Unit(canary, value, 0.5), failures / seen)
            failures, seen = failures + value, seen + 1
            if margin.within >= 1 / ALPHA:
                return call
        return None

    assert sorted(certified(0.01, seed) or 10_000 for seed in range(5))[2] <= 600
    assert [certified(0.12, seed) for seed in range(5)] == [None] * 5
    with pytest.raises(ValueError, match="does not lie between 0 and the scale"):
        MarginEvidence(5.0, 1.0)


@pytest.mark.requirement("EV-4")
def test_pairs_are_judged_by_which_side_is_worse_and_by_how_much() -> None:
    def found(drop: float) -> int | None:
        rng, metric = random.Random(3), MetricEvidence(Kind.SCORE)
        for pair in range(300):
            shared = rng.gauss(70, 12)
            metric.observe_pair(shared + rng.gauss(-drop, 6), shared + rng.gauss(0, 6))
            if metric.worse >= 1 / ALPHA:
                return pair
        return None

    assert (found(5) or 10_000) < 120
    assert found(0) is None


@given(st.lists(values, max_size=2 * NEWEST))
@settings(max_examples=30)
def test_the_pool_knows_the_newest_values_and_ranks_as_counting_does(arrived: list[float]) -> None:
    pool = Pool(arrived)
    newest = arrived[-NEWEST:]
    assert list(pool) == newest
    for value in (0.0, *newest[:3]):
        below = sum(one < value for one in newest)
        ties = sum(one == value for one in newest)
        assert pool.rank(value) == (below + ties / 2 + 1) / (len(newest) + 2)
    assert (pool.quantile(0.95) is None) == (len(newest) < 20)


@pytest.mark.requirement("EV-5")
def test_a_key_counts_once_by_its_first_calls_or_by_those_it_made_in_time() -> None:
    blocks = Blocks(0.25, calls=2, seconds=10)
    assert blocks.sample("a", 1.0, 0.0, canary=True) is None
    assert blocks.sample("b", 5.0, 1.0, canary=False) is None
    assert blocks.sample("a", 3.0, 2.0, canary=True) == Unit(canary=True, value=2.0, share=0.25)
    assert blocks.sample("a", 9.0, 3.0, canary=True) is None
    assert list(blocks.expire(10.9)) == []
    assert list(blocks.expire(11.0)) == [Unit(canary=False, value=5.0, share=0.25)]
    assert blocks.sample("b", 9.0, 12.0, canary=False) is None
    assert (blocks.counted(canary=True), blocks.counted(canary=False)) == (1, 1)


@pytest.mark.requirement("EV-5")
def test_a_key_that_changes_arms_in_mid_block_counts_for_neither() -> None:
    blocks = Blocks(0.5, calls=2)
    blocks.sample("a", 1.0, 0.0, canary=False)
    assert blocks.sample("a", 1.0, 1.0, canary=True) is None
    assert blocks.sample("a", 1.0, 2.0, canary=True) is None
    assert blocks.sample("a", 1.0, 3.0, canary=True) is None
    assert list(blocks.expire(1e9)) == []
