"""The promotion procedure of a plan for whoever stands at the keyboard: what happens, and what to type when.

Above: the control API and the verb `guide`.  Below: `words` for what happens.
"""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.domain.flags.declaration import Registry
from orchestrator.domain.plans.fields import lasting
from orchestrator.domain.plans.limits import Answer
from orchestrator.domain.plans.plan import Plan, StateUse
from orchestrator.domain.plans.steps import Hold, HoldKind
from orchestrator.domain.plans.words import told
from orchestrator.domain.rollouts.judgement import step_words
from orchestrator.domain.rollouts.state import Rollout

BY_HAND = "until resumed"


def guide(plan: Plan, registry: Registry, named: str, rollout: Rollout | None = None) -> tuple[str, ...]:
    """Return the procedure, a line each.

    Args:
        plan: the plan.
        registry: the declared flags.
        named: how the plan is named on the command line.
        rollout: the one that carries it out now, None when none does.
    """
    lines = [*told(plan, registry), "", "What to type:", ""]
    if rollout is not None:
        lines += [f"   rollout {rollout.id} carries it out now and is at {step_words(rollout)}", ""]
    begun = rollout is not None  # by a name that may have been a file's, and once is enough
    for number, (what, command) in enumerate((*(() if begun else _before(plan, named)), *_steps(plan)), start=1):
        lines += [f"{number:>2}. {what}", f"      {command}"]
    return tuple(lines)


def _before(plan: Plan, named: str) -> Iterator[tuple[str, str]]:
    yield "Find what about the plan cannot work, or does nothing:", f"switchover lint {named}"
    if plan.new_generation:
        yield "Try the new version before anybody is served by it:", "switchover upgrade --rehearse -- COMMAND..."
    command = " -- COMMAND..." if plan.new_generation else ""
    yield "Begin:", f"switchover upgrade --plan {named}{command}"


def _steps(plan: Plan) -> Iterator[tuple[str, str]]:
    yield "Watch; Ctrl-C stops watching and nothing else:", "switchover status --watch"
    if plan.rehearsal.run and plan.rehearsal.on_differences is Answer.PAUSE:
        yield "If the rehearsal finds differences, read them, then go on or end it:", "switchover shadow diff"
    yield from _decided(plan)
    if plan.new_generation:
        yield "With traffic on the new version, measure how fast the way back is:", "switchover drill --yes"
        yield "To have all traffic on the new version now:", "switchover promote"
    yield "To stop the clock, and to go on; the guard stays on:", "switchover pause; switchover resume"
    yield f"To go back{_lost(plan)}:", "switchover rollback --reason WHY"
    yield "When it was paused or rolled back, hear why:", "switchover why"
    yield "With the cause mended outside the version, run the same one again:", "switchover retry"


def _decided(plan: Plan) -> Iterator[tuple[str, str]]:
    """Yield what waits for a person."""
    count = len(plan.steps)
    for at, step in enumerate(plan.steps, start=1):
        if step.hold is not None and step.hold.kind is HoldKind.PERSON:
            yield f"Before step {at} of {count} ({step.weight} %){_said(step.hold.say)}:", "switchover resume"
        yield from _parity(f"step {at} of {count}", step.hold)
        if step.pause is None:
            yield f"Step {at} of {count} ({step.weight} %) stays {BY_HAND}:", "switchover resume"
    hold = plan.promotion.hold
    yield from _parity("the promotion", hold)
    if hold is not None and hold.kind is HoldKind.PERSON:
        yield f"Before the promotion{_said(hold.say)}:", "switchover resume"
    if plan.deadline is not None:
        does = "pauses" if plan.on_deadline is Answer.PAUSE else "goes back"
        yield (
            f"If it is not done {lasting(plan.deadline)} after its first step it {does}; hear where it stood:",
            ("switchover why"),
        )


def _parity(part: str, hold: Hold | None) -> Iterator[tuple[str, str]]:
    """Yield how to begin earlier what a hold begins by itself."""
    if hold is not None and hold.kind is HoldKind.PARITY:
        clean = lasting(hold.clean or 0.0)
        yield (
            f"Before {part} the states are compared until they have been the same for {clean}; to begin earlier:",
            "switchover parity start",
        )


def _said(words: str) -> str:
    return f", agree to: {words.rstrip('.:')}" if words else ""


def _lost(plan: Plan) -> str:
    return " (what the new version wrote is lost: --lose-writes)" if plan.state is StateUse.EXCLUSIVE else ""
