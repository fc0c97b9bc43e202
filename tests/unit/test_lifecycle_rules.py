"""The crash-loop detector: rules over random lives, and the rules themselves attacked with broken detectors.

A life is a wait, whether the process became ready, and how long it then served before it died unasked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import pytest
from hypothesis import Phase, assume, given, settings
from hypothesis import strategies as st

from orchestrator.domain import lifecycle
from orchestrator.domain.lifecycle import Backoff, Health, Restart

pytestmark = pytest.mark.requirement("LIFE-1")


@dataclass(frozen=True)
class Life:
    """One process: seconds until it is ready (or dies without), and seconds of service; None when never ready."""

    wait: int
    served: int | None


@dataclass(frozen=True)
class Detector:
    """The two functions of a detector."""

    died: Callable[[Health, float, Backoff, float], tuple[Health, Restart]] = lifecycle.died
    became_ready: Callable[[Health, float], Health] = lifecycle.became_ready

    def live(self, lives: Sequence[Life], policy: Backoff, *, start: float = 0.0, luck: float = 0.5) -> list[Restart]:
        """Return what is said after the death that ends each life."""
        return [restart for _, _, restart in self.history(lives, policy, start=start, luck=luck)]

    def history(
        self, lives: Sequence[Life], policy: Backoff, *, start: float = 0.0, luck: float = 0.5
    ) -> list[tuple[float, Health, Restart]]:
        """Return the time, the health and the restart after each life; the delay is part of the next one's wait."""
        now, health, told = start, Health(), []
        for life in lives:
            now += life.wait
            if life.served is not None:
                health = self.became_ready(health, now)
                now += life.served
            health, restart = self.died(health, now, policy, luck)
            told.append((now, health, restart))
        return told


POLICIES = st.builds(
    Backoff,
    initial=st.sampled_from([0.0, 0.1, 1.0]),
    factor=st.sampled_from([1.0, 1.5, 2.0, 10.0]),
    cap=st.sampled_from([1.0, 30.0, 600.0]),
    jitter=st.sampled_from([0.0, 0.2, 1.0]),
    intensity=st.integers(1, 7),
    period=st.integers(1, 600).map(float),
    stable_after=st.integers(1, 30).map(float),
)
WAITS = st.one_of(st.integers(0, 3), st.integers(0, 100_000))
LUCK = st.floats(0, 1, exclude_max=True)


def early(policy: Backoff) -> st.SearchStrategy[Life]:
    """Lives that never were stable, at any spacing."""
    return st.builds(Life, WAITS, st.one_of(st.none(), st.integers(0, int(policy.stable_after) - 1)))


def any_life(policy: Backoff) -> st.SearchStrategy[Life]:
    least = int(policy.stable_after)
    just_stable = st.builds(Life, st.integers(0, 3), st.integers(least, least + 3))
    long_stable = st.builds(Life, WAITS, st.integers(least, 1000))
    return st.one_of(early(policy), just_stable, long_stable)


given_few = settings(max_examples=50, deadline=None, derandomize=True, database=None, phases=[Phase.generate])
Rule = Callable[[Detector], None]


@given_few
@given(data=st.data(), policy=POLICIES)
def early_deaths_are_a_loop_after_intensity_plus_one_whatever_their_spacing(
    detector: Detector, data: st.DataObject, policy: Backoff
) -> None:
    enough = policy.intensity + 1
    before = data.draw(st.lists(any_life(policy), max_size=8))
    lives = data.draw(st.lists(early(policy), min_size=enough, max_size=enough + 3))
    told = detector.live([*before, *lives], policy)[len(before) :]
    assert all(restart.loop for restart in told[policy.intensity :])


@given_few
@given(data=st.data(), policy=POLICIES)
def no_more_deaths_than_intensity_are_never_a_loop(detector: Detector, data: st.DataObject, policy: Backoff) -> None:
    lives = data.draw(st.lists(any_life(policy), min_size=policy.intensity, max_size=policy.intensity))
    assert not any(restart.loop for restart in detector.live(lives, policy))


@given_few
@given(data=st.data(), policy=POLICIES, luck=LUCK)
def stable_time_clears_streak_and_wait_and_a_quiet_period_clears_the_verdict(
    detector: Detector, data: st.DataObject, policy: Backoff, luck: float
) -> None:
    before = data.draw(st.lists(any_life(policy), max_size=20))
    stable = data.draw(st.integers(int(policy.stable_after), 1000))
    _, health, restart = detector.history([*before, Life(1, stable)], policy, luck=luck)[-1]
    first = detector.live([Life(0, None)], policy, luck=luck)[0]
    assert (health.streak, restart.delay) == (1, first.delay)
    if stable >= policy.period:
        assert restart.loop is None


@given_few
@given(data=st.data(), policy=POLICIES)
def a_looping_worker_is_started_again_and_one_good_life_is_all_it_needs(
    detector: Detector, data: st.DataObject, policy: Backoff
) -> None:
    lives = data.draw(st.lists(early(policy), min_size=policy.intensity + 1, max_size=30))
    last = detector.live(lives, policy)[-1]
    assert last.loop
    assert last.delay <= policy.cap * (1 + policy.jitter)
    good = Life(0, int(max(policy.stable_after, policy.period)))
    assert detector.live([*lives, good], policy)[-1] == replace(detector.live([good], policy)[0], loop=None)


@given_few
@given(data=st.data(), policy=POLICIES, luck=LUCK)
def a_wait_is_never_negative_and_never_beyond_cap_and_jitter(
    detector: Detector, data: st.DataObject, policy: Backoff, luck: float
) -> None:
    lives = [Life(0, None)] * data.draw(st.integers(0, 60)) + data.draw(st.lists(any_life(policy), max_size=20))
    for restart in detector.live(lives, policy, luck=luck):
        assert 0 <= restart.delay <= policy.cap * (1 + policy.jitter)


@given_few
@given(policy=POLICIES, luck=LUCK, deaths=st.integers(2, 400))
def waits_of_a_streak_grow_by_the_factor_until_the_cap_and_stay_there(
    detector: Detector, policy: Backoff, luck: float, deaths: int
) -> None:
    spread = 1 + policy.jitter * (2 * luck - 1)
    told = detector.live([Life(0, None)] * deaths, policy, luck=luck)
    assert told[0].delay == pytest.approx(min(policy.cap, policy.initial) * spread)
    for earlier, later in pairwise(told):
        grown = min(policy.cap * spread, earlier.delay * policy.factor)
        assert later.delay == pytest.approx(grown)


@given_few
@given(data=st.data(), policy=POLICIES, lucks=st.tuples(LUCK, LUCK))
def luck_spreads_the_wait_by_the_jitter_and_decides_nothing(
    detector: Detector, data: st.DataObject, policy: Backoff, lucks: tuple[float, float]
) -> None:
    lives = data.draw(st.lists(any_life(policy), min_size=1, max_size=20))
    one, other = (detector.live(lives, policy, luck=luck) for luck in lucks)
    assert [restart.loop for restart in one] == [restart.loop for restart in other]
    if policy.jitter:
        assume(abs(lucks[0] - lucks[1]) > 0.1 and policy.initial)
        assert one[-1].delay != other[-1].delay
    else:
        assert one == other


@given_few
@given(data=st.data(), policy=POLICIES, start=st.sampled_from([-(10**6), 1, 10**9]))
def only_differences_of_time_count_so_no_clock_that_is_set_can_matter(
    detector: Detector, data: st.DataObject, policy: Backoff, start: int
) -> None:
    lives = data.draw(st.lists(any_life(policy), min_size=5, max_size=20))
    assert detector.live(lives, policy, start=float(start)) == detector.live(lives, policy)


@given_few
@given(data=st.data(), policy=POLICIES)
def the_verdict_is_what_counting_the_whole_history_says(
    detector: Detector, data: st.DataObject, policy: Backoff
) -> None:
    lives = data.draw(st.lists(any_life(policy), min_size=policy.intensity, max_size=30))
    streak = 0
    history = detector.history(lives, policy)
    for position, (life, (now, health, restart)) in enumerate(zip(lives, history, strict=True)):
        streak = 1 if life.served is not None and life.served >= policy.stable_after else streak + 1
        within = sum(now - at < policy.period for at, _, _ in history[: position + 1])
        assert bool(restart.loop) == (streak > policy.intensity or within > policy.intensity)
        assert (health.streak, len(health.deaths), health.ready_since) == (streak, within, None)


RULES: list[Rule] = [
    early_deaths_are_a_loop_after_intensity_plus_one_whatever_their_spacing,
    no_more_deaths_than_intensity_are_never_a_loop,
    stable_time_clears_streak_and_wait_and_a_quiet_period_clears_the_verdict,
    a_looping_worker_is_started_again_and_one_good_life_is_all_it_needs,
    a_wait_is_never_negative_and_never_beyond_cap_and_jitter,
    waits_of_a_streak_grow_by_the_factor_until_the_cap_and_stay_there,
    luck_spreads_the_wait_by_the_jitter_and_decides_nothing,
    only_differences_of_time_count_so_no_clock_that_is_set_can_matter,
    the_verdict_is_what_counting_the_whole_history_says,
]


@pytest.mark.parametrize("rule", RULES, ids=[rule.__name__ for rule in RULES])
def test_the_detector_keeps_the_rule(rule: Rule) -> None:
    rule(Detector())


# --- the rules attacked: a broken detector must not pass them -----------------------------------------


def never_trips(health: Health, now: float, policy: Backoff, luck: float) -> tuple[Health, Restart]:
    health, restart = lifecycle.died(health, now, policy, luck)
    return health, replace(restart, loop=None)


def never_clears(health: Health, now: float, policy: Backoff, luck: float) -> tuple[Health, Restart]:
    return lifecycle.died(replace(health, ready_since=None), now, policy, luck)


def sees_only_the_window(health: Health, now: float, policy: Backoff, luck: float) -> tuple[Health, Restart]:
    """Miss flapping that is slower than the period, as detectors without a streak do."""
    health, restart = lifecycle.died(health, now, policy, luck)
    return health, restart if len(health.deaths) > policy.intensity else replace(restart, loop=None)


def sees_only_the_streak(health: Health, now: float, policy: Backoff, luck: float) -> tuple[Health, Restart]:
    """Miss a worker that dies often and serves just long enough between."""
    health, restart = lifecycle.died(health, now, policy, luck)
    return health, restart if health.streak > policy.intensity else replace(restart, loop=None)


def has_no_luck(health: Health, now: float, policy: Backoff, _luck: float) -> tuple[Health, Restart]:
    return lifecycle.died(health, now, policy, 0.5)


def trips_one_too_late(health: Health, now: float, policy: Backoff, luck: float) -> tuple[Health, Restart]:
    return lifecycle.died(health, now, replace(policy, intensity=policy.intensity + 1), luck)


def trips_one_too_early(health: Health, now: float, policy: Backoff, luck: float) -> tuple[Health, Restart]:
    return lifecycle.died(health, now, replace(policy, intensity=policy.intensity - 1), luck)


def blocks_its_own_clearing(health: Health, now: float, policy: Backoff, luck: float) -> tuple[Health, Restart]:
    """Hold on to a verdict once it was given, whatever service came after."""
    if health.streak > policy.intensity:
        health = replace(health, ready_since=None)
    return lifecycle.died(health, now, policy, luck)


def gives_up(health: Health, now: float, policy: Backoff, luck: float) -> tuple[Health, Restart]:
    """Never start a looping worker again."""
    health, restart = lifecycle.died(health, now, policy, luck)
    return health, replace(restart, delay=float("inf")) if restart.loop else restart


def has_no_cap(health: Health, now: float, policy: Backoff, luck: float) -> tuple[Health, Restart]:
    return lifecycle.died(health, now, replace(policy, cap=1e12), luck)


def does_not_grow(health: Health, now: float, policy: Backoff, luck: float) -> tuple[Health, Restart]:
    return lifecycle.died(health, now, replace(policy, factor=1.0), luck)


def trusts_a_clock_that_starts_at_zero(
    health: Health, now: float, policy: Backoff, luck: float
) -> tuple[Health, Restart]:
    """Take the time itself for the time of service."""
    ready_since = None if health.ready_since is None else 0.0
    return lifecycle.died(replace(health, ready_since=ready_since), now, policy, luck)


def remembers_an_old_ready(health: Health, now: float, policy: Backoff, luck: float) -> tuple[Health, Restart]:
    """Count the service of a process that is long dead."""
    after, restart = lifecycle.died(health, now, policy, luck)
    return replace(after, ready_since=health.ready_since), restart


def ready_is_enough(health: Health, now: float) -> Health:
    """Forget everything at the first handshake."""
    return Health(ready_since=now) if health else health


BROKEN: list[tuple[Rule, Detector]] = [
    (early_deaths_are_a_loop_after_intensity_plus_one_whatever_their_spacing, Detector(never_trips)),
    (early_deaths_are_a_loop_after_intensity_plus_one_whatever_their_spacing, Detector(sees_only_the_window)),
    (early_deaths_are_a_loop_after_intensity_plus_one_whatever_their_spacing, Detector(trips_one_too_late)),
    (early_deaths_are_a_loop_after_intensity_plus_one_whatever_their_spacing, Detector(remembers_an_old_ready)),
    (early_deaths_are_a_loop_after_intensity_plus_one_whatever_their_spacing, Detector(became_ready=ready_is_enough)),
    (no_more_deaths_than_intensity_are_never_a_loop, Detector(trips_one_too_early)),
    (stable_time_clears_streak_and_wait_and_a_quiet_period_clears_the_verdict, Detector(never_clears)),
    (a_looping_worker_is_started_again_and_one_good_life_is_all_it_needs, Detector(blocks_its_own_clearing)),
    (a_looping_worker_is_started_again_and_one_good_life_is_all_it_needs, Detector(gives_up)),
    (a_wait_is_never_negative_and_never_beyond_cap_and_jitter, Detector(has_no_cap)),
    (waits_of_a_streak_grow_by_the_factor_until_the_cap_and_stay_there, Detector(does_not_grow)),
    (luck_spreads_the_wait_by_the_jitter_and_decides_nothing, Detector(has_no_luck)),
    (only_differences_of_time_count_so_no_clock_that_is_set_can_matter, Detector(trusts_a_clock_that_starts_at_zero)),
    (the_verdict_is_what_counting_the_whole_history_says, Detector(sees_only_the_streak)),
]


def name_of(detector: Detector) -> str:
    return (detector.died if detector.died is not lifecycle.died else detector.became_ready).__name__


@pytest.mark.requirement("LIFE-2")
@pytest.mark.parametrize(("rule", "detector"), BROKEN, ids=[name_of(detector) for _, detector in BROKEN])
def test_the_rule_notices_a_broken_detector(rule: Rule, detector: Detector) -> None:
    with pytest.raises(AssertionError):
        rule(detector)


@pytest.mark.requirement("LIFE-2")
def test_every_rule_has_noticed_a_broken_detector() -> None:
    assert {rule.__name__ for rule, _ in BROKEN} == {rule.__name__ for rule in RULES}
