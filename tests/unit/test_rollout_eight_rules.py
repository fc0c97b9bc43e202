"""The eight rules of a rollout, attacked with random plans, events and times, and with machines that are bent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)
from rollout_plans import (
    ABORT,
    ALONE,
    ASK_COMMAND,
    ASK_PERSON,
    ERRORS,
    LOSE,
    PAUSE,
    PLAN,
    PROMOTE,
    RESUME,
    TICK,
    asked,
    plan,
)
from rollout_story import BACK, KILL_OFF, KILL_ON, NOW, SERVING, SWITCHED, TWO, down, failed, ready, weight
from rollout_world import RULES, Change, World, live

from orchestrator.domain.evidence.look import Look, Verdict
from orchestrator.domain.plans.limits import Answer, Policy, Slower
from orchestrator.domain.plans.plan import Bake, Plan, Promotion, Rehearsal, StateUse
from orchestrator.domain.plans.steps import FlagStage, Keys, Step
from orchestrator.domain.rollouts import back as rollout_back
from orchestrator.domain.rollouts import begin as rollout_begin
from orchestrator.domain.rollouts import clock as rollout_clock
from orchestrator.domain.rollouts import effects, record
from orchestrator.domain.rollouts import events as ev
from orchestrator.domain.rollouts import facts as rollout_facts
from orchestrator.domain.rollouts import people as rollout_people
from orchestrator.domain.rollouts import stages as rollout_stages
from orchestrator.domain.rollouts import steps as rollout_steps
from orchestrator.domain.rollouts.clock import due_at
from orchestrator.domain.rollouts.commands import Command, CutOver, ResetFlags
from orchestrator.domain.rollouts.edits import retire, route
from orchestrator.domain.rollouts.judgement import Judged
from orchestrator.domain.rollouts.rollout import Phase, Rejected, State, step
from orchestrator.domain.rollouts.state import Cause, Moved, Part, Rollout

HOLDS = st.sampled_from([None, None, ASK_PERSON, ASK_COMMAND])
STEPS = st.builds(
    Step,
    weight=st.sampled_from([0, 10, 50, 100]),
    pause=st.sampled_from([0.0, 60.0, 60.0, None]),
    analysis=st.sampled_from([True, True, False]),
    mirror=st.booleans(),
    hold=HOLDS,
    keys=st.sampled_from([None, None, Keys(always=("vip-*",), only_new_by="began")]),
)
STAGES = st.lists(
    st.builds(
        FlagStage,
        flag=st.sampled_from(["a", "b", "c"]),
        to=st.just("1"),
        soak=st.just(40.0),
        half_first=st.booleans(),
        min_stable=st.sampled_from([0.0, 0.0, 100.0]),
    ),
    max_size=2,
    unique_by=lambda stage: stage.flag,
).map(tuple)
ANSWERS = {
    "on_regression": st.sampled_from([Answer.ROLL_BACK, Answer.ROLL_BACK, Answer.PAUSE]),
    "on_inconclusive": st.sampled_from([Answer.PAUSE, Answer.RETREAT, Answer.ROLL_BACK, Answer.GO_ON]),
    "on_missing_data": st.sampled_from([Answer.WAIT, Answer.WAIT, Answer.PAUSE, Answer.ROLL_BACK, Answer.GO_ON]),
    "on_deadline": st.sampled_from([Answer.PAUSE, Answer.ROLL_BACK]),
}
POLICIES = st.builds(
    Policy,
    retreat=st.just((20, 0)),
    advance_when_certified=st.booleans(),
    slower=st.sampled_from([None, Slower(above=0.1, factor=2.0)]),
)
PLANS = st.builds(
    Plan,
    name=st.just("random"),
    rehearsal=st.sampled_from([Rehearsal(), Rehearsal(run=False), Rehearsal(on_differences=Answer.GO_ON)]),
    steps=st.lists(STEPS, max_size=2).map(tuple),
    promotion=HOLDS.map(Promotion),
    bake=st.builds(Bake, health=st.just(60.0), unlock=st.just(90.0), mirror=st.booleans()),
    flags=STAGES,
    limits=st.just(ERRORS),
    policy=POLICIES,
    deadline=st.sampled_from([None, None, 300.0]),
    **ANSWERS,
)
EXCLUSIVE = PLANS.map(lambda plan: replace(plan, steps=(), state=StateUse.EXCLUSIVE))
FLAGS_ALONE = STAGES.map(lambda flags: Plan("flags", new_generation=False, limits=ERRORS, flags=flags))
FACTS = st.sampled_from([ready, ready, down, failed])
VERDICTS = st.sampled_from([*Verdict, Verdict.NOT_YET, Verdict.NO_DATA])
BY_HAND = [PROMOTE, PAUSE, RESUME, RESUME, ABORT, LOSE, BACK, KILL_ON, KILL_OFF, weight(0), weight(30)]
SEEDS = 500
MOST_TICKS = 40
"""More parts of a plan cannot end at one moment."""


class Upgrades(RuleBasedStateMachine):
    """Anything may happen to a rollout, and a new one may follow it."""

    def __init__(self) -> None:
        super().__init__()
        self.state, self.world, self.now = State(), World(), NOW
        self.lost: set[int] = set()
        self.theirs: set[str] = set()
        self.begun = 0

    @property
    def rollout(self) -> Rollout | None:
        return live(self.state)

    def happens(self, event: ev.Event) -> bool:
        """Let something happen; tell whether the machine took it."""
        before, known = self.state, dict(self.state.generations)
        outcome = step(before, event, self.now)
        assert before.generations == known, "a state is a value: deciding must not edit it"
        if isinstance(outcome, Rejected):
            assert outcome.reason
            return False
        if isinstance(event, ev.GenerationFailed):
            self.lost.add(event.generation)
        if isinstance(event, ev.CutOverDone | ev.CutBackDone):
            self.world.cut_ends()
        for command in outcome.commands:
            self.world.carry_out(command)
        self.state = outcome.state
        for each in RULES:
            each(Change(before, event, outcome, self.now, frozenset(self.lost)), self.world)
        written = record.decode(record.encode(event, outcome.state, outcome.commands, self.now))
        assert written.state == outcome.state
        return True

    # --- how it begins, and how it goes well ------------------------------------------------------

    @initialize(
        story=st.sampled_from([SERVING, SERVING, SWITCHED, TWO]),
        plan=PLANS | EXCLUSIVE | FLAGS_ALONE,
        depth=st.integers(0, 14),
    )
    def begins(self, story: tuple[ev.Event, ...], plan: Plan, depth: int) -> None:
        for event in story:
            self.happens(event)
        self.asks(plan, force=False)
        for _ in range(depth):
            self.goes_well()

    @rule(plan=PLANS | EXCLUSIVE | FLAGS_ALONE, force=st.booleans())
    def asks(self, plan: Plan, *, force: bool) -> None:
        self.begun += 1
        wish = asked(plan, f"r{self.begun}", force=force)
        quarantined = wish.spec is not None and wish.spec.fingerprint in self.state.quarantine
        taken = self.happens(wish)
        assert not taken or force or not quarantined
        self.theirs = set() if taken else self.theirs

    @rule()
    def retries(self) -> None:
        self.begun += 1
        if self.happens(ev.RetryAsked(rollout=f"r{self.begun}", actor="ann")):
            self.theirs = set()

    @rule()
    def goes_well(self) -> None:
        rollout = self.rollout
        if rollout is None:
            return
        waited = {"starting", "down"}
        away = [number for number, one in self.state.generations.items() if one.standing in waited]
        if away:
            self.happens(ready(away[0]))
        elif rollout.is_cutting:
            self.the_cut_ends()
        elif rollout.phase is Phase.REHEARSING and rollout.part is Part.RUNNING:
            self.rehearsal_ends(failing=False, differences=0, shared=True)
        elif rollout.phase is Phase.ROLLING_BACK:
            self.flags_are_reset()
        elif due_at(self.state) is None:
            self.happens(RESUME)
        else:
            self.its_time_comes(verdict=Verdict.NOT_YET)

    # --- time and evidence ------------------------------------------------------------------------

    @rule(seconds=st.sampled_from([0.5, 20.0, 60.0, 500.0]))
    def time_goes_by(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def ticks(self) -> None:
        self.happens(TICK)

    @rule(verdict=st.sampled_from([Verdict.NOT_YET, Verdict.NO_DATA]))
    def its_time_comes(self, verdict: Verdict) -> None:
        self.now = max(self.now, due_at(self.state) or 0.0)
        self.guard_looks(verdict=verdict, doubtful=False, disagreement=None)
        self.happens(TICK)

    @rule(verdict=VERDICTS, doubtful=st.booleans(), disagreement=st.sampled_from([None, 0.5]))
    def guard_looks(self, *, verdict: Verdict, doubtful: bool, disagreement: float | None) -> None:
        watch = self.rollout.watch if self.rollout is not None else None
        if watch is not None:
            look = Look(watch.epoch, 1, self.now, verdict, doubtful=doubtful, disagreement=disagreement)
            self.happens(ev.Looked(look))

    @rule(epoch=st.sampled_from(["r1/steps/0/1", "r1/bake/0/3", "r9/steps/0/1"]), verdict=VERDICTS)
    def a_look_comes_late(self, epoch: str, verdict: Verdict) -> None:
        self.happens(ev.Looked(Look(epoch, 1, self.now, verdict)))

    # --- people and processes ---------------------------------------------------------------------

    @rule(event=st.sampled_from(BY_HAND))
    def a_person_asks(self, event: ev.Event) -> None:
        self.happens(event)

    @rule(data=st.data(), kind=FACTS)
    def supervision_reports(self, data: st.DataObject, kind: Callable[[int], ev.Event]) -> None:
        self.happens(kind(data.draw(st.sampled_from(sorted(self.state.generations)))))

    @precondition(lambda self: self.rollout is not None)
    @rule(failing=st.sampled_from([False, False, True]), differences=st.sampled_from([0, 2]), shared=st.booleans())
    def rehearsal_ends(self, *, failing: bool, differences: int, shared: bool) -> None:
        name = self.rollout.id if self.rollout is not None else ""
        ended = ev.RehearsalEnded(rollout=name, failed=failing, differences=differences, shared_state=shared)
        self.happens(ended)

    @precondition(lambda self: self.rollout is not None)
    @rule(hold=HOLDS)
    def a_hold_agrees(self, hold: Any) -> None:
        self.happens(ev.HoldAgreed(self.rollout.id if self.rollout is not None else "", hold=hold))

    @precondition(lambda self: self.world.cut is not None)
    @rule()
    def the_cut_ends(self) -> None:
        cut = self.world.cut
        assert cut is not None
        over = isinstance(cut, CutOver)
        self.happens(ev.CutOverDone(cut.rollout, self.now, "before") if over else ev.CutBackDone(cut.rollout))

    @precondition(lambda self: self.world.cut is not None)
    @rule()
    def the_cut_fails(self) -> None:
        self.happens(ev.CutOverFailed(self.world.cut.rollout if self.world.cut is not None else "", "it is full"))

    @rule()
    def the_journal_breaks(self) -> None:
        self.happens(ev.JournalBroken("the disk is full"))

    # --- flags ------------------------------------------------------------------------------------

    @precondition(lambda self: bool(self.world.flags))
    @rule(data=st.data())
    def somebody_edits_a_flag(self, data: st.DataObject) -> None:
        flag = data.draw(st.sampled_from(sorted(self.world.flags)))
        moved = self.rollout is not None and any(one.flag == flag for one in self.rollout.moved)
        if self.happens(ev.FlagEdited(flag, "bob")) and moved:
            self.world.flags[flag] = "hand"
            self.theirs.add(flag)

    @precondition(lambda self: bool(self.world.flags) and self.rollout is not None)
    @rule(data=st.data())
    def a_flag_is_refused(self, data: st.DataObject) -> None:
        flag = data.draw(st.sampled_from(sorted(self.world.flags)))
        self.happens(ev.FlagRefused(rollout=self.rollout.id if self.rollout else "", flag=flag, reason="full"))

    @precondition(lambda self: bool(self.world.flags) and self.rollout is not None)
    @rule(data=st.data())
    def a_flag_has_its_value_already(self, data: st.DataObject) -> None:
        flag = data.draw(st.sampled_from(sorted(self.world.flags)))
        if self.happens(ev.FlagStands(rollout=self.rollout.id if self.rollout else "", flag=flag)):
            self.world.flags[flag] = "hand"
            self.theirs.add(flag)

    @precondition(lambda self: bool(self.world.resets) and self.rollout is not None)
    @rule()
    def flags_are_reset(self) -> None:
        resets = self.world.resets
        if self.rollout is not None and resets:
            self.world.reset()
            assert self.happens(ev.FlagsReset(self.rollout.id))

    # --- rules about every state ------------------------------------------------------------------

    @invariant()
    def what_a_person_moved_by_hand_is_left_alone(self) -> None:
        assert all(self.world.flags.get(flag) == "hand" for flag in self.theirs)

    @invariant()
    def what_is_due_is_done_by_a_tick_and_then_no_longer_due(self) -> None:
        state = self.state
        for _ in range(MOST_TICKS):
            due = due_at(state)
            if due is None or due > self.now:
                return
            outcome = step(state, TICK, self.now)
            assert not isinstance(outcome, Rejected)
            assert outcome.state != state, "it would tick for ever"
            state = outcome.state
        raise AssertionError("parts without end at one moment")

    @invariant()
    def the_kill_switch_stops_the_clock(self) -> None:
        rollout = self.rollout
        if rollout is not None and self.state.table.kill_switch and rollout.phase is not Phase.ROLLING_BACK:
            assert rollout.paused is not None

    @invariant()
    def every_generation_holds_a_lane_or_is_the_candidate(self) -> None:
        held = {*self.state.table.lanes().values(), self.state.candidate}
        held |= {self.rollout.candidate} if self.rollout is not None else set()
        assert set(self.state.generations) <= held


RUN = settings(
    max_examples=30,
    stateful_step_count=30,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
LENGTHY = settings(RUN, max_examples=2000, derandomize=False)


@pytest.mark.requirement("ROLL-11")
class TestUpgrades(Upgrades.TestCase):  # type: ignore[misc,name-defined]  # made by hypothesis when this runs
    settings = RUN


@pytest.mark.soak
@pytest.mark.requirement("ROLL-11")
class TestUpgradesAtLength(Upgrades.TestCase):  # type: ignore[misc,name-defined]  # made by hypothesis when this runs
    settings = LENGTHY


# --- the rules attacked: a machine bent in one place must not pass them -----------------------------


def dies_at_the_end_of_a_part(upgrades: Upgrades, chance: Random) -> None:
    """The worst moment for either version to be away."""
    upgrades.happens(down(chance.choice(sorted(upgrades.state.generations))))
    upgrades.its_time_comes(verdict=Verdict.NOT_YET)


SMALL = [
    PLAN,
    ALONE,
    plan(on_regression=Answer.PAUSE),
    plan(hold=ASK_PERSON, policy=Policy(advance_when_certified=True)),
]
ACTS: list[tuple[int, Callable[[Upgrades, Random], object]]] = [
    (20, lambda upgrades, _: upgrades.goes_well()),
    (
        3,
        lambda upgrades, chance: upgrades.guard_looks(
            verdict=chance.choice([*Verdict]), doubtful=False, disagreement=0.5
        ),
    ),
    (4, lambda upgrades, chance: upgrades.happens(chance.choice(BY_HAND))),
    (2, lambda upgrades, _: upgrades.happens(down(min(upgrades.state.generations)))),
    (2, lambda upgrades, _: upgrades.happens(down(max(upgrades.state.generations)))),
    (2, lambda upgrades, _: upgrades.its_time_comes(verdict=Verdict.NO_DATA)),
    (2, dies_at_the_end_of_a_part),
    (1, lambda upgrades, _: upgrades.the_journal_breaks()),
    (1, lambda upgrades, chance: upgrades.asks(chance.choice(SMALL), force=False)),
]


def walk(seed: int) -> None:
    """Carry small plans out with a few accidents: faster than a search, and enough to find what is bent."""
    chance, upgrades = Random(seed), Upgrades()
    upgrades.begins(SERVING, chance.choice(SMALL), chance.randint(0, 12))
    weights, acts = zip(*ACTS, strict=True)
    for _ in range(20):
        chance.choices(acts, weights)[0](upgrades, chance)
        upgrades.what_is_due_is_done_by_a_tick_and_then_no_longer_due()
        upgrades.the_kill_switch_stops_the_clock()
        upgrades.every_generation_holds_a_lane_or_is_the_candidate()


def walks(count: int) -> None:
    """Walk with the first seeds, until one shows that a rule is broken."""
    for seed in range(count):
        walk(seed)


@pytest.mark.requirement("ROLL-11")
def test_small_plans_with_a_few_accidents_keep_the_rules() -> None:
    walks(40)


@pytest.mark.soak
@pytest.mark.requirement("ROLL-11")
def test_small_plans_with_many_accidents_keep_the_rules() -> None:
    walks(10_000)


def well_without_data(_rollout: Rollout) -> Judged:
    return Judged.WELL


def safe_whatever_is_away(_state: State) -> bool:
    return False


def clock_that_runs_on(state: State, now: float) -> bool:
    rollout = state.under_way
    return rollout.waiting or (rollout.paused.left or 0.0 if rollout.paused else rollout.due or now + 1) <= now


def no_wait(_state: State) -> bool:
    return False


def not_routed(state: State, _now: float) -> State:
    return state


def flags_forgotten(state: State, now: float) -> State:
    return rollout_back.finish(state, Phase.ROLLED_BACK, now)


def moved_by_a_fact(state: State, now: float) -> State:
    return rollout_clock.go_on(state, now)


def old_version_stopped(state: State, now: float) -> State:
    rollout, old = state.under_way, state.table.active
    moved = route(state, now, active=rollout.trial, previous=None, canary=None, weight=0)
    return rollout_steps.enter_bake(retire(moved, old)[0], now)


def weight_left(state: State, _weight: int, _now: float, **_others: Any) -> State:
    return state


def guard_off(state: State, *_where: Any, **_what: Any) -> State:
    return state.to(watch=None)


def all_flags_at_once(state: State, share: int, lasts: float, now: float) -> State:
    plan = state.under_way.plan
    moved = rollout_stages_moved(state, share, lasts, now)
    return moved.to(moved=tuple(Moved(stage.flag, stage.to, share) for stage in plan.flags))


def dependants_last(rollout: Rollout | None, name: str) -> tuple[Command | None, ...]:
    """Reset flags in the order in which they were moved."""
    found = wishes(rollout, name)
    return tuple(replace(one, flags=one.flags[::-1]) if isinstance(one, ResetFlags) else one for one in found)


def both_started(_state: State) -> frozenset[int]:
    return frozenset()


def back_by_itself(state: State, cause: Cause, now: float, **_: Any) -> State:
    return rollout_back.go_back(state, cause, now)


def quarantined_for_nothing(_state: State, _event: ev.UpgradeAsked) -> str:
    return ""


wishes, rollout_stages_moved = effects._wishes, rollout_stages._moved  # as they are before they are bent
BENT: list[tuple[Any, str, Callable[..., Any]]] = [
    (rollout_clock, "judged", well_without_data),
    (rollout_clock, "_is_unsafe", safe_whatever_is_away),
    (rollout_clock, "is_over", clock_that_runs_on),
    (rollout_back, "_must_wait", no_wait),
    (rollout_back, "_routed_back", not_routed),
    (rollout_back, "reset_flags", flags_forgotten),
    (rollout_facts, "_due", moved_by_a_fact),
    (rollout_facts, "set_weight", weight_left),
    (rollout_people, "promote", old_version_stopped),
    (rollout_steps, "watch_anew", guard_off),
    (rollout_stages, "_moved", all_flags_at_once),
    (effects, "_wishes", dependants_last),
    (rollout_begin, "_refused", quarantined_for_nothing),
    (effects, "unstarted", both_started),
    (rollout_clock, "undo", back_by_itself),
]


@pytest.mark.requirement("ROLL-11")
@pytest.mark.parametrize(("module", "name", "bent"), BENT, ids=[bent.__name__ for _, _, bent in BENT])
def test_the_rules_notice_a_rollout_that_is_bent_in_one_place(
    monkeypatch: pytest.MonkeyPatch, module: Any, name: str, bent: Callable[..., Any]
) -> None:
    monkeypatch.setattr(module, name, bent)
    with pytest.raises(AssertionError):
        walks(SEEDS)
