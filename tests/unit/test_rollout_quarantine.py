"""The quarantine without a rollout: a person takes a version out, whatever else is under way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from rollout_plans import ABORT, Story, asked, flipping, going_back, stepping
from rollout_story import NOW, STARTING, after, does, refusal

from orchestrator.domain.rollouts import events as ev
from orchestrator.domain.rollouts.rollout import State
from orchestrator.domain.rollouts.state import Cause, Quarantined, What

pytestmark = pytest.mark.requirement("ROLL-14")

HELD = Quarantined("", Cause(What.PERSON, "ann rolled back", "ann", NOW))


def release(fingerprint: str) -> ev.ReleaseAsked:
    return ev.ReleaseAsked(fingerprint=fingerprint, actor="bob", reason="it was the disk")


def holding(*fingerprints: str, state: State | None = None) -> State:
    return replace(state or after(*STARTING), quarantine=dict.fromkeys(fingerprints, HELD))


@pytest.mark.parametrize("given", ["abcd1", "abcd", "a"])
def test_a_fingerprint_or_the_only_one_that_begins_so_is_taken_out_and_nothing_else_changes(given: str) -> None:
    before = holding("abcd1", "bcde2")
    state, commands = does(before, release(given))
    assert state == replace(before, quarantine={"bcde2": HELD})
    assert commands == ()


def test_a_whole_fingerprint_is_meant_even_where_another_one_begins_so() -> None:
    state, _ = does(holding("abc", "abcd"), release("abc"))
    assert state.quarantine.keys() == {"abcd"}


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ("abc", "more than one fingerprint begins with 'abc': abcd1, abce2; give more of it"),
        ("x", "nothing in quarantine is 'x' or begins so; to see what is there: switchover quarantine"),
        ("", "nothing in quarantine is '' or begins so"),
    ],
)
def test_what_names_none_or_several_is_refused(given: str, reason: str) -> None:
    assert reason in refusal(holding("abcd1", "abce2"), release(given))


@pytest.mark.parametrize("place", [stepping, flipping, going_back])
def test_a_rollout_under_way_goes_on_untouched(place: Callable[[], Story]) -> None:
    before = place().state
    held = replace(before, quarantine={**before.quarantine, "old one": HELD})
    state, commands = does(held, release("old"))
    assert (state, commands) == (before, ())


def test_what_was_taken_out_may_be_rolled_out_again_without_force() -> None:
    story = stepping().happen(ABORT)
    assert "quarantined" in story.refused(asked(name="r2"))
    story.happen(release("two"), asked(name="r2"))
    assert story.at == ("rehearsing", "running", 0)
