"""What a step of the machine came to, in words: for the history, the live view, the log and the notices.

Words follow from two states, so whatever led there is told alike.  Above: the control API, the chronicle.  Below:
`state`, `judgement` for where a rollout is.
"""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.domain.flags.values import as_text
from orchestrator.domain.plans.fields import lasting
from orchestrator.domain.plans.steps import HoldKind
from orchestrator.domain.rollouts.effects import hold_of
from orchestrator.domain.rollouts.judgement import step_words
from orchestrator.domain.rollouts.state import Part, Phase, Rollout, State, What
from orchestrator.domain.routing import RoutingTable


def told(before: State | None, after: State) -> tuple[str, ...]:
    """Say what changed between two states; nothing where it would interest nobody, such as one more look.

    Args:
        before: the state before, None when it is not known: then only where a rollout is now is told.
        after: the state after.
    """
    old = before.rollout if before is not None else None
    return (*_rollout(old, after.rollout), *_routing(before, after))


def stands(state: State, now: float) -> str:
    """Say in one sentence where the rollout under way, or the last one, stands.

    Args:
        state: the state.
        now: Unix seconds on the steady clock.
    """
    rollout = state.rollout
    if rollout is None:
        return "there was no rollout yet"
    name = f"rollout {rollout.id}"
    if rollout.is_over or rollout.phase is Phase.ROLLING_BACK:
        return f"{name}: {where(rollout)}"
    if rollout.paused is not None:
        return f"{name} is paused at {step_words(rollout)}: {rollout.paused.cause.words}"
    if rollout.due is None or rollout.due <= now:  # the tick that says how long it takes is on its way
        return f"{name}: {where(rollout)}"
    return f"{name}: {where(rollout)}, {lasting(rollout.due - now)} left"


def where(rollout: Rollout) -> str:
    """Say what a rollout is doing, or how it ended."""
    at = step_words(rollout)
    cause = rollout.cause.words if rollout.cause is not None else ""
    match rollout.phase, rollout.part:
        case Phase.DONE, _:
            return f"done: {cause}"
        case Phase.ROLLED_BACK, _:  # what a person did says so itself
            judged = rollout.cause is not None and rollout.cause.what is not What.PERSON
            return f"rolled back: {cause}" if judged else cause
        case Phase.ROLLING_BACK, part:
            old = f"generation {rollout.baseline}"
            stuck = f", which does not succeed and is tried on: {rollout.stuck}" if rollout.stuck else ""
            waits = {
                Part.READY: f"waits until {old} is ready again",
                Part.CUTTING: f"calls wait until {old} has its state again{stuck}",
            }
            return f"rolling back: {cause}; {waits.get(part, 'its flags are being reset')}"
        case _, Part.HOLD:
            return f"{at}: {_hold(rollout)}"
    return f"{at}: {_doing(rollout)}{_delayed(rollout)}"


def _doing(rollout: Rollout) -> str:
    trial = f"generation {rollout.trial}"
    flags = rollout.plan.flags if rollout.phase is Phase.FLIPPING else ()
    stage = flags[rollout.index] if rollout.index < len(flags) else None  # words end nothing, whatever they are about
    to = as_text(stage.to) if stage is not None else ""
    said = {
        (Phase.REHEARSING, Part.RUNNING): "the new version is rehearsed",
        (Phase.STEPPING, Part.STARTING): f"{trial} is being started",
        (Phase.STEPPING, Part.RUNNING): f"{trial} has its share of the calls",
        (Phase.PROMOTING, Part.STARTING): "the version is about to take over the state",
        (Phase.PROMOTING, Part.CUTTING): f"calls wait while {trial} takes over the state",
        (Phase.BAKING, Part.HEALTH): f"{trial} serves all calls and is watched",
        (Phase.BAKING, Part.UNLOCK): f"{trial} is well; flags may move soon",
        (Phase.FLIPPING, Part.YOUNG): "waits until the version has run for long enough",
        (Phase.FLIPPING, Part.HALF): f"{to} for half of the keys",
        (Phase.FLIPPING, Part.WHOLE): f"{to} for all keys",
    }
    words = said.get((rollout.phase, rollout.part), rollout.part.value)
    if rollout.phase is Phase.STEPPING and rollout.retreat:
        lower = rollout.watch.weight if rollout.watch is not None else 0
        return f"gone down to {lower} % because the evidence is in doubt"
    return words


def _delayed(rollout: Rollout) -> str:
    if rollout.waiting:
        return "; its time is over, and it waits for data"
    if rollout.frozen:
        return "; it is held up by a freeze window"
    if rollout.unready:
        return "; its time is over, and it waits until both versions are ready"
    return "; made longer because the versions disagree" if rollout.slowed else ""


def _hold(rollout: Rollout) -> str:
    hold = hold_of(rollout)
    if hold is None:  # a rehearsal's differences are held for a person, and no plan says more
        return "waits for a person: switchover resume, or switchover abort"
    who = {
        HoldKind.PERSON: "a person (switchover resume)",
        HoldKind.COMMAND: f"the command {' '.join(hold.command)}",
        HoldKind.WEBHOOK: f"the webhook {hold.url}",
        HoldKind.PARITY: f"{lasting(hold.clean or 0.0)} of equal states (switchover parity)",
    }[hold.kind]
    return f"waits for {who}{f': {hold.say}' if hold.say else ''}"


def _rollout(old: Rollout | None, new: Rollout | None) -> Iterator[str]:
    if new is None:
        return
    began = old is None or old.id != new.id
    if began:
        yield f"rollout {new.id} begins: plan {new.plan.name}{_command(new)}"
    before = None if began else old
    for flag in new.left_out[len(before.left_out) if before is not None else 0 :]:
        yield f"{flag} has its value already, for everybody: its stage is left out"
    if _place(before) != _place(new):
        yield where(new)
    elif before is not None and before.moved != new.moved and new.phase is Phase.FLIPPING:
        yield f"{step_words(new)}: flags moved: {', '.join(one.flag for one in new.moved) or 'none any more'}"
    stopped, stops = before.paused if before is not None else None, new.paused
    if stops is not None and stopped is None:
        yield f"paused at {step_words(new)}: {stops.cause.words}"
    elif stops is None and stopped is not None and new.phase is not Phase.ROLLING_BACK and not new.is_over:
        yield f"goes on: {where(new)}"


def _place(rollout: Rollout | None) -> tuple[object, ...]:
    """Return what makes two moments of a rollout different ones for people."""
    if rollout is None:
        return ()
    return (
        *(rollout.phase, rollout.part, rollout.index, rollout.retreat),
        *(rollout.waiting, rollout.frozen, rollout.unready, rollout.slowed, rollout.stuck),
    )


def _command(rollout: Rollout) -> str:
    return f", {' '.join(rollout.spec.command)}" if rollout.spec is not None else ", no new version"


def _routing(before: State | None, after: State) -> Iterator[str]:
    if before is None:
        return
    old, new = before.table, after.table
    by_itself = any(one.rollout is not None and not one.rollout.is_over for one in (before, after))
    for lane in ("active",) if by_itself else ("active", "canary", "previous"):
        was, now = getattr(old, lane), getattr(new, lane)
        if was != now:
            yield f"{lane}: {_generation(was)} -> {_generation(now)}"
    if old.weight != new.weight and new.canary is not None and not by_itself:
        yield f"weight: {old.weight} % -> {new.weight} %"
    if old.kill_switch != new.kill_switch:
        yield f"kill switch {'on: all traffic goes to ' + _refuge(new) if new.kill_switch else 'off'}"
    for fingerprint in after.quarantine.keys() - before.quarantine.keys():
        yield f"quarantined: {fingerprint[:12]}"
    for fingerprint in before.quarantine.keys() - after.quarantine.keys():
        yield f"out of quarantine: {fingerprint[:12]}"


def _generation(number: int | None) -> str:
    return "none" if number is None else str(number)


def _refuge(table: RoutingTable) -> str:
    if table.previous is not None and table.previous_warm:
        return f"generation {table.previous} (previous)"
    return f"generation {table.active} (active)"
