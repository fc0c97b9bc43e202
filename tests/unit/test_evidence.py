"""The evidence about what is on trial: bets that are fair whatever comes, and that find what is worse."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.domain.evidence.badness import OTHERS, STRATA, Kind, Yardstick
from orchestrator.domain.evidence.betting import CEILING, OPENING, STAKES, Purse, bet, evidence, together
from orchestrator.domain.evidence.certainty import MeanWithin, Tolerance, TypicalWithin
from orchestrator.domain.evidence.evidence import DOWN, UP, MetricEvidence, PairEvidence, staked
from orchestrator.domain.evidence.pool import NEWEST, Pool

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


@pytest.mark.requirement("EV-6")
@given(st.lists(st.none() | differences, max_size=40))
def test_purses_that_are_opened_anew_are_a_mean_of_e_values_with_weights_that_were_fixed(
    said: list[float | None],
) -> None:
    purse, closed, wealth = Purse(), [], OPENING
    for difference in said:  # None closes a purse
        if difference is None:
            purse.reopen()
            closed.append(evidence(wealth))
            wealth = OPENING
        else:
            purse.bet(difference)
            wealth = bet(wealth, difference)
    values_, weights = [*closed, evidence(wealth)], [0.9, *(0.1 / (j * (j - 1)) for j in range(2, 50))]
    waiting = 1.0 - sum(weights[: len(values_)])
    assert purse.value == pytest.approx(sum(w * v for w, v in zip(weights, values_, strict=False)) + waiting)


@pytest.mark.requirement("EV-1")
@settings(max_examples=60)
@given(kinds, shares, st.lists(st.tuples(st.booleans(), values), max_size=40), values)
def test_the_draw_alone_decides_a_bet_so_its_mean_over_the_draw_is_what_was_staked(
    kind: Kind, share: float, past: list[tuple[bool, float]], value: float
) -> None:
    scale = 1e6 if kind is Kind.RATE else 1.0
    either = []
    for last in (True, False):
        yardstick, known = Yardstick(kind, {}), MetricEvidence.opened(kind, (UP, DOWN))
        for trial, seen in [*past, (last, value)]:
            before = known.worse
            body, tail, _ = yardstick.takes("tool", seen / scale)
            known.observe(body, tail, share, trial=trial)
        either.append(known.worse)
    assert share * either[0] + (1 - share) * either[1] == pytest.approx(before, rel=1e-9)


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, 1.1, float("nan")])
def test_a_share_that_leaves_nothing_to_draw_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match="leaves nothing to draw"):
        MetricEvidence.opened(Kind.SCORE, (DOWN,)).observe(1.0, 0.0, share, trial=True)


@given(differences, shares)
def test_no_stake_is_larger_than_the_badness_and_its_mean_over_the_draw_is_nothing(bad: float, share: float) -> None:
    won, lost = staked(bad, share, trial=True), staked(bad, share, trial=False)
    assert max(abs(won), abs(lost)) <= abs(bad) * (1 + 1e-12)
    assert share * won + (1 - share) * lost == pytest.approx(0.0, abs=1e-9)


def rollout(kind: Kind, seed: int, draw: Callable[[random.Random, bool], float], calls: int = 1000) -> int | None:
    """Return the call on trial at which a look, every 10 of them, finds a regression; None when none does."""
    rng = random.Random(seed)
    yardstick, known, served = Yardstick(kind, {}), MetricEvidence.opened(kind, (UP,)), 0
    while served < calls:
        trial = rng.random() < 0.5
        served += trial
        value = draw(rng, trial)
        body, tail, _ = yardstick.takes("tool", value)
        known.observe(body, tail, 0.5, trial=trial)
        if trial and served % 10 == 0 and known.worse >= 1 / ALPHA:
            return served
    return None


def failing(rate: float) -> Callable[[random.Random, bool], float]:
    return lambda rng, trial: float(rng.random() < (rate if trial else 0.01))


def lasting(factor: float) -> Callable[[random.Random, bool], float]:
    return lambda rng, trial: 400 * (factor if trial else 1) * rng.lognormvariate(0, 0.5)


@pytest.mark.requirement("EV-2")
@pytest.mark.parametrize(
    ("kind", "draw", "within"),
    [(Kind.RATE, failing(0.06), 400), (Kind.MAGNITUDE, lasting(1.2), 400), (Kind.MAGNITUDE, lasting(1.5), 100)],
)
def test_a_regression_is_found_within_the_calls_it_should_take(
    kind: Kind, draw: Callable[[random.Random, bool], float], within: int
) -> None:
    found = [rollout(kind, seed, draw) for seed in range(7)]
    assert sorted(call or 10_000 for call in found)[3] <= within


@pytest.mark.requirement("EV-2")
@pytest.mark.parametrize(("kind", "draw"), [(Kind.RATE, failing(0.01)), (Kind.MAGNITUDE, lasting(1))])
def test_a_healthy_version_is_left_alone(kind: Kind, draw: Callable[[random.Random, bool], float]) -> None:
    assert [rollout(kind, seed, draw) for seed in range(5)] == [None] * 5


def test_only_the_slowest_calls_getting_slower_is_seen_in_the_tail() -> None:
    def draw(rng: random.Random, trial: bool) -> float:  # noqa: FBT001 - as `rollout` calls it
        return 400 * rng.lognormvariate(0, 0.5) * (5 if trial and rng.random() < 0.08 else 1)

    assert rollout(Kind.MAGNITUDE, 1, draw) is not None


@pytest.mark.requirement("EV-3")
def test_a_margin_is_certified_on_average_where_it_holds_and_not_where_it_does_not() -> None:
    def certified(rate: float, seed: int) -> int | None:
        within, rng, failures, seen = MeanWithin(Tolerance(UP, 0.05), 1.0, Purse()), random.Random(seed), 0.5, 25.0
        for call in range(1000):
            trial = rng.random() < 0.5
            value = float(rng.random() < (rate if trial else 0.01))
            within.observe(value, failures / seen, 0.5, trial=trial)
            failures, seen = failures + value, seen + 1
            if within.purse.value >= 1 / ALPHA:
                return call
        return None

    assert sorted(certified(0.01, seed) or 10_000 for seed in range(5))[2] <= 600
    assert [certified(0.12, seed) for seed in range(5)] == [None] * 5
    with pytest.raises(ValueError, match="does not lie between 0 and the scale"):
        MeanWithin(Tolerance(UP, 5.0), 1.0, Purse())


@pytest.mark.requirement("EV-3")
@settings(max_examples=60)
@given(st.sampled_from([UP, DOWN]), st.floats(0, 100), shares, st.floats(0, 100), st.floats(0.01, 0.9))
def test_a_bet_for_a_margin_gains_nothing_on_average_where_it_is_just_reached(
    sign: int, expected: float, share: float, baseline: float, relative: float
) -> None:
    trial = baseline * (1 + sign * relative)
    if not 0 <= trial <= 100:
        return
    after = []
    for is_trial, value in ((True, trial), (False, baseline)):
        within = MeanWithin(Tolerance(sign, relative=relative), 100.0, Purse())
        within.observe(value, expected, share, trial=is_trial)
        after.append(within.purse.value)
    assert share * after[0] + (1 - share) * after[1] <= 1 + 1e-9


@pytest.mark.requirement("EV-3")
def test_a_share_without_a_scale_is_certified_for_the_typical_call() -> None:
    def certified(factor: float, seed: int) -> int | None:
        rng, yardstick = random.Random(seed), Yardstick(Kind.MAGNITUDE, {})
        within = TypicalWithin(Tolerance(UP, relative=0.2), Purse())
        for call in range(1000):
            trial = rng.random() < 0.5
            value = lasting(factor)(rng, trial)
            shown = within.tolerance.taken_off(value) if trial else value
            within.observe(yardstick.rank("tool", shown), 0.5, trial=trial)
            yardstick.takes("tool", value)
            if within.purse.value >= 1 / ALPHA:
                return call
        return None

    assert sorted(certified(1.0, seed) or 10_000 for seed in range(5))[2] <= 700
    assert [certified(1.2, seed) for seed in range(5)] == [None] * 5


@pytest.mark.requirement("EV-4")
def test_pairs_are_judged_by_which_side_is_worse_and_by_how_much() -> None:
    def found(drop: float) -> int | None:
        rng, known = random.Random(3), PairEvidence.opened(Kind.SCORE, (DOWN,))
        for pair in range(300):
            shared = rng.gauss(70, 12)
            known.observe(shared + rng.gauss(-drop, 6), shared + rng.gauss(0, 6))
            if known.worse >= 1 / ALPHA:
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


@pytest.mark.requirement("EV-7")
def test_a_value_is_compared_with_those_of_its_own_tool_and_few_tools_have_a_yardstick_of_their_own() -> None:
    yardstick = Yardstick(Kind.MAGNITUDE, {})
    for at in range(30):
        yardstick.takes("fast", 10.0 + at / 100)
        yardstick.takes("slow", 1000.0 + at)
    assert yardstick.takes("slow", 1000.0)[0] < -0.9
    assert yardstick.takes("fast", 11.0)[0] > 0.9
    for name in ("c", "d", "e"):
        yardstick.takes(name, 1.0)
    assert set(yardstick.strata) == {"fast", "slow", "c", OTHERS}
    assert len(yardstick.strata) == STRATA + 1
