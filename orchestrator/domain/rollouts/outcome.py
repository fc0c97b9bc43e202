"""What a decision is: a step with its commands, or a refusal with its reason.

Above: every handler of the machine.  Below: `state`, `commands`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

from orchestrator.domain.rollouts.commands import Command
from orchestrator.domain.rollouts.state import State


class Step(NamedTuple):
    """An accepted event: the state after it and what is to be done."""

    state: State
    commands: tuple[Command, ...]


@dataclass(frozen=True, slots=True)
class Rejected:
    """A refused event and the reason, in words for a person."""

    reason: str


Outcome: TypeAlias = Step | Rejected
Handler: TypeAlias = Callable[[State, Any, float], Outcome]
"""Decides one kind of event in one phase: (state, event, now)."""
