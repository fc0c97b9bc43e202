"""How a task is to be executed."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_parts import a_task

from workers.reference.choice.engine import (
    BASIC_QUALITY,
    Engine,
    Preference,
    chebyshev,
    choose_multi,
    choose_single,
    weights,
)
from workers.reference.choice.forecast import Forecast, Limits, Record, forecast, violation
from workers.reference.choice.front import objectives, pareto_front
from workers.reference.choice.profiles import FILE_NAME, Profile, ProfileError, load
from workers.reference.choice.resources import Resources, available, cores_left, memory_left

OPEN = Limits()
IDLE = Resources(cores=4, memory_gib=32)
COARSE = st.integers(0, 4).map(float)
OPTIONS = st.lists(
    st.builds(
        Forecast,
        profile=st.text("abcdefgh", min_size=1, max_size=3),
        cost=COARSE,
        minutes=COARSE,
        quality=COARSE.map(lambda value: 25 * value),
        share=st.sampled_from([0.0, 0.25, 0.5, 2.0]),
    ),
    min_size=1,
    max_size=12,
    unique_by=lambda option: option.profile,
)
LIMITS = st.builds(
    Limits,
    st.sampled_from([None, 1.0, 3.0]),
    st.sampled_from([None, 1.0, 3.0]),
    st.sampled_from([None, 25.0, 75.0]),
)


def an_option(profile: str, cost: float, minutes: float, quality: float, share: float = 0.1) -> Forecast:
    return Forecast(profile, cost, minutes, quality, share)


def dominates(one: Forecast, other: Forecast) -> bool:
    """Tell in plain words whether one option beats another."""
    pairs = list(zip(objectives(one), objectives(other), strict=True))
    return all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)


@pytest.mark.requirement("REF-5")
@settings(max_examples=50, deadline=None)
@given(options=OPTIONS)
def test_the_front_is_what_comparing_every_pair_leaves(options: list[Forecast]) -> None:
    left = [option for option in options if not any(dominates(other, option) for other in options)]
    assert pareto_front(options) == left


@pytest.mark.requirement("REF-5")
@settings(max_examples=50, deadline=None)
@given(options=OPTIONS, limits=LIMITS, preference=st.sampled_from(Preference))
def test_the_choice_is_within_the_limits_unbeaten_and_nearest_to_the_ideal(
    options: list[Forecast], limits: Limits, preference: Preference
) -> None:
    choice = choose_multi(options, limits, preference)
    allowed = [option for option in options if violation(option, limits) == 0]
    if not allowed:
        assert violation(choice.option, limits) == min(violation(option, limits) for option in options)
        return
    assert choice.option in allowed
    assert not any(dominates(other, choice.option) for other in allowed)
    front = [option for option in allowed if not any(dominates(other, option) for other in allowed)]
    distances = chebyshev([objectives(option) for option in front], weights(preference))
    assert distances[front.index(choice.option)] == min(distances)
    assert choice.front == tuple(option.profile for option in front)


@given(options=OPTIONS, limits=LIMITS, seed=st.randoms(use_true_random=False))
@settings(max_examples=50, deadline=None)
def test_the_choice_does_not_depend_on_the_order_of_the_options(
    options: list[Forecast], limits: Limits, seed: object
) -> None:
    shuffled = list(options)
    seed.shuffle(shuffled)  # type: ignore[attr-defined]
    for choose, preference in product((choose_single, choose_multi), Preference):
        assert choose(shuffled, limits, preference).option == choose(options, limits, preference).option


@pytest.mark.requirement("REF-5")
def test_several_objectives_find_the_balance_that_one_objective_passes_by() -> None:
    cheap = an_option("cheap", cost=1, minutes=100, quality=60)
    balanced = an_option("balanced", cost=3, minutes=30, quality=90)
    best = an_option("best", cost=20, minutes=25, quality=95)
    options = [cheap, balanced, best, an_option("beaten", cost=4, minutes=40, quality=80)]
    assert choose_single(options, OPEN, Preference.BALANCED).option is cheap
    choice = choose_multi(options, OPEN, Preference.BALANCED)
    assert (choice.option, choice.front) == (balanced, ("cheap", "balanced", "best"))


def test_a_knee_is_found_where_no_weighted_sum_would() -> None:
    """A point above the straight line between two extremes: no weights of a sum choose it."""
    ends = [an_option("a", 0, 10, 50), an_option("b", 10, 0, 50)]
    bent = an_option("bent", 5.5, 5.5, 50)
    assert choose_multi([*ends, bent], OPEN, Preference.BALANCED).option is bent


@pytest.mark.parametrize(
    ("preference", "chosen"),
    [
        (Preference.COST, "cheap"),
        (Preference.SPEED, "fast"),
        (Preference.QUALITY, "good"),
        (Preference.RESOURCES, "small"),
    ],
)
def test_what_matters_most_is_what_the_choice_is_best_in(preference: Preference, chosen: str) -> None:
    options = [
        an_option("cheap", 1, 90, 50, 0.9),
        an_option("fast", 9, 10, 50, 0.9),
        an_option("good", 9, 90, 99, 0.9),
        an_option("small", 9, 90, 50, 0.1),
    ]
    assert choose_multi(options, OPEN, preference).option.profile == chosen


def test_a_single_objective_takes_the_cheapest_or_the_fastest_of_sufficient_quality() -> None:
    options = [an_option("poor", 1, 1, BASIC_QUALITY - 1), an_option("cheap", 2, 9, 60), an_option("fast", 5, 3, 60)]
    assert choose_single(options, OPEN, Preference.QUALITY).option.profile == "cheap"
    assert choose_single(options, OPEN, Preference.SPEED).option.profile == "fast"
    assert choose_single(options, Limits(min_quality=50), Preference.COST).option.profile == "poor"
    assert choose_single(options, Limits(min_quality=0), Preference.COST).option.profile == "poor"
    assert choose_single(options, Limits(max_minutes=2), Preference.COST).reason.startswith("nothing is within")


# --- what a profile would come to -----------------------------------------------------------------

LOCAL = Profile(provider="here", model="m", price=0, tokens=100, pace=2, quality=70, cores=2, memory_gib=8)
HOSTED = Profile(provider="there", model="m", price=0.01, tokens=500, pace=0.5, quality=80, cores=0, memory_gib=0)
PROFILES = {"local": LOCAL, "hosted": HOSTED}


def test_a_forecast_is_the_estimate_times_what_the_profile_takes() -> None:
    hosted, local = forecast(a_task(estimated_minutes=30), PROFILES, {}, IDLE)
    assert (hosted.cost, hosted.minutes, hosted.quality, hosted.share) == (0.15, 15, 80, 0)
    assert (local.cost, local.minutes, local.quality, local.share) == (0, 60, 70, 0.5)


def test_what_is_seen_outweighs_what_a_profile_declares() -> None:
    (hosted,) = forecast(a_task(), {"hosted": HOSTED}, {"hosted": Record(passed=0, total=30)}, None)
    assert hosted.quality == 20


@pytest.mark.requirement("REF-5")
def test_a_busy_machine_makes_a_local_profile_slower_and_then_impossible() -> None:
    task = a_task(estimated_minutes=30)
    slow = forecast(task, {"local": LOCAL}, {}, Resources(cores=1, memory_gib=32))[0]
    assert (slow.minutes, slow.share) == (120, 2)
    options = forecast(task, PROFILES, {}, Resources(cores=8, memory_gib=4))
    assert choose_multi(options, OPEN, Preference.COST).option.profile == "hosted", "the memory is not there"
    options = forecast(task, PROFILES, {}, IDLE)
    assert choose_multi(options, OPEN, Preference.COST).option.profile == "local"


def test_the_machine_is_read_without_any_library() -> None:
    left = available()
    assert left.cores > 0
    assert left.memory_gib > 0
    assert (cores_left(4, 0.5), cores_left(2, 5)) == (3.5, pytest.approx(1 / 3)), "idle cores, or a fair share"
    assert memory_left("MemTotal: 9 kB\nMemAvailable:    2097152 kB\n") == 2
    assert (cores_left(4, 0.5), cores_left(2, 5)) == (3.5, pytest.approx(1 / 3)), "idle cores, or a fair share"
    assert memory_left("MemTotal: 9 kB\n") == memory_left("MemAvailable: plenty\n") == 0


# --- the file of profiles -------------------------------------------------------------------------


def test_the_packaged_profiles_are_used_until_the_operator_has_own_ones(tmp_path: Path) -> None:
    assert {"scout", "expert", "local"} <= load(tmp_path).keys()
    text = 'provider = "p"\nmodel = "m"\nprice = 1\ntokens = 1\npace = 1\nquality = 50\ncores = 0\nmemory_gib = 0\n'
    (tmp_path / FILE_NAME).write_text(f"[mine]\n{text}")
    assert load(tmp_path).keys() == {"mine"}


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"[", "is no TOML"),
        (b"", "profiles.toml: the file: Dictionary should have at least 1 item"),
        (b"[mine]\nprovider = 'p'\n", "mine.model: Field required"),
        (b"\xff", "cannot be read"),
    ],
)
def test_profiles_that_cannot_be_used_are_refused_by_line(tmp_path: Path, content: bytes, problem: str) -> None:
    (tmp_path / FILE_NAME).write_bytes(content)
    with pytest.raises(ProfileError, match=problem):
        load(tmp_path)


@pytest.mark.parametrize("preference", Preference)
def test_every_packaged_profile_is_worth_a_thought_on_an_idle_machine(tmp_path: Path, preference: Preference) -> None:
    options = forecast(a_task(), load(tmp_path), {}, IDLE)
    choice = choose_multi(options, OPEN, preference)
    assert (choice.engine, len(choice.front)) == (Engine.MULTI, len(options)), "none is beaten in everything"
