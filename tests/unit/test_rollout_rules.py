"""Rules that hold in every state the machine can reach by hand, attacked with random events.

`World` is a router and a fleet that only remember; every command is carried out on it twice, because that is what a
crash between effect and record leads to.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import Phase as RunPhase
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from rollout_story import (
    BACK,
    DROP,
    SERVING,
    SWITCH,
    SWITCHED,
    THREE,
    TWO,
    canary,
    down,
    failed,
    founded,
    ready,
    weight,
)

from orchestrator.domain.generation import Generation, Spec, Standing
from orchestrator.domain.rollouts import events as ev
from orchestrator.domain.rollouts import moves, record
from orchestrator.domain.rollouts.commands import Command, Retire, Route, Start
from orchestrator.domain.rollouts.edits import create, retire, route
from orchestrator.domain.rollouts.moves import _standing_changed
from orchestrator.domain.rollouts.rollout import Phase, Rejected, State, Step, step
from orchestrator.domain.routing import RoutingTable, choose

KEYS = [f"mission-{n}" for n in range(64)]
NAMES = st.sampled_from(["a", "b", "c"])
FACTS = st.sampled_from([ready, down, failed])


@dataclass
class World:
    """What commands change."""

    table: RoutingTable = field(default_factory=RoutingTable)
    running: set[int] = field(default_factory=set)
    retired: set[int] = field(default_factory=set)

    def carry_out(self, command: Command) -> None:
        match command:
            case Start(generation):
                if generation.number not in self.retired:
                    self.running.add(generation.number)
            case Route(table):
                self.table = table if table.revision >= self.table.revision else self.table
            case Retire(number):
                self.running.discard(number)
                self.retired.add(number)


class Rollouts(RuleBasedStateMachine):
    """Any events in any order; the invariants are the rules."""

    def __init__(self) -> None:
        super().__init__()
        self.state = State()
        self.world = World()
        self.now = 0.0
        self.started: set[int] = set()
        self.last: tuple[ev.Event, State, Step | Rejected] | None = None

    # --- events -----------------------------------------------------------------------------------

    def happens(self, event: ev.Event) -> None:
        self.now += 1
        before, copy = self.state, deepcopy(self.state)
        outcome = step(before, event, self.now)
        assert before == copy, "a state is a value: deciding must not edit it"
        assert step(before, event, self.now) == outcome
        self.last = (event, before, outcome)
        if isinstance(outcome, Rejected):
            assert outcome.reason
            return
        self.check_change(before, outcome)
        self.check_effects(outcome)
        self.state = outcome.state
        self.check_record(event, outcome)

    @initialize(story=st.sampled_from([(founded(),), SERVING, TWO, SWITCHED, THREE]))
    def begins_somewhere(self, story: tuple[ev.Event, ...]) -> None:
        for event in story:
            self.happens(event)

    @rule(name=NAMES, replacing=st.booleans(), breaking=st.booleans())
    def a_canary_is_asked(self, name: str, *, replacing: bool, breaking: bool) -> None:
        self.happens(replace(canary(name, replace=replacing), allow_breaking=breaking))

    @rule(event=st.sampled_from([DROP, SWITCH, SWITCH, BACK]))
    def a_move_is_asked(self, event: ev.Event) -> None:
        self.happens(event)

    @rule(percent=st.integers(-2, 102))
    def a_weight_is_asked(self, percent: int) -> None:
        self.happens(weight(percent))

    @rule(on=st.booleans())
    def the_kill_switch_is_asked(self, *, on: bool) -> None:
        self.happens(ev.KillSwitchAsked(on=on))

    @rule(data=st.data(), kind=FACTS)
    def supervision_reports(self, data: st.DataObject, kind: Callable[[int], ev.Event]) -> None:
        self.happens(kind(data.draw(st.sampled_from(sorted(self.state.generations)))))

    @precondition(lambda self: self.state.candidate is not None)
    @rule()
    def the_candidate_is_ready(self) -> None:
        self.happens(ready(self.state.candidate or 0))

    @rule()
    def active_is_lost(self) -> None:
        self.happens(failed(self.state.table.active or 0))

    @precondition(lambda self: self.state.table.previous_warm)
    @rule(kind=st.sampled_from([down, failed]))
    def previous_is_lost(self, kind: Callable[[int], ev.Event]) -> None:
        self.happens(kind(self.state.table.previous or 0))

    @rule(data=st.data(), kind=FACTS, name=NAMES)
    def something_comes_late_or_again(self, data: st.DataObject, kind: Callable[[int], ev.Event], name: str) -> None:
        number = data.draw(st.integers(0, self.state.next_number))
        self.happens(data.draw(st.sampled_from([founded(name), kind(number)])))

    # --- rules about a step -----------------------------------------------------------------------

    def check_change(self, before: State, outcome: Step) -> None:
        """A changed table has a later revision, and is routed; a lane is left only by an event that says so."""
        after = outcome.state
        assert after.table.revision >= before.table.revision
        if after.table != before.table:
            assert after.table.revision > before.table.revision
            assert Route(after.table) in outcome.commands
            assert after.changed_at == self.now
        assert after.next_number >= before.next_number
        self.check_numbers(before, outcome)
        self.check_retired(before, outcome)
        self.check_target(before, after)

    def check_target(self, before: State, after: State) -> None:
        """Traffic moves only to a generation that is ready, and under the kill switch only to safety."""
        table, was = after.table, before.table
        if table.active != was.active and table.active in before.generations:  # else it is founded (anew)
            assert before.generations[table.active].standing is Standing.READY
            assert not was.kill_switch or table.active == was.previous
        if table.weight > was.weight:
            assert after.generations[table.canary or 0].standing is Standing.READY
            assert not table.kill_switch

    def check_numbers(self, before: State, outcome: Step) -> None:
        """A generation begins exactly once, with a number nobody had."""
        new = outcome.state.generations.keys() - before.generations.keys()
        begun = {command.generation.number for command in outcome.commands if isinstance(command, Start)}
        assert begun == new
        assert not begun & self.started
        assert all(number < outcome.state.next_number for number in new)
        self.started |= begun

    def check_retired(self, before: State, outcome: Step) -> None:
        """Whatever is forgotten is retired, after routing left it, and nothing else is."""
        gone = before.generations.keys() - outcome.state.generations.keys()
        retired = [command.generation for command in outcome.commands if isinstance(command, Retire)]
        assert set(retired) == gone
        assert len(retired) == len(gone)
        kinds = [type(command) for command in outcome.commands]
        assert kinds == sorted(kinds, key=[Start, Route, Retire].index)
        after = outcome.state
        assert not gone & {*after.table.lanes().values(), after.candidate}

    def check_effects(self, outcome: Step) -> None:
        """Carry out twice what once would do."""
        for command in outcome.commands:
            self.world.carry_out(command)
        once = deepcopy(self.world)
        for command in outcome.commands:
            self.world.carry_out(command)
        assert self.world == once

    def check_record(self, event: ev.Event, outcome: Step) -> None:
        """What is written down reads back the same."""
        written = record.decode(record.encode(event, outcome.state, outcome.commands, self.now))
        assert written.state == outcome.state
        assert (written.at, written.event["name"]) == (self.now, type(event).__name__)
        assert [command["name"] for command in written.commands] == [type(it).__name__ for it in outcome.commands]

    # --- rules about every state ------------------------------------------------------------------

    @invariant()
    def exactly_one_generation_is_active_and_no_generation_holds_two_lanes(self) -> None:
        table, state = self.state.table, self.state
        held = [*table.lanes().values(), *([state.candidate] if state.candidate is not None else [])]
        assert len(held) == len(set(held))
        assert (table.active is None) == (state.phase is Phase.EMPTY) == (table.revision == 0)
        assert set(held) == state.generations.keys()

    @invariant()
    def nothing_is_left_of_a_change_that_is_over(self) -> None:
        state = self.state
        assert state.candidate is not None or (state.candidate_salt, state.allow_breaking) == ("", False)

    @invariant()
    def weight_is_a_percentage_and_0_without_a_canary(self) -> None:
        assert 0 <= self.state.table.weight <= 100
        assert self.state.table.canary is not None or self.state.table.weight == 0

    @invariant()
    def previous_is_called_warm_exactly_while_its_process_is_ready(self) -> None:
        table = self.state.table
        standing = self.state.generations[table.previous].standing if table.previous is not None else None
        assert table.previous_warm == (standing is Standing.READY)

    @invariant()
    def the_world_is_as_the_state_says_and_all_that_was_started_is_held_or_retired(self) -> None:
        assert self.world.table == self.state.table
        assert self.world.running == set(self.state.generations)
        assert self.started == self.world.running | self.world.retired
        assert not self.world.running & self.world.retired

    @invariant()
    def traffic_goes_only_to_what_runs_and_under_the_kill_switch_to_one_place(self) -> None:
        if self.state.phase is Phase.EMPTY:
            return
        table = self.state.table
        served = {choose(table, key).generation for key in KEYS}
        assert served <= self.world.running
        assert self.state.candidate not in served
        if table.kill_switch:
            assert served == {table.previous if table.previous_warm else table.active}
        elif table.weight in {0, 100}:
            assert served == {table.canary if table.weight else table.active}

    @invariant()
    def previous_stays_until_it_is_replaced_used_or_lost(self) -> None:
        if self.last is None or isinstance(self.last[2], Rejected):
            return
        event, before, outcome = self.last
        previous = before.table.previous
        if previous is None or outcome.state.table.previous == previous:
            return
        assert isinstance(event, ev.SwitchAsked | ev.SwitchBackAsked | ev.GenerationFailed)
        if isinstance(event, ev.SwitchBackAsked):
            assert outcome.state.table.active == previous
        elif isinstance(event, ev.GenerationFailed):
            assert event.generation in {previous, before.table.active}

    @invariant()
    def one_change_is_made_at_a_time(self) -> None:
        if self.last is None or isinstance(self.last[2], Rejected):
            return
        event, before, _ = self.last
        if before.phase is Phase.STARTING:
            assert not isinstance(
                event, ev.Founded | ev.CanaryAsked | ev.SwitchAsked | ev.SwitchBackAsked | ev.WeightAsked
            )


RUN = settings(
    max_examples=25,
    stateful_step_count=50,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
LENGTHY = settings(RUN, max_examples=2000, derandomize=False)


@pytest.mark.requirement("ROLL-2")
class TestRollouts(Rollouts.TestCase):  # type: ignore[misc,name-defined]  # made by hypothesis when this runs
    settings = RUN


@pytest.mark.soak
@pytest.mark.requirement("ROLL-2")
class TestRolloutsAtLength(Rollouts.TestCase):  # type: ignore[misc,name-defined]  # made by hypothesis when this runs
    settings = LENGTHY


# --- the rules attacked: a machine bent in one place must not pass them -----------------------------


def same_revision(state: State, now: float, **changes: Any) -> State:
    moved = route(state, now, **changes)
    return replace(moved, table=replace(moved.table, revision=state.table.revision))


def forgotten_warmth(state: State, now: float, **changes: Any) -> State:
    moved = route(state, now, **changes)
    return replace(moved, table=replace(moved.table, previous_warm=state.table.previous_warm))


def kept_weight(state: State, now: float, **changes: Any) -> State:
    """Leave the weight when the canary leaves its lane."""
    if changes.get("canary", 0) is None:
        changes.pop("weight", None)
    return route(state, now, **changes)


def stopped_at_once(state: State, *numbers: int | None) -> tuple[State, tuple[Retire, ...]]:
    """Retire previous whenever something else is retired."""
    kept, retired = retire(state, *numbers)
    previous = state.table.previous
    return kept, retired if previous is None or not retired else (*retired, Retire(previous))


def forgotten_process(state: State, *numbers: int | None) -> tuple[State, tuple[Retire, ...]]:
    return retire(state, *numbers)[0], ()


def retired_but_known(state: State, *numbers: int | None) -> tuple[State, tuple[Retire, ...]]:
    return state, retire(state, *numbers)[1]


def number_used_again(state: State, made_of: Spec) -> tuple[State, Generation]:
    made, generation = create(replace(state, next_number=max(state.generations, default=0) + 1), made_of)
    return made, generation


def edited_in_place(state: State, generation: Generation) -> State:
    state.generations[generation.number] = generation  # type: ignore[index]  # that is what is wrong with it
    return state


def always_movable(_state: State, _target: int) -> None:
    return None


def cold_fallback(state: State, number: int, now: float) -> Step:
    if state.table.previous is None:
        return Step(state, ())
    moved = route(state, now, active=state.table.previous, previous=None)
    moved, retired = retire(moved, number)
    return Step(moved, (Route(moved.table), *retired))


def unrouted(state: State, number: int, now: float) -> Step:
    return Step(_standing_changed(state, number, now).state, ())


MUTANTS = [
    ("route", same_revision),
    ("route", forgotten_warmth),
    ("route", kept_weight),
    ("retire", stopped_at_once),
    ("retire", forgotten_process),
    ("retire", retired_but_known),
    ("create", number_used_again),
    ("with_generation", edited_in_place),
    ("not_movable", always_movable),
    ("_active_failed", cold_fallback),
    ("_standing_changed", unrouted),
]


@pytest.mark.requirement("ROLL-2")
@pytest.mark.parametrize(("name", "bent"), MUTANTS, ids=[bent.__name__ for _, bent in MUTANTS])
def test_the_rules_notice_a_machine_that_is_bent_in_one_place(
    monkeypatch: pytest.MonkeyPatch, name: str, bent: Callable[..., Any]
) -> None:
    monkeypatch.setattr(moves, name, bent)
    with pytest.raises(AssertionError):
        run_state_machine_as_test(
            Rollouts, settings=settings(RUN, max_examples=600, phases=[RunPhase.generate], print_blob=False)
        )
