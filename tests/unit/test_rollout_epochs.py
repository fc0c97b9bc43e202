"""What an epoch compares: the canary with the old version, a flag's one half with the other."""

from __future__ import annotations

import pytest

from orchestrator.domain.plans.plan import Plan
from orchestrator.domain.rollouts.judgement import watch_anew
from orchestrator.domain.rollouts.state import Rollout, State

pytestmark = pytest.mark.requirement("ROLL-1")


@pytest.mark.parametrize(("part", "baseline"), [("steps", 1), ("bake", 1), ("flags", 2)])
def test_a_flag_s_baseline_is_its_other_half_and_every_other_part_s_is_the_old_version(
    part: str, baseline: int
) -> None:
    rollout = Rollout("r-1", Plan(name="p"), None, "ann", "", 0.0, baseline=1, candidate=2)
    state = watch_anew(State(rollout=rollout), part, 0, share=0.5, weight=50, flag="ONE" if part == "flags" else "")
    watch = state.under_way.watch
    assert watch is not None
    assert (watch.trial, watch.baseline) == (2, baseline)
