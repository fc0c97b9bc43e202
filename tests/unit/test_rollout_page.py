"""The page of the machine: current, and true to the table."""

from __future__ import annotations

from itertools import pairwise

import pytest

from docs import generate_rollout
from orchestrator.domain.rollouts import events as ev
from orchestrator.domain.rollouts.rollout import TRANSITIONS, Phase

pytestmark = pytest.mark.requirement("ROLL-3")


def test_the_page_is_what_the_table_says_now() -> None:
    assert generate_rollout.PAGE.read_text() == generate_rollout.page(), "regenerate it with: make docs"


def test_everything_the_table_handles_can_happen_and_has_an_arrow() -> None:
    assert {(phase, kind) for phase, kind, _ in generate_rollout.arrows()} == TRANSITIONS.keys()


def test_the_rollout_has_its_seven_phases_and_both_ends_and_every_phase_leads_to_an_end() -> None:
    steps = {(before, after) for before, _, after in generate_rollout.arrows() if before is not after}
    way = [Phase.STEADY, Phase.REHEARSING, Phase.STEPPING, Phase.PROMOTING, Phase.BAKING, Phase.FLIPPING, Phase.DONE]
    assert set(pairwise(way)) <= steps
    for phase in way[1:-1]:
        assert {(phase, Phase.ROLLING_BACK), (phase, Phase.ROLLED_BACK)} & steps
    assert {after for before, after in steps if before is Phase.ROLLING_BACK} == {Phase.ROLLED_BACK}


def test_nothing_leads_from_the_way_back_to_the_way_forward() -> None:
    forward = {Phase.REHEARSING, Phase.STEPPING, Phase.PROMOTING, Phase.BAKING, Phase.FLIPPING}
    assert not [one for one in generate_rollout.arrows() if one[0] is Phase.ROLLING_BACK and one[2] in forward]
    backwards = [one for one in generate_rollout.arrows() if one[0] in {Phase.BAKING, Phase.FLIPPING}]
    assert not [one for one in backwards if one[2] in {Phase.STEPPING, Phase.PROMOTING, Phase.REHEARSING}]


def test_a_canary_and_nothing_else_begins_a_change_and_its_end_is_readiness_failure_or_a_person() -> None:
    arrows = generate_rollout.arrows()
    assert [kind for before, kind, after in arrows if (before, after) == (Phase.STEADY, Phase.STARTING)] == [
        ev.CanaryAsked
    ]
    ends = {kind for before, kind, after in arrows if (before, after) == (Phase.STARTING, Phase.STEADY)}
    assert ends == {ev.CanaryDropAsked, ev.GenerationReady, ev.GenerationFailed}
    assert not [arrow for arrow in arrows if arrow[2] is Phase.EMPTY]


def test_every_handler_says_in_a_sentence_what_happens() -> None:
    for handler in TRANSITIONS.values():
        assert (handler.__doc__ or "").partition("\n")[0].endswith(".")
