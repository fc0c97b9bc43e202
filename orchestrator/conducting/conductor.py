"""The conductor: hands each of a rollout's wishes to the one who can see to it.

Above: `daemon` builds it, `engine.executor` asks it.  Below: `flag_moves`, `holds`, `rehearsals`, `guard_desk`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.conducting.cut_over import CutOver
from orchestrator.conducting.flag_moves import FlagMoves
from orchestrator.conducting.guard_desk import GuardDesk
from orchestrator.conducting.holds import Holds
from orchestrator.conducting.rehearsals import Rehearsals
from orchestrator.domain.evidence.look import Watch
from orchestrator.domain.generation import Spec
from orchestrator.domain.plans.steps import Hold
from orchestrator.domain.rollouts.state import Moved
from orchestrator.domain.routing import Lane


@dataclass(frozen=True, slots=True)
class Conducting:
    """Fits `domain.ports.Conductor`.

    Attributes:
        guard: judges.
        rehearsals: runs the harness.
        holds: asks commands and webhooks.
        flags: moves flags.
        cut: hands the state over from one version to the other.
    """

    guard: GuardDesk
    rehearsals: Rehearsals
    holds: Holds
    flags: FlagMoves
    cut: CutOver

    def observe(self, watch: Watch | None, mirror: Lane | None) -> None:
        """Have the guard watch an epoch and read-only calls mirrored to a lane; None for neither."""
        self.guard.observe(watch, mirror)
        self.holds.settle()

    def rehearse(self, rollout: str, spec: Spec) -> None:
        """Have a rehearsal run."""
        self.rehearsals.begin(rollout, spec)

    def cancel_rehearsal(self, rollout: str) -> None:
        """End a rehearsal, if it runs."""
        self.rehearsals.cancel(rollout)

    def ask(self, rollout: str, hold: Hold | None) -> None:
        """Ask a hold's command or webhook until it agrees; None: ask none any more."""
        self.holds.ask(rollout, hold)
        self.holds.settle()

    def move_flags(self, rollout: str, moved: Sequence[Moved]) -> None:
        """Have flags at these values for these shares of keys."""
        self.flags.move(rollout, moved)

    def reset_flags(self, rollout: str, flags: Sequence[str]) -> None:
        """Bring flags back to their safe values, in this order."""
        self.flags.reset(rollout, flags)

    def cut_over(self, rollout: str, old: int, new: int) -> None:
        """Have one generation hand the state over to another."""
        self.cut.over(rollout, old, new)

    def cut_back(self, rollout: str, old: int, new: int, *, aside: bool) -> None:
        """Have the state as it was before."""
        self.cut.back(rollout, old, new, aside=aside)
