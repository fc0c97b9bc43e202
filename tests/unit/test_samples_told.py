"""Samples on their way: the bus, the patrol, what others post, and lines of a file."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Collection
from contextlib import ExitStack
from dataclasses import astuple

import anyio
import msgspec
import psutil
import pytest

from orchestrator.domain.evidence.sample_lines import SampleLineError, decoded, header, line
from orchestrator.domain.evidence.samples import Origin, Outcome, Pair, Sample
from orchestrator.domain.routing import Lane, RoutingTable
from orchestrator.sampling import Patrol, SampleBus
from orchestrator.sampling.posted import Measured, samples_of
from orchestrator.supervision.usage import Usage, usage, usage_of_all

CALL = Sample(at=5.0, generation=1, lane=Lane.ACTIVE, tool="do", key="k", outcome=Outcome.OK, duration=2.0)
PAIR = Pair(at=5.0, tool="do", key="k", old=CALL, new=CALL, classes=("noise",), decisions=("agent",))
DIVIDED = RoutingTable(revision=1, active=1, canary=2, weight=50, salt="s")


class Kept:
    """A sink that keeps what it is told, or fails."""

    def __init__(self, *, broken: bool = False) -> None:
        self.told: list[Sample | Pair] = []
        self._broken = broken

    def sample(self, sample: Sample) -> None:
        self._keep(sample)

    def pair(self, pair: Pair) -> None:
        self._keep(pair)

    def _keep(self, told: Sample | Pair) -> None:
        if self._broken:
            raise ArithmeticError
        self.told.append(told)


@pytest.mark.requirement("SAMPLE-12")
def test_every_sink_is_told_and_one_that_fails_costs_the_others_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    bus, sinks = SampleBus(), [Kept(), Kept(broken=True), Kept()]
    for sink in sinks:
        bus.attach(sink)
    for _ in range(2):
        bus.sample(CALL)
        bus.pair(PAIR)
    assert [len(sink.told) for sink in sinks] == [4, 0, 4]
    assert bus.missed == 4
    assert capsys.readouterr().err.count("a sample is lost") == 1


@pytest.mark.requirement("SAMPLE-12")
def test_the_bus_says_when_somebody_comes_who_wants_every_call_and_when_he_goes() -> None:
    bus, seen = SampleBus(), []
    bus.on_change = lambda: seen.append(bus.eager)
    bus.attach(Kept(), idle=False)
    detach = bus.attach(late := Kept())
    bus.sample(CALL)
    detach()
    detach()
    bus.sample(CALL)
    assert (seen, len(late.told)) == ([0, 1, 0], 1)


class Processes:
    """Trees of processes whose use of the machine is made up."""

    def __init__(self) -> None:
        self.now = 100.0
        self.trees: dict[int, tuple[int, ...]] = {1: (10, 11), 2: (20,)}
        self.used = {10: Usage(1, 1000, 3.0), 11: Usage(2, 500, 1.0), 20: Usage(1, 7, 0.5)}
        self.kept = Kept()
        table = RoutingTable(revision=1, active=1, canary=2)
        self.patrol = Patrol(self.kept, lambda: self.trees, lambda: table, lambda: self.now, self._measure)

    def _measure(self, pids: Collection[int]) -> Usage:
        used = [self.used[pid] for pid in pids]
        return Usage(*(sum(column) for column in zip(*(astuple(one) for one in used), strict=True)))

    async def look(self) -> dict[int, Sample]:
        """Have it look once, and return the samples by generation."""
        self.kept.told.clear()
        await self.patrol.look()
        return {told.generation: told for told in self.kept.told if isinstance(told, Sample)}


@pytest.mark.requirement("SAMPLE-8")
async def test_a_patrol_sums_up_the_trees_of_each_generation_and_tells_the_processors_use_since_the_last_look() -> None:
    machine = Processes()
    first = await machine.look()
    assert first[1] == Sample(
        at=100.0, generation=1, lane=Lane.ACTIVE, origin=Origin.PROCESS, metrics={"memory": 1500.0, "processes": 3.0}
    )
    assert first[2].lane is Lane.CANARY
    machine.now += 2.0
    machine.used[10] = Usage(1, 1000, 4.5)
    assert (await machine.look())[1].metrics["cpu"] == 75.0


@pytest.mark.requirement("SAMPLE-8")
async def test_the_processors_use_is_not_told_where_processes_came_or_went_and_is_never_below_nothing() -> None:
    machine = Processes()
    await machine.look()
    machine.now += 1.0
    machine.trees[2] = (10,)
    machine.used[11] = Usage(1, 500, 0.0)  # a child ended and took its seconds along
    found = await machine.look()
    assert "cpu" not in found[2].metrics
    assert found[1].metrics["cpu"] == 0.0
    machine.used[10] = machine.used[11] = Usage(0, 0, 0.0)
    assert await machine.look() == {}
    machine.trees = {}
    assert await machine.look() == {}


@pytest.mark.requirement("SAMPLE-8")
async def test_a_look_that_fails_is_followed_by_the_next(capsys: pytest.CaptureFixture[str]) -> None:
    machine, looked = Processes(), anyio.Event()
    used, failed = machine.used[10], False

    def measure(pids: Collection[int]) -> Usage:
        nonlocal failed
        if not failed:
            failed = True
            raise OSError(pids)
        anyio.from_thread.run_sync(looked.set)
        return used

    machine.patrol._measure = measure
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(machine.patrol.run, lambda: 0.001)
        with anyio.fail_after(60):
            await looked.wait()
        tasks.cancel_scope.cancel()
    assert "could not be measured" in capsys.readouterr().err


@pytest.mark.requirement("SAMPLE-8")
def test_several_trees_are_measured_together_each_process_once() -> None:
    program = "import subprocess, sys; print(subprocess.Popen(['sleep', '60']).pid, flush=True); sys.stdin.read()"
    with ExitStack() as stack:
        roots = [
            stack.enter_context(
                subprocess.Popen([sys.executable, "-Sc", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            )
            for _ in range(2)
        ]
        children = [psutil.Process(int(root.stdout.readline())) for root in roots if root.stdout is not None]
        try:
            apart = [usage(root.pid) for root in roots]
            together = usage_of_all([root.pid for root in roots])
            assert [one.processes for one in apart] == [2, 2]
            assert together.processes == 4
            assert together.memory >= sum(one.memory for one in apart) * 0.5
            assert usage_of_all([roots[0].pid, children[0].pid]).processes == 2
        finally:
            for child in children:
                child.kill()
            for root in roots:
                root.kill()


@pytest.mark.requirement("SAMPLE-9")
def test_a_number_is_of_the_generation_lane_or_key_it_names() -> None:
    def told(**named: object) -> list[tuple[int, Lane, bool | None, float]]:
        one = msgspec.convert({"metric": "quality", "value": 9.0, **named}, Measured)
        found = samples_of(one, DIVIDED, 100.0, Origin.POSTED)
        assert all((sample.at, sample.metrics) == (100.0, {"quality": 9.0}) for sample in found)
        return [(sample.generation, sample.lane, sample.treated, sample.share) for sample in found]

    old, new = (1, Lane.ACTIVE, None, 0.0), (2, Lane.CANARY, None, 0.0)
    assert told(generation=2) == told(lane="canary") == told(lane="canary", generation=2) == [new]
    assert told() == [old, new]
    by_key = [told(key=f"k{number}") for number in range(20)]
    assert {tuple(found) for found in by_key} == {((1, Lane.ACTIVE, False, 0.5),), ((2, Lane.CANARY, True, 0.5),)}
    assert told(key="k", generation=1) == [(1, Lane.ACTIVE, False, 0.5)]


@pytest.mark.requirement("SAMPLE-9")
@pytest.mark.parametrize(
    ("one", "why"),
    [
        (Measured("m", 1.0, generation=7), "generation 7 holds no lane"),
        (Measured("m", 1.0, lane=Lane.PREVIOUS), "no generation is previous"),
        (Measured("m", 1.0, generation=1, lane=Lane.CANARY), "generation 1 is not canary; generation 2 is"),
        (Measured("m", 1.0, at=1e4), "at 10000 is not within the last 3600 s"),
        (Measured("m", 1.0, at=1e6), "at 1000000 is not within"),
        (Measured("m", 1.0, at=1e300), r"at 1e\+300 is not within the last 3600 s"),
    ],
)
def test_a_number_that_cannot_be_used_says_why(one: Measured, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        samples_of(one, DIVIDED, 1e5, Origin.POSTED)


@pytest.mark.requirement("SAMPLE-10")
def test_a_file_of_samples_is_read_as_it_was_written() -> None:
    told = [CALL, PAIR, msgspec.structs.replace(CALL, treated=True, share=0.5, metrics={"tokens": 8.0}, outcome=None)]
    written = [header(9.0), *(line(one) for one in told), b"\n"]
    assert list(decoded(written)) == told


@pytest.mark.requirement("SAMPLE-10")
@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ([], "line 1: the file is empty"),
        ([line(CALL)], "line 1: this is no file of samples"),
        ([b"rubbish"], "line 1: "),
        ([header(0).replace(b"switchover-samples", b"other")], "line 1: this is a file of 'other'"),
        ([header(0).replace(b'"version":1', b'"version":2')], "line 1: version 2 of the form is unknown"),
        ([header(0), b"\n", b'{"type":"walrus"}'], "line 3: there is no type 'walrus'; there are sample and pair"),
        ([header(0), line(CALL), line(CALL)[:20]], "line 3: "),
        ([header(0), line(CALL).replace(b'"generation":1', b'"generation":"x"')], "line 2: .*generation"),
        ([header(0), line(CALL).replace(b"}", b',"share":2}')], "line 2: a share is from 0 to 1, not 2"),
        ([header(0), line(CALL).replace(b'"duration":2', b'"duration":-2')], "line 2: a time is not finite"),
        ([header(0), b"[" * 5000], "line 2: "),
    ],
    ids=range(11),
)
def test_a_line_that_is_wrong_is_named(lines: list[bytes], why: str) -> None:
    with pytest.raises(SampleLineError, match=why):
        list(decoded(lines))
