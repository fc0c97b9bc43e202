"""What a person may say to a rollout under way: promote, pause, resume, roll back, another weight, the kill switch.

A person is never overridden: what one did stays until one goes on.  Above: `rollout`.  Below: `clock`,
`steps`, `back`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from orchestrator.domain.generation import Standing
from orchestrator.domain.rollouts import events as ev
from orchestrator.domain.rollouts.back import WRITTEN, because, go_back, loses, pause
from orchestrator.domain.rollouts.begin import go_on_rehearsed
from orchestrator.domain.rollouts.clock import go_on
from orchestrator.domain.rollouts.edits import not_movable, retire, route
from orchestrator.domain.rollouts.outcome import Rejected
from orchestrator.domain.rollouts.stages import move_flag, move_whole
from orchestrator.domain.rollouts.state import Cause, Part, Phase, Quarantined, State, What
from orchestrator.domain.rollouts.steps import is_routed, promote, run_step, set_weight
from orchestrator.domain.routing import Lane

CUTTING = "one version hands the state over to the other now; wait for that, or give it up with: switchover abort"
BRAKED: Final = "turned the kill switch on"
"""What whoever did so is said to have done; the rollout pauses for it."""


def promote_now(state: State, _event: ev.PromoteAsked, now: float) -> State | Rejected:
    """Go to 100 % now."""
    trial = state.under_way.trial
    if state.under_way.is_cutting:
        return Rejected(CUTTING)
    if state.under_way.is_exclusive:
        return not_movable(state, trial) or promote(state.to(paused=None), now)
    if state.table.lane_of(trial) is not Lane.CANARY:
        return Rejected(f"generation {trial} is not ready yet; wait for it, then promote")
    return not_movable(state, trial) or promote(state.to(paused=None), now)


def pause_now(state: State, event: ev.PauseAsked, now: float) -> State | Rejected:
    """Stop the clock."""
    rollout = state.under_way
    if rollout.is_cutting:
        return Rejected(CUTTING)
    if rollout.paused is None:
        return pause(state, _person(state, event, "paused", now), now)
    cause = rollout.paused.cause
    if state.table.kill_switch and cause.words.startswith(f"{cause.by} {BRAKED}"):  # this pause outlasts the switch
        return state.to(paused=replace(rollout.paused, cause=_person(state, event, "paused", now)))
    return Rejected(f"it is paused already: {cause.words}; go on with: switchover resume")


def resume(state: State, _event: ev.ResumeAsked, now: float) -> State | Rejected:
    """Go on."""
    rollout = state.under_way
    paused = rollout.paused
    if paused is None:
        return _agree(state, now)
    if state.table.kill_switch:
        return Rejected("the kill switch is on; lift it first with: switchover kill-switch off")
    if rollout.phase is Phase.REHEARSING and rollout.part is Part.HOLD:
        return go_on_rehearsed(state, now)
    state = state.to(paused=None)
    return go_on(state, now) if paused.over else _took_up(state, paused.left, now)


def _agree(state: State, now: float) -> State | Rejected:
    """Let a hold go, end a step that stays until somebody says so, or go on without the data that are missing."""
    rollout = state.under_way
    if rollout.is_cutting:
        return Rejected(CUTTING)
    if rollout.frozen or rollout.unready:
        what = "the freeze window is over" if rollout.frozen else "both versions are ready"
        return Rejected(f"it goes on by itself once {what}; to go to 100 % now: switchover promote")
    stays = rollout.phase is Phase.STEPPING and rollout.part is Part.RUNNING and rollout.due is None
    if stays or rollout.waiting or rollout.part is Part.HOLD:
        return go_on(state, now)
    if rollout.phase is Phase.REHEARSING:
        return Rejected(
            "it is not paused, and goes on by itself once the rehearsal is over; to end it: switchover abort"
        )
    is_stepping = rollout.phase in {Phase.STEPPING, Phase.PROMOTING}
    advice = "to go to 100 % now: switchover promote" if is_stepping else "to end it: switchover abort"
    return Rejected(f"it is not paused, and nothing waits for a person; {advice}")


def _took_up(state: State, left: float | None, now: float) -> State | Rejected:
    """Let the part go on for what was left of it, as the plan wants it."""
    rollout = state.under_way
    if rollout.refused and rollout.part in {Part.HALF, Part.WHOLE}:  # tried again, with all of the part's time
        return move_flag(state, now) if rollout.part is Part.HALF else move_whole(state, now)
    if rollout.phase is Phase.STEPPING and rollout.part is Part.RUNNING and not is_routed(state):
        return not_movable(state, rollout.trial) or run_step(state, now, left=left)
    return state.to(due=None if left is None else now + left, refused=False)


def roll_back(state: State, event: ev.RollbackAsked, now: float) -> State | Rejected:
    """End it and go back; the version is quarantined.  What an exclusive cut-over would lose has to be agreed to."""
    rollout = state.under_way
    if not rollout.is_exclusive or rollout.promoted is None:
        return go_back(state, _person(state, event, "rolled back", now), now)
    if not event.lose_writes:
        return Rejected(f"{loses(rollout)}; to do it all the same: switchover rollback --lose-writes")
    cause = _person(state, event, "rolled back", now)
    return go_back(state, replace(cause, words=f"{cause.words}; {loses(rollout, event.lost or WRITTEN)}"), now)


def switch_back(state: State, event: ev.SwitchBackAsked, now: float) -> State | Rejected:
    """Go back without a judgement: nothing is quarantined."""
    previous = state.table.previous
    if not state.under_way.plan.new_generation:
        return Rejected("the rollout only moves flags, so no traffic is switched back; to end it: switchover abort")
    if previous is None:
        return Rejected("there is no previous generation to switch back to; to end the rollout: switchover abort")
    if state.under_way.is_exclusive:
        return Rejected(f"{loses(state.under_way)}; to do it all the same: switchover rollback --lose-writes")
    if not state.table.previous_warm:
        note = state.generations[previous].note
        return Rejected(f"generation {previous} is not ready: {note or 'it is being started'}")
    return go_back(state, _person(state, event, "switched back", now), now, quarantine=False)


def weight(state: State, event: ev.WeightAsked, now: float) -> State | Rejected:
    """Give the canary another weight, and wait for a person to go on."""
    rollout = state.under_way
    if not 0 <= event.weight <= 100:  # noqa: PLR2004 - percent
        return Rejected(f"weight {event.weight} is not a percentage: give a whole number from 0 to 100")
    if state.table.canary is None or rollout.part is Part.STARTING:
        return Rejected(
            f"generation {rollout.candidate} is at no step yet; wait for it, or go on with: switchover resume"
        )
    refusal = not_movable(state, state.table.canary) if event.weight else None
    if refusal:
        return refusal
    paused = pause(state, _person(state, event, f"gave the canary {event.weight} %", now), now)
    return set_weight(paused, event.weight, now)


def kill_switch(state: State, event: ev.KillSwitchAsked, now: float) -> State | Rejected:
    """Send everything to one place and stop the clock; or lift that, the clock stays stopped."""
    if state.table.kill_switch == event.on:
        return state
    state = route(state, now, kill_switch=event.on)
    if not event.on or state.phase is Phase.ROLLING_BACK:
        return state
    cause = _person(state, event, BRAKED, now)
    if state.under_way.is_cutting:  # nothing moves while it is on, and calls cannot wait for that
        return go_back(state, cause, now, quarantine=False)
    return pause(state, cause, now)


def roll_back_idle(state: State, event: ev.RollbackAsked, now: float) -> State | Rejected:
    """Go back to a warm previous after a switch by hand, or from a canary; what was served is quarantined."""
    table = state.table
    if table.previous is not None and state.generations[table.previous].standing is Standing.READY:
        bad, changes = table.active, {"active": table.previous, "previous": None}
    elif table.canary is not None:
        bad, changes = table.canary, {"canary": None, "weight": 0}
    else:
        return Rejected("there is nothing to go back to: no rollout is under way, no previous generation is warm")
    if bad is None:
        return Rejected("nothing is active")
    return _judged_bad(state, bad, changes, event, now)


def _judged_bad(state: State, bad: int, changes: dict[str, int | None], event: ev.RollbackAsked, now: float) -> State:
    fingerprint = state.generations[bad].spec.fingerprint
    words = f"rolled back by {event.actor}{f': {event.reason}' if event.reason else ''}"
    held = Quarantined("", Cause(What.PERSON, words, event.actor, now))
    state = route(state, now, **changes)
    state, _ = retire(state, bad)
    return replace(state, quarantine={**state.quarantine, fingerprint: held} if fingerprint else state.quarantine)


def _person(state: State, event: ev.Asked, did: str, now: float) -> Cause:
    words = f"{event.actor} {did}{f': {event.reason}' if event.reason else ''}"
    return because(state, What.PERSON, words, now, by=event.actor)
