"""What is watched in each part of a plan, and what the newest look at it means once the part is over.

Above: `steps`, `stages`, `clock`.  Below: `look`, `plan`, `state`.
"""

from __future__ import annotations

from enum import StrEnum

from orchestrator.domain.evidence.look import Look, Verdict, Watch
from orchestrator.domain.plans.epochs import Place, epochs
from orchestrator.domain.plans.plan import Bake, Plan
from orchestrator.domain.plans.steps import FlagStage, Step
from orchestrator.domain.rollouts.state import Part, Phase, Rollout, State


class Judged(StrEnum):
    """What a part that is over came to."""

    WELL = "well"
    INCONCLUSIVE = "inconclusive"
    MISSING = "missing"


def judged(rollout: Rollout) -> Judged:
    """Judge the part that is over by the newest look at it."""
    watch = rollout.watch
    if watch is None or not watch.judged or not rollout.plan.limits_of(part_of(rollout.plan, watch)):
        return Judged.WELL
    look = look_at(rollout)
    if look is None or look.verdict in {Verdict.NO_DATA, Verdict.BROKEN_TELEMETRY}:
        return Judged.MISSING
    # A regression that is still seen here was told to a person, who went on: it is no "well" all the same.
    return Judged.INCONCLUSIVE if look.doubtful or look.verdict is Verdict.REGRESSION else Judged.WELL


def look_at(rollout: Rollout) -> Look | None:
    """Return the newest look at what is watched now, None when there is none yet."""
    look, watch = rollout.look, rollout.watch
    return look if look is not None and watch is not None and look.epoch == watch.epoch else None


def missing_words(rollout: Rollout) -> str:
    """Say which data are missing."""
    look = look_at(rollout)
    if look is None:
        return "there was no look yet: no call was served"
    wanted = {Verdict.NO_DATA, Verdict.BROKEN_TELEMETRY}
    said = [f"{one.limit}: {one.note or one.verdict}" for one in look.limits if one.verdict in wanted]
    return "; ".join(said) or "too few calls"


def doubtful_words(rollout: Rollout) -> str:
    """Say which limits are in doubt."""
    look = look_at(rollout)
    said = [one.limit for one in look.limits if one.doubtful] if look is not None else []
    return f"beyond the limit, though not for sure: {', '.join(said)}" if said else "the limits are exceeded still"


def part_of(plan: Plan, watch: Watch) -> Step | FlagStage | Bake:
    """Return the part of the plan that an epoch belongs to; a retreat belongs to its step."""
    if watch.part == "flags":
        return plan.flags[watch.index]
    return plan.bake if watch.part == "bake" else plan.steps[watch.index]


def watch_anew(state: State, part: str, index: int, *, share: float, weight: int, flag: str = "") -> State:
    """Begin an epoch: the guard forgets what it has seen.

    Args:
        state: the state, at the part of the plan.
        part: `steps`, `bake`, `flags` or `retreat`.
        index: which one of these, from 0.
        share: probability with which a key has what is on trial.
        weight: the canary's weight, percent.
        flag: the flag on trial.
    """
    rollout = state.under_way
    watch = Watch(
        epoch=f"{rollout.id}/{part}/{index}/{rollout.visit + 1}",
        rollout=rollout.id,
        part=part,
        index=index,
        alpha=_alpha(rollout, part, index),
        share=share,
        weight=weight,
        trial=rollout.trial,
        baseline=rollout.trial if part == "flags" else rollout.baseline,  # a flag's other half is its baseline
        flag=flag,
        judged=_place(rollout, part, index) in {epoch.place for epoch in epochs(rollout.plan)},
    )
    return state.to(visit=rollout.visit + 1, watch=watch, look=None, behind=_left_behind(rollout))


def _left_behind(rollout: Rollout) -> str:
    """Return the epoch that ends, unless it is known already to be a regression that a person went past."""
    watch, look = rollout.watch, look_at(rollout)
    told = look is not None and look.verdict is Verdict.REGRESSION
    return "" if watch is None or not watch.judged or told else watch.epoch


def _place(rollout: Rollout, part: str, index: int) -> Place:
    places: dict[str, Place] = {"bake": ("bake",), "retreat": ("policy", "retreat", rollout.retreat - 1)}
    return places.get(part, (part, index))


def _alpha(rollout: Rollout, part: str, index: int) -> float:
    """Return how probable a mistake a new epoch may make.

    A part that is entered again (a person moved the weight, a retreat is over, a flag was refused) may err again: it
    gets half of the alpha with each visit, so that all visits together spend at most twice what one would.  Every
    step may go down by the same retreats, so all steps share their alpha.
    """
    plan, before = rollout.plan, rollout.watch
    alphas = {epoch.place: epoch.alpha for epoch in epochs(plan)}
    alpha = alphas.get(_place(rollout, part, index), plan.judge.alpha)
    if part == "retreat":
        return alpha / len(plan.steps)
    if before is None or (before.part, before.index) != (part, index):
        return alpha / 2 if rollout.climbed and part == "steps" else alpha
    other_half = part == "flags" and before.share < 1.0 and rollout.part is Part.WHOLE
    return alpha if other_half else before.alpha / 2


def step_words(rollout: Rollout) -> str:
    """Say where a rollout is: `step 2 of 3 (25 %)`, `bake`, `flag 1 of 6 (PROMPT_MODE)`."""
    plan, at = rollout.plan, rollout.index
    match rollout.phase:
        case Phase.STEPPING if rollout.part is not Part.STARTING and plan.steps:
            return f"step {at + 1} of {len(plan.steps)} ({plan.steps[at].weight} %)"
        case Phase.FLIPPING if plan.flags:
            return f"flag {at + 1} of {len(plan.flags)} ({plan.flags[at].flag})"
        case Phase.BAKING:
            return "bake"
        case phase:
            return {Phase.REHEARSING: "rehearsal", Phase.STEPPING: "start", Phase.PROMOTING: "promotion"}.get(
                phase, phase.value
            )
