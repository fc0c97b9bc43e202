"""Finds what the rollout machine can do by letting it run: every event in every kind of state that events lead to.

Two states are of one kind when they differ in numbers and times alone.  By hand everything is tried; rollouts are tried
from one steady state, with small plans that have a part of every sort.  Above: `generate_rollout`.  Below:
`orchestrator.domain.rollouts.rollout`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Iterator
from functools import cache
from typing import Final

from orchestrator.domain.evidence.look import Look, Verdict
from orchestrator.domain.generation import Spec, Standing
from orchestrator.domain.plans.limits import Answer, Limit
from orchestrator.domain.plans.plan import Bake, Plan, Promotion, Rehearsal, StateUse
from orchestrator.domain.plans.steps import FlagStage, Hold, HoldKind, Step
from orchestrator.domain.rollouts import events as ev
from orchestrator.domain.rollouts.clock import due_at
from orchestrator.domain.rollouts.rollout import TRANSITIONS, Phase, Rejected, State, step
from orchestrator.domain.rollouts.state import Cause, Quarantined, What

SPEC: Final = Spec(("server",), "/", fingerprint="of its files")
HELD: Final = "earlier"
OLD: Final = Quarantined("", Cause(What.PERSON, "", "", 0.0))
"""A version that was judged bad before."""
HOLD: Final = Hold(HoldKind.COMMAND, command=("check",))
STAGES: Final = (
    FlagStage("first", "1", soak=2.0, min_stable=9.0),
    FlagStage("second", "1", soak=1.0, half_first=False),
)
CAREFUL: Final = Plan(
    "careful",
    steps=(Step(10, None, hold=HOLD), Step(50, 1.0)),
    promotion=Promotion(HOLD),
    bake=Bake(health=1.0, unlock=2.0),
    flags=STAGES,
    limits=(Limit("error", margin=0.05),),
)
STRICT: Final = Plan(
    "strict",
    rehearsal=Rehearsal(run=False),
    steps=(Step(10, 1.0),),
    bake=CAREFUL.bake,
    limits=CAREFUL.limits,
    on_regression=Answer.PAUSE,
    on_missing_data=Answer.ROLL_BACK,
)
ALONE: Final = Plan(
    "alone",
    state=StateUse.EXCLUSIVE,
    rehearsal=Rehearsal(run=False),
    bake=Bake(health=1.0, unlock=2.0, mirror=False),
    flags=(STAGES[1],),
    limits=CAREFUL.limits,
)
FLAGS: Final = Plan("flags", new_generation=False, limits=CAREFUL.limits, flags=(STAGES[1],))


def arrows() -> list[tuple[Phase, type[ev.Event], Phase]]:
    """Return every (phase, event, phase after) that can happen, in the order of the table.

    The phase after an event that ends a rollout is that of its end; the machine is steady then.
    """
    kinds, phases = list(TRANSITIONS), list(Phase)
    return sorted(_found()[1], key=lambda arrow: (kinds.index(arrow[:2]), phases.index(arrow[2])))


def _end(before: State, after: State) -> Phase:
    rollout = after.rollout
    ended = rollout is not None and rollout.is_over and before.rollout != rollout
    return rollout.phase if rollout is not None and ended else after.phase


def states() -> tuple[State, ...]:
    """Return one state of each kind that events lead to from the empty one, the nearest first."""
    return _found()[0]


@cache
def _found() -> tuple[tuple[State, ...], frozenset[tuple[Phase, type[ev.Event], Phase]]]:
    """Return the states, and every (phase, event, phase after) between them."""
    seen: dict[Hashable, State] = {}
    ways: set[tuple[Phase, type[ev.Event], Phase]] = set()
    waiting = deque([State(quarantine={HELD: OLD})])
    while waiting:
        state = waiting.popleft()
        if seen.setdefault(_kind(state), state) is not state:
            continue
        for event, after in taken(state):
            ways.add((state.phase, type(event), _end(state, after)))
            if _kind(after) not in seen:
                waiting.append(after)
    return tuple(seen.values()), frozenset(ways)


def _kind(state: State) -> Hashable:
    """Return what is left of a state without its numbers and times."""
    table, rollout = state.table, state.rollout
    of_rollout = rollout is not None and not rollout.is_over

    def of(number: int | None) -> Hashable:
        one = state.generations.get(number) if number is not None else None
        known = one is not None and (one.standing if not of_rollout else one.standing is Standing.READY)
        return one and (known, one.proven or of_rollout)

    held = tuple(of(number) for number in (table.active, table.canary, table.previous, state.candidate))
    if rollout is None or rollout.is_over:
        return (*held, bool(table.weight), table.kill_switch, rollout and rollout.phase)
    paused = rollout.paused is not None and rollout.paused.over
    at = (rollout.plan.name, rollout.phase, rollout.part, rollout.index, len(rollout.moved))
    seen = rollout.look is not None and rollout.look.verdict is Verdict.NOT_YET
    return (*held, table.kill_switch, *at, rollout.paused is None, paused, rollout.waiting, seen)


def taken(state: State) -> Iterator[tuple[ev.Event, State]]:
    """Yield the events that a state takes, with the states after them."""
    for event in events(state):
        outcome = step(state, event, due_at(state) or 0.0)
        if not isinstance(outcome, Rejected):
            yield event, outcome.state


def events(state: State) -> Iterator[ev.Event]:
    """Yield one event of each kind, and one for each generation where it is about one."""
    rollout = state.rollout
    if rollout is not None and rollout.is_over:  # what comes by hand was tried without one
        yield ev.RetryAsked(rollout="again")
        return
    yield from _by_hand(state)
    yield from _of_a_rollout(state)
    for number in state.generations or (1,):
        yield ev.GenerationReady(number)
        yield ev.GenerationDown(number, "")
        yield ev.GenerationFailed(number, "")


def _by_hand(state: State) -> Iterator[ev.Event]:
    yield ev.Founded(SPEC)
    for replacing in (False, True):
        yield ev.CanaryAsked(spec=SPEC, salt="", replace=replacing)
    yield from (ev.CanaryDropAsked(), ev.SwitchAsked(), ev.SwitchBackAsked())
    yield from (ev.WeightAsked(weight=0), ev.WeightAsked(weight=50))
    yield from (ev.KillSwitchAsked(on=True), ev.KillSwitchAsked(on=False))
    yield from _upgrades(state)


def _upgrades(state: State) -> Iterator[ev.Event]:
    """Yield the wish to carry out each plan where one generation serves; elsewhere one is enough to be refused."""
    alone = len(state.generations) == 1 and all(one.standing is Standing.READY for one in state.generations.values())
    if alone or state.phase is not Phase.STEADY:
        for plan in (CAREFUL, STRICT, ALONE, FLAGS):
            yield ev.UpgradeAsked(rollout="r", plan=plan, spec=SPEC if plan.new_generation else None)


def _of_a_rollout(state: State) -> Iterator[ev.Event]:
    yield from (ev.RetryAsked(rollout="r"), ev.PromoteAsked(), ev.PauseAsked(), ev.ResumeAsked(), ev.RollbackAsked())
    yield from (ev.RollbackAsked(lose_writes=True), ev.CutOverDone("r", 0.0, ""), ev.CutOverFailed("r", ""))
    yield from (ev.CutBackDone("r"), ev.CutBackStuck("r", "the disk is full"), ev.ReleaseAsked(fingerprint=HELD))
    for failed, differences in ((False, 0), (False, 1), (True, 0)):
        yield ev.RehearsalEnded(rollout="r", failed=failed, differences=differences)
    watch = state.rollout.watch if state.rollout is not None else None
    for verdict in (Verdict.NOT_YET, Verdict.NO_DATA, Verdict.REGRESSION):
        yield ev.Looked(Look(watch.epoch if watch is not None else "", 1, 0.0, verdict))
    yield from (ev.Tick(), ev.HoldAgreed("r"), ev.FlagsReset("r"), ev.JournalBroken(""))
    yield from (ev.FlagEdited("first", ""), ev.FlagRefused(rollout="r", flag="first", reason=""))
    yield ev.FlagStands(rollout="r", flag="first")


def example(kind: type[ev.Event]) -> ev.Event:
    """Return an event of a kind."""
    return next(event for event in events(State()) if type(event) is kind)
