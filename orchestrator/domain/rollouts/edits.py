"""What the handlers do to a state: route, take in, forget.  Each returns another state and changes none.

Above: every handler of the machine.  Below: `state`, `outcome`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from orchestrator.domain.generation import Generation, Spec, Standing
from orchestrator.domain.rollouts.commands import Retire
from orchestrator.domain.rollouts.outcome import Rejected
from orchestrator.domain.rollouts.state import State


def route(state: State, now: float, **changes: Any) -> State:
    """Return the state with a new routing table, one revision on, previous_warm kept true to standing."""
    table = replace(state.table, **changes)
    if table.canary is None:
        table = replace(table, always=(), new_by="", new_since=0.0)
    previous = state.generations.get(table.previous) if table.previous is not None else None
    warm = previous is not None and previous.standing is Standing.READY
    table = replace(table, previous_warm=warm, revision=state.table.revision + 1)
    since = state.active_since if table.active == state.table.active else now
    return replace(state, table=table, changed_at=now, active_since=since)


def with_generation(state: State, generation: Generation) -> State:
    """Return the state with this generation taken in, or in place of the one of its number."""
    return replace(state, generations={**state.generations, generation.number: generation})


def retire(state: State, *numbers: int | None) -> tuple[State, tuple[Retire, ...]]:
    """Forget the generations that are in no lane any more and have them drained and stopped."""
    gone = [n for n in numbers if n is not None and state.table.lane_of(n) is None and n in state.generations]
    kept = {number: generation for number, generation in state.generations.items() if number not in gone}
    return replace(state, generations=kept), tuple(Retire(number) for number in gone)


def create(state: State, spec: Spec) -> tuple[State, Generation]:
    """Return the state with a generation of its own number for `spec`, and that generation."""
    generation = Generation(state.next_number, spec)
    return with_generation(replace(state, next_number=state.next_number + 1), generation), generation


def settled(state: State) -> State:
    """Return the state with no change under way."""
    return replace(state, candidate=None, candidate_salt="", allow_breaking=False)


def not_movable(state: State, target: int) -> Rejected | None:
    """Say why traffic may not move to `target` now, None when it may."""
    if state.table.kill_switch:
        return Rejected("the kill switch is on; lift it first with: switchover kill-switch off")
    generation = state.generations[target]
    if generation.standing is not Standing.READY:
        return Rejected(f"generation {target} is not ready: {generation.note or 'it is being started'}")
    return None


def held(number: int | None) -> int:
    """Return the number of a lane that has to be held by now.

    Raises:
        AssertionError: it is not, which is a defect of the machine.
    """
    if number is None:
        raise AssertionError("outside the empty phase an active generation exists")
    return number
