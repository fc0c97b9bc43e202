"""What happens to a rollout from outside: processes come up and die, holds agree, flags are refused or edited.

Above: `rollout`.  Below: `rollout_clock`, `rollout_steps`, `rollout_back`, `moves`.
"""

from __future__ import annotations

from dataclasses import replace

from orchestrator.domain import events as ev
from orchestrator.domain.generation import Standing
from orchestrator.domain.moves import _failed, _retire, _route, _settled, _with
from orchestrator.domain.outcome import Rejected
from orchestrator.domain.rollout_back import because, finish, go_back, pause, reset_flags
from orchestrator.domain.rollout_clock import go_on
from orchestrator.domain.rollout_steps import enter_step, promote
from orchestrator.domain.routing import Lane
from orchestrator.domain.state import Part, Phase, State, What

UNKNOWN = "generation {} holds no lane"


def ready(state: State, event: ev.GenerationReady, now: float) -> State | Rejected:
    """Note that a process is ready, and go on where that was waited for."""
    number = event.generation
    generation = state.generations.get(number)
    if generation is None:
        return Rejected(UNKNOWN.format(number))
    state = _with(state, replace(generation, standing=Standing.READY, proven=True, note=""))
    rollout = state.under_way
    if state.candidate == number:
        state = _route(state, now, canary=number, weight=0, salt=state.candidate_salt)
        return _begin_steps(_settled(state), now)
    state = _warmed(state, number, now)
    if rollout.part is Part.READY and rollout.paused is None:
        if rollout.phase is Phase.PROMOTING and number == rollout.candidate:
            return promote(state, now)
        if rollout.phase is Phase.ROLLING_BACK and number == state.table.previous and rollout.cause is not None:
            return go_back(state, rollout.cause, now, quarantine=False)
    return state


def _begin_steps(state: State, now: float) -> State:
    """Go on to the first step; a pause asked for meanwhile holds there."""
    paused = state.under_way.paused
    if paused is None:
        return enter_step(state, 0, now)
    return state.to(phase=Phase.STEPPING, part=Part.STARTING, paused=replace(paused, over=True))


def down(state: State, event: ev.GenerationDown, now: float) -> State | Rejected:
    """Note that a process is being started again."""
    generation = state.generations.get(event.generation)
    if generation is None:
        return Rejected(UNKNOWN.format(event.generation))
    state = _with(state, replace(generation, standing=Standing.DOWN, note=event.reason))
    return _warmed(state, event.generation, now)


def _warmed(state: State, number: int, now: float) -> State:
    return _route(state, now) if state.table.lane_of(number) is Lane.PREVIOUS else state


def failed(state: State, event: ev.GenerationFailed, now: float) -> State | Rejected:
    """Act on supervision's final word: the candidate's ends the rollout, the others' leaves it to a person."""
    number = event.generation
    generation = state.generations.get(number)
    if generation is None:
        return Rejected(UNKNOWN.format(number))
    rollout = state.under_way
    state = _with(state, replace(generation, standing=Standing.DOWN, note=event.reason))
    if rollout.phase is Phase.ROLLING_BACK:
        return _failed_going_back(state, number, now)
    if number == state.candidate:
        words = f"generation {number} did not start: {event.reason}"
        return go_back(state, because(state, What.START, words, now, by=ev.SYSTEM), now)
    if number == rollout.candidate:
        words = f"generation {number} crashed again and again: {event.reason}"
        return go_back(state, because(state, What.CRASH, words, now, by=ev.SYSTEM), now)
    return _other_failed(state, event, now)


def _other_failed(state: State, event: ev.GenerationFailed, now: float) -> State | Rejected:
    """The old version is lost: without it there is no baseline, or no way back, so a person decides."""
    is_previous = state.table.lane_of(event.generation) is Lane.PREVIOUS
    what = "the way back" if is_previous else "the active version"
    outcome = _failed(state, event, now)
    if isinstance(outcome, Rejected):
        return outcome
    words = f"generation {event.generation}, {what}, is lost: {event.reason}"
    return pause(outcome.state, because(state, What.CRASH, words, now, by=ev.SYSTEM), now)


def _failed_going_back(state: State, number: int, now: float) -> State:
    """Nothing to go back to any more: the flags are reset all the same, and what is active stays."""
    if state.table.lane_of(number) is not Lane.PREVIOUS:
        return state
    state = _route(state, now, previous=None)
    state, _ = _retire(state, number)
    return reset_flags(state, now) if state.under_way.part is Part.READY else state


def agreed(state: State, event: ev.HoldAgreed, now: float) -> State | Rejected:
    """A hold's command or webhook agreed; while paused that is noted by going on after the pause."""
    rollout = state.under_way
    if event.rollout != rollout.id or rollout.part is not Part.HOLD:
        return Rejected("no hold waits for that")
    if rollout.paused is not None:
        return state.to(paused=replace(rollout.paused, over=True))
    return go_on(state, now)


def flag_refused(state: State, event: ev.FlagRefused, now: float) -> State | Rejected:
    """A flag could not be moved: somebody has to look."""
    if event.rollout != state.under_way.id:
        return Rejected(f"rollout {event.rollout} is over")
    words = f"{event.flag} could not be moved: {event.reason}"
    return pause(state, because(state, What.FLAG, words, now, by=ev.SYSTEM), now)


def flag_edited(state: State, event: ev.FlagEdited, now: float) -> State | Rejected:
    """A person moved a flag of the rollout: it is theirs from now on, and the clock stops."""
    rollout = state.under_way
    if not any(one.flag == event.flag for one in rollout.moved):
        return state
    kept = tuple(one for one in rollout.moved if one.flag != event.flag)
    words = f"{event.by} changed {event.flag} by hand in the middle of the rollout"
    cause = because(state, What.FLAG, words, now, by=event.by)
    on_trial = rollout.watch is not None and rollout.watch.flag == event.flag
    return pause(state, cause, now, over=on_trial).to(moved=kept)


def flags_reset(state: State, event: ev.FlagsReset, now: float) -> State | Rejected:
    """The flags are safe again: the rollout is over, and its candidate is stopped."""
    if event.rollout != state.under_way.id or state.under_way.part is not Part.FLAGS:
        return Rejected("no flags are being reset for that")
    return finish(state, Phase.ROLLED_BACK, now)


def journal_broken(state: State, event: ev.JournalBroken, now: float) -> State | Rejected:
    """Nothing can be written down: route safe, stop the clock, say so."""
    if state.phase is Phase.ROLLING_BACK:
        return state
    words = f"automation stopped: {event.reason}"
    paused = pause(state, because(state, What.JOURNAL, words, now, by=ev.SYSTEM), now)
    return _route(paused, now, weight=0) if state.phase is Phase.STEPPING and state.table.weight else paused
