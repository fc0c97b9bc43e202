"""What the daemon goes on from: the newest journal record, or the desired state where that knows of a later table."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec

from orchestrator.domain.errors import JournalError, StateError
from orchestrator.domain.generation import Generation, Standing
from orchestrator.domain.ports import DesiredState, Journal
from orchestrator.domain.rollouts import record
from orchestrator.domain.rollouts.commands import Command
from orchestrator.domain.rollouts.effects import wanted
from orchestrator.domain.rollouts.rollout import Phase, State
from orchestrator.domain.rollouts.state import Part, Quarantined, Rollout
from orchestrator.domain.routing import RoutingTable
from orchestrator.engine.executor import GENERATION_PREFIX, NEXT_KEY, QUARANTINE_KEY, ROLLOUT_KEY, ROUTING_KEY
from orchestrator.telemetry.logging import get_logger

log = get_logger("engine")


async def recover(journal: Journal, desired: DesiredState) -> State:
    """Return the state to go on from: no process runs yet, so every generation stands as starting.

    Raises:
        StateError: neither the journal nor the desired state can be read, so nobody knows what was active.
        OSError: the journal's file cannot be read; or the store's own StorageError.
    """
    text = await journal.last()
    written = _from_journal(text) if text is not None else None
    state = await _newest(written, desired)
    generations = {
        number: generation if generation.standing is Standing.PARKED else _unstarted(generation)
        for number, generation in state.generations.items()
    }
    return replace(state, table=_cold(state.table), generations=generations)


def _unstarted(generation: Generation) -> Generation:
    return replace(generation, standing=Standing.STARTING, note="")


async def reached(journal: Journal) -> float:
    """Return the moment an earlier life has told of last, Unix seconds; 0 when there was none that can be read."""
    try:
        text = await journal.last()
        return record.decode(text).at if text is not None else 0.0
    except JournalError:
        return 0.0


def resume(state: State) -> tuple[Command, ...]:
    """Return the commands that make the world fit a recovered state; idempotent like all commands."""
    return wanted(state)


def _cold(table: RoutingTable) -> RoutingTable:
    """Return the table of a daemon without processes; where that is another table it is another revision."""
    return replace(table, previous_warm=False, revision=table.revision + 1) if table.previous_warm else table


def _from_journal(text: str) -> State | None:
    try:
        return _whole(record.decode(text).state)
    except StateError as error:
        log.error("journal record unreadable, going on from the desired state", reason=str(error))  # noqa: TRY400
        return None


async def _newest(written: State | None, desired: DesiredState) -> State:
    """Take the journal's word, unless a later table took effect that it could not hold (a retreat on a full disk)."""
    try:
        stored = await _from_desired(desired)
    except Exception as error:
        if written is None:
            raise StateError(
                f"neither the journal nor the desired state can be read ({error}), so what was active is not known; "
                "restore the state directory from a backup, or name another one with --state-dir"
            ) from error
        log.exception("desired state unreadable, going on from the journal", revision=written.table.revision)
        return written
    if written is None:
        return _held(stored, None)
    if stored.table.revision <= written.table.revision:
        return written
    log.warning("going on from the desired state", revision=stored.table.revision, journal=written.table.revision)
    newest = _held(stored, written.candidate)
    if newest.candidate is None:
        return newest
    return replace(
        written,
        table=newest.table,
        generations=newest.generations,
        next_number=newest.next_number,
        rollout=newest.rollout,
        quarantine=newest.quarantine,
    )


def _held(stored: State, candidate: int | None) -> State:
    """Keep the generations in a lane and those a change still needs; drop the retired."""
    lanes = stored.table.lanes().values()
    rollout = stored.rollout
    if rollout is not None and not rollout.is_over and rollout.part in {Part.STARTING, Part.CUTTING}:
        candidate = rollout.candidate if rollout.phase is not Phase.ROLLING_BACK else None
    starting = candidate if candidate in stored.generations and candidate not in lanes else None
    going = {rollout.candidate} if rollout is not None and rollout.phase is Phase.ROLLING_BACK else set()
    wanted_still = {*lanes, starting, *going}
    kept = {number: it for number, it in stored.generations.items() if number in wanted_still}
    salt = rollout.salt if rollout is not None and starting is not None else ""
    return replace(stored, generations=kept, candidate=starting, candidate_salt=salt)


async def _from_desired(desired: DesiredState) -> State:
    """Read lanes and generations as they were last published."""
    entry = await desired.get(ROUTING_KEY)
    if entry is None or entry.value is None:
        return State()
    table = msgspec.json.decode(entry.value, type=RoutingTable)
    generations = {}
    following = await desired.get(NEXT_KEY)
    for stored in await desired.range(GENERATION_PREFIX):
        generation = msgspec.json.decode(stored.value or "null", type=Generation)
        generations[generation.number] = generation
    next_number = int(following.value) if following is not None and following.value else max(generations, default=0) + 1
    rollout = await _stored(desired, ROLLOUT_KEY, Rollout | None)
    quarantine = await _stored(desired, QUARANTINE_KEY, dict[str, Quarantined]) or {}
    state = State(table=table, generations=generations, next_number=next_number)
    return _whole(replace(state, rollout=rollout, quarantine=quarantine))


async def _stored(desired: DesiredState, key: str, kind: Any) -> Any:
    """Read one key of the desired state, None when it is absent."""
    entry = await desired.get(key)
    return None if entry is None or entry.value is None else msgspec.json.decode(entry.value, type=kind)


def _whole(state: State) -> State:
    """Return the state if every generation it routes to or starts is in it.

    Raises:
        StateError: one is missing.
    """
    needed = {*state.table.lanes().values(), *([state.candidate] if state.candidate is not None else [])}
    if missing := sorted(needed - state.generations.keys()):
        raise StateError(f"how to start generation {missing[0]} is not in it")
    return state
