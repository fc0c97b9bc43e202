"""A rollout's holds: asked until they agree, told of what they decide about, and heard by whoever asks why it waits."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import anyio
import pytest
from control_story import StoryParity, control_plane
from gates_story import StoryClock
from hook_receiver import receiver
from rollout_asked import ROLLOUT, begin, now
from rollout_story import after, founded, ready, spec

from orchestrator.api.comparing.parity_models import ParityStatus
from orchestrator.api.rollouts.shown import RolloutNow
from orchestrator.cli.rollout_view import lines
from orchestrator.conducting.equal_states import NO_VERSION, NOBODY, EqualStates
from orchestrator.conducting.holds import Holds
from orchestrator.domain.plans.plan import Plan
from orchestrator.domain.plans.steps import Hold, HoldKind, Step
from orchestrator.domain.rollouts import events as ev
from orchestrator.domain.rollouts.asked import Asked, question
from orchestrator.domain.rollouts.rollout import State
from orchestrator.domain.rollouts.state import Part, Phase, Rollout
from orchestrator.domain.rollouts.why import why
from orchestrator.domain.routing import RoutingTable
from orchestrator.settings.layers import environment_layer

pytestmark = pytest.mark.requirement("CONDUCT-1")

BOUND = 60.0
HOLD = Hold(kind=HoldKind.COMMAND, command=(sys.executable, "-c", "pass"), every=0.01)
ENDLESS = (sys.executable, "-c", "import threading; threading.Event().wait()")
EQUAL = Hold(HoldKind.PARITY, clean=2.0, every=0.01)


class Engine:
    """Hears events."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[ev.Event] = asyncio.Queue()

    def post(self, event: ev.Event) -> None:
        self.heard.put_nowait(event)

    async def next(self) -> ev.Event:
        async with asyncio.timeout(BOUND):
            return await self.heard.get()


def waiting(hold: Hold, **changes: Any) -> State:
    """Return a state in which a rollout waits at a hold before its second step, of 50 %."""
    plan = Plan(name="careful", steps=(Step(weight=10, pause=60.0), Step(weight=50, pause=60.0, hold=hold)))
    rollout = Rollout(
        "r-1", plan, spec("two"), "ann", "new model", 0.0, 1,
        phase=Phase.STEPPING, part=Part.HOLD, index=1, candidate=2,
    )  # fmt: skip
    state = after(founded(), ready(1))
    table = replace(state.table, canary=2, weight=10)
    return replace(state, rollout=replace(rollout, **changes), table=table)


async def asked(hold: Hold, engine: Engine) -> ev.Event:
    """Return what a hold comes to."""
    async with anyio.create_task_group() as tasks:
        Holds(tasks, engine.post, {}).ask("r-1", hold)
        event = await engine.next()
        tasks.cancel_scope.cancel()
    return event


async def test_a_command_that_ends_well_agrees() -> None:
    assert await asked(HOLD, Engine()) == ev.HoldAgreed("r-1", "the command agreed", HOLD)


async def test_a_command_is_asked_again_until_it_ends_well(tmp_path: Path) -> None:
    mark = tmp_path / "asked"
    code = f"import pathlib, sys; p = pathlib.Path({str(mark)!r}); seen = p.exists(); p.touch(); sys.exit(not seen)"
    hold = replace(HOLD, command=(sys.executable, "-c", code))
    assert isinstance(await asked(hold, Engine()), ev.HoldAgreed)
    assert mark.exists()


@pytest.mark.parametrize(
    ("hold", "reason"),
    [
        (replace(HOLD, command=("/nowhere/at-all",)), "cannot be run"),
        (replace(HOLD, command=(sys.executable, "-c", "import sys; sys.exit('not today')")), "not today"),
        (
            replace(HOLD, command=ENDLESS, timeout=0.05),
            "0.05",
        ),
        (Hold(kind=HoldKind.WEBHOOK, url="http://127.0.0.1:9/", every=0.01, timeout=1.0), "cannot be reached"),
    ],
)
async def test_what_does_not_agree_says_why_and_is_asked_again(hold: Hold, reason: str) -> None:
    engine, said = Engine(), []
    async with anyio.create_task_group() as tasks:
        holds = Holds(tasks, engine.post, {})
        once = holds._asks[hold.kind]
        twice = asyncio.Event()

        async def noted(rollout: str, one: Hold) -> str | None:
            said.append(await once(rollout, one))
            if len(said) > 1:
                twice.set()
            return said[-1]

        holds._asks = {hold.kind: noted}
        holds.ask("r-1", hold)
        async with asyncio.timeout(BOUND):
            await twice.wait()
        tasks.cancel_scope.cancel()
    assert all(reason in (one or "") for one in said)
    assert engine.heard.empty()


async def test_a_command_that_takes_too_long_is_ended_with_what_it_started(tmp_path: Path) -> None:
    pipe = tmp_path / "open-in-the-child"
    os.mkfifo(pipe)
    reading, heard = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK), [b"nothing yet"]
    hold = replace(HOLD, command=("/bin/sh", "-c", f"exec 9>{pipe}; echo up >&9; sleep 60 & wait"), timeout=0.3)
    async with anyio.create_task_group() as tasks:
        Holds(tasks, Engine().post, {}).ask("r-1", hold)
        with anyio.fail_after(BOUND):
            while heard[-1]:  # nothing is read once nobody has it open any more
                await anyio.wait_readable(reading)
                heard.append(os.read(reading, 9))
        tasks.cancel_scope.cancel()
    os.close(reading)
    assert heard[1] == b"up\n"


async def test_a_hold_that_is_no_longer_asked_says_nothing_more() -> None:
    engine, begun = Engine(), asyncio.Event()

    async def never(_rollout: str, _hold: Hold) -> str | None:
        begun.set()
        await asyncio.Event().wait()
        return None

    async with anyio.create_task_group() as tasks:
        holds = Holds(tasks, engine.post, {}, asks={HoldKind.COMMAND: never})
        holds.ask("r-1", HOLD)
        holds.ask("r-1", HOLD)  # asked for twice, asked once
        async with asyncio.timeout(BOUND):
            await begun.wait()
        holds.ask("r-1", None)
    assert engine.heard.empty()


# --- what is asked --------------------------------------------------------------------------------


@pytest.mark.requirement("CONDUCT-4")
async def test_a_webhook_hears_of_plan_step_weight_and_generation_also_in_the_words_of_gates_for_canaries() -> None:
    engine = Engine()
    async with receiver() as gate, anyio.create_task_group() as tasks:
        hold = Hold(HoldKind.WEBHOOK, say="budget is left", url=f"http://127.0.0.1:{gate.port}/gate", every=0.01)
        Holds(tasks, engine.post, {}, state=lambda: waiting(hold)).ask("r-1", hold)
        assert await engine.next() == ev.HoldAgreed("r-1", "the webhook agreed", hold)
        body = json.loads(gate.posted[0].body)
    metadata = body.pop("metadata")
    assert body == {
        "event": "rollout.hold", "rollout": "r-1", "plan": "careful", "phase": "stepping", "say": "budget is left",
        "step": 2, "steps": 2, "weight": 50, "weight_now": 10, "generation": 2, "baseline": 1, "fingerprint": "two",
        "actor": "ann", "reason": "new model",
        "name": "careful", "namespace": "switchover", "checksum": "two", "canaryWeight": 10,
    }  # fmt: skip
    assert set(map(type, metadata.values())) == {str}
    assert (metadata["rollout"], metadata["step"], metadata["weight"], metadata["generation"]) == (
        "r-1",
        "2",
        "50",
        "2",
    )


@pytest.mark.requirement("CONDUCT-4")
async def test_before_the_promotion_the_question_is_about_all_traffic_and_no_step() -> None:
    hold = Hold(HoldKind.WEBHOOK, url="http://127.0.0.1:9/")
    state = waiting(hold, phase=Phase.PROMOTING, candidate=None, spec=None)
    body = question(state.under_way, hold, state.table).body()
    assert (body["phase"], body["step"], body["weight"], body["weight_now"]) == ("promoting", 0, 100, 0)
    assert (body["generation"], body["checksum"], body["metadata"]["generation"]) == (None, "", "")


@pytest.mark.requirement("CONDUCT-4")
async def test_a_command_finds_the_same_in_its_environment(tmp_path: Path) -> None:
    names = ("SWITCHOVER_ROLLOUT", "SWITCHOVER_HOLD_PLAN", "SWITCHOVER_HOLD_STEP", "SWITCHOVER_HOLD_WEIGHT", "OURS")
    code = f"import os, pathlib; pathlib.Path('{tmp_path}/told').write_text(','.join(os.environ[n] for n in {names}))"
    hold, engine = replace(HOLD, command=(sys.executable, "-c", code)), Engine()
    async with anyio.create_task_group() as tasks:
        Holds(tasks, engine.post, {"OURS": "kept"}, state=lambda: waiting(hold)).ask("r-1", hold)
        await engine.next()
    assert (tmp_path / "told").read_text() == "r-1,careful,2,50,kept"
    assert environment_layer(question(waiting(hold).under_way, hold, RoutingTable()).environment()).problems == ()


# --- what was answered ----------------------------------------------------------------------------


@pytest.mark.requirement("CONDUCT-4")
async def test_what_a_hold_answered_last_is_kept_with_its_time_and_how_often_it_was_asked() -> None:
    clock, engine, thrice = StoryClock(), Engine(), asyncio.Event()
    answers = iter(["no budget", "HTTP 500: not\n  yet"])

    async def answer(_rollout: str, _hold: Hold) -> str | None:
        said = next(answers, None)
        if said is None:
            thrice.set()
            await asyncio.Event().wait()
        return said

    async with anyio.create_task_group() as tasks:
        holds = Holds(tasks, engine.post, {}, clock=clock, asks={HoldKind.COMMAND: answer})
        rollout = waiting(HOLD).under_way
        assert holds.answered(rollout) is None
        holds.ask("r-1", HOLD)
        async with asyncio.timeout(BOUND):
            await thrice.wait()
        told = holds.answered(rollout)
        holds.ask("r-1", None)  # as while it is paused
        assert holds.answered(rollout) == told
        assert holds.answered(waiting(EQUAL).under_way) is None
        assert holds.answered(replace(rollout, id="r-2")) is None
        assert holds.answered(replace(rollout, part=Part.RUNNING)) is None
        tasks.cancel_scope.cancel()
    assert told == Asked("HTTP 500: not\n  yet", clock.now, 2)
    words = "asked 2 times, 5 s ago for the last time: HTTP 500: not yet"
    assert told.told(clock.now + 5.2) == words
    assert why(rollout, clock.now, lately=[words])[1] == words


@pytest.mark.requirement("CONDUCT-4")
async def test_status_and_why_tell_what_the_hold_answered_last(tmp_path: Path) -> None:
    async with control_plane(tmp_path) as plane:
        await begin(plane, tmp_path)
        assert (await now(plane))["hold"] is None
        plane.control.engine.desk.answered = lambda _rollout: Asked("exit status 1: no", plane.control.clock.now - 9, 3)
        words = "asked 3 times, 9 s ago for the last time: exit status 1: no"
        _, told = await plane.ask("GET", ROLLOUT)
        assert told["rollout"]["hold"]["words"] == words
        assert words in lines(RolloutNow(**told), colour=False)
        _, told = await plane.ask("GET", f"{ROLLOUT}/why")
        assert (words in told["lines"], told["rollout"]["hold"]["asked"]) == (True, 3)


# --- equal states ---------------------------------------------------------------------------------


@dataclass
class Comparing(StoryParity):
    """A comparison of states that is as a test says; fits `equal_states.Compares`."""

    on: bool = False
    command: tuple[str, ...] = spec("two").command
    seconds: float = 0.0
    reason: str = ""

    def __post_init__(self) -> None:
        super().__init__()

    def status(self) -> ParityStatus:
        since = 1.0 if self.seconds else None
        told = {"on": self.on, "command": list(self.command), "clean_since": since, "reason": self.reason}
        return super().status().model_copy(update=told)

    def clean_for(self, _now: float) -> float:
        return self.seconds

    async def start(self, spec: Any, actor: str) -> str:
        self.asked.append(f"start {actor} {spec.fingerprint}")
        told = await super().start(spec, actor)
        self.on = True
        return told

    async def stop(self, actor: str) -> str:
        self.asked.append(f"stop {actor}")
        self.on = False
        return "off"


@pytest.mark.parametrize(
    ("seconds", "wanted", "said"),
    [
        (3.4 * 3600, 72 * 3600, "clean for 3 h of 72 h"),
        (0.0, 72 * 3600, "clean for 0 s of 72 h"),
        (3599.0, 5400.0, "clean for 59 min of 1.5 h"),
        (59.9, 60.0, "clean for 59 s of 1 min"),
        (60.0, 60.0, None),
        (1e9, 72 * 3600, None),
    ],
)
async def test_states_agree_once_they_have_been_the_same_for_long_enough(
    seconds: float, wanted: float, said: str | None
) -> None:
    hold = replace(EQUAL, clean=wanted)
    states = EqualStates(Comparing(on=True, seconds=seconds), lambda: waiting(hold))
    assert await states.ask("r-1", hold) == said


async def test_what_keeps_the_states_from_being_the_same_is_told() -> None:
    states = EqualStates(Comparing(on=True, reason="they parted with call 17 (plan)"), lambda: waiting(EQUAL))
    assert await states.ask("r-1", EQUAL) == "clean for 0 s of 2 s: they parted with call 17 (plan)"


async def test_without_anybody_who_compares_states_or_without_a_new_version_they_never_agree() -> None:
    assert await EqualStates(None, lambda: waiting(EQUAL)).ask("r-1", EQUAL) == NOBODY
    assert await EqualStates(Comparing(), lambda: waiting(EQUAL, spec=None)).ask("r-1", EQUAL) == NO_VERSION


@pytest.mark.requirement("CONDUCT-4")
async def test_a_hold_for_equal_states_has_them_compared_by_itself_and_ends_that_with_its_rollout() -> None:
    compares, engine, state = Comparing(), Engine(), waiting(EQUAL)
    states = EqualStates(compares, lambda: state)
    async with anyio.create_task_group() as tasks:
        holds = Holds(tasks, engine.post, {}, states=states, state=lambda: state)
        holds.ask("r-1", replace(EQUAL, every=60.0))
        await anyio.wait_all_tasks_blocked()
        assert compares.asked[0] == f"start {ev.SYSTEM} two"
        compares.seconds = 3.0
        holds.ask("r-1", EQUAL)
        assert await engine.next() == ev.HoldAgreed("r-1", "the parity agreed", EQUAL)
        holds.settle()
        await anyio.wait_all_tasks_blocked()
        assert compares.on  # a later step may wait for longer
        state = waiting(EQUAL, phase=Phase.DONE)
        holds.settle()
        holds.settle()
        await anyio.wait_all_tasks_blocked()
    assert compares.asked.count(f"stop {ev.SYSTEM}") == 1


@pytest.mark.requirement("CONDUCT-4")
async def test_what_a_person_began_to_compare_is_used_and_stays_theirs() -> None:
    compares, state = Comparing(on=True, seconds=3.0), waiting(EQUAL)
    states = EqualStates(compares, lambda: state)
    assert await states.ask("r-1", EQUAL) is None
    state = waiting(EQUAL, phase=Phase.ROLLED_BACK)
    await states.settle()
    assert compares.asked == []


@pytest.mark.requirement("CONDUCT-4")
async def test_equal_states_of_another_program_are_no_agreement() -> None:
    compares = Comparing(on=True, seconds=1e9, command=("python", "three.py"))
    said = await EqualStates(compares, lambda: waiting(EQUAL)).ask("r-1", EQUAL)
    theirs = "the states are compared with those of another program (python three.py)"
    assert said == f"{theirs}; end that: switchover parity stop"


@pytest.mark.requirement("CONDUCT-4")
async def test_where_states_cannot_be_compared_the_hold_says_why_and_tries_again() -> None:
    compares = Comparing()
    compares.refusal = "each session has a worker of its own"
    states = EqualStates(compares, lambda: waiting(EQUAL))
    for _ in range(2):
        assert await states.ask("r-1", EQUAL) == f"the states cannot be compared: {compares.refusal}"
    assert not states.is_owed_an_end()


@pytest.mark.requirement("CONDUCT-4")
async def test_an_error_nobody_foresaw_is_an_answer_like_any_other_and_ends_nothing() -> None:
    compares, state = Comparing(), waiting(EQUAL)
    states = EqualStates(compares, lambda: state)
    twice = asyncio.Event()

    class Broken(StoryClock):
        def wall(self) -> float:
            if len(compares.asked) > 2:
                twice.set()
            return super().wall()

    async def start(_spec: Any, actor: str) -> str:
        compares.asked.append(actor)
        raise OSError("no space left")

    async def stop(_actor: str) -> str:
        raise OSError("busy")

    async with anyio.create_task_group() as tasks:
        with pytest.MonkeyPatch.context() as broken:
            broken.setattr(compares, "start", start)
            broken.setattr(compares, "stop", stop)
            holds = Holds(tasks, Engine().post, {}, states=states, state=lambda: state, clock=Broken())
            holds.ask("r-1", EQUAL)
            async with asyncio.timeout(BOUND):
                await twice.wait()
            told = holds.answered(state.under_way)
            holds.ask("r-1", None)
            states._begun, state = "r-1", waiting(EQUAL, phase=Phase.DONE)
            holds.settle()
            await anyio.wait_all_tasks_blocked()
    assert told is not None
    assert told.answer == "it could not be asked: OSError('no space left')"
    assert not states.is_owed_an_end()
