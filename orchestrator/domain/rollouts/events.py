"""What can happen to routing.  A frozen value each; people's events name the actor and the reason."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.domain.evidence.look import Look
from orchestrator.domain.generation import Spec
from orchestrator.domain.plans.plan import Plan
from orchestrator.domain.plans.steps import Hold

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


@dataclass(frozen=True, slots=True, kw_only=True)
class UpgradeAsked(Asked):
    """Carry a plan out.

    `spec` is None exactly when the plan moves flags alone.  `force` takes a fingerprint out of quarantine.  Each flag
    stage of the plan says its `min_stable`: the machine does not know what is declared.
    """

    rollout: str
    plan: Plan
    spec: Spec | None
    salt: str = ""
    force: bool = False
    allow_breaking: bool = False

    def detail(self) -> dict[str, object]:
        """Return rollout, plan and command; never the environment, which may hold secrets."""
        command = list(self.spec.command) if self.spec is not None else None
        return {"rollout": self.rollout, "plan": self.plan.name, "command": command, "force": self.force}


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryAsked(Asked):
    """Run the last rollout's candidate again, from its rehearsal; its fingerprint leaves quarantine."""

    rollout: str
    salt: str = ""

    def detail(self) -> dict[str, object]:
        """Return the new rollout's id."""
        return {"rollout": self.rollout}


@dataclass(frozen=True, slots=True, kw_only=True)
class PromoteAsked(Asked):
    """Go to 100 % now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseAsked(Asked):
    """Stop the clock; the guard stays on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumeAsked(Asked):
    """Go on: after a pause, at a hold for a person, or at a step that stays until resumed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RollbackAsked(Asked):
    """End the rollout, go back, and quarantine the version; `abort` is the same verb before promotion.

    Attributes:
        lose_writes: whether what was written since an exclusive cut-over may be lost.
        lost: which calls may have written since then, such as `12 calls that may have written`; "" without any.
    """

    lose_writes: bool = False
    lost: str = ""

    def detail(self) -> dict[str, object]:
        """Return what is lost, where anything may be."""
        return {"lose_writes": True, "lost": self.lost} if self.lose_writes else {}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseAsked(Asked):
    """Take a fingerprint, or the only one that begins so, out of quarantine."""

    fingerprint: str

    def detail(self) -> dict[str, object]:
        """Return the fingerprint as it was given."""
        return {"fingerprint": self.fingerprint}


@dataclass(frozen=True, slots=True)
class Tick:
    """Time went by: the earliest deadline has come."""


@dataclass(frozen=True, slots=True)
class Looked:
    """The guard took a look."""

    look: Look


@dataclass(frozen=True, slots=True, kw_only=True)
class RehearsalEnded:
    """A rollout's rehearsal is over.

    Attributes:
        rollout: whose.
        failed: a step of it failed, or it could not be run.
        differences: how many unexpected differences it found.
        shared_state: whether the old code works on what the new code wrote; None when that was not tried.
        broken: what the old code cannot do there, or has lost.
        words: what it came to, in one sentence.
    """

    rollout: str
    failed: bool
    differences: int = 0
    shared_state: bool | None = None
    broken: tuple[str, ...] = ()
    words: str = ""


@dataclass(frozen=True, slots=True)
class HoldAgreed:
    """A hold's command or webhook agreed.

    `hold` is the one that was asked; an answer that comes late is then not taken for that of another hold.
    """

    rollout: str
    words: str = ""
    hold: Hold | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FlagRefused:
    """A flag could not be moved."""

    rollout: str
    flag: str
    reason: str


@dataclass(frozen=True, slots=True)
class FlagStands:
    """A flag that was to move for half of the keys has its value for everybody already: there is no other half."""

    rollout: str
    flag: str


@dataclass(frozen=True, slots=True)
class FlagsReset:
    """The flags a rollout moved have their safe values again."""

    rollout: str


@dataclass(frozen=True, slots=True)
class FlagEdited:
    """Somebody else changed a flag."""

    flag: str
    by: str


@dataclass(frozen=True, slots=True)
class CutOverDone:
    """The new generation is ready on the state that the old one left, and has served no call yet.

    Attributes:
        rollout: whose.
        at: when the snapshot of the state was taken, Unix seconds on the steady clock.
        path: where it is.
    """

    rollout: str
    at: float
    path: str


@dataclass(frozen=True, slots=True)
class CutOverFailed:
    """The state could not be handed over; the new generation has served no call."""

    rollout: str
    reason: str


@dataclass(frozen=True, slots=True)
class CutBackDone:
    """The old generation is ready on the state as it was before the cut-over."""

    rollout: str


@dataclass(frozen=True, slots=True)
class CutBackStuck:
    """The way back does not succeed, and is tried again; calls wait.

    Attributes:
        rollout: whose.
        reason: what stands in its way, "" once nothing does any more.
    """

    rollout: str
    reason: str


@dataclass(frozen=True, slots=True)
class JournalBroken:
    """A step could not be written down: automation stops until a person resumes."""

    reason: str


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
    | UpgradeAsked
    | RetryAsked
    | PromoteAsked
    | PauseAsked
    | ResumeAsked
    | RollbackAsked
    | ReleaseAsked
    | Tick
    | Looked
    | RehearsalEnded
    | HoldAgreed
    | FlagRefused
    | FlagStands
    | FlagsReset
    | FlagEdited
    | CutOverDone
    | CutOverFailed
    | CutBackDone
    | CutBackStuck
    | JournalBroken
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
