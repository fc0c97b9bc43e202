"""The machine's state as one value: routing, generations, the rollout under way, and what is quarantined.

Frozen, and whole in every journal record, so that the newest record alone says where to go on.  Above: `moves` and the
handlers give new states, the engine keeps them.  Below: `routing`, `generation`, `plan`, `look`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from orchestrator.domain.evidence.look import Look, Watch
from orchestrator.domain.flags.values import Value
from orchestrator.domain.generation import Generation, Spec
from orchestrator.domain.plans.plan import Plan, StateUse
from orchestrator.domain.routing import RoutingTable


class Phase(StrEnum):
    """Where the machine stands; the first three are the idle ones."""

    EMPTY = "empty"
    STEADY = "steady"
    STARTING = "starting"
    REHEARSING = "rehearsing"
    STEPPING = "stepping"
    PROMOTING = "promoting"
    BAKING = "baking"
    FLIPPING = "flipping"
    ROLLING_BACK = "rolling_back"
    DONE = "done"
    ROLLED_BACK = "rolled_back"


OVER = frozenset({Phase.DONE, Phase.ROLLED_BACK})
"""Phases of a rollout that is over: the machine is idle, and the rollout is kept for whoever asks."""


class Part(StrEnum):
    """What a phase is busy with."""

    RUNNING = "running"
    """The rehearsal, or a step at its weight."""
    STARTING = "starting"
    """The candidate's serving process is being started."""
    CUTTING = "cutting"
    """Calls wait while one version is stopped and the other one takes over the state."""
    HOLD = "hold"
    """Something has to agree."""
    READY = "ready"
    """Waiting for the process to go back to."""
    HEALTH = "health"
    UNLOCK = "unlock"
    YOUNG = "young"
    """A flag wants a version that has run for longer."""
    HALF = "half"
    WHOLE = "whole"
    FLAGS = "flags"
    """The flags are being reset to their safe values."""


class What(StrEnum):
    """Why a rollout ended or paused."""

    DONE = "done"
    REGRESSION = "regression"
    CRASH = "crash"
    START = "start"
    REHEARSAL = "rehearsal"
    DIFFERENCES = "differences"
    STATE = "state"
    INCONCLUSIVE = "inconclusive"
    MISSING_DATA = "missing_data"
    DEADLINE = "deadline"
    HOLD = "hold"
    FLAG = "flag"
    PERSON = "person"
    JOURNAL = "journal"


@dataclass(frozen=True, slots=True)
class Cause:
    """Why something was done, for people and for whoever compares two ends.

    Attributes:
        what: the kind.
        words: one sentence.
        by: who did it, the daemon or a person.
        at: when, Unix seconds on the steady clock.
        metric: which metric, "" when it was none.
        flag: which flag was on trial or is meant, "" when none.
        step: where the rollout was, in words, such as `step 2 of 3 (25 %)`.
    """

    what: What
    words: str
    by: str
    at: float
    metric: str = ""
    flag: str = ""
    step: str = ""


@dataclass(frozen=True, slots=True)
class Paused:
    """A stopped clock.

    Attributes:
        cause: why.
        left: seconds of the part that were left, None when it had no end.
        over: the part was over and its answer was to pause: going on means to go on to the next.
    """

    cause: Cause
    left: float | None
    over: bool = False


@dataclass(frozen=True, slots=True)
class Moved:
    """A flag the rollout moved.

    Attributes:
        flag: which.
        to: its value on trial.
        share: percent of keys that have it.
    """

    flag: str
    to: Value
    share: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The state as the old version left it, kept for the way back.

    Attributes:
        at: when it was taken; what was written later is not in it.
        path: the directory it is in.
    """

    at: float
    path: str


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A fingerprint that was judged bad.

    Attributes:
        rollout: by which rollout, "" when by hand outside one.
        cause: why.
    """

    rollout: str
    cause: Cause


@dataclass(frozen=True, slots=True)
class Rollout:
    """One attempt to replace the active generation, or to move flags.

    Attributes:
        id: its name, also that of its rehearsal's folder.
        plan: how it is to go.
        spec: how to start the candidate, None when only flags move.
        actor: who asked for it.
        reason: why, in their words.
        asked: when, Unix seconds on the steady clock; so are all moments here.
        phase: where it stands.
        part: what the phase is busy with.
        index: which step or stage, from 0.
        visit: how many parts were entered, which makes an epoch's name unique.
        baseline: the generation that was active when it began.
        candidate: the generation on trial, None before it is made.
        salt: what the canary lane hashes keys with.
        allow_breaking: whether the candidate may lack what clients rely on.
        entered: when the part began.
        due: when the part is over, None when somebody decides that.
        frozen: whether it is to go on, once a freeze window is over, at `due`.
        waiting: whether the part is over and only waits for data.
        unready: whether it is to go on, once the version on trial and the way back are ready.
        slowed: whether this part was made longer because the versions disagree.
        late: whether the plan's deadline was acted on.
        began: when the first step began, or the first stage of a plan that only moves flags.
        promoted: when all traffic went to the candidate.
        retreat: how many of the plan's retreat weights were gone down by.
        climbed: whether the step's weight was come back to from a retreat; that is done once.
        watch: what the guard watches.
        look: the newest look that was recorded of it.
        behind: the epoch before, while a regression found at its very end may still be told.
        moved: the flags moved, in order.
        refused: whether the last of them could not be moved.
        left_out: the flags whose stages were, because they had their values for everybody already.
        is_reset: whether they have their safe values again.
        snapshot: the state before the cut-over, None where versions share it.
        stuck: why the state cannot be brought back yet, "" while nothing stands in the way.
        paused: the stopped clock, None while it runs.
        cause: why it went back or ended.
    """

    id: str
    plan: Plan
    spec: Spec | None
    actor: str
    reason: str
    asked: float
    baseline: int
    phase: Phase = Phase.REHEARSING
    part: Part = Part.RUNNING
    index: int = 0
    visit: int = 0
    candidate: int | None = None
    salt: str = ""
    allow_breaking: bool = False
    entered: float = 0.0
    due: float | None = None
    frozen: bool = False
    waiting: bool = False
    unready: bool = False
    slowed: bool = False
    late: bool = False
    began: float | None = None
    promoted: float | None = None
    retreat: int = 0
    climbed: bool = False
    watch: Watch | None = None
    look: Look | None = None
    behind: str = ""
    moved: tuple[Moved, ...] = ()
    refused: bool = False
    left_out: tuple[str, ...] = ()
    is_reset: bool = False
    snapshot: Snapshot | None = None
    stuck: str = ""
    paused: Paused | None = None
    cause: Cause | None = None

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return self.phase in OVER

    @property
    def is_exclusive(self) -> bool:
        """Whether old and new version may never serve at a time."""
        return self.plan.new_generation and self.plan.state is StateUse.EXCLUSIVE

    @property
    def is_cutting(self) -> bool:
        """Whether one version hands the state over to the other now, in either direction."""
        return self.part is Part.CUTTING and not self.is_over

    @property
    def trial(self) -> int:
        """The generation on trial; in a plan that only moves flags the one that serves."""
        return self.candidate if self.candidate is not None else self.baseline


@dataclass(frozen=True, slots=True)
class State:
    """All that decides about routing, durable as one value.

    Attributes:
        table: the routing table in force.
        generations: every generation that holds a lane or is being started, by number.
        candidate: the generation being started as canary, if a change is under way.
        candidate_salt: the salt its canary lane will use.
        allow_breaking: whether the candidate may lack what clients of the active generation rely on.
        next_number: the number the next generation gets.
        changed_at: wall time (Unix seconds) of the last routing change.
        active_since: when the active generation became active.
        rollout: the rollout under way, or the last one.
        quarantine: what was judged bad, by fingerprint.
    """

    table: RoutingTable = field(default_factory=RoutingTable)
    generations: Mapping[int, Generation] = field(default_factory=dict)
    candidate: int | None = None
    candidate_salt: str = ""
    allow_breaking: bool = False
    next_number: int = 1
    changed_at: float = 0.0
    active_since: float = 0.0
    rollout: Rollout | None = None
    quarantine: Mapping[str, Quarantined] = field(default_factory=dict)

    @property
    def phase(self) -> Phase:
        """Return the phase, derived."""
        if self.table.active is None:
            return Phase.EMPTY
        if self.rollout is not None and not self.rollout.is_over:
            return self.rollout.phase
        return Phase.STEADY if self.candidate is None else Phase.STARTING

    @property
    def under_way(self) -> Rollout:
        """The rollout under way.

        Raises:
            AssertionError: there is none; only phases of a rollout ask.
        """
        if self.rollout is None:
            raise AssertionError("a phase of a rollout has one")
        return self.rollout

    def to(self, **changes: object) -> State:
        """Return the state with some members of the rollout changed."""
        return replace(self, rollout=replace(self.under_way, **changes))  # type: ignore[arg-type]  # its own members

    def enter(self, phase: Phase, part: Part, now: float, due: float | None = None) -> State:
        """Return the state with the rollout at the beginning of a part; nothing of the part before holds it up."""
        fresh = dict.fromkeys(("frozen", "waiting", "unready", "slowed", "refused"), False)
        return self.to(phase=phase, part=part, entered=now, due=due, **fresh)
