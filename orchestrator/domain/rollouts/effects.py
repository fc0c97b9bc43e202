"""From two states to the commands between them: what a state wants is written here once, for steps and for recovery.

A command follows from the difference of two states, so nothing can be forgotten in a handler, and `wanted` of a
recovered state alone makes the world fit it again.  Above: `rollout`, the engine's recovery.  Below: `state`.
"""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.domain.generation import Standing
from orchestrator.domain.plans.steps import Hold, HoldKind
from orchestrator.domain.rollouts.commands import (
    AskHold,
    CancelRehearsal,
    Command,
    CutBack,
    CutOver,
    MoveFlags,
    Observe,
    Rehearse,
    ResetFlags,
    Retire,
    Route,
    Start,
)
from orchestrator.domain.rollouts.state import Part, Phase, Rollout, State
from orchestrator.domain.routing import Lane


def between(before: State, after: State) -> tuple[Command, ...]:
    """Return the commands that lead from one state to the next, in the order in which they take effect.

    Who is started comes before traffic goes there, routing before everything else, what cannot be undone last.
    """
    aside = unstarted(after)
    new = after.generations.keys() - before.generations.keys() - aside
    return (
        *(Start(after.generations[number]) for number in sorted(new)),
        *((Route(after.table),) if after.table != before.table else ()),
        *_changed(before, after),
        *(Retire(number) for number in before.generations if number not in after.generations),
    )


def wanted(state: State) -> tuple[Command, ...]:
    """Return the commands that make the world fit a recovered state."""
    if state.table.active is None:
        return ()
    held = [*state.table.lanes().values(), *(n for n in state.generations if state.table.lane_of(n) is None)]
    aside = unstarted(state)
    started = [state.generations[number] for number in held if number not in aside]
    idle = State(table=state.table, generations=state.generations)
    return (Route(state.table), *(Start(generation) for generation in started), *_changed(idle, state))


def unstarted(state: State) -> frozenset[int]:
    """Return the generations that have no process by right: a cut starts and stops them, or one is parked."""
    rollout = _live(state)
    cut = {rollout.baseline, rollout.trial} if rollout is not None and rollout.is_cutting else set()
    parked = {number for number, one in state.generations.items() if one.standing is Standing.PARKED}
    return frozenset(cut | parked)


def hold_of(rollout: Rollout) -> Hold | None:
    """Return the hold a rollout waits at, None when it does not."""
    if rollout.part is not Part.HOLD:
        return None
    if rollout.phase is Phase.PROMOTING:
        return rollout.plan.promotion.hold
    return rollout.plan.steps[rollout.index].hold if rollout.phase is Phase.STEPPING else None


def mirrored(rollout: Rollout) -> Lane | None:
    """Return the lane read-only calls are mirrored to, None when they are not."""
    if rollout.phase is Phase.STEPPING and rollout.part in {Part.RUNNING, Part.HOLD}:
        watch = rollout.watch
        steps = rollout.plan.steps
        return Lane.CANARY if watch is not None and watch.part == "steps" and steps[watch.index].mirror else None
    runs = rollout.plan.bake.mirror and not rollout.is_exclusive  # the old version has no process there
    return Lane.PREVIOUS if rollout.phase is Phase.BAKING and runs else None


def _changed(before: State, after: State) -> Iterator[Command]:
    """Yield what the rollout wants that it did not want before."""
    old, new = _live(before), _live(after)
    name = (new or old).id if new or old else ""  # type: ignore[union-attr]  # one of the two is there
    for former, now in zip(_wishes(old, name), _wishes(new, name), strict=True):
        if now is not None and now != former:
            yield now
        elif now is None and isinstance(former, Rehearse):
            yield CancelRehearsal(former.rollout)


def _live(state: State) -> Rollout | None:
    return state.rollout if state.rollout is not None and not state.rollout.is_over else None


def _wishes(rollout: Rollout | None, name: str) -> tuple[Command | None, ...]:
    """Return what a rollout wants besides routing and processes, one place for each kind."""
    if rollout is None:
        return Observe(None), None, None, None, AskHold(name, None), None
    resets = rollout.phase is Phase.ROLLING_BACK and rollout.moved and not rollout.is_reset
    moves = rollout.phase is Phase.FLIPPING and rollout.moved and not rollout.refused
    hold = hold_of(rollout)
    asks = hold is not None and hold.kind is not HoldKind.PERSON and rollout.paused is None
    rehearses = rollout.phase is Phase.REHEARSING and rollout.part is Part.RUNNING and rollout.spec is not None
    return (
        Observe(rollout.watch, mirrored(rollout)),
        ResetFlags(rollout.id, tuple(one.flag for one in reversed(rollout.moved))) if resets else None,
        MoveFlags(rollout.id, rollout.moved) if moves else None,
        Rehearse(rollout.id, rollout.spec) if rehearses and rollout.spec is not None else None,
        AskHold(rollout.id, hold if asks else None),
        _cut(rollout),
    )


def _cut(rollout: Rollout) -> Command | None:
    """Return in which direction the state is to be handed over, None when it is not."""
    if not rollout.is_cutting:
        return None
    if rollout.phase is Phase.PROMOTING:
        return CutOver(rollout.id, rollout.baseline, rollout.trial)
    return CutBack(rollout.id, rollout.baseline, rollout.trial, aside=rollout.promoted is not None)
