"""From the machine's state to what is shown of a rollout: pure functions, and the counters behind the actual weight.

Above: `desk`.  Below: `shown` for the shapes, the domain's words.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import msgspec

from orchestrator.api.rollouts.shown import (
    CauseShown,
    HoldShown,
    LimitShown,
    LookShown,
    PausedShown,
    QuarantinedShown,
    RolloutShown,
    StageShown,
)
from orchestrator.domain.evidence.look import LimitLook, Look
from orchestrator.domain.plans.steps import FlagStage
from orchestrator.domain.rollouts.asked import Asked
from orchestrator.domain.rollouts.judgement import step_words
from orchestrator.domain.rollouts.state import Cause, Part, Phase, Rollout, State, What
from orchestrator.domain.rollouts.told import where
from orchestrator.domain.rollouts.why import limit_words

MOST = 1e300
"""Evidence that is shown; JSON has no infinity."""
PERCENT = 100.0


class Split:
    """Counts which calls went where since a part of the rollout began."""

    def __init__(self, chosen: Callable[[int], int]) -> None:
        """Build it; `chosen` says how often a generation was chosen for a call since the daemon started."""
        self._chosen = chosen
        self._of: tuple[object, ...] = ()
        self._before: tuple[int, int] = (0, 0)

    def follow(self, state: State) -> None:
        """Begin anew where the state is in another part, or routes otherwise."""
        rollout = state.rollout
        of = () if rollout is None else (rollout.id, rollout.visit, rollout.phase, state.table.weight)
        if of != self._of:
            self._of = of
            self._before = self._now(rollout)

    def counted(self, rollout: Rollout) -> tuple[int, int]:
        """Return the calls that went to the version on trial, and to the one it is compared with."""
        now = self._now(rollout)
        return max(0, now[0] - self._before[0]), max(0, now[1] - self._before[1])

    def _now(self, rollout: Rollout | None) -> tuple[int, int]:
        if rollout is None:
            return 0, 0
        candidate = rollout.candidate
        return 0 if candidate is None else self._chosen(candidate), self._chosen(rollout.baseline)


def shown(
    state: State, rollout: Rollout, now: float, counted: tuple[int, int], *, answered: Asked | None = None
) -> RolloutShown:
    """Return a rollout as it is shown.

    Args:
        state: the machine's state.
        rollout: the one to show; the state's own, or an earlier one.
        now: Unix seconds on the steady clock.
        counted: calls that went to the version on trial and to the baseline since the part began.
        answered: what the hold it waits at was answered last, if it was asked.
    """
    return RolloutShown(
        id=rollout.id,
        plan=rollout.plan.name,
        description=rollout.plan.description,
        actor=rollout.actor,
        reason=rollout.reason,
        baseline=rollout.baseline,
        candidate=rollout.candidate,
        quarantined=is_quarantined(state, rollout),
        weight=weight_of(state, rollout),
        hold=None if answered is None else _answered(answered, now),
        paused=None if rollout.paused is None else _paused(rollout),
        cause=cause_shown(rollout.cause),
        look=look_shown(rollout.look),
        flags=[_stage(rollout, at, stage) for at, stage in enumerate(rollout.plan.flags)],
        **_place(rollout),
        **_times(rollout, now),
        **_version(rollout),
        **_calls(counted),
    )


def _place(rollout: Rollout) -> dict[str, Any]:
    """Return how far a rollout is in its plan."""
    return {
        "phase": rollout.phase.value,
        "part": rollout.part.value,
        "where": where(rollout),
        "step": step_words(rollout),
        "step_number": rollout.index + 1 if rollout.phase is Phase.STEPPING else 0,
        "steps": len(rollout.plan.steps),
        "over": rollout.is_over,
        "frozen": rollout.frozen,
        "waiting": rollout.waiting,
    }


def _times(rollout: Rollout, now: float) -> dict[str, Any]:
    """Return since when a rollout is where it is, and what is left, in seconds."""
    deadline, began = rollout.plan.deadline, rollout.began
    ends = None if deadline is None or began is None or rollout.is_over else began + deadline
    return {
        "asked": rollout.asked,
        "entered": rollout.entered,
        "due": rollout.due,
        "left": None if rollout.due is None else max(0.0, rollout.due - now),
        "deadline_left": None if ends is None else max(0.0, ends - now),
    }


def _version(rollout: Rollout) -> dict[str, Any]:
    """Return which version is on trial, where one is."""
    spec = rollout.spec
    return {
        "command": None if spec is None else list(spec.command),
        "fingerprint": "" if spec is None else spec.fingerprint,
    }


def _calls(counted: tuple[int, int]) -> dict[str, Any]:
    """Return how many calls went where since the part began, and the weight that this comes to."""
    calls = sum(counted)
    return {"calls": calls, "weight_actual": PERCENT * counted[0] / calls if calls else None}


def weight_of(state: State, rollout: Rollout) -> int:
    """Return the percent of keys that are to go to the version on trial."""
    if rollout.candidate is None:
        return 0
    if state.table.active == rollout.candidate:
        return 100
    return state.table.weight if state.table.canary == rollout.candidate else 0


def is_quarantined(state: State, rollout: Rollout) -> bool:
    """Tell whether the version of a rollout may not be rolled out again."""
    return rollout.spec is not None and rollout.spec.fingerprint in state.quarantine


def quarantine(state: State) -> list[QuarantinedShown]:
    """Return what is quarantined."""
    return [
        QuarantinedShown(fingerprint=name, rollout=held.rollout, cause=_cause(held.cause))
        for name, held in state.quarantine.items()
    ]


def look_shown(look: Look | None) -> LookShown | None:
    """Return a look as it is shown."""
    if look is None:
        return None
    told = {name: getattr(look, name) for name in LookShown.model_fields if name != "limits"}
    return LookShown(**told, limits=[_limit(one) for one in look.limits])


def cause_shown(cause: Cause | None) -> CauseShown | None:
    """Return a cause as it is shown."""
    return None if cause is None else _cause(cause)


def _cause(cause: Cause) -> CauseShown:
    return CauseShown(**msgspec.to_builtins(cause))


def _paused(rollout: Rollout) -> PausedShown | None:
    paused = rollout.paused
    return None if paused is None else PausedShown(cause=_cause(paused.cause), left=paused.left, over=paused.over)


def _answered(answered: Asked, now: float) -> HoldShown:
    return HoldShown(answer=answered.answer, at=answered.at, asked=answered.times, words=answered.told(now))


def _limit(one: LimitLook) -> LimitShown:
    told: dict[str, Any] = _finite(msgspec.to_builtins(one))
    for name in ("evidence", "needed", "within"):
        value = getattr(one, name)
        told[name] = min(value, MOST) if not math.isnan(value) else 0.0
    return LimitShown(**told, words=limit_words(one))


def _finite(value: Any) -> Any:
    """Return builtins with None in the place of numbers that JSON does not have."""
    if isinstance(value, dict):
        return {name: _finite(one) for name, one in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _stage(rollout: Rollout, at: int, stage: FlagStage) -> StageShown:
    cause = rollout.cause if rollout.cause is not None else rollout.paused.cause if rollout.paused is not None else None
    meant = cause is not None and cause.flag == stage.flag and cause.what not in {What.DONE, What.PERSON}
    said = cause.words if cause is not None and meant else ""
    return StageShown(flag=stage.flag, to=stage.to, soak=stage.soak, state=_mark(rollout, at, stage), cause=said)


def _mark(rollout: Rollout, at: int, stage: FlagStage) -> str:
    """Return how far a flag's stage is, in a word."""
    moved = any(one.flag == stage.flag for one in rollout.moved)
    if rollout.phase in {Phase.ROLLING_BACK, Phase.ROLLED_BACK}:
        return "reset" if moved else "to_come"
    if rollout.phase is Phase.DONE or (rollout.phase is Phase.FLIPPING and at < rollout.index):
        return "moved" if moved else "skipped"
    if rollout.phase is not Phase.FLIPPING or at > rollout.index:
        return "to_come"
    if rollout.part is Part.YOUNG:
        return "waiting"
    if not moved:
        return "theirs"
    return "half" if rollout.part is Part.HALF else "whole"
