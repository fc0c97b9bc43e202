"""What the machine wants done.  Idempotent values: carrying one out twice changes nothing more."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.domain.evidence.look import Watch
from orchestrator.domain.generation import Generation, Spec
from orchestrator.domain.plans.steps import Hold
from orchestrator.domain.rollouts.state import Moved
from orchestrator.domain.routing import Lane, RoutingTable


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


@dataclass(frozen=True, slots=True)
class Observe:
    """Have the guard watch this epoch, and read-only calls mirrored to this lane; None for neither."""

    watch: Watch | None
    mirror: Lane | None = None


@dataclass(frozen=True, slots=True)
class Rehearse:
    """Have this rollout's rehearsal run; one of the same name that runs or has ended is not begun again."""

    rollout: str
    spec: Spec


@dataclass(frozen=True, slots=True)
class CancelRehearsal:
    """End this rollout's rehearsal, if it runs."""

    rollout: str


@dataclass(frozen=True, slots=True)
class AskHold:
    """Have a hold's command or webhook asked again and again; None: ask none any more."""

    rollout: str
    hold: Hold | None


@dataclass(frozen=True, slots=True)
class MoveFlags:
    """Have these flags at these values for these shares of keys."""

    rollout: str
    moved: tuple[Moved, ...]


@dataclass(frozen=True, slots=True)
class ResetFlags:
    """Bring these flags back to their safe values, in this order, then say so (`FlagsReset`)."""

    rollout: str
    flags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CutOver:
    """Have generation `old` hand the state over to `new`, then say so (`CutOverDone`, `CutOverFailed`).

    Calls wait; `old` finishes those it has and is stopped, the state is kept as it is then, and `new` is started on it.
    """

    rollout: str
    old: int
    new: int


@dataclass(frozen=True, slots=True)
class CutBack:
    """Have the state as it was before the cut-over, and `old` running on it, then say so (`CutBackDone`).

    Calls wait; `new` is stopped.  With `aside` the state as it is then is kept, too: it was written to.
    """

    rollout: str
    old: int
    new: int
    aside: bool


Command = (
    Start | Route | Retire | Observe | Rehearse | CancelRehearsal | AskHold | MoveFlags | ResetFlags | CutOver | CutBack
)
