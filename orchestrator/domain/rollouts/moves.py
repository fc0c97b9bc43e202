"""What moves routing while no rollout is under way: canaries, switches, weights, the kill switch, and the facts.

Each handler takes a state and an event and returns the state after it with its commands, or the reason of a refusal.
`MOVES` names which event may happen in which of the idle phases.  Above: `rollout` puts all tables together.  Below:
`state`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from orchestrator.domain.generation import Standing
from orchestrator.domain.rollouts import events as ev
from orchestrator.domain.rollouts.commands import Route, Start
from orchestrator.domain.rollouts.edits import create, held, not_movable, retire, route, settled, with_generation
from orchestrator.domain.rollouts.outcome import Handler, Outcome, Rejected, Step
from orchestrator.domain.rollouts.state import Phase, State
from orchestrator.domain.routing import Lane


def _founded(state: State, event: ev.Founded, now: float) -> Outcome:
    """Start generation 1 and make it active."""
    state, generation = create(state, event.spec)
    state = route(state, now, active=generation.number)
    return Step(state, (Start(generation), Route(state.table)))


def _refounded(state: State, event: ev.Founded, now: float) -> Outcome:
    """Start another first generation, if the one before never became ready (a mistyped command line, say)."""
    active = state.generations[held(state.table.active)]
    if active.proven:
        return Rejected(
            f"generation {active.number} is active and was started as: {' '.join(active.spec.command)}; a command line "
            "only founds the first generation. To bring in another: switchover canary -- COMMAND"
        )
    state, generation = create(state, event.spec)
    state = route(state, now, active=generation.number)
    state, retired = retire(state, active.number)
    return Step(state, (Start(generation), Route(state.table), *retired))


def _canary_asked(state: State, event: ev.CanaryAsked, _now: float) -> Outcome:
    """Start a candidate; once ready it becomes canary, with `replace` in the place of the present one."""
    if state.table.canary is not None and not event.replace:
        return Rejected(
            f"generation {state.table.canary} is the canary already; replace it with --replace, "
            "or stop it with: switchover canary --stop"
        )
    state, generation = create(state, event.spec)
    state = replace(state, candidate=generation.number, candidate_salt=event.salt, allow_breaking=event.allow_breaking)
    return Step(state, (Start(generation),))


def _canary_dropped(state: State, _event: ev.CanaryDropAsked, now: float) -> Outcome:
    """Take the canary out of routing and retire it."""
    canary = state.table.canary
    if canary is None:
        return Rejected("there is no canary to stop")
    state, retired = retire(route(state, now, canary=None, weight=0), canary)
    return Step(state, (Route(state.table), *retired))


def _candidate_dropped(state: State, _event: ev.CanaryDropAsked, _now: float) -> Outcome:
    """Give the start of the candidate up and retire it; routing is not touched."""
    return _give_up_candidate(state)


def _give_up_candidate(state: State) -> Step:
    state, retired = retire(settled(state), state.candidate)
    return Step(state, retired)


def _switch(state: State, _event: ev.SwitchAsked, now: float) -> Outcome:
    """Make the canary active and the active `previous`, which stays warm; retire the previous it replaces."""
    table = state.table
    if table.canary is None:
        return Rejected("there is no canary to switch to; start one with: switchover canary -- COMMAND")
    refusal = not_movable(state, table.canary)
    if refusal:
        return refusal
    moved = route(state, now, active=table.canary, previous=table.active, canary=None, weight=0)
    moved, retired = retire(moved, table.previous)
    return Step(moved, (Route(moved.table), *retired))


def _switch_back(state: State, _event: ev.SwitchBackAsked, now: float) -> Outcome:
    """Make a warm previous active again and the active canary with weight 0; retire the canary it replaces."""
    table = state.table
    if table.previous is None:
        return Rejected("there is no previous generation to switch back to")
    if not table.previous_warm:
        note = state.generations[table.previous].note
        return Rejected(f"generation {table.previous} is not ready: {note or 'it is being started'}")
    moved = route(state, now, active=table.previous, canary=table.active, previous=None, weight=0)
    moved, retired = retire(moved, table.canary)
    return Step(moved, (Route(moved.table), *retired))


def _weight(state: State, event: ev.WeightAsked, now: float) -> Outcome:
    """Change the canary's share of assignment keys."""
    if not 0 <= event.weight <= 100:  # noqa: PLR2004 - percent
        return Rejected(f"weight {event.weight} is not a percentage: give a whole number from 0 to 100")
    if state.table.canary is None:
        return Rejected("there is no canary to give weight to; start one with: switchover canary -- COMMAND")
    refusal = not_movable(state, state.table.canary) if event.weight else None
    if refusal:
        return refusal
    state = route(state, now, weight=event.weight)
    return Step(state, (Route(state.table),))


def _kill_switch(state: State, event: ev.KillSwitchAsked, now: float) -> Outcome:
    """Send everything to a warm previous, else to active; or lift that."""
    if state.table.kill_switch == event.on:
        return Step(state, ())
    state = route(state, now, kill_switch=event.on)
    return Step(state, (Route(state.table),))


def _ready(state: State, event: ev.GenerationReady, now: float) -> Outcome:
    """Note that it is ready; a candidate becomes canary with weight 0, and previous is warm again."""
    generation = state.generations.get(event.generation)
    if generation is None:
        return Rejected(f"generation {event.generation} holds no lane")
    ready = replace(generation, standing=Standing.READY, proven=True, note="")
    state = with_generation(state, ready)
    if state.candidate == ready.number:
        return _candidate_ready(state, now)
    return _standing_changed(state, ready.number, now)


def _candidate_ready(state: State, now: float) -> Step:
    replaced = state.table.canary
    salt = state.candidate_salt
    taken = route(state, now, canary=state.candidate, weight=0, salt=salt)
    taken, retired = retire(settled(taken), replaced)
    return Step(taken, (Route(taken.table), *retired))


def _down(state: State, event: ev.GenerationDown, now: float) -> Outcome:
    """Note that it is being started again; a previous that is down is not warm."""
    generation = state.generations.get(event.generation)
    if generation is None:
        return Rejected(f"generation {event.generation} holds no lane")
    state = with_generation(state, replace(generation, standing=Standing.DOWN, note=event.reason))
    return _standing_changed(state, event.generation, now)


def _standing_changed(state: State, number: int, now: float) -> Step:
    """Only the warmth of `previous` is part of routing; other standings change no table."""
    if state.table.lane_of(number) is not Lane.PREVIOUS:
        return Step(state, ())
    state = route(state, now)
    return Step(state, (Route(state.table),))


def generation_failed(state: State, event: ev.GenerationFailed, now: float) -> Outcome:
    """Retire what will not serve any more; an active gives way to a warm previous, and without one stays active."""
    number = event.generation
    generation = state.generations.get(number)
    if generation is None:
        return Rejected(f"generation {number} holds no lane")
    if number == state.candidate:
        return _give_up_candidate(state)
    state = with_generation(state, replace(generation, standing=Standing.DOWN, note=event.reason))
    lane = state.table.lane_of(number)
    if lane is Lane.ACTIVE:
        return _active_failed(state, number, now)
    changes: dict[str, Any] = {"canary": None, "weight": 0} if lane is Lane.CANARY else {"previous": None}
    state, retired = retire(route(state, now, **changes), number)
    return Step(state, (Route(state.table), *retired))


def _active_failed(state: State, number: int, now: float) -> Step:
    """Fall back to a warm previous generation; without one the active stays and supervision keeps trying."""
    if state.table.previous is None or not state.table.previous_warm:
        return Step(state, ())
    moved = route(state, now, active=state.table.previous, previous=None)
    moved, retired = retire(moved, number)
    return Step(moved, (Route(moved.table), *retired))


MOVES: Mapping[tuple[Phase, type[ev.Event]], Handler] = {
    (Phase.EMPTY, ev.Founded): _founded,
    (Phase.STEADY, ev.Founded): _refounded,
    (Phase.STEADY, ev.CanaryAsked): _canary_asked,
    (Phase.STEADY, ev.CanaryDropAsked): _canary_dropped,
    (Phase.STEADY, ev.SwitchAsked): _switch,
    (Phase.STEADY, ev.SwitchBackAsked): _switch_back,
    (Phase.STEADY, ev.WeightAsked): _weight,
    (Phase.STEADY, ev.KillSwitchAsked): _kill_switch,
    (Phase.STEADY, ev.GenerationReady): _ready,
    (Phase.STEADY, ev.GenerationDown): _down,
    (Phase.STEADY, ev.GenerationFailed): generation_failed,
    (Phase.STARTING, ev.CanaryDropAsked): _candidate_dropped,
    (Phase.STARTING, ev.KillSwitchAsked): _kill_switch,
    (Phase.STARTING, ev.GenerationReady): _ready,
    (Phase.STARTING, ev.GenerationDown): _down,
    (Phase.STARTING, ev.GenerationFailed): generation_failed,
}
"""What may happen in which of the idle phases."""
