"""Carries commands out through the ports.  Every command may be carried out twice without harm."""

from __future__ import annotations

import msgspec

from orchestrator.domain.ports import Conductor, DesiredState, Fleet, Router
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
from orchestrator.domain.rollouts.rollout import State
from orchestrator.domain.routing import RoutingTable
from orchestrator.telemetry.logging import get_logger

log = get_logger("engine")

ROUTING_KEY = "routing"
GENERATION_PREFIX = "generations/"
NEXT_KEY = "next_generation"
ROLLOUT_KEY = "rollout"
QUARANTINE_KEY = "quarantine"


class Executor:
    """Turns commands into effects on the router, the fleet, the desired state and the rollout's surroundings.

    Attributes:
        conductor: what a rollout needs besides routing and processes; None until somebody provides it.
    """

    def __init__(self, router: Router, fleet: Fleet, desired: DesiredState, conductor: Conductor | None = None) -> None:
        self._router = router
        self._fleet = fleet
        self._desired = desired
        self.conductor = conductor

    def route(self, table: RoutingTable) -> None:
        """Route by a table at once; it is published with its step."""
        self._router.replace(table)

    async def carry_out(self, command: Command, state: State) -> None:
        """Carry one command out; `state` is the state that gave it."""
        match command:
            case Start(generation):
                self._fleet.start(generation)
                await self.publish(state)
            case Route(table):
                self._router.replace(table)
                await self.publish(state)
            case Retire(number):
                self._fleet.retire(number)
                await self.publish(state)
            case _ if self.conductor is not None:
                conduct(self.conductor, command)

    async def publish(self, state: State) -> None:
        """Write routing and generations to the desired state; the journal stays the truth if this fails."""
        put = {
            f"{GENERATION_PREFIX}{number}": msgspec.json.encode(generation).decode()
            for number, generation in state.generations.items()
        }
        put[ROUTING_KEY] = msgspec.json.encode(state.table).decode()
        put[NEXT_KEY] = str(state.next_number)
        put[ROLLOUT_KEY] = msgspec.json.encode(state.rollout).decode()
        put[QUARANTINE_KEY] = msgspec.json.encode(state.quarantine).decode()
        try:
            stored = await self._desired.range(GENERATION_PREFIX)
            gone = [entry.key for entry in stored if entry.key not in put]
            await self._desired.txn(put, delete=gone)
        except Exception:
            log.exception("desired state not written", revision=state.table.revision)


def conduct(conductor: Conductor, command: Command) -> None:
    """Hand a rollout's command to its surroundings."""
    match command:
        case Observe(watch, mirror):
            conductor.observe(watch, mirror)
        case Rehearse(rollout, spec):
            conductor.rehearse(rollout, spec)
        case CancelRehearsal(rollout):
            conductor.cancel_rehearsal(rollout)
        case AskHold(rollout, hold):
            conductor.ask(rollout, hold)
        case MoveFlags(rollout, moved):
            conductor.move_flags(rollout, moved)
        case ResetFlags(rollout, flags):
            conductor.reset_flags(rollout, flags)
        case CutOver(rollout, old, new):
            conductor.cut_over(rollout, old, new)
        case CutBack(rollout, old, new, aside):
            conductor.cut_back(rollout, old, new, aside=aside)
