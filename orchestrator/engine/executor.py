"""Carries commands out through the ports.  Every command may be carried out twice without harm."""

from __future__ import annotations

import msgspec

from orchestrator.domain.commands import Command, Retire, Route, Start
from orchestrator.domain.ports import DesiredState, Fleet, Router
from orchestrator.domain.rollout import State
from orchestrator.telemetry.logging import get_logger

log = get_logger("engine")

ROUTING_KEY = "routing"
GENERATION_PREFIX = "generations/"
NEXT_KEY = "next_generation"


class Executor:
    """Turns commands into effects on the router, the fleet and the desired state."""

    def __init__(self, router: Router, fleet: Fleet, desired: DesiredState) -> None:
        self._router = router
        self._fleet = fleet
        self._desired = desired

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

    async def publish(self, state: State) -> None:
        """Write routing and generations to the desired state; the journal stays the truth if this fails."""
        put = {
            f"{GENERATION_PREFIX}{number}": msgspec.json.encode(generation).decode()
            for number, generation in state.generations.items()
        }
        put[ROUTING_KEY] = msgspec.json.encode(state.table).decode()
        put[NEXT_KEY] = str(state.next_number)
        try:
            stored = await self._desired.range(GENERATION_PREFIX)
            gone = [entry.key for entry in stored if entry.key not in put]
            await self._desired.txn(put, delete=gone)
        except Exception:
            log.exception("desired state not written", revision=state.table.revision)
