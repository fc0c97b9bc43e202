"""What the daemon goes on from: the newest journal record, else the desired state, else nothing."""

from __future__ import annotations

from dataclasses import replace

import msgspec

from orchestrator.domain import record
from orchestrator.domain.commands import Command, Route, Start
from orchestrator.domain.errors import JournalError
from orchestrator.domain.generation import Generation, Standing
from orchestrator.domain.ports import DesiredState, Journal
from orchestrator.domain.rollout import State
from orchestrator.domain.routing import RoutingTable
from orchestrator.engine.executor import GENERATION_PREFIX, NEXT_KEY, ROUTING_KEY
from orchestrator.telemetry.logging import get_logger

log = get_logger("engine")


async def recover(journal: Journal, desired: DesiredState) -> State:
    """Return the state to go on from: no process runs yet, so every generation stands as starting."""
    text = await journal.last()
    state = _from_journal(text) if text is not None else await _from_desired(desired)
    if state is None:
        state = await _from_desired(desired)
    generations = {
        number: replace(generation, standing=Standing.STARTING, note="")
        for number, generation in state.generations.items()
    }
    table = replace(state.table, previous_warm=False)
    return replace(state, table=table, generations=generations)


def resume(state: State) -> tuple[Command, ...]:
    """Return the commands that make the world fit a recovered state; idempotent like all commands."""
    if state.table.active is None:
        return ()
    held = [*state.table.lanes().values(), *([state.candidate] if state.candidate is not None else [])]
    return (Route(state.table), *(Start(state.generations[number]) for number in held))


def _from_journal(text: str) -> State | None:
    try:
        return record.decode(text).state
    except JournalError as error:
        log.error("journal record unreadable, going on from the desired state", reason=str(error))  # noqa: TRY400
        return None


async def _from_desired(desired: DesiredState) -> State:
    """Rebuild lanes from the desired state; a change that was under way is lost, nothing else."""
    entry = await desired.get(ROUTING_KEY)
    if entry is None or entry.value is None:
        return State()
    table = msgspec.json.decode(entry.value, type=RoutingTable)
    generations = {}
    following = await desired.get(NEXT_KEY)
    for stored in await desired.range(GENERATION_PREFIX):
        generation = msgspec.json.decode(stored.value or "null", type=Generation)
        if table.lane_of(generation.number) is not None:
            generations[generation.number] = generation
    next_number = int(following.value) if following is not None and following.value else max(generations, default=0) + 1
    return State(table=table, generations=generations, next_number=next_number)
