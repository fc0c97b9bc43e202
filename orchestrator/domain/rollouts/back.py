"""The way back, and the end: routing first, then flags, then the canary stopped, the fingerprint quarantined.

Above: the other handlers.  Below: `edits` for routing, `state`.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from orchestrator.domain.generation import Standing
from orchestrator.domain.rollouts import events as ev
from orchestrator.domain.rollouts.edits import retire, route, settled, with_generation
from orchestrator.domain.rollouts.judgement import step_words
from orchestrator.domain.rollouts.state import Cause, Part, Paused, Phase, Quarantined, Rollout, State, What

ALARMS: Final = frozenset(
    {What.REGRESSION, What.CRASH, What.JOURNAL, What.FLAG, What.DIFFERENCES, What.DEADLINE, What.START}
)
"""What whoever resumes must know: told even where the clock stands already for another reason."""


WRITTEN: Final = "what was written"


def because(
    state: State, what: What, words: str, now: float, *, by: str = ev.SYSTEM, metric: str = "", flag: str = ""
) -> Cause:
    """Build a cause that says where the rollout is and which flag is meant, by itself the one on trial."""
    rollout = state.under_way
    on_trial = rollout.watch.flag if rollout.watch is not None else ""
    return Cause(what, words, by, now, metric=metric, flag=flag or on_trial, step=_at(rollout))


def _at(rollout: Rollout) -> str:
    """Say where a rollout is; of a hold, too, which weight is still in force, for it is not that of the step held."""
    at = step_words(rollout)
    if (rollout.phase, rollout.part) != (Phase.STEPPING, Part.HOLD):
        return at
    weight = rollout.watch.weight if rollout.watch is not None else 0
    return f"the hold before {at}, with {weight} % in force"


def go_back(state: State, cause: Cause, now: float, *, quarantine: bool = True) -> State:
    """Route away from the candidate and end the rollout; with nothing ready to go back to, as soon as it is."""
    rollout = state.under_way
    if rollout.promoted is not None and state.table.previous is None:
        nowhere = f"{cause.words}; nothing is there to go back to, so generation {state.table.active} serves on"
        cause = replace(cause, words=nowhere)
    state = state.to(phase=Phase.ROLLING_BACK, cause=cause, paused=None, due=None, watch=None, behind="")
    if quarantine and rollout.spec is not None and rollout.spec.fingerprint:
        held = {**state.quarantine, rollout.spec.fingerprint: Quarantined(rollout.id, cause)}
        state = replace(state, quarantine=held)
    cut = rollout.is_exclusive and rollout.promoted is not None and state.table.previous is not None
    if rollout.is_cutting or cut:
        return _cut_back(settled(state), now)
    if _must_wait(state):
        return state.to(part=Part.READY, entered=now)
    return reset_flags(settled(_routed_back(state, now)), now)


def _cut_back(state: State, now: float) -> State:
    """Have the old version take the state over again; until it has, all calls wait."""
    old = state.generations[state.under_way.baseline]
    state = with_generation(state, replace(old, standing=Standing.STARTING, note=""))
    return state.to(part=Part.CUTTING, entered=now)


def _must_wait(state: State) -> bool:
    """Tell whether going back now would take calls from what serves them to what does not."""
    rollout, table = state.under_way, state.table
    if rollout.promoted is not None:
        return table.previous is not None and not table.previous_warm
    serves = table.canary is not None and table.canary == rollout.candidate and bool(table.weight or table.always)
    return serves and _is_ready(state, table.canary) and not _is_ready(state, table.active)


def _is_ready(state: State, number: int | None) -> bool:
    return number is not None and state.generations[number].standing is Standing.READY


def _routed_back(state: State, now: float) -> State:
    rollout, table = state.under_way, state.table
    if rollout.promoted is not None:
        return state if table.previous is None else route(state, now, active=table.previous, previous=None)
    if rollout.candidate is not None and table.canary == rollout.candidate:
        return route(state, now, canary=None, weight=0)
    return state


def try_again(state: State, now: float) -> State:
    """See whether a way back that had to wait can be gone now."""
    rollout = state.under_way
    if (rollout.phase, rollout.part) != (Phase.ROLLING_BACK, Part.READY) or rollout.cause is None:
        return state
    return go_back(state, rollout.cause, now, quarantine=False)


def undo(state: State, cause: Cause, now: float, *, over: bool = False) -> State:
    """Go back by the daemon's own decision; where that would lose what was written since, a person decides.

    Args:
        state: the state.
        cause: why.
        now: the time.
        over: the part is over, so that going on all the same means to go on to the next.
    """
    rollout = state.under_way
    if rollout.is_exclusive and rollout.promoted is not None:
        words = f"{cause.words}; {loses(rollout)}, so a person decides: switchover rollback --lose-writes, or resume"
        return pause(state, replace(cause, words=words), now, over=over)
    return go_back(state, cause, now)


def loses(rollout: Rollout, calls: str = WRITTEN) -> str:
    """Say what going back from an exclusive cut-over loses.

    Args:
        rollout: whose.
        calls: which calls may have written since.
    """
    at = rollout.snapshot.at if rollout.snapshot is not None else rollout.asked
    return f"going back loses {calls} since {datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S} UTC"


def reset_flags(state: State, now: float) -> State:
    """Bring the moved flags back, which the shell says when it is done; without any the rollout is over."""
    rollout = state.under_way
    if rollout.moved and not rollout.is_reset:
        return state.to(part=Part.FLAGS, entered=now)
    return finish(state, Phase.ROLLED_BACK, now)


def fail(state: State, cause: Cause, now: float) -> State:
    """End a rollout that has moved nothing yet; no judgement, so nothing is quarantined."""
    return go_back(state, cause, now, quarantine=False)


def finish(state: State, phase: Phase, now: float) -> State:
    """End the rollout; a candidate without a lane is retired."""
    state = state.enter(phase, state.under_way.part, now).to(watch=None, paused=None, behind="")
    state, _ = retire(state, state.under_way.candidate)
    return state


def pause(state: State, cause: Cause, now: float, *, over: bool = False) -> State:
    """Stop the clock; what was left of the part is kept.

    A pause that there is already stays, so that nobody is overridden; an alarm takes the place of its cause, so that
    nobody goes on without knowing.
    """
    rollout = state.under_way
    paused = rollout.paused
    if paused is not None:
        told = cause if cause.what in ALARMS else paused.cause
        return state.to(paused=replace(paused, cause=told, over=paused.over or over))
    left = 0.0 if rollout.waiting or rollout.unready else None
    left = left if rollout.due is None else max(0.0, rollout.due - now)
    return state.to(paused=Paused(cause, left, over), due=None)
