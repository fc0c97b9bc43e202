"""What happens to a rollout from outside: processes come up and die, holds agree, flags are refused or edited.

Above: `rollout`.  Below: `clock`, `steps`, `back`, `moves`.
"""

from __future__ import annotations

from dataclasses import replace

from orchestrator.domain.generation import Standing
from orchestrator.domain.plans.steps import HoldKind
from orchestrator.domain.rollouts import events as ev
from orchestrator.domain.rollouts.back import because, finish, go_back, pause, try_again, undo
from orchestrator.domain.rollouts.clock import go_on
from orchestrator.domain.rollouts.edits import route, settled, with_generation
from orchestrator.domain.rollouts.effects import hold_of
from orchestrator.domain.rollouts.judgement import watch_anew
from orchestrator.domain.rollouts.moves import generation_failed
from orchestrator.domain.rollouts.outcome import Rejected
from orchestrator.domain.rollouts.state import Part, Phase, State, What
from orchestrator.domain.rollouts.steps import set_weight
from orchestrator.domain.routing import Lane

UNKNOWN = "generation {} holds no lane"
ASIDE = "generation {} is parked"


def ready(state: State, event: ev.GenerationReady, now: float) -> State | Rejected:
    """Note that a process is ready; the next tick goes on where that was waited for, a way back is gone at once."""
    number = event.generation
    generation = state.generations.get(number)
    if generation is None or generation.standing is Standing.PARKED:
        return Rejected((UNKNOWN if generation is None else ASIDE).format(number))
    state = with_generation(state, replace(generation, standing=Standing.READY, proven=True, note=""))
    if state.candidate == number and not state.under_way.is_cutting:
        state = route(state, now, canary=number, weight=0, salt=state.candidate_salt)
        return _due(settled(state), now)
    state = try_again(_warmed(state, number, now), now)
    return _due(state, now) if state.under_way.unready else state


def _due(state: State, now: float) -> State:
    """End the part: a fact takes effect before it is written down, so it moves no traffic to the candidate itself."""
    paused = state.under_way.paused
    return state.to(due=now) if paused is None else state.to(paused=replace(paused, left=0.0))


def down(state: State, event: ev.GenerationDown, now: float) -> State | Rejected:
    """Note that a process is being started again."""
    generation = state.generations.get(event.generation)
    if generation is None or generation.standing is Standing.PARKED:
        return Rejected((UNKNOWN if generation is None else ASIDE).format(event.generation))
    state = with_generation(state, replace(generation, standing=Standing.DOWN, note=event.reason))
    return try_again(_warmed(state, event.generation, now), now)


def _warmed(state: State, number: int, now: float) -> State:
    is_warm = state.table.lane_of(number) is Lane.PREVIOUS and not state.under_way.is_cutting
    return route(state, now) if is_warm else state


def failed(state: State, event: ev.GenerationFailed, now: float) -> State | Rejected:
    """Act on supervision's final word: the candidate's ends the rollout, the others' leaves it to a person."""
    number = event.generation
    generation = state.generations.get(number)
    if generation is None or generation.standing is Standing.PARKED:
        return Rejected((UNKNOWN if generation is None else ASIDE).format(number))
    rollout = state.under_way
    noted = with_generation(state, replace(generation, standing=Standing.DOWN, note=event.reason))
    if rollout.phase is Phase.ROLLING_BACK:
        return noted if rollout.is_cutting else try_again(_lost(state, event, now), now)
    return _failed_forward(noted, event, now)


def _failed_forward(state: State, event: ev.GenerationFailed, now: float) -> State:
    """Act on a final word while the rollout goes forward."""
    number, rollout = event.generation, state.under_way
    if number == state.candidate:
        words = f"generation {number} did not start: {event.reason}"
        return go_back(state, because(state, What.START, words, now), now)
    words = f"generation {number} crashed again and again: {event.reason}"
    if number == rollout.candidate:
        return undo(state, because(state, What.CRASH, words, now), now)
    if number == rollout.trial and not rollout.plan.new_generation:
        return undo(_lost(state, event, now), because(state, What.CRASH, words, now), now)
    return _other_failed(state, event, now)


def _lost(state: State, event: ev.GenerationFailed, now: float) -> State:
    """Have its lane given up, as without a rollout; one without a lane is only noted."""
    number = event.generation
    if state.table.lane_of(number) is None:
        gone = replace(state.generations[number], standing=Standing.DOWN, note=event.reason)
        return with_generation(state, gone)
    outcome = generation_failed(state, event, now)
    return state if isinstance(outcome, Rejected) else outcome.state


def _other_failed(state: State, event: ev.GenerationFailed, now: float) -> State:
    """The old version is lost: without it there is no baseline, or no way back, so a person decides."""
    lane, promoted = state.table.lane_of(event.generation), state.under_way.promoted is not None
    state = _rebased(_lost(state, event, now))
    if lane is not Lane.ACTIVE and not (lane is Lane.PREVIOUS and promoted):
        return state
    what = "the way back" if promoted else "the active version"
    words = f"generation {event.generation}, {what}, is lost: {event.reason}"
    return pause(state, because(state, What.CRASH, words, now), now)


def _rebased(state: State) -> State:
    """Compare with the version that took the place of a lost active one, from here on."""
    rollout, active = state.under_way, state.table.active
    if rollout.promoted is not None or active is None or active == rollout.baseline:
        return state
    state, watch = state.to(baseline=active), rollout.watch
    if watch is None:
        return state
    return watch_anew(state, watch.part, watch.index, share=watch.share, weight=watch.weight, flag=watch.flag)


def agreed(state: State, event: ev.HoldAgreed, now: float) -> State | Rejected:
    """A hold's command or webhook agreed; while paused that is noted by going on after the pause."""
    rollout, hold = state.under_way, hold_of(state.under_way)
    asked = hold is not None and hold.kind is not HoldKind.PERSON and event.hold in {None, hold}
    if event.rollout != rollout.id or not asked:
        return Rejected("no hold waits for that")
    if rollout.paused is not None:
        return state.to(paused=replace(rollout.paused, over=True))
    return go_on(state, now)


def flag_refused(state: State, event: ev.FlagRefused, now: float) -> State | Rejected:
    """A flag could not be moved: somebody has to look; going on tries it again."""
    rollout = state.under_way
    if event.rollout != rollout.id or not any(one.flag == event.flag for one in rollout.moved):
        return Rejected(f"no rollout moves {event.flag} now")
    words = f"{event.flag} could not be moved: {event.reason}"
    return pause(state, because(state, What.FLAG, words, now, flag=event.flag), now).to(refused=True)


def flag_stands(state: State, event: ev.FlagStands, now: float) -> State | Rejected:
    """A flag has its value already, by somebody's hand: its stage is left out, as nobody is left to compare with."""
    rollout = state.under_way
    stage = rollout.plan.flags[rollout.index]
    is_moved = any(one.flag == event.flag for one in rollout.moved)
    if event.rollout != rollout.id or rollout.part is not Part.HALF or stage.flag != event.flag or not is_moved:
        return Rejected(f"no rollout moves {event.flag} for half of the keys now")
    kept = tuple(one for one in rollout.moved if one.flag != event.flag)
    state = state.to(moved=kept, left_out=(*rollout.left_out, event.flag))
    if rollout.paused is not None:
        return state.to(paused=replace(rollout.paused, over=True))
    return go_on(state, now)


def flag_edited(state: State, event: ev.FlagEdited, now: float) -> State | Rejected:
    """A person moved a flag of the rollout: it is theirs from now on, and the clock stops."""
    rollout = state.under_way
    moved = any(one.flag == event.flag for one in rollout.moved)
    if not moved and not any(stage.flag == event.flag for stage in rollout.plan.flags[rollout.index :]):
        return state
    kept = tuple(one for one in rollout.moved if one.flag != event.flag)
    then = "" if moved else "; a stage will move it"
    words = f"{event.by} changed {event.flag} by hand in the middle of the rollout{then}"
    cause = because(state, What.FLAG, words, now, by=event.by, flag=event.flag)
    on_trial = rollout.plan.flags[rollout.index].flag == event.flag and rollout.part in {Part.HALF, Part.WHOLE}
    refused = rollout.refused and not on_trial  # what is a person's now is not tried again
    return pause(state, cause, now, over=moved and on_trial).to(moved=kept, refused=refused)


def flags_reset(state: State, event: ev.FlagsReset, now: float) -> State | Rejected:
    """The flags are safe again: the rollout is over, and its candidate is stopped."""
    rollout = state.under_way
    if event.rollout != rollout.id or not rollout.moved:
        return Rejected("no flags are being reset for that")
    state = state.to(is_reset=True)
    waits = rollout.part in {Part.READY, Part.CUTTING}
    return state if waits else finish(state, Phase.ROLLED_BACK, now)


def journal_broken(state: State, event: ev.JournalBroken, now: float) -> State | Rejected:
    """Nothing can be written down: route safe, stop the clock, say so."""
    words = f"automation stopped: {event.reason}"
    if state.under_way.is_cutting:
        return go_back(state, because(state, What.JOURNAL, words, now), now, quarantine=False)
    paused = pause(state, because(state, What.JOURNAL, words, now), now)
    canary = state.phase in {Phase.STEPPING, Phase.PROMOTING} and (state.table.weight or state.table.always)
    return set_weight(paused, 0, now, always=()) if canary else paused
