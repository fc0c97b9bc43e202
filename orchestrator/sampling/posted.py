"""What others measured, made samples: whose it is, and when it was.

Above: `measuring`, `prometheus`.  Below: the routing table in force.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from orchestrator.domain.evidence.samples import Origin, Sample
from orchestrator.domain.routing import Lane, RoutingTable, chance, choose

EARLY: Final = 3600.0
"""Seconds a measurement may lie back: who is later posts about another part of the rollout."""
LATE: Final = 60.0
"""Seconds it may lie ahead: clocks differ."""
COMPARED: Final = (Lane.ACTIVE, Lane.CANARY)
"""The lanes a figure that names none is about."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One number from outside.

    Attributes:
        metric: its name.
        value: finite.
        generation: whose it is.
        lane: or whose lane's.
        key: or whose assignment key's.
        at: Unix seconds; None for now.
        tool: what it is about, "" for nothing in particular.
    """

    metric: str
    value: float
    generation: int | None = None
    lane: Lane | None = None
    key: str = ""
    at: float | None = None
    tool: str = ""


def samples_of(one: Measured, table: RoutingTable, now: float, origin: Origin) -> Sequence[Sample]:
    """Return the samples a number makes: one, or without generation, lane and key one for each of the lanes compared.

    Args:
        one: the number.
        table: the routing table in force.
        now: Unix seconds on the steady clock.
        origin: who measured.

    Raises:
        ValueError: it cannot be used, and why.
    """
    at = now if one.at is None else one.at
    if not now - EARLY <= at <= now + LATE:
        raise ValueError(f"at {at:.15g} is not within the last {EARLY:.0f} s ({now:.0f} now)")
    share = chance(table, one.key) if one.key else None
    return [
        Sample(
            at=at,
            generation=generation,
            lane=lane,
            origin=origin,
            tool=one.tool,
            key=one.key,
            treated=None if share is None else lane is Lane.CANARY,
            share=share or 0.0,
            metrics={one.metric: one.value},
        )
        for lane, generation in _whose(one, table).items()
    ]


def _whose(one: Measured, table: RoutingTable) -> dict[Lane, int]:
    lanes = table.lanes()
    if one.generation is None and one.lane is None:
        if one.key:
            choice = choose(table, one.key)
            return {} if choice.generation is None else {choice.lane: choice.generation}
        return {lane: lanes[lane] for lane in COMPARED if lane in lanes}
    lane = one.lane or (table.lane_of(one.generation) if one.generation is not None else None)
    if lane is None:
        raise ValueError(f"generation {one.generation} holds no lane")
    if lane not in lanes:
        raise ValueError(f"no generation is {lane.value}")
    if one.generation is not None and lanes[lane] != one.generation:
        raise ValueError(f"generation {one.generation} is not {lane.value}; generation {lanes[lane]} is")
    return {lane: lanes[lane]}
