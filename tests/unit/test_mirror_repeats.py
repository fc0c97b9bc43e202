"""Live pairs between the mirror and the process that compares: who is compared, who has another's verdict, counts."""

from __future__ import annotations

import asyncio

import pytest
from plane_story import Json, Peer, Plane

from orchestrator.domain.evidence.samples import Pair, Sample
from orchestrator.domain.routing import Lane
from orchestrator.mirroring.counts import MOST_AGENTS, Counts
from orchestrator.mirroring.live import Mirroring
from orchestrator.mirroring.messages import Job, Judged
from orchestrator.mirroring.repeats import HOLDS, MOST, SHORT
from orchestrator.proxy.mirror import FULL, PATIENCE, SLICE
from orchestrator.proxy.mirrored import OTHERS, Bounds

READS: Json = {"name": "reads", "inputSchema": {"type": "object"}, "annotations": {"readOnlyHint": True}}
UNEXPECTED = "unexpected"


class Sink:
    """Takes pairs."""

    def __init__(self) -> None:
        self.pairs: list[Pair] = []

    def sample(self, _sample: Sample) -> None: ...

    def pair(self, pair: Pair) -> None:
        self.pairs.append(pair)


class Story:
    """Two generations, mirrored, and whoever compares.

    Attributes:
        jobs: pairs that were to be compared.
        sink: what was told on.
    """

    def __init__(self, *, learn: int = 0, queue: int = 1024, gather: float = 0.0) -> None:
        self.plane = Plane()
        self.plane.table(active=1, canary=2)
        self.active = self.plane.worker(1, tools=[READS])
        self.canary = self.plane.worker(2, tools=[READS])
        self.client = self.plane.client()
        self.jobs: list[Job] = []
        self.sink = Sink()
        self.mirroring = Mirroring(
            self.plane.dispatcher, Bounds(gather=gather, queue=queue), fingerprint=str, learn=lambda: learn, offset=0.0
        )
        self.mirroring.examine = lambda job: (self.jobs.append(job), True)[1]
        self.mirroring.sink = self.sink
        self.mirroring.set(Lane.CANARY)
        self.active.heard()

    async def pair(self, old: object, new: object) -> None:
        """Have a call answered by the one in service, then by the other."""
        self.client.ask("tools/call", name="reads", arguments={})
        self.active.answer(content=[old])
        await turn()
        self.canary.answer(content=[new])

    def calls(self, number: int) -> None:
        """Have so many calls answered at once."""
        for _ in range(number):
            self.client.ask("tools/call", name="reads", arguments={})
        for request in self.active.heard():
            self.active.say(id=request["id"], result={"content": []})

    def judge(self, *, result: str = UNEXPECTED) -> None:
        """Give a verdict on the last pair."""
        self.mirroring.judged(Judged(self.jobs[-1].number, result, (result,)))

    @property
    def results(self) -> Json:
        (tool,) = self.mirroring.status().tools
        return tool.results


async def turn() -> None:
    """Let what is to be done in the loop's next turns be done."""
    for _ in range(8):
        await asyncio.sleep(0)


def asked(worker: Peer) -> int:
    return worker.told().count("tools/call")


@pytest.mark.requirement("MIRROR-8")
async def test_pairs_of_the_same_bytes_are_compared_once_and_each_is_counted_and_told_on() -> None:
    story = Story()
    for _ in range(3):
        await story.pair("a" * SHORT, "b")
    assert (len(story.jobs), story.mirroring.comparing, story.sink.pairs) == (1, 3, [])
    story.judge()
    await story.pair("a" * SHORT, "b")
    assert (len(story.jobs), story.mirroring.comparing) == (1, 0)
    assert story.results == {UNEXPECTED: 4}
    assert [pair.classes for pair in story.sink.pairs] == [(UNEXPECTED,)] * 4


@pytest.mark.requirement("MIRROR-8")
async def test_a_verdict_holds_for_no_other_bytes_and_for_a_second_only() -> None:
    story = Story()
    await story.pair("a", "b")
    story.judge()
    for old, new in (("a", "c"), ("c", "b"), ("b", "a")):
        await story.pair(old, new)
    assert len(story.jobs) == 4
    story.plane.now += HOLDS + 0.1
    await story.pair("a", "b")
    assert len(story.jobs) == 5


@pytest.mark.requirement("MIRROR-8")
async def test_a_pair_that_could_not_be_judged_is_compared_again() -> None:
    story = Story()
    await story.pair("a", "b")
    story.judge(result="incomplete")
    await story.pair("a", "b")
    assert len(story.jobs) == 2


@pytest.mark.requirement("MIRROR-8")
async def test_of_pairs_that_wait_for_anothers_verdict_no_more_than_the_bound_wait_and_with_it_they_are_dropped() -> (
    None
):
    story = Story(queue=2)
    for _ in range(4):
        await story.pair("a", "b")
    assert (story.mirroring.comparing, story.mirroring.status().dropped) == (2, {"comparison": 2})
    story.mirroring.lost([job.number for job in story.jobs])
    assert (story.mirroring.comparing, story.mirroring.status().dropped) == (0, {"comparison": 4})
    await story.pair("a", "b")
    assert len(story.jobs) == 2


@pytest.mark.requirement("MIRROR-8")
async def test_only_so_many_pairs_are_remembered() -> None:
    story = Story()
    story.mirroring.mirror.repeat = lambda _tool, _generation: False
    for number in range(MOST + 1):
        await story.pair(number, -1)
        story.judge()
    await story.pair(0, -1)
    await story.pair(MOST, -1)
    assert len(story.jobs) == MOST + 2


@pytest.mark.requirement("MIRROR-5")
async def test_a_pair_of_which_the_older_version_was_asked_twice_is_always_compared() -> None:
    story = Story(learn=2)
    for _ in range(2):
        story.client.ask("tools/call", name="reads", arguments={})
        story.active.answer(content=["a"])
        await turn()
        story.active.answer(content=["a"])
        story.canary.answer(content=["a"])
    assert [bool(job.control) for job in story.jobs] == [True, True]
    await story.pair("a", "a")
    assert (len(story.jobs), story.results) == (2, {"equal": 1})


@pytest.mark.requirement("MIRROR-1")
async def test_calls_are_gathered_until_there_are_many_and_sent_in_slices() -> None:
    story = Story(gather=60.0)
    story.calls(FULL - 1)
    await turn()
    assert asked(story.canary) == 0
    story.calls(1)
    queued = []
    for _ in range(6):
        await asyncio.sleep(0)
        queued.append(story.mirroring.mirror.queued)
    assert queued == [FULL, FULL - SLICE, FULL - SLICE, 0, 0, 0]
    assert asked(story.canary) == FULL


@pytest.mark.requirement("MIRROR-3")
async def test_what_is_mirrored_waits_for_a_lull_but_not_for_long() -> None:
    story = Story()
    mirror = story.mirroring.mirror
    for number in range(1, 5):
        story.calls(1)
        await asyncio.sleep(0)
        assert mirror.queued == number
    story.plane.now += 2 * PATIENCE
    story.calls(1)
    await asyncio.sleep(0)
    assert mirror.queued == 0


@pytest.mark.requirement("MIRROR-6")
async def test_what_waits_for_a_lane_that_moves_is_dropped() -> None:
    story = Story(gather=60.0)
    story.calls(2)
    story.plane.table(active=1, canary=2, weight=50)
    assert story.mirroring.status().queued == 2
    story.plane.table(active=1, canary=3)
    assert story.mirroring.metrics().dropped == {"moved": 2}
    assert story.mirroring.mirror.kept_bytes == 0


@pytest.mark.requirement("MIRROR-6")
async def test_another_canary_is_shown_nothing_of_what_an_earlier_one_did_and_metrics_go_on() -> None:
    story = Story()
    await story.pair("a", "b")
    story.judge()
    await story.pair("a", "c")
    assert story.mirroring.status().compared == 1
    story.plane.table(active=1, canary=3)
    status = story.mirroring.status()
    assert (status.sampled, status.compared, status.tools, status.comparing) == (0, 0, [], 1)
    story.judge()  # of the earlier one, and late
    assert story.mirroring.status().tools == []
    metrics = story.mirroring.metrics()
    assert (metrics.sampled, metrics.results) == (2, {("reads", UNEXPECTED): 2})


@pytest.mark.requirement("MIRROR-5", "MIRROR-6")
async def test_pairs_that_wait_for_noise_to_be_known_are_told_apart_from_those_being_compared() -> None:
    story = Story(learn=1)
    story.mirroring.mirror.repeat = lambda _tool, _generation: False
    await story.pair("a", "b")
    status = story.mirroring.status()
    assert (status.comparing, status.learning) == (1, 1)


@pytest.mark.requirement("MIRROR-6")
async def test_mirroring_to_a_lane_that_nobody_holds_says_that_it_waits_for_somebody() -> None:
    story = Story()
    said = story.mirroring.turn(Lane.PREVIOUS, 50.0, "ann")
    assert "50 % of the calls that only read will be mirrored as soon as a generation holds the lane previous" in said


@pytest.mark.requirement("MIRROR-6")
def test_agents_beyond_the_bound_are_counted_together() -> None:
    counts = Counts()
    for number in range(MOST_AGENTS + 2):
        counts.decided((f"a{number}", "b"), differs=True)
    assert counts.decisions[OTHERS, OTHERS, True] == 2
    assert len(counts.decisions) == MOST_AGENTS + 1
