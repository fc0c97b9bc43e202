"""What is in force in a running daemon: its settings and its state of the moment, its places, its clock.

Above: the daemon's rooms, which are given one and ask it whenever they begin something.  Below: settings, domain.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from orchestrator.domain.ports import Clock
from orchestrator.domain.rollouts.state import State
from orchestrator.settings import Paths, Settings


@dataclass(frozen=True, slots=True)
class InForce:
    """What a room asks for when it begins something.

    Attributes:
        settings: returns those in force; a reload replaces them.
        state: returns the machine's state.
        paths: the daemon's places.
        environment: the daemon's, with its mark, for programs of its own.
        clock: the daemon's.
    """

    settings: Callable[[], Settings]
    state: Callable[[], State]
    paths: Paths
    environment: Mapping[str, str]
    clock: Clock


def take_over(target: object, source: object) -> None:
    """Copy every field of one bounds object into another of its kind that others already hold."""
    for name in type(target).__slots__:  # type: ignore[attr-defined]  # slotted dataclasses, both
        setattr(target, name, getattr(source, name))
