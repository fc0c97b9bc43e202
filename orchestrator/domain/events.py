"""What can happen to routing.  A frozen value each; people's events name the actor and the reason."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.domain.generation import Spec

SYSTEM = "switchover"
"""The actor of everything the daemon does by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Base of the events a person, a client or a signal asks for."""

    actor: str = SYSTEM
    reason: str = ""

    def detail(self) -> dict[str, object]:
        """Return what the audit keeps besides actor, action and reason."""
        return {}


@dataclass(frozen=True, slots=True)
class Founded:
    """The daemon was started around a first command."""

    spec: Spec


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryAsked(Asked):
    """Start a second generation beside the active one.

    `replace` retires the present canary for it; `allow_breaking` takes it also when clients would miss something.
    """

    spec: Spec
    salt: str
    replace: bool = False
    allow_breaking: bool = False

    def detail(self) -> dict[str, object]:
        """Return the command and what it is made of; never the environment, which may hold secrets."""
        spec = self.spec
        return {"command": list(spec.command), "cwd": spec.cwd, "fingerprint": spec.fingerprint}


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryDropAsked(Asked):
    """Retire the canary."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchAsked(Asked):
    """Move all traffic to the canary."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchBackAsked(Asked):
    """Move all traffic back to the previous generation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightAsked(Asked):
    """Send `weight` percent of assignment keys to the canary."""

    weight: int

    def detail(self) -> dict[str, object]:
        """Return the weight."""
        return {"weight": self.weight}


@dataclass(frozen=True, slots=True, kw_only=True)
class KillSwitchAsked(Asked):
    """Turn the kill switch on or off."""

    on: bool

    def detail(self) -> dict[str, object]:
        """Return the position."""
        return {"on": self.on}


@dataclass(frozen=True, slots=True)
class GenerationReady:
    """A generation's serving process answered its handshake."""

    generation: int


@dataclass(frozen=True, slots=True)
class GenerationDown:
    """A generation's serving process died and is being started again."""

    generation: int
    reason: str


@dataclass(frozen=True, slots=True)
class GenerationFailed:
    """A generation never became ready, or dies again and again: supervision's final word."""

    generation: int
    reason: str


Event = (
    Founded
    | CanaryAsked
    | CanaryDropAsked
    | SwitchAsked
    | SwitchBackAsked
    | WeightAsked
    | KillSwitchAsked
    | GenerationReady
    | GenerationDown
    | GenerationFailed
)
