"""A world that only remembers what commands did to it, and the eight rules as checks of one step.

Every command is carried out twice, because that is what a crash between effect and record leads to; and what a state
wants is carried out on a world that was killed, which must end as the one that was not.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Final

from orchestrator.domain.evidence.look import Verdict, Watch
from orchestrator.domain.generation import Standing
from orchestrator.domain.plans.limits import Answer
from orchestrator.domain.plans.steps import Hold
from orchestrator.domain.rollouts import events as ev
from orchestrator.domain.rollouts.clock import JUDGED
from orchestrator.domain.rollouts.commands import (
    AskHold,
    CancelRehearsal,
    Command,
    CutBack,
    CutOver,
    MoveFlags,
    Observe,
    Rehearse,
    ResetFlags,
    Retire,
    Route,
    Start,
)
from orchestrator.domain.rollouts.effects import unstarted, wanted
from orchestrator.domain.rollouts.rollout import State, Step, routes_first
from orchestrator.domain.rollouts.state import Part, Phase, Rollout, What
from orchestrator.domain.routing import Lane, RoutingTable, choose

KEYS: Final = [f"mission-{n}" for n in range(24)] + ["vip-1"]
FORWARD: Final = (Phase.REHEARSING, Phase.STEPPING, Phase.PROMOTING, Phase.BAKING, Phase.FLIPPING)
BY_ITSELF: Final = (ev.Tick, ev.Looked, ev.HoldAgreed, ev.RehearsalEnded)
"""What comes without a person; none of it may undo what a person did."""
SWITCHED_BACK: Final = " switched back"
KILLED: Final = " turned the kill switch on"


@dataclass
class World:
    """What commands change.

    Attributes:
        cut: in which direction the state is being handed over.
        flags: each flag's value on trial and its share; `hand` once a person changed it.
    """

    table: RoutingTable = field(default_factory=RoutingTable)
    running: set[int] = field(default_factory=set)
    retired: set[int] = field(default_factory=set)
    watch: Watch | None = None
    mirror: Lane | None = None
    rehearsing: set[str] = field(default_factory=set)
    hold: Hold | None = None
    flags: dict[str, object] = field(default_factory=dict)
    resets: tuple[str, ...] = ()
    cut: CutOver | CutBack | None = None

    def carry_out(self, command: Command) -> None:  # noqa: C901 - one case a command
        """Do what a command says."""
        match command:
            case Start(generation):
                self.running |= {generation.number} - self.retired
            case Route(table):
                self.table = table if table.revision >= self.table.revision else self.table
            case Retire(number):
                self.running.discard(number)
                self.retired.add(number)
            case Observe(watch, mirror):
                self.watch, self.mirror = watch, mirror
            case Rehearse(rollout, _):
                self.rehearsing.add(rollout)
            case CancelRehearsal(rollout):
                self.rehearsing.discard(rollout)
            case AskHold(_, hold):
                self.hold = hold
            case MoveFlags(_, moved):
                self.flags |= {one.flag: (one.to, one.share) for one in moved}
            case ResetFlags(_, flags):
                self.resets = flags
            case CutOver(_, old, new) | CutBack(_, old, new):
                self.cut = command
                self.running -= {old, new}

    def reset(self) -> None:
        """Bring the flags back that are to be."""
        for flag in self.resets:
            self.flags.pop(flag, None)
        self.resets = ()

    def cut_ends(self) -> None:
        """Have the one version running on the state that is to, and no other."""
        match self.cut:
            case CutOver(_, _, new):
                self.running.add(new)
            case CutBack(_, old, _):
                self.running.add(old)
        self.cut = None

    def killed(self, state: State) -> World:
        """Return the world of a daemon that was killed now and made it fit the state again."""
        fresh = World(retired=set(self.retired), flags=dict(self.flags))
        for command in wanted(state):
            fresh.carry_out(command)
        return fresh


@dataclass(frozen=True)
class Change:
    """One step that was taken.

    Attributes:
        lost: generations of which supervision spoke its final word.
    """

    before: State
    event: ev.Event
    outcome: Step
    now: float
    lost: frozenset[int]

    @property
    def after(self) -> State:
        """The state after it."""
        return self.outcome.state


def live(state: State) -> Rollout | None:
    """Return the rollout under way."""
    return state.rollout if state.rollout is not None and not state.rollout.is_over else None


def place(rollout: Rollout) -> tuple[object, ...]:
    """Return where a rollout is."""
    return rollout.phase, rollout.part, rollout.index, rollout.retreat, rollout.visit


def one_is_active_and_ready(change: Change, world: World) -> None:
    """Rule 1: exactly one generation is active; calls go to what runs, and move only to what is ready."""
    was, table = change.before.table, change.after.table
    after = change.after.rollout
    assert table.active is not None
    assert world.cut is not None or {choose(table, key).generation for key in KEYS} <= world.running
    assert len(set(table.lanes().values())) == len(table.lanes())
    if table.active != was.active and was.active is not None:
        assert change.after.generations[table.active].standing is Standing.READY
        cut_over = after.candidate if isinstance(change.event, ev.CutOverDone) and after is not None else was.canary
        assert table.active in {was.previous, cut_over}
    if table.weight > was.weight:
        assert change.after.generations[table.canary or 0].standing is Standing.READY
        assert not table.kill_switch


def previous_stays_warm(change: Change, _world: World) -> None:
    """Rule 2: from promotion to the end the old version keeps its lane, and no way back needs a start."""
    rollout = live(change.after)
    if rollout is not None and rollout.promoted is not None and rollout.phase is not Phase.ROLLING_BACK:
        assert change.after.table.previous == rollout.baseline or rollout.baseline in change.lost
    goes_back = change.after.rollout is not None and change.after.rollout.phase in {
        Phase.ROLLING_BACK,
        Phase.ROLLED_BACK,
    }
    if goes_back and live(change.before) is not None:
        assert not [one for one in change.outcome.commands if isinstance(one, Start)]


def the_guard_is_on(change: Change, world: World) -> None:
    """Rule 3: from the first step to the end there is an epoch, whatever is paused or held."""
    before, after = live(change.before), live(change.after)
    assert world.watch == (after.watch if after is not None else None)
    if after is None or after.phase not in FORWARD:
        assert world.watch is None
        return
    same = before is not None and before.id == after.id
    if same and before is not None and before.watch is not None:
        assert after.watch is not None
    if after.part in JUDGED and after.phase is not Phase.REHEARSING:
        assert after.watch is not None
        assert after.watch.trial == after.trial


def commands_are_idempotent(change: Change, world: World) -> None:
    """Rule 4: twice is once, and a daemon killed now ends in the same world."""
    again = deepcopy(world)
    for command in change.outcome.commands:
        again.carry_out(command)
    assert again == world
    assert change.after.table.revision >= change.before.table.revision
    if change.after.table != change.before.table:
        assert change.after.table.revision > change.before.table.revision
    assert world.killed(change.after) == world


def safety_routes_first(change: Change, _world: World) -> None:
    """Rule 5: what routes before it is written gives the candidate nothing; routing comes before the rest."""
    kinds = [type(one) for one in change.outcome.commands]
    order: list[type] = [
        *(Start, Route, Observe, ResetFlags, MoveFlags, Rehearse, CancelRehearsal, AskHold, CutOver, CutBack, Retire)
    ]
    assert kinds == sorted(kinds, key=order.index)
    was, table = change.before.table, change.after.table
    if routes_first(change.event):
        assert table.weight <= was.weight
        assert was.active is None or table.active in {was.active, was.previous}
    if isinstance(change.event, ev.JournalBroken):
        theirs = table.canary is not None and table.canary != change.after.under_way.candidate
        assert theirs or (table.weight, table.always) == (0, ())
        returns = change.after.under_way.is_cutting
        assert returns or change.after.under_way.paused is not None


def nobody_is_overridden(change: Change, _world: World) -> None:
    """Rule 6: a pause, a weight, a kill switch, a flag by hand: nothing but a person, or a way back, ends it."""
    before, after = live(change.before), live(change.after)
    if not isinstance(change.event, ev.KillSwitchAsked):
        assert change.after.table.kill_switch == change.before.table.kill_switch
    if before is None or after is None or before.paused is None or not isinstance(change.event, BY_ITSELF):
        return
    if after.phase is Phase.ROLLING_BACK:
        return
    assert after.paused is not None
    assert change.after.table == change.before.table
    assert not [one for one in change.outcome.commands if isinstance(one, MoveFlags)]
    assert place(after) == place(before) or isinstance(change.event, ev.RehearsalEnded)


def one_flag_at_a_time(change: Change, world: World) -> None:
    """Rule 7: one flag moves, after soak and `min_stable`; the way back resets all, dependants first."""
    before, after = change.before.rollout, change.after.rollout
    if after is None or before is None or before.id != after.id:
        return
    new = [one for one in after.moved if one.flag not in {old.flag for old in before.moved}]
    assert len(new) <= 1
    if new and after.phase is Phase.FLIPPING:
        stage = after.plan.flags[after.index]
        since = after.promoted if after.promoted is not None else change.before.active_since
        assert stage.flag == new[0].flag
        assert change.now >= since + (stage.min_stable or 0.0)
        left_out = isinstance(change.event, ev.FlagStands)  # nothing was moved, so nothing soaks
        soaking = before.part in {Part.HALF, Part.WHOLE} and not before.waiting and not left_out
        assert not soaking or before.due is None or change.now >= before.due or before.paused is not None
    for command in change.outcome.commands:
        if isinstance(command, ResetFlags):
            assert command.flags == tuple(one.flag for one in reversed(after.moved))
    if after.phase is Phase.ROLLED_BACK:
        assert not {one.flag for one in after.moved} & world.flags.keys()


def what_went_back_is_judged(change: Change, _world: World) -> None:
    """Rule 8: a rolled-back fingerprint is quarantined, a switch back is no judgement, nor is a failed rehearsal."""
    after = change.after.rollout
    if after is None or live(change.before) is None or after.phase not in {Phase.ROLLING_BACK, Phase.ROLLED_BACK}:
        return
    if after.spec is None or after.cause is None:
        assert change.after.quarantine == change.before.quarantine
        return
    unjudged = {What.REHEARSAL, What.STATE, What.DIFFERENCES, What.JOURNAL}
    moved_only = SWITCHED_BACK in after.cause.words or KILLED in after.cause.words
    judged = after.cause.what not in unjudged and not moved_only
    assert (after.spec.fingerprint in change.after.quarantine) == judged
    if after.phase is Phase.ROLLED_BACK:
        assert after.candidate is None or after.candidate not in {change.after.table.canary, change.after.candidate}


def nothing_advances_without_data(change: Change, _world: World) -> None:
    """Only what a plan wants of evidence lets a judged part go on by itself."""
    before, after = live(change.before), change.after.rollout
    if before is None or after is None or not isinstance(change.event, ev.Tick | ev.Looked):
        return
    judged = before.part in JUDGED and before.watch is not None and before.watch.judged and before.plan.limits
    backwards = after.phase in {Phase.ROLLING_BACK, Phase.ROLLED_BACK} or after.retreat > before.retreat
    if not judged or backwards or place(before) == place(after) or before.frozen or before.unready:
        return
    known = change.event.look if isinstance(change.event, ev.Looked) else before.look
    missing = known is None or known.verdict in {Verdict.NO_DATA, Verdict.BROKEN_TELEMETRY}
    assert not missing or before.plan.on_missing_data is Answer.GO_ON


def one_version_on_an_exclusive_state(change: Change, world: World) -> None:
    """At most one runs; nothing but a person who agrees to the loss takes back a state that was written to."""
    before, after = live(change.before), live(change.after)
    assert world.running == set(change.after.generations) - unstarted(change.after)
    if after is None or not after.is_exclusive:
        return
    begun = after.is_cutting or after.promoted is not None
    assert not begun or len(world.running & {after.baseline, after.trial}) == (0 if after.is_cutting else 1)
    was_promoted = before is not None and before.promoted is not None and before.phase is not Phase.ROLLING_BACK
    if was_promoted and after.phase is Phase.ROLLING_BACK:
        assert isinstance(change.event, ev.RollbackAsked)
        assert change.event.lose_writes


RULES: Final[tuple[Callable[[Change, World], None], ...]] = (
    one_is_active_and_ready,
    previous_stays_warm,
    the_guard_is_on,
    commands_are_idempotent,
    safety_routes_first,
    nobody_is_overridden,
    one_flag_at_a_time,
    what_went_back_is_judged,
    nothing_advances_without_data,
    one_version_on_an_exclusive_state,
)
"""The eight rules, the one about data, and the one about a state that versions may not share."""
