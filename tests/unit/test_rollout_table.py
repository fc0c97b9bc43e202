"""The machine's table, pair by pair: each (phase, event) is handled or refused with a reason."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from itertools import product
from typing import Any, get_args

import pytest
import rollout_plans as plans
from rollout_story import (
    BACK,
    DROP,
    KILL_OFF,
    KILL_ON,
    NOW,
    SERVING,
    STARTING,
    SWITCH,
    SWITCHED,
    THREE,
    TWO,
    after,
    canary,
    does,
    down,
    failed,
    founded,
    ready,
    refusal,
    spec,
    weight,
)

from orchestrator.domain.evidence.look import Look, Verdict
from orchestrator.domain.generation import Generation, Standing
from orchestrator.domain.rollouts import events as ev
from orchestrator.domain.rollouts.commands import Retire, Route, Start
from orchestrator.domain.rollouts.rollout import TRANSITIONS, Phase, Rejected, State, Step, routes_first, step
from orchestrator.domain.rollouts.state import OVER
from orchestrator.domain.routing import RoutingTable

pytestmark = pytest.mark.requirement("ROLL-1")

STATES: dict[Phase, State] = {
    Phase.EMPTY: State(),
    Phase.STEADY: after(*THREE),
    Phase.STARTING: after(*STARTING),
    Phase.REHEARSING: plans.rehearsing().state,
    Phase.STEPPING: plans.stepping().state,
    Phase.PROMOTING: plans.stepping(plans.plan(hold=plans.ASK_PERSON)).wait(120).state,
    Phase.BAKING: plans.baking().state,
    Phase.FLIPPING: plans.flipping().state,
    Phase.ROLLING_BACK: plans.going_back().state,
}
"""A state of each phase of the machine."""
CALM, BAD = (ev.Looked(Look("r/steps/0/1", 1, NOW, verdict)) for verdict in (Verdict.NOT_YET, Verdict.REGRESSION))
EXAMPLES: dict[type[ev.Event], ev.Event] = {
    type(event): event
    for event in (
        *(founded(), canary("x"), DROP, SWITCH, BACK, weight(5), KILL_ON, ready(2), down(2), failed(2)),
        *(plans.asked(name="r9", force=True), ev.RetryAsked(rollout="r9"), plans.REHEARSED, CALM, plans.TICK),
        *(plans.PROMOTE, plans.PAUSE, plans.RESUME, plans.ABORT, plans.RESET, ev.HoldAgreed("r")),
        ev.ReleaseAsked(fingerprint="two"),
        *(ev.FlagEdited("base", "bob"), ev.FlagRefused(rollout="r", flag="base", reason="x"), ev.JournalBroken("x")),
        ev.FlagStands(rollout="r", flag="base"),
        *(plans.CUT, ev.CutOverFailed("r", "the disk is full"), ev.CutBackDone("r"), ev.CutBackStuck("r", "x")),
    )
}
FLAGS_TOLD = (ev.FlagRefused, ev.FlagStands, ev.FlagEdited)
IDLE = (Phase.EMPTY, Phase.STEADY, Phase.STARTING)
GOING = (Phase.REHEARSING, Phase.STEPPING, Phase.PROMOTING, Phase.BAKING, Phase.FLIPPING)
PAIRS = list(product(STATES, get_args(ev.Event)))
ADVICE = (
    "switchover ",
    "wait for ",
    "holds no lane",
    "is not what is watched",
    "is waited for",
    "hold waits",
    "moves base",
)
"""What a refusal says to do; of a report that comes late nothing is left to do but to say so."""


def test_every_event_has_an_example_and_every_phase_of_the_machine_a_state() -> None:
    assert EXAMPLES.keys() == set(get_args(ev.Event))
    assert {phase: state.phase for phase, state in STATES.items()} == {phase: phase for phase in set(Phase) - OVER}


def test_the_machine_is_idle_once_a_rollout_is_over() -> None:
    for story in (plans.stepping().wait(1000), plans.stepping().happen(plans.ABORT)):
        assert story.rollout.phase in OVER
        assert story.state.phase is Phase.STEADY


@pytest.mark.parametrize(("phase", "kind"), PAIRS)
def test_every_event_in_every_phase_is_taken_or_refused_with_a_reason_for_a_person(
    phase: Phase, kind: type[ev.Event]
) -> None:
    before = deepcopy(STATES[phase])
    outcome = step(STATES[phase], EXAMPLES[kind], NOW + 200)
    assert STATES[phase] == before
    if (phase, kind) not in TRANSITIONS:
        assert isinstance(outcome, Rejected)
    if isinstance(outcome, Rejected):
        assert outcome.reason[0].islower() or outcome.reason[0].isupper()
        assert any(words in outcome.reason for words in ADVICE), outcome.reason


@pytest.mark.parametrize(("phase", "kind"), [pair for pair in PAIRS if pair not in TRANSITIONS])
def test_what_the_table_does_not_name_is_refused_with_what_is_under_way_and_what_to_do(
    phase: Phase, kind: type[ev.Event]
) -> None:
    outcome = step(STATES[phase], EXAMPLES[kind], NOW)
    advice = {
        Phase.EMPTY: "switchover serve -- COMMAND",
        Phase.STEADY: "begin one with: switchover upgrade -- COMMAND",
        Phase.STARTING: "wait for it, or give it up with: switchover canary --stop",
        Phase.ROLLING_BACK: "rollout r is rolling back; wait for its end",
    }
    assert isinstance(outcome, Rejected)
    assert advice.get(phase, f"rollout r is {phase}: ") in outcome.reason


@pytest.mark.parametrize("phase", GOING)
def test_a_rollout_that_goes_forward_can_always_be_paused_ended_and_ticked(phase: Phase) -> None:
    handled = {kind for other, kind in TRANSITIONS if other is phase}
    assert {ev.PauseAsked, ev.ResumeAsked, ev.RollbackAsked, ev.Tick, ev.JournalBroken, ev.KillSwitchAsked} <= handled


def test_looks_are_taken_wherever_calls_may_reach_the_candidate_and_nowhere_else() -> None:
    assert {phase for phase, kind in TRANSITIONS if kind is ev.Looked} == set(GOING) - {Phase.REHEARSING}


@pytest.mark.parametrize("phase", IDLE)
def test_without_a_rollout_under_way_its_reports_are_refused(phase: Phase) -> None:
    for kind in (ev.Tick, ev.Looked, ev.RehearsalEnded, ev.HoldAgreed, ev.FlagsReset, *FLAGS_TOLD):
        assert (phase, kind) not in TRANSITIONS


def test_facts_and_the_kill_switch_are_handled_whenever_there_is_a_generation() -> None:
    always = {ev.KillSwitchAsked, ev.GenerationReady, ev.GenerationDown, ev.GenerationFailed}
    for phase in set(STATES) - {Phase.EMPTY}:
        assert always <= {kind for other, kind in TRANSITIONS if other is phase}


@pytest.mark.parametrize("kind", get_args(ev.Event))
def test_facts_and_moves_to_safety_route_first_and_nothing_else_does(kind: type[ev.Event]) -> None:
    facts = {ev.GenerationReady, ev.GenerationDown, ev.GenerationFailed, ev.JournalBroken}
    facts |= {ev.CutOverFailed, ev.CutBackDone, ev.CutBackStuck}
    safe = {ev.SwitchBackAsked, ev.RollbackAsked, ev.KillSwitchAsked}
    assert routes_first(EXAMPLES[kind]) is (kind in facts | safe)
    assert not routes_first(KILL_OFF)
    assert routes_first(BAD)
    assert not routes_first(plans.LOSE), "what cannot be taken back has to be found after a crash"


@pytest.mark.parametrize("phase", STATES)
@pytest.mark.parametrize("event", [ready(1), ready(2), down(1), failed(1), plans.ABORT, BACK, KILL_ON, BAD])
def test_what_routes_first_gives_the_candidate_no_call_it_did_not_have(phase: Phase, event: ev.Event) -> None:
    before = STATES[phase]
    outcome = step(before, event, NOW + 200)
    after_it = before if isinstance(outcome, Rejected) else outcome.state
    assert after_it.table.weight <= before.table.weight
    assert after_it.table.active in {before.table.active, before.table.previous}


# --- founding -----------------------------------------------------------------------------------


def test_founding_starts_generation_1_and_routes_to_it() -> None:
    state, commands = does(State(), founded())
    table = RoutingTable(revision=1, active=1)
    assert commands == (Start(Generation(1, spec("one"))), Route(table))
    assert (state.table, state.next_number, state.changed_at) == (table, 2, NOW + 1)


def test_a_second_founding_is_refused_with_the_command_that_is_active_and_what_to_do() -> None:
    reason = refusal(after(*SERVING), founded("other"))
    assert "generation 1 is active and was started as: python one.py" in reason
    assert "switchover canary -- COMMAND" in reason


def test_a_first_generation_that_was_never_ready_may_be_founded_anew() -> None:
    state, commands = does(after(founded(), failed(1)), founded("other"))
    assert commands == (Start(Generation(2, spec("other"))), Route(RoutingTable(revision=2, active=2)), Retire(1))
    assert state.generations.keys() == {2}


# --- a canary -----------------------------------------------------------------------------------


def test_a_canary_is_started_and_no_table_changes_until_it_is_ready() -> None:
    before = after(*SERVING)
    state, commands = does(before, canary("two"))
    assert commands == (Start(Generation(2, spec("two"))),)
    assert (state.table, state.candidate, state.phase) == (before.table, 2, Phase.STARTING)


def test_a_ready_canary_takes_its_lane_with_weight_0_and_a_salt_of_its_own() -> None:
    state, commands = does(after(*STARTING), ready(2))
    assert commands == (Route(RoutingTable(revision=2, active=1, canary=2, salt="salt of two")),)
    assert (state.candidate, state.candidate_salt, state.phase) == (None, "", Phase.STEADY)
    assert state.generations[2].proven


def test_a_second_canary_is_refused_unless_it_replaces_the_first() -> None:
    state = after(*TWO)
    assert "generation 2 is the canary already; replace it with --replace" in refusal(state, canary("three"))
    started, commands = does(state, canary("three", replace=True))
    assert (commands, started.table) == ((Start(Generation(3, spec("three"))),), state.table)


def test_the_replaced_canary_serves_until_the_new_one_is_ready_and_is_retired_then() -> None:
    replacing = after(*TWO, weight(40), canary("three", replace=True))
    assert (replacing.table.canary, replacing.table.weight) == (2, 40)
    state, commands = does(replacing, ready(3))
    table = RoutingTable(revision=4, active=1, canary=3, salt="salt of three")
    assert commands == (Route(table), Retire(2))
    assert state.generations.keys() == {1, 3}


@pytest.mark.parametrize("event", [DROP, failed(2)])
def test_a_canary_given_up_or_failed_while_it_starts_is_retired_and_routing_is_not_touched(event: ev.Event) -> None:
    before = after(*STARTING)
    state, commands = does(before, event)
    assert commands == (Retire(2),)
    assert (state.table, state.candidate, state.next_number) == (before.table, None, 3)
    assert state.generations.keys() == {1}


def test_a_failed_replacement_leaves_the_old_canary_its_lane_and_weight() -> None:
    state, commands = does(after(*TWO, weight(40), canary("three", replace=True)), failed(3))
    assert (commands, state.table.canary, state.table.weight) == ((Retire(3),), 2, 40)


@pytest.mark.parametrize("event", [DROP, failed(2)])
def test_a_canary_dropped_or_lost_leaves_weight_0_and_is_retired_after_routing(event: ev.Event) -> None:
    state, commands = does(after(*TWO, weight(40)), event)
    assert commands == (Route(replace(state.table, revision=4)), Retire(2))
    assert state.table == RoutingTable(revision=4, active=1, salt="salt of two")


def test_without_a_canary_there_is_nothing_to_stop_weigh_or_switch_to() -> None:
    state = after(*SERVING)
    assert refusal(state, DROP) == "there is no canary to stop"
    assert "there is no canary to give weight to; start one with" in refusal(state, weight(1))
    assert "there is no canary to switch to; start one with" in refusal(state, SWITCH)


# --- switch and back ----------------------------------------------------------------------------


def test_a_switch_makes_the_canary_active_and_the_active_previous_and_warm() -> None:
    state, commands = does(after(*TWO, weight(40)), SWITCH)
    table = RoutingTable(revision=4, active=2, previous=1, previous_warm=True, salt="salt of two")
    assert (commands, state.table) == ((Route(table),), table)


def test_a_switch_retires_the_previous_generation_it_replaces_and_no_other() -> None:
    state, commands = does(after(*THREE), SWITCH)
    assert commands == (Route(state.table), Retire(1))
    assert (state.table.active, state.table.previous, state.generations.keys()) == (3, 2, {2, 3})


def test_a_switch_back_exchanges_the_lanes_and_both_stay() -> None:
    state, commands = does(after(*SWITCHED), BACK)
    table = RoutingTable(revision=4, active=1, canary=2, salt="salt of two")
    assert (commands, state.table) == ((Route(table),), table)


def test_a_switch_back_retires_the_canary_whose_lane_it_needs() -> None:
    state, commands = does(after(*THREE, weight(40)), BACK)
    assert commands == (Route(state.table), Retire(3))
    assert (state.table.active, state.table.canary, state.table.weight) == (1, 2, 0)


def test_a_switch_back_without_a_previous_or_to_a_cold_one_is_refused() -> None:
    assert refusal(after(*TWO), BACK) == "there is no previous generation to switch back to"
    assert refusal(after(*SWITCHED, down(1)), BACK) == "generation 1 is not ready: it crashed"


@pytest.mark.parametrize("event", [SWITCH, weight(1)])
def test_no_traffic_moves_to_a_canary_that_is_down_or_under_the_kill_switch(event: ev.Event) -> None:
    assert refusal(after(*TWO, down(2)), event) == "generation 2 is not ready: it crashed"
    assert "lift it first with: switchover kill-switch off" in refusal(after(*TWO, KILL_ON), event)


def test_a_switch_back_is_done_under_the_kill_switch_which_stays_on() -> None:
    state, _ = does(after(*SWITCHED, KILL_ON), BACK)
    assert (state.table.active, state.table.kill_switch) == (1, True)


# --- weight -------------------------------------------------------------------------------------


@pytest.mark.parametrize("percent", [0, 1, 100])
def test_a_weight_changes_the_weight_alone(percent: int) -> None:
    before = after(*TWO)
    state, commands = does(before, weight(percent))
    assert state.table == replace(before.table, weight=percent, revision=3)
    assert commands == (Route(state.table),)


@pytest.mark.parametrize("percent", [-1, 101])
def test_a_weight_that_is_no_percentage_is_refused(percent: int) -> None:
    assert f"weight {percent} is not a percentage" in refusal(after(*TWO), weight(percent))


@pytest.mark.parametrize("trouble", [down(2), KILL_ON])
def test_weight_0_is_always_possible(trouble: ev.Event) -> None:
    state, _ = does(after(*TWO, weight(40), trouble), weight(0))
    assert state.table.weight == 0


# --- kill switch --------------------------------------------------------------------------------


@pytest.mark.parametrize("story", [SERVING, STARTING, TWO, SWITCHED, THREE])
def test_the_kill_switch_changes_itself_alone_on_and_off(story: tuple[ev.Event, ...]) -> None:
    before = after(*story)
    on, commands = does(before, KILL_ON)
    assert commands == (Route(on.table),)
    assert on.table == replace(before.table, kill_switch=True, revision=before.table.revision + 1)
    off, _ = does(on, KILL_OFF)
    assert off.table == replace(before.table, revision=before.table.revision + 2)
    assert (off.candidate, off.generations) == (before.candidate, before.generations)


@pytest.mark.parametrize("story", [(*TWO, KILL_ON, KILL_ON), (*TWO, KILL_OFF)])
def test_a_kill_switch_that_stands_so_already_is_accepted_and_changes_nothing(story: tuple[ev.Event, ...]) -> None:
    before = after(*story[:-1])
    assert does(before, story[-1]) == (before, ())


# --- what supervision reports -------------------------------------------------------------------


@pytest.mark.parametrize("fact", [ready, down, failed])
def test_a_fact_about_a_generation_that_holds_no_lane_is_refused(fact: Any) -> None:
    assert refusal(after(*SERVING), fact(7)) == "generation 7 holds no lane"


@pytest.mark.parametrize("number", [2, 3])
def test_the_standing_of_active_and_canary_changes_no_table(number: int) -> None:
    before = after(*THREE, weight(40))
    gone, commands = does(before, down(number))
    assert (gone.table, commands) == (before.table, ())
    assert (gone.generations[number].standing, gone.generations[number].note) == (Standing.DOWN, "it crashed")
    assert does(gone, ready(number)) == (before, ())


def test_the_warmth_of_previous_follows_its_process() -> None:
    cold, commands = does(after(*SWITCHED), down(1))
    assert (cold.table.previous_warm, commands) == (False, (Route(cold.table),))
    warm, commands = does(cold, ready(1))
    assert (warm.table.previous_warm, commands) == (True, (Route(warm.table),))
    assert warm.table.revision == cold.table.revision + 1


def test_a_lost_previous_leaves_its_lane_and_is_retired() -> None:
    state, commands = does(after(*THREE, weight(40)), failed(1))
    assert commands == (Route(state.table), Retire(1))
    assert (state.table.previous, state.table.previous_warm, state.table.weight) == (None, False, 40)


def test_a_lost_active_gives_way_to_a_warm_previous_and_the_canary_keeps_its_lane_and_weight() -> None:
    state, commands = does(after(*THREE, weight(40)), failed(2))
    assert commands == (Route(state.table), Retire(2))
    assert (state.table.active, state.table.previous, state.table.canary, state.table.weight) == (1, None, 3, 40)


@pytest.mark.parametrize("story", [SERVING, TWO, (*SWITCHED, down(1))])
def test_a_lost_active_with_nothing_warm_behind_it_stays_active(story: tuple[ev.Event, ...]) -> None:
    before = after(*story)
    active = before.table.active
    assert active is not None
    state, commands = does(before, failed(active))
    assert (state.table, commands) == (before.table, ())
    assert state.generations[active].note == "it is in a crash loop"


def test_a_lost_active_gives_way_while_a_canary_starts_and_that_start_goes_on() -> None:
    state, commands = does(after(*SWITCHED, canary("three")), failed(2))
    assert (state.table.active, state.candidate, commands) == (1, 3, (Route(state.table), Retire(2)))


@pytest.mark.parametrize("now", [0.0, NOW, NOW * 2])
def test_by_hand_time_is_written_down_and_decides_nothing(now: float) -> None:
    outcome = step(after(*TWO), SWITCH, now)
    assert isinstance(outcome, Step)
    assert outcome.state.active_since == now
    timeless = replace(outcome.state, changed_at=0.0, active_since=0.0)
    assert timeless == replace(does(after(*TWO), SWITCH)[0], changed_at=0.0, active_since=0.0)
