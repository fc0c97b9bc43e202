"""How critics are believed, and how what they say is weighed."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workers.reference.critics import evidence as critic
from workers.reference.critics.opinion import Critic, Opinion, abstains
from workers.reference.critics.quorum import ENOUGH, MAJORITY, VETO, rule
from workers.reference.critics.reputation import COIN, Settled, Standing
from workers.reference.tasks import Evidence

NEW = Standing()
PAST = st.lists(st.builds(Settled, st.booleans(), st.floats(0, 1), st.booleans()), max_size=30)


def says(who: Critic, passed: bool, score: float | None = None) -> Opinion:  # noqa: FBT001
    reasons = () if passed else (f"{who} is against it",)
    return Opinion(who, passed, score, reasons)


def lived(right: float, rounds: int = 100, seed: int = 7) -> Standing:
    """Return the standing of a critic that has been right with a probability, work being good half of the time."""
    random = Random(seed)
    standing = NEW
    for _ in range(rounds):
        good = random.random() < 0.5
        passed = good if random.random() < right else not good
        standing = Standing((*standing.past, Settled(passed, standing.forecast(passed=passed), good)))
    return standing


# --- reputation -----------------------------------------------------------------------------------


@pytest.mark.requirement("REF-7")
def test_a_new_critic_is_believed_somewhat() -> None:
    assert (NEW.forecast(passed=True), NEW.forecast(passed=False)) == (0.8, 0.2)
    assert NEW.reputation == pytest.approx(0.6)
    assert NEW.brier is None


@pytest.mark.requirement("REF-7")
def test_reputation_follows_how_often_verdicts_held() -> None:
    good, fair, coin = lived(0.98), lived(0.8), lived(0.5)
    assert good.reputation > 0.8
    assert good.reputation > fair.reputation > coin.reputation
    assert coin.reputation < 0.1
    assert good.held > fair.held > coin.held
    assert coin.brier == pytest.approx(COIN, abs=0.03)


@pytest.mark.requirement("REF-7")
def test_a_critic_that_is_always_wrong_is_read_backwards() -> None:
    wrong = lived(0.0)
    assert wrong.forecast(passed=True) < 0.2
    assert wrong.forecast(passed=False) > 0.8


@pytest.mark.requirement("REF-7")
@settings(max_examples=40)
@given(truth=st.integers(0, 20), told=st.integers(0, 20))
def test_no_forecast_scores_better_than_the_honest_one(truth: int, told: int) -> None:
    """The rule is strictly proper: the expected squared error is least where the forecast is the probability."""

    def expected(forecast: float) -> float:
        settled = [Standing((Settled(passed=True, forecast=forecast, good=good),)) for good in (True, False)]
        good, bad = (standing.brier or 0.0 for standing in settled)
        return truth / 20 * good + (1 - truth / 20) * bad

    honest = expected(truth / 20)
    assert honest < expected(told / 20) if told != truth else honest == expected(told / 20)


@given(past=PAST)
def test_reputation_and_forecasts_stay_between_nothing_and_certainty(past: list[Settled]) -> None:
    standing = Standing(tuple(past))
    assert 0 <= standing.reputation <= 1
    assert all(0 < standing.forecast(passed=passed) < 1 for passed in (True, False))


# --- quorum ---------------------------------------------------------------------------------------


@pytest.mark.requirement("REF-7")
def test_one_critic_in_good_standing_stops_work_that_four_others_praise() -> None:
    praise = [says(who, passed=True) for who in Critic if who is not Critic.TESTS]
    ruling = rule([*praise, says(Critic.TESTS, passed=False)], {})
    assert not ruling.accepted
    assert ruling.support >= MAJORITY, "it was not outvoted but stopped"
    assert ruling.reasons == ("tests is against it",)


@pytest.mark.requirement("REF-7")
def test_a_critic_whose_verdicts_did_not_hold_is_outvoted() -> None:
    praise = [says(who, passed=True) for who in Critic if who is not Critic.TESTS]
    flaky = lived(0.55)
    assert flaky.reputation < VETO
    ruling = rule([*praise, says(Critic.TESTS, passed=False)], {Critic.TESTS: flaky})
    assert ruling.accepted
    assert ruling.reasons == ("tests is against it",), "it is still said"


def test_too_little_reputation_is_no_quorum() -> None:
    coin = lived(0.5)
    assert coin.reputation < ENOUGH
    ruling = rule([says(Critic.EVIDENCE, passed=True)], {Critic.EVIDENCE: coin})
    assert not ruling.accepted
    assert "hardly better than a coin; have somebody look" in ruling.reasons[0]


def test_who_abstains_weighs_nothing() -> None:
    spoken = says(Critic.EVIDENCE, passed=True, score=1.0)
    with_others = rule([spoken, abstains(Critic.TESTS, "none ran"), abstains(Critic.COMPILE, "no Python")], {})
    alone = rule([spoken], {})
    assert (with_others.accepted, with_others.support, with_others.quality) == (True, alone.support, alone.quality)
    assert [it.opinion.critic for it in with_others.weighed] == [Critic.TESTS, Critic.COMPILE, Critic.EVIDENCE]


def test_nobody_who_speaks_accepts_nothing() -> None:
    ruling = rule([abstains(who, "nothing to see") for who in Critic], {})
    assert (ruling.accepted, ruling.support, ruling.quality) == (False, 0.0, None)


def test_quality_is_what_the_critics_scored_by_how_much_they_are_believed() -> None:
    opinions = [says(Critic.TESTS, passed=False, score=0.5), says(Critic.EVIDENCE, passed=True, score=1.0)]
    assert rule(opinions, {}).quality == 75
    quality = rule(opinions, {Critic.EVIDENCE: lived(0.98), Critic.TESTS: lived(0.6)}).quality
    assert quality is not None
    assert quality > 90


@settings(max_examples=40)
@given(
    votes=st.dictionaries(st.sampled_from(Critic), st.booleans()), past=st.dictionaries(st.sampled_from(Critic), PAST)
)
def test_one_more_praise_of_a_new_critic_never_turns_acceptance_into_refusal(
    votes: dict[Critic, bool], past: dict[Critic, list[Settled]]
) -> None:
    standings = {who: Standing(tuple(settled)) for who, settled in past.items() if who is not Critic.TESTS}
    others = [says(who, passed) for who, passed in votes.items() if who is not Critic.TESTS]
    if rule(others, standings).accepted:
        assert rule([*others, says(Critic.TESTS, passed=True)], standings).accepted


# --- critics of evidence --------------------------------------------------------------------------


def test_tests_that_passed_before_may_neither_fail_nor_vanish() -> None:
    lost = critic.test_regression({"a"}, {"a", "b"}, {"a", "b", "c"}, whole=True)
    assert lost.reasons == ("passed before and not now: b, c",)
    selected = critic.test_regression({"a"}, {"a", "b"}, {"a", "b", "c"}, whole=False)
    assert selected.reasons == ("passed before and not now: b",), "c was not asked to run"
    assert critic.test_regression({"a"}, {"a"}, {"a"}, whole=True).passed
    assert critic.test_regression({"a"}, {"a"}, set(), whole=True).passed is None


def test_a_long_list_of_lost_tests_is_counted() -> None:
    lost = critic.test_regression((), (), {f"t{number}" for number in range(9)}, whole=True)
    assert lost.reasons == ("passed before and not now: t0, t1, t2, t3, t4 and 4 more",)


def test_completeness_scores_the_part_that_is_there() -> None:
    pieces = [Evidence("test", passed=True, detail="x")]
    assert critic.completeness(pieces, ("review", "test")).score == 0.5
    assert critic.completeness(pieces, ()).passed is None
