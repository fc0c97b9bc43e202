"""What the machine wants done.  Idempotent values: carrying one out twice changes nothing more."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.domain.generation import Generation
from orchestrator.domain.routing import RoutingTable


@dataclass(frozen=True, slots=True)
class Start:
    """Have a serving process of this generation run."""

    generation: Generation


@dataclass(frozen=True, slots=True)
class Route:
    """Make this the routing table, unless a later revision already is."""

    table: RoutingTable


@dataclass(frozen=True, slots=True)
class Retire:
    """Drain this generation, stop it and remove its private copy."""

    generation: int


Command = Start | Route | Retire
