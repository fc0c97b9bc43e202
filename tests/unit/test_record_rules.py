"""A journal record: everything comes back as it was, and what is no record is refused with a reason."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import get_args

import msgspec
import pytest
import rollout_plans as plans
from hypothesis import given, settings
from hypothesis import strategies as st
from rollout_story import (
    BACK,
    DROP,
    KILL_ON,
    NOW,
    SWITCH,
    THREE,
    after,
    canary,
    does,
    down,
    failed,
    founded,
    ready,
    weight,
)

from orchestrator.domain.errors import JournalError
from orchestrator.domain.evidence.look import Look, Verdict
from orchestrator.domain.generation import Generation, Spec, Standing
from orchestrator.domain.rollouts import events as ev
from orchestrator.domain.rollouts import record
from orchestrator.domain.rollouts.commands import Command, Retire, Route, Start
from orchestrator.domain.rollouts.rollout import Rejected, State
from orchestrator.domain.routing import RoutingTable

pytestmark = pytest.mark.requirement("ROLL-4")

EVENTS = [
    *(founded(), canary("two", replace=True), DROP, SWITCH, BACK, weight(5), KILL_ON, ready(2), down(2), failed(2)),
    *(plans.asked(), ev.RetryAsked(rollout="r2"), plans.PROMOTE, plans.PAUSE, plans.RESUME, plans.ABORT, plans.TICK),
    *(
        ev.Looked(Look("r/bake/0/3", 1, NOW, Verdict.REGRESSION)),
        plans.REHEARSED,
        plans.RESET,
        ev.JournalBroken("full"),
    ),
    *(plans.CUT, ev.CutOverFailed("r", "the disk is full"), plans.CUT_BACK, ev.CutBackStuck("r", "x")),
    *(ev.HoldAgreed("r", hold=plans.ASK_COMMAND), ev.FlagEdited("base", "bob")),
    ev.FlagRefused(rollout="r", flag="base", reason="full"),
    ev.FlagStands(rollout="r", flag="base"),
    ev.ReleaseAsked(fingerprint="two", actor="ann", reason="mended"),
]
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
NUMBERS = st.integers(1, 2**53)
SPECS = st.builds(
    Spec,
    command=st.lists(TEXT, min_size=1, max_size=3).map(tuple),
    cwd=TEXT,
    env=st.dictionaries(TEXT, TEXT, max_size=3),
    fingerprint=TEXT,
    source=st.none() | TEXT,
)
GENERATIONS = st.builds(
    Generation, number=NUMBERS, spec=SPECS, standing=st.sampled_from(Standing), proven=st.booleans(), note=TEXT
)
TABLES = st.builds(
    RoutingTable,
    revision=NUMBERS,
    active=st.none() | NUMBERS,
    canary=st.none() | NUMBERS,
    previous=st.none() | NUMBERS,
    weight=st.integers(0, 100),
    kill_switch=st.booleans(),
    previous_warm=st.booleans(),
    salt=TEXT,
)
STATES = st.builds(
    State,
    table=TABLES,
    generations=st.lists(GENERATIONS, max_size=3).map(lambda all_of_them: {it.number: it for it in all_of_them}),
    candidate=st.none() | NUMBERS,
    candidate_salt=TEXT,
    next_number=NUMBERS,
    changed_at=st.floats(0, 4e9),
)
COMMANDS = st.lists(
    st.one_of(st.builds(Start, GENERATIONS), st.builds(Route, TABLES), st.builds(Retire, NUMBERS)), max_size=3
).map(tuple)
given_some = settings(max_examples=60, deadline=None, derandomize=True, database=None)


@given_some
@given(state=STATES, commands=COMMANDS, now=st.floats(0, 4e9))
def test_any_state_comes_back_as_it_was(state: State, commands: tuple[Command, ...], now: float) -> None:
    text = record.encode(ready(1), state, commands, now)
    read = record.decode(text)
    assert (read.state, read.at, read.version) == (state, now, record.VERSION)
    assert [command["name"] for command in read.commands] == [type(command).__name__ for command in commands]
    assert "\n" not in text


@pytest.mark.parametrize("event", EVENTS, ids=[type(event).__name__ for event in EVENTS])
def test_every_event_is_written_by_its_name_with_all_it_says(event: ev.Event) -> None:
    written = record.decode(record.encode(event, State(), (), NOW)).event
    fields = {name: getattr(event, name) for name in event.__dataclass_fields__}
    assert written.pop("name") == type(event).__name__
    assert written.keys() == fields.keys()
    for name, value in fields.items():
        assert written[name] == msgspec.json.decode(msgspec.json.encode(value))


@pytest.mark.parametrize(
    "story",
    [plans.rehearsing, plans.stepping, plans.baking, plans.flipping, plans.waiting_to_go_back, plans.flags_alone],
    ids=lambda story: story.__name__,
)
def test_a_rollout_comes_back_as_it_was_also_when_it_is_paused_or_over(story: Callable[[], plans.Story]) -> None:
    for events in ((), (plans.PAUSE,), (plans.ABORT,)):
        told = story()
        for event in events:
            told.state = told.state if isinstance(told.outcome(event), Rejected) else told.happen(event).state
        assert record.decode(record.encode(plans.TICK, told.state, told.commands, NOW)).state == told.state


def test_there_is_an_example_of_every_event() -> None:
    assert {type(event) for event in EVENTS} == set(get_args(ev.Event))


def test_who_asked_and_why_is_in_the_record() -> None:
    asked = ev.SwitchAsked(actor="uid:1000", reason="release 7")
    written = record.decode(record.encode(asked, State(), (), NOW)).event
    assert (written["actor"], written["reason"]) == ("uid:1000", "release 7")


def full() -> str:
    state, commands = does(after(*THREE, weight(40)), SWITCH)
    return record.encode(SWITCH, state, commands, NOW)


@pytest.mark.parametrize("cut", [0, 1, 10, 100, -1])
def test_a_record_cut_short_is_refused_as_unreadable(cut: int) -> None:
    with pytest.raises(JournalError, match="the newest journal record cannot be read"):
        record.decode(full()[:cut])


@given_some
@given(text=st.one_of(TEXT, st.recursive(st.none() | st.integers() | TEXT, st.lists, max_leaves=5).map(json.dumps)))
def test_what_is_no_record_is_never_taken_for_one(text: str) -> None:
    with pytest.raises(JournalError):
        record.decode(text)


@pytest.mark.parametrize(
    ("member", "value"),
    [("at", "soon"), ("state", None), ("state", {"next_number": "2"}), ("event", []), ("version", "1")],
)
def test_a_member_of_the_wrong_type_is_refused(member: str, value: object) -> None:
    with pytest.raises(JournalError, match="cannot be read"):
        record.decode(json.dumps({**json.loads(full()), member: value}))


def test_a_record_of_a_later_version_is_refused_and_not_guessed_at() -> None:
    with pytest.raises(JournalError, match=r"written by a newer switchover \(record version 2\)"):
        record.decode(json.dumps({"version": record.VERSION + 1, "shape": "another"}))


def test_a_member_that_this_version_does_not_know_is_passed_over() -> None:
    assert record.decode(json.dumps({**json.loads(full()), "more": 1})) == record.decode(full())
