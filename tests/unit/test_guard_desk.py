"""The guard at work: what it tells the engine and when, what it keeps, and what it goes on with after a crash."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from itertools import count

import msgspec
import pytest
from flags_story import StoryClock
from rollout_story import after, founded, ready, spec

from orchestrator.conducting.guard_desk import GuardDesk, says_more
from orchestrator.domain.evidence.look import Look, Verdict, Watch
from orchestrator.domain.evidence.samples import Outcome, Sample
from orchestrator.domain.plans.limits import Limit
from orchestrator.domain.plans.plan import Plan
from orchestrator.domain.plans.steps import Step
from orchestrator.domain.rollouts import events as ev
from orchestrator.domain.rollouts.rollout import State
from orchestrator.domain.rollouts.state import Moved, Phase, Rollout
from orchestrator.domain.routing import Lane

pytestmark = pytest.mark.requirement("CONDUCT-2")

PLAN = Plan(
    name="p", steps=(Step(weight=50, pause=60.0),), limits=(Limit(metric="error", margin=0.02, min_samples=20),)
)
WATCH = Watch("r-1/steps/0/1", "r-1", "steps", 0, alpha=0.01, share=0.5, weight=50, trial=2, baseline=1)
ROLLOUT = Rollout("r-1", PLAN, spec("two"), "ann", "", 0.0, baseline=1, candidate=2, phase=Phase.STEPPING, watch=WATCH)
BOUND = 60.0


class Engine:
    """Hears looks."""

    def __init__(self) -> None:
        self.state: State = replace(after(founded(), ready(1)), rollout=ROLLOUT)
        self.posted: list[Look] = []
        self.urged: list[Look] = []

    def post(self, event: ev.Event) -> None:
        assert isinstance(event, ev.Looked)
        self.posted.append(event.look)

    def urge(self, event: ev.Event) -> None:
        assert isinstance(event, ev.Looked)
        self.urged.append(event.look)


class Memory:
    """Keeps looks and evidence, or fails."""

    def __init__(self) -> None:
        self.looks: list[Look] = []
        self.kept: dict[str, bytes] = {}
        self.fails = False

    async def opened(self) -> Memory:
        if self.fails:
            raise OSError("the file is gone")
        return self

    async def add_look(self, look: str, epoch: str, at: float, verdict: str) -> int:
        read = msgspec.json.decode(look, type=Look)
        assert (read.epoch, read.at, read.verdict.value) == (epoch, at, verdict)
        self.looks.append(read)
        return len(self.looks)

    async def checkpoint(self, epoch: str, blob: bytes) -> None:
        self.kept[epoch] = blob

    async def last_checkpoint(self, epoch: str) -> bytes | None:
        return self.kept.get(epoch)


class Desk:
    """A guard desk with everything around it."""

    def __init__(self, memory: Memory | None = None) -> None:
        self.engine, self.memory, self.clock = Engine(), memory or Memory(), StoryClock()
        self.desk = GuardDesk(
            self.engine, self.clock, self.memory.opened, lambda flag, to: lambda key: key == flag + to
        )  # type: ignore[operator]
        self.mirrored: list[Lane | None] = []
        self.trials: list[tuple[bool, float]] = []
        self.rollouts: list[str | None] = []
        self.desk.on_mirror = self.mirrored.append
        self.desk.on_trial = lambda has_it, share: self.trials.append((has_it is not None, share))
        self.desk.on_rollout = lambda rollout: self.rollouts.append(rollout.id if rollout is not None else None)

    def calls(self, number: int, *, bad: bool) -> Iterator[None]:
        """Have calls of keys of their own served by both versions in turn; the canary's fail if it is bad."""
        for at in count() if not number else range(number):
            self.clock.now += 0.01
            canary = bool(at % 2)
            outcome = Outcome.ERROR if canary and bad else Outcome.OK
            self.desk.sample(
                Sample(
                    at=self.clock.now, generation=2 if canary else 1, lane=Lane.CANARY if canary else Lane.ACTIVE,
                    tool="t", key=f"key-{self.clock.now}", treated=canary, share=0.5, outcome=outcome, duration=1.0,
                )
            )  # fmt: skip
            yield


async def test_a_regression_is_urged_at_the_sample_that_proves_it_and_once() -> None:
    desk = Desk()
    desk.desk.observe(WATCH, None)
    for _ in desk.calls(400, bad=True):
        if desk.engine.urged:
            break
    assert [one.verdict for one in desk.engine.urged] == [Verdict.REGRESSION]
    assert desk.engine.urged[0].at == desk.clock.now
    list(desk.calls(200, bad=True))
    assert len(desk.engine.urged) == 1


async def test_a_version_that_is_well_is_told_as_such_and_never_urged() -> None:
    desk = Desk()
    desk.desk.observe(WATCH, None)
    list(desk.calls(600, bad=False))
    assert desk.engine.urged == []
    assert desk.engine.posted[0].verdict is Verdict.NO_DATA
    assert Verdict.REGRESSION not in {one.verdict for one in desk.engine.posted}
    assert len(desk.engine.posted) < 10


async def test_calls_accepted_before_an_epoch_began_do_not_count() -> None:
    desk = Desk()
    desk.clock.now += 100.0
    desk.desk.observe(WATCH, None)
    desk.clock.now -= 100.0
    list(desk.calls(400, bad=True))
    assert desk.engine.urged == []


async def test_watching_the_same_epoch_again_loses_nothing_and_another_one_begins_anew() -> None:
    desk = Desk()
    desk.desk.observe(WATCH, None)
    list(desk.calls(60, bad=False))
    before = desk.desk.evaluate()
    desk.desk.observe(WATCH, Lane.CANARY)
    again = desk.desk.evaluate()
    assert before is not None
    assert again is not None
    assert (again.trial, again.number) == (before.trial, before.number + 1)
    desk.desk.observe(replace(WATCH, epoch="r-1/steps/0/2"), None)
    fresh = desk.desk.evaluate()
    assert fresh is not None
    assert (fresh.trial, fresh.number) == (0, 1)
    assert desk.mirrored == [None, Lane.CANARY, None]


async def test_after_a_crash_the_evidence_goes_on_where_it_was_kept() -> None:
    desk = Desk()
    desk.desk.observe(WATCH, None)
    list(desk.calls(100, bad=False))
    await desk.desk.keep()
    known = desk.desk.evaluate()
    reborn = Desk(desk.memory)
    await reborn.desk.recover(ROLLOUT)
    reborn.desk.observe(WATCH, None)
    found = reborn.desk.evaluate()
    assert known is not None
    assert found is not None
    assert (found.trial, found.baseline, found.limits) == (known.trial, known.baseline, known.limits)


@pytest.mark.parametrize("kept", [None, b"no evidence at all"])
async def test_without_readable_evidence_an_epoch_begins_anew(kept: bytes | None) -> None:
    desk = Desk()
    if kept is not None:
        desk.memory.kept[WATCH.epoch] = kept
    await desk.desk.recover(ROLLOUT)
    desk.desk.observe(WATCH, None)
    look = desk.desk.evaluate()
    assert look is not None
    assert look.trial == 0


async def test_a_file_that_cannot_be_used_stops_no_judging() -> None:
    desk = Desk()
    desk.memory.fails = True
    await desk.desk.recover(ROLLOUT)
    desk.desk.observe(WATCH, None)
    list(desk.calls(400, bad=True))
    await desk.desk.keep()
    assert len(desk.engine.urged) == 1
    assert desk.memory.looks == []


async def test_looks_are_kept_for_whoever_asks_why() -> None:
    desk = Desk()
    desk.desk.observe(WATCH, None)
    list(desk.calls(400, bad=True))
    desk.desk.observe(None, None)
    await desk.desk.keep()
    verdicts = [one.verdict for one in desk.memory.looks]
    assert verdicts[0] is Verdict.NO_DATA
    assert Verdict.REGRESSION in verdicts
    assert desk.rollouts == ["r-1", None]


async def test_in_a_flag_s_stage_calls_are_told_apart_by_the_flag_while_half_of_the_keys_have_it() -> None:
    desk = Desk()
    moved = (Moved("ONE", "on", 50),)
    desk.engine.state = replace(desk.engine.state, rollout=replace(ROLLOUT, phase=Phase.FLIPPING, moved=moved))
    half = replace(WATCH, epoch="r-1/flags/0/4", part="flags", flag="ONE", baseline=2)
    desk.desk.observe(half, None)
    desk.desk.observe(replace(half, epoch="r-1/flags/0/5", share=1.0), None)
    desk.desk.observe(None, None)
    assert desk.trials == [(True, 0.5), (False, 0.0), (False, 0.0)]


async def test_while_it_runs_it_looks_by_itself_when_time_alone_says_something_new() -> None:
    desk = Desk()
    desk.desk.observe(WATCH, None)
    running = asyncio.create_task(desk.desk.run())
    async with asyncio.timeout(BOUND):
        while not desk.memory.looks:  # noqa: ASYNC110 - what is written sets no event
            await asyncio.sleep(0.01)
    running.cancel()
    assert desk.engine.posted[0].verdict is Verdict.NO_DATA


def test_a_look_says_more_when_a_verdict_changes_or_after_a_while() -> None:
    first = Look("e", 1, 0.0, Verdict.NOT_YET)
    assert says_more(None, first)
    assert not says_more(first, replace(first, number=2, at=1.0))
    assert says_more(first, replace(first, doubtful=True))
    assert says_more(first, replace(first, verdict=Verdict.WITHIN_MARGIN))
    assert says_more(first, replace(first, at=60.0))


async def test_the_first_calls_of_a_fresh_canary_are_not_judged_for_the_plan_s_delay() -> None:
    desk = Desk()
    plan = replace(PLAN, judge=replace(PLAN.judge, initial_delay=2.0))
    desk.engine.state = replace(desk.engine.state, rollout=replace(ROLLOUT, plan=plan))
    desk.desk.observe(WATCH, None)
    list(desk.calls(150, bad=True))
    assert desk.engine.urged == []
    desk.desk.observe(replace(WATCH, epoch="r-1/steps/1/2"), None)  # warm by now
    list(desk.calls(400, bad=True))
    assert len(desk.engine.urged) == 1
