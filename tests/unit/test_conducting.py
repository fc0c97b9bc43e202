"""A rollout's surroundings: flags move for shares of keys, rehearsals end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from control_story import control_plane
from flags_story import World, declare, flag
from rollout_asked import ROLLOUT, begin
from rollout_story import after, founded, ready, spec

from orchestrator.api.rollouts.shown import RolloutNow
from orchestrator.api.rollouts.upgrade_models import Asked, Progressed
from orchestrator.api.verbs import RefusedError
from orchestrator.cli.rollout_view import brief, lines
from orchestrator.conducting.flag_moves import FlagMoves
from orchestrator.conducting.rehearsals import LONGEST, Rehearsals, how_far
from orchestrator.domain.generation import Spec
from orchestrator.domain.plans.plan import Plan
from orchestrator.domain.plans.steps import FlagStage
from orchestrator.domain.rollouts import events as ev
from orchestrator.domain.rollouts.rollout import State
from orchestrator.domain.rollouts.state import Moved, Part, Phase, Rollout

pytestmark = pytest.mark.requirement("CONDUCT-1")

BOUND = 60.0
KEYS = [f"mission-{number}" for number in range(400)]


class Engine:
    """Hears events."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[ev.Event] = asyncio.Queue()

    def post(self, event: ev.Event) -> None:
        self.heard.put_nowait(event)

    async def next(self) -> ev.Event:
        async with asyncio.timeout(BOUND):
            return await self.heard.get()


# --- flags ----------------------------------------------------------------------------------------


def rolling(*moved: Moved) -> State:
    """Return a state in which these flags are a rollout's, and one more is to be moved yet."""
    plan = Plan(name="p", flags=(FlagStage("NEXT", "on", soak=1.0),))
    rollout = Rollout("r-1", plan, None, "ann", "", 0.0, 1, phase=Phase.FLIPPING, moved=moved)
    return replace(after(founded(), ready(1)), rollout=rollout)


class Flags:
    """A flags service with a mover."""

    def __init__(self, folder: Path, moved: tuple[Moved, ...]) -> None:
        self.service = World(folder, declare(flag("ONE"), flag("TWO", needs=["ONE"]), flag("NEXT"))).service
        self.engine = Engine()
        self.moves = FlagMoves(self.service, self.engine.post, lambda: rolling(*moved))

    async def move(self, *moved: Moved) -> None:
        self.moves.move("r-1", moved)
        await self.settled()

    async def settled(self) -> None:
        async with asyncio.timeout(BOUND):
            await self.moves.settled()
            await anyio.wait_all_tasks_blocked()

    def having(self, value: str, key: str = "ONE") -> int:
        return sum(self.service.decide(key, one).value == value for one in KEYS)


@asynccontextmanager
async def at_work(folder: Path, *moved: Moved) -> AsyncIterator[Flags]:
    """Have a mover work and listen while inside; to be opened in the test itself."""
    flags = Flags(folder, moved)
    await flags.service.start()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(flags.moves.run)
        tasks.start_soon(flags.moves.listen)
        await anyio.wait_all_tasks_blocked()
        yield flags
        tasks.cancel_scope.cancel()
    await flags.service.close()


HALF, WHOLE = Moved("ONE", "on", 50), Moved("ONE", "on", 100)
HALF_OF_KEYS = {"percentage": {"value": "on", "percent": 50}}


async def test_a_flag_moves_for_half_of_the_keys_and_then_for_all(tmp_path: Path) -> None:
    async with at_work(tmp_path, HALF) as flags:
        await flags.move(HALF)
        half = sum(map(flags.moves.trial("ONE", "on"), KEYS))
        assert 140 < half < 260
        assert flags.having("off") == len(KEYS) - half
        await flags.move(WHOLE)
        assert flags.having("on") == len(KEYS)
        assert flags.service.flags.state("ONE").targeting is None


async def test_a_move_that_was_made_is_not_made_again_and_people_s_lists_stay(tmp_path: Path) -> None:
    async with at_work(tmp_path) as flags:
        await flags.service.target("ONE", {"deny": ["mission-1"]}, actor="ann")
        await flags.move(HALF)
        version = flags.service.version
        await flags.move(HALF)
        assert flags.service.version == version
        assert (flags.service.flags.state("ONE").targeting or {})["deny"] == ["mission-1"]


async def test_whom_no_draw_decided_on_is_in_neither_half(tmp_path: Path) -> None:
    async with at_work(tmp_path) as flags:
        has_it = flags.moves.trial("ONE", "on")
        assert {has_it(key) for key in KEYS} == {None}
        await flags.service.target("ONE", {"deny": ["mission-1"], "forced": {"mission-2": "on"}}, actor="ann")
        await flags.move(HALF)
        assert (has_it("mission-1"), has_it("mission-2")) == (None, None)
        assert {has_it(key) for key in KEYS[3:]} == {True, False}


async def test_a_flag_stands_at_a_value_only_when_everybody_has_it(tmp_path: Path) -> None:
    async with at_work(tmp_path) as flags:
        assert flags.moves.stands("ONE", "off")
        assert not flags.moves.stands("ONE", "on")
        assert not flags.moves.stands("GONE", "on")
        await flags.move(HALF)
        assert not flags.moves.stands("ONE", "on")
        assert not flags.moves.stands("ONE", "off")
        await flags.move(WHOLE)
        assert flags.moves.stands("ONE", "on")


async def test_a_flag_that_may_not_move_is_told_with_the_reason(tmp_path: Path) -> None:
    async with at_work(tmp_path) as flags:
        await flags.move(Moved("TWO", "on", 100), Moved("GONE", "on", 100))
        told = [await flags.engine.next(), await flags.engine.next()]
    assert [(type(one), one.flag) for one in told if isinstance(one, ev.FlagRefused)] == [
        (ev.FlagRefused, "TWO"),
        (ev.FlagRefused, "GONE"),
    ]
    assert "ONE" in getattr(told[0], "reason", "")


async def test_flags_are_brought_back_to_their_safe_values_and_that_is_told(tmp_path: Path) -> None:
    moved = (WHOLE, Moved("TWO", "on", 100))
    async with at_work(tmp_path, *moved) as flags:
        await flags.move(*moved)
        assert flags.having("on", "TWO") == len(KEYS)
        flags.moves.reset("r-1", ["TWO", "ONE"])
        assert await flags.engine.next() == ev.FlagsReset("r-1")
        assert (flags.having("off"), flags.having("off", "TWO")) == (len(KEYS), len(KEYS))


async def test_only_other_hands_on_the_rollout_s_flags_are_told(tmp_path: Path) -> None:
    async with at_work(tmp_path, WHOLE) as flags:
        await flags.move(WHOLE)
        await flags.service.set({"TWO": "on"}, actor="ann")
        await flags.service.reset(["TWO"], actor="ann")
        await flags.settled()
        assert flags.engine.heard.empty()
        await flags.service.set({"ONE": "off"}, actor="ann")
        assert await flags.engine.next() == ev.FlagEdited("ONE", "ann")


async def test_the_half_that_a_rollout_gave_a_flag_is_taken_off_once_somebody_else_sets_it(tmp_path: Path) -> None:
    async with at_work(tmp_path, HALF) as flags:
        await flags.service.target("ONE", {"deny": ["mission-1"]}, actor="ann")
        await flags.settled()
        await flags.move(HALF)
        assert 0 < flags.having("on") < len(KEYS)
        await flags.service.set({"ONE": "off"}, actor="ann")
        await flags.settled()
        assert flags.having("off") == len(KEYS)
        assert flags.service.flags.state("ONE").targeting == {"deny": ["mission-1"]}


@pytest.mark.parametrize(("moved", "left"), [((), None), ((HALF,), HALF_OF_KEYS)])
async def test_a_half_that_a_killed_daemon_had_no_time_to_take_off_is_taken_off_by_the_next_one(
    moved: tuple[Moved, ...], left: object, tmp_path: Path
) -> None:
    flags = Flags(tmp_path, ())
    await flags.service.start()
    await flags.service.target("ONE", HALF_OF_KEYS, actor="rollout")
    plan = Plan(name="p", flags=(FlagStage("ONE", "on", soak=1.0), FlagStage("NEXT", "on", soak=1.0)))
    rollout = Rollout("r-1", plan, None, "ann", "", 0.0, 1, phase=Phase.FLIPPING, part=Part.HALF, moved=moved)
    state = replace(after(founded(), ready(1)), rollout=rollout)
    flags.moves = FlagMoves(flags.service, flags.engine.post, lambda: state)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(flags.moves.run)
        await anyio.wait_all_tasks_blocked()
        await flags.settled()
        assert flags.service.flags.state("ONE").targeting == left
        tasks.cancel_scope.cancel()
    await flags.service.close()


async def test_a_share_of_keys_that_somebody_else_gives_a_rollout_s_flag_is_left_to_them(tmp_path: Path) -> None:
    theirs = {"percentage": {"value": "on", "percent": 20}}
    async with at_work(tmp_path, HALF) as flags:
        await flags.move(HALF)
        await flags.service.target("ONE", theirs, actor="ann")
        await flags.settled()
        assert flags.service.flags.state("ONE").targeting == theirs


async def test_another_hand_on_a_flag_that_is_still_to_be_moved_is_told_too(tmp_path: Path) -> None:
    async with at_work(tmp_path) as flags:
        await flags.service.set({"NEXT": "on"}, actor="ann")
        assert await flags.engine.next() == ev.FlagEdited("NEXT", "ann")


# --- rehearsals -----------------------------------------------------------------------------------


class Harness:
    """A harness whose runs are over at once, or never."""

    def __init__(self, folder: Path, report: dict[str, Any] | None, *, refuses: str = "") -> None:
        self.folder, self.report, self.refuses = folder, report, refuses
        self.asked: list[Asked] = []
        self.live: list[bool] = []
        self.cancelled = asyncio.Event()

    async def rehearse(self, asked: Asked, new: Spec, *, actor: str, live_flags: bool = False) -> str:
        if self.refuses:
            raise RefusedError(self.refuses)
        self.asked.append(asked)
        self.live.append(live_flags)
        assert asked.command == list(new.command)
        assert actor == ev.SYSTEM
        run = self.folder / (asked.id or "")
        run.mkdir()
        if self.report is not None:
            (run / "report.json").write_text(json.dumps(self.report))
        return run.name

    async def progress(self, run: str, after: int) -> Progressed:
        assert after == 0
        events = [{"n": 1, "end": True, "message": "[upgrade] Failed in build: no"}]
        return Progressed(id=run, running=False, exit_code=1, events=events)

    async def cancel(self, *, actor: str) -> str:
        assert actor == ev.SYSTEM
        self.cancelled.set()
        return "ended"


WELL = {"status": "ok", "differences": 0, "shared_state": True, "message": "[upgrade] All checks passed."}


async def rehearsed(harness: Harness, plan: Plan | None = None) -> ev.Event:
    state = rolling()
    state = state.to(plan=plan or Plan(name="p"), phase=Phase.REHEARSING)
    engine = Engine()
    async with anyio.create_task_group() as tasks:
        Rehearsals(tasks, harness, harness.folder, engine.post, lambda: state).begin("r-1", spec("two"))
        return await engine.next()


@pytest.mark.parametrize(
    ("report", "failed", "differences", "shared"),
    [
        (WELL, False, 0, True),
        ({**WELL, "status": "warning", "differences": 3, "shared_state": False}, False, 3, False),
        ({**WELL, "status": "failed", "shared_state": None}, True, 0, None),
        (None, True, 0, None),
    ],
)
async def test_a_rehearsal_tells_what_its_report_says_and_without_one_it_failed(
    tmp_path: Path, report: dict[str, Any] | None, *, failed: bool, differences: int, shared: bool | None
) -> None:
    event = await rehearsed(Harness(tmp_path, report))
    assert isinstance(event, ev.RehearsalEnded)
    assert (event.failed, event.differences, event.shared_state) == (failed, differences, shared)
    assert event.words == ((report or {}).get("message") or "[upgrade] Failed in build: no")


async def test_a_rehearsal_tells_what_the_old_code_cannot_bear_and_nothing_at_length(tmp_path: Path) -> None:
    report = {**WELL, "shared_state": False, "broken": ["plan: the tool failed", "x" * 999]}
    event = await rehearsed(Harness(tmp_path, report))
    assert isinstance(event, ev.RehearsalEnded)
    assert event.broken == ("plan: the tool failed", "x" * LONGEST)


async def test_a_rehearsal_that_is_refused_has_failed_with_the_reason(tmp_path: Path) -> None:
    event = await rehearsed(Harness(tmp_path, WELL, refuses="another one runs"))
    assert event == ev.RehearsalEnded(rollout="r-1", failed=True, words="another one runs")


async def test_a_rehearsal_that_died_with_its_daemon_is_begun_anew_under_another_name(tmp_path: Path) -> None:
    (tmp_path / "r-1").mkdir()
    harness = Harness(tmp_path, WELL)
    await rehearsed(harness)
    assert harness.asked[0].id == "r-1-2"


async def test_a_plan_says_what_is_skipped_and_which_flags_are_seen(tmp_path: Path) -> None:
    plan = Plan(name="p")
    plan = replace(plan, rehearsal=replace(plan.rehearsal, build=False, test=False, flags="live"))
    harness = Harness(tmp_path, WELL)
    await rehearsed(harness, plan)
    assert (harness.asked[0].skip_build, harness.asked[0].skip_tests, harness.live) == (True, True, [True])


async def test_a_cancelled_rehearsal_is_ended_and_tells_nothing(tmp_path: Path) -> None:
    class Endless(Harness):
        async def progress(self, run: str, after: int) -> Progressed:
            assert after == 0
            going.set()
            return Progressed(id=run, running=True, exit_code=None, events=[])

    going, engine = asyncio.Event(), Engine()
    harness = Endless(tmp_path, WELL)
    state = rolling().to(phase=Phase.REHEARSING)
    async with anyio.create_task_group() as tasks:
        rehearsals = Rehearsals(tasks, harness, tmp_path, engine.post, lambda: state)
        rehearsals.begin("r-1", spec("two"))
        rehearsals.begin("r-1", spec("two"))  # asked for twice, run once
        async with asyncio.timeout(BOUND):
            await going.wait()
            rehearsals.cancel("r-1")
            await harness.cancelled.wait()
    assert len(harness.asked) == 1
    assert engine.heard.empty()


PROGRESS = [
    {"n": 1, "step": "preflight", "status": "running", "message": "", "at": 100.0},
    {"n": 2, "step": "preflight", "status": "ok", "message": "all well", "at": 101.0},
    {"n": 3, "step": "build", "status": "skipped", "message": "the plan says so", "at": 101.0},
    {"n": 4, "step": "shadow", "status": "running", "message": "", "at": 102.0},
    {"n": 5, "step": "shadow", "status": "running", "message": "control 3 is asked", "at": 110.0},
]


@pytest.mark.requirement("CONDUCT-5")
def test_how_far_a_rehearsal_is_names_its_step_what_goes_on_there_and_how_the_others_ended() -> None:
    assert how_far([], 100.0) == ""
    assert how_far(PROGRESS[:1], 130.0) == "the rehearsal is at preflight (step 1 of 6), for 30 s"
    assert how_far(PROGRESS, 235.2) == (
        "the rehearsal is at shadow (step 5 of 6): control 3 is asked, for 2 min 5 s; "
        "before it preflight ok, build skipped"
    )


@pytest.mark.requirement("CONDUCT-5")
async def test_while_a_rehearsal_runs_it_can_be_asked_how_far_it_is_and_afterwards_no_more(tmp_path: Path) -> None:
    asked, over = asyncio.Event(), asyncio.Event()

    class Slow(Harness):
        async def progress(self, run: str, after: int) -> Progressed:
            if over.is_set():
                return await super().progress(run, after)
            asked.set()
            return Progressed(id=run, running=True, exit_code=None, events=PROGRESS)

    harness, engine = Slow(tmp_path, WELL), Engine()
    async with anyio.create_task_group() as tasks:
        rehearsals = Rehearsals(tasks, harness, tmp_path, engine.post, lambda: rolling().to(plan=Plan(name="p")))
        rehearsals.begin("r-1", spec("two"))
        async with asyncio.timeout(BOUND):
            await asked.wait()
            await anyio.lowlevel.checkpoint()
        assert "shadow (step 5 of 6)" in rehearsals.told("r-1", 111.0)
        assert rehearsals.told("r-2", 111.0) == ""
        over.set()
        await engine.next()
    assert rehearsals.told("r-1", 111.0) == ""


@pytest.mark.requirement("CONDUCT-5")
async def test_status_and_why_tell_how_far_the_rehearsal_is(tmp_path: Path) -> None:
    async with control_plane(tmp_path) as plane:
        await begin(plane, tmp_path)
        words = "the rehearsal is at test (step 4 of 6), for 9 s"
        plane.control.engine.desk.rehearsed = lambda _rollout: words
        _, told = await plane.ask("GET", ROLLOUT)
        assert told["rollout"]["rehearsal"] == words
        assert words in lines(RolloutNow(**told), colour=False)
        assert words in brief(RolloutNow(**told).rollout)  # type: ignore[arg-type]  # there is one
        _, told = await plane.ask("GET", f"{ROLLOUT}/why")
        assert words in told["lines"]
