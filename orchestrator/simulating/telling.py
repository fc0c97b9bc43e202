"""A simulation in words: what happened when, what was decided on which evidence, and what was taken for granted.

Pure.  Above: `simulation` collects lines, the verb prints them.  Below: the machine's state, looks, the plan.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from orchestrator.domain.evidence.look import LimitLook, Look, Verdict
from orchestrator.domain.flags.values import as_text
from orchestrator.domain.plans.fields import lasting
from orchestrator.domain.rollouts import events as ev
from orchestrator.domain.rollouts.judgement import missing_words
from orchestrator.domain.rollouts.state import Part, Phase, Rollout

DAY: Final = 86_400


class Ending(StrEnum):
    """What a simulation came to."""

    DONE = "done"
    ROLLED_BACK = "rolled_back"
    PAUSED = "paused"
    """Somebody has to look."""
    WAITING = "waiting"
    """For data that do not come."""
    HELD = "held"
    """At a hold, where the simulation was asked to stop."""


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that happened.

    Attributes:
        at: seconds after the rollout was asked for.
        words: what happened.
        look: the evidence it was decided on, None when it was not decided on any.
    """

    at: float
    words: str
    look: Look | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """A whole simulation.

    Attributes:
        plan: the plan's name.
        ending: what it came to.
        lasted: seconds from its beginning to there.
        why: the cause, in a sentence.
        metric: the metric that it was about, "" when none.
        lines: what happened.
        assumed: what was taken for granted.
        calls: calls that came.
    """

    plan: str
    ending: Ending
    lasted: float
    why: str
    metric: str
    lines: tuple[Line, ...]
    assumed: tuple[str, ...]
    calls: int


def moment(seconds: float) -> str:
    """Return a time after the beginning: `T+0:07:31`, `T+7d 0:00:00`."""
    days, rest = divmod(round(seconds), DAY)
    hours, rest = divmod(rest, 3600)
    clock = f"{hours}:{rest // 60:02}:{rest % 60:02}"
    return f"T+{days}d {clock}" if days else f"T+{clock}"


def lines_of(event: ev.Event, before: Rollout | None, after: Rollout, now: float) -> Iterator[tuple[str, Look | None]]:
    """Yield what a step of the machine is told as, with the look it was decided on.

    Args:
        event: what happened.
        before: the rollout before it, None where it began by it.
        after: the rollout after it.
        now: when, Unix seconds.
    """
    if before is None:
        yield _entered(after), None
        return
    look = _decided_on(event, before)
    if after.is_over:
        yield _over(after), look
    elif after.paused is not None and before.paused is None:
        yield f"paused at {after.paused.cause.step}: {after.paused.cause.words}", look
    elif after.phase is Phase.ROLLING_BACK and before.phase is not Phase.ROLLING_BACK:
        words = after.cause.words if after.cause is not None else ""
        yield f"goes back, its flags first: {words}", look
    elif _where(after) != _where(before):
        yield _entered(after), look
    elif after.frozen and not before.frozen:
        yield f"held up by a freeze window for {lasting((after.due or now) - now)}", look
    elif after.waiting and not before.waiting:
        yield f"waits: {missing_words(after)}", look
    elif after.slowed and not before.slowed:
        yield "the two versions disagree, so the step is made longer", look


def _where(rollout: Rollout) -> tuple[object, ...]:
    return rollout.phase, rollout.part, rollout.index, rollout.visit


def _decided_on(event: ev.Event, before: Rollout) -> Look | None:
    """Return the newest look at the part that was under way."""
    if isinstance(event, ev.Looked):
        return event.look
    watch, look = before.watch, before.look
    return look if watch is not None and look is not None and look.epoch == watch.epoch else None


def _over(rollout: Rollout) -> str:
    words = rollout.cause.words if rollout.cause is not None else ""
    if rollout.phase is Phase.DONE:
        return f"done: {words}"
    step = rollout.cause.step if rollout.cause is not None else ""
    return f"rolled back{f' at {step}' if step else ''}: {words}"


def _entered(rollout: Rollout) -> str:
    """Say what part begins."""
    match rollout.phase, rollout.part:
        case ((Phase.STEPPING | Phase.PROMOTING), Part.HOLD):
            return _held(rollout)
        case Phase.STEPPING, Part.RUNNING:
            return _step(rollout)
        case Phase.FLIPPING, _:
            return _flag(rollout)
        case Phase.BAKING, Part.HEALTH:
            return f"promoted: all traffic to the new version, judged for {lasting(rollout.plan.bake.health)}"
        case phase, _:
            return PARTS[phase]


PARTS: Final = {
    Phase.REHEARSING: "rehearsal, taken as passed",
    Phase.STEPPING: "the new version is started",
    Phase.PROMOTING: "promotion: waits until the new version is ready",
    Phase.BAKING: "its health was well; flags move when their time has come",
    Phase.ROLLING_BACK: "goes back",
}
"""What begins where a phase says enough."""


def _held(rollout: Rollout) -> str:
    at_promotion = rollout.phase is Phase.PROMOTING
    hold = rollout.plan.promotion.hold if at_promotion else rollout.plan.steps[rollout.index].hold
    where = "promotion" if at_promotion else f"step {rollout.index + 1} of {len(rollout.plan.steps)}"
    said = f": {hold.say}" if hold is not None and hold.say else ""
    return f"{where} waits for a {hold.kind if hold is not None else 'person'}{said}"


def _step(rollout: Rollout) -> str:
    step = rollout.plan.steps[rollout.index]
    where = f"step {rollout.index + 1} of {len(rollout.plan.steps)}"
    weight = rollout.watch.weight if rollout.watch is not None else step.weight
    stays = "until resumed" if step.pause is None else f"for {lasting(step.pause)}"
    name = f" ({step.name})" if step.name else ""
    return f"{where}{name}, {'down in retreat to ' if rollout.retreat else ''}weight {weight} %, {stays}"


def _flag(rollout: Rollout) -> str:
    stage = rollout.plan.flags[rollout.index]
    where = f"flag {rollout.index + 1} of {len(rollout.plan.flags)}, {stage.flag} to {as_text(stage.to)}"
    seconds = (rollout.due or rollout.entered) - rollout.entered
    lasts = lasting(seconds)
    match rollout.part:
        case Part.YOUNG if not seconds:
            return f"{where}, is next"
        case Part.YOUNG:
            return f"{where}, waits for {lasts} more: the version has not run for long enough"
        case Part.HALF:
            return f"{where}, for half of the keys, for {lasts}"
        case _:
            return f"{where}, for all, for {lasts}"


def look_lines(look: Look) -> Iterator[str]:
    """Yield what a look says, limit by limit."""
    yield f"{_word(look.verdict)} after {look.trial} calls on trial and {look.baseline} others"
    for one in look.limits:
        if one.applies:
            yield f"  {_limit(one)}"
    if look.otherwise:
        yield f"  it would have been otherwise: {look.otherwise}"


def _limit(one: LimitLook) -> str:
    arms = f"{_figure(one.trial.figure)} of {one.trial.samples}"
    if one.baseline.samples:
        arms += f", baseline {_figure(one.baseline.figure)} of {one.baseline.samples}"
    evidence = f"; evidence {_evidence(one.evidence)} of {_evidence(one.needed)}" if one.needed else ""
    note = f" ({one.note})" if one.note else ""
    return f"{one.limit}: {_word(one.verdict)}; {arms}{evidence}{note}"


def _word(verdict: Verdict) -> str:
    return verdict.value.replace("_", " ")


def _figure(value: float | None) -> str:
    return "nothing" if value is None else f"{value:.4g}"


def _evidence(value: float) -> str:
    return f"{value:.2g}" if value < ROUND else f"{value:,.0f}" if value < HUGE else f"over {HUGE:,}"


ROUND: Final = 10
HUGE: Final = 1_000_000
"""Evidence is read to the whole from ten on, and to nothing more beyond a million."""
