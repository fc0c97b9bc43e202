"""The mirror on the tool plane in memory: who is asked as well, what is dropped, and that no client notices."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from plane_story import HANDSHAKE, STATELESS, VERSION, Json, Peer, Plane

from orchestrator.domain.evidence.samples import Outcome
from orchestrator.domain.routing import Lane
from orchestrator.proxy.ledger import Call
from orchestrator.proxy.mirror import Mirror
from orchestrator.proxy.mirrored import MOST_TOOLS, OTHERS, Bounds, Mirrored, named, reported

READS: Json = {"name": "reads", "inputSchema": {"type": "object"}, "annotations": {"readOnlyHint": True}}
WRITES: Json = {"name": "writes", "inputSchema": {"type": "object"}}


class Mirroring:
    """A plane with two generations and a mirror.

    Attributes:
        taken: what was handed over to be compared.
    """

    def __init__(self, *, isolated: bool = False, **bounds: Any) -> None:
        self.plane = Plane(isolated=isolated)
        self.plane.table(active=1, canary=2)
        self.active = self.plane.worker(1, tools=[READS, WRITES])
        self.canary = self.plane.worker(2, tools=[READS, WRITES])
        self.client = self.plane.client()
        self.taken: list[Mirrored] = []
        self.mirror = Mirror(self.plane.dispatcher, Bounds(gather=0.0, **bounds), self.taken.append)
        self.mirror.set(Lane.CANARY)
        self.active.heard()

    async def call(self, tool: str = "reads", **result: Any) -> Json:
        """Have the client call a tool and the active worker answer; return the client's answer."""
        self.client.ask("tools/call", name=tool, arguments={"n": 1})
        self.active.answer(**(result or {"content": []}))
        (answer,) = self.client.heard()
        await turn()
        return answer


async def turn() -> None:
    """Let what is to be done in the loop's next turns be done."""
    for _ in range(5):
        await asyncio.sleep(0)


def asked(worker: Peer) -> list[Json]:
    """Return the calls a worker was asked since the last time."""
    return [message for message in worker.heard() if message.get("method") == "tools/call"]


@pytest.mark.requirement("MIRROR-1")
async def test_a_call_that_only_reads_is_asked_of_the_canary_once_its_client_has_its_answer() -> None:
    story = Mirroring()
    number = story.client.ask("tools/call", name="reads", arguments={"n": 1})
    assert asked(story.canary) == []
    (original,) = asked(story.active)
    story.active.say(id=original["id"], result={"content": [], "v": 1})
    assert [answer["id"] for answer in story.client.heard()] == [number]
    await turn()
    (mirrored,) = asked(story.canary)
    assert mirrored["params"] == original["params"]
    assert mirrored["id"] != original["id"]
    story.canary.say(id=mirrored["id"], result={"content": [], "v": 2, "_meta": {"io.switchover/metrics": {"cost": 2}}})
    assert story.client.heard() == []
    (pair,) = story.taken
    old, new = pair.sides
    assert (old.generation, old.lane, new.generation, new.lane) == (1, Lane.ACTIVE, 2, Lane.CANARY)
    assert [json.loads(side.line)["result"]["v"] for side in (old, new)] == [1, 2]
    assert reported(new.meta) == {"cost": 2.0}
    assert story.mirror.kept_bytes == 0


@pytest.mark.requirement("MIRROR-1")
async def test_in_bake_the_previous_generation_is_asked_and_is_the_baseline() -> None:
    story = Mirroring()
    story.mirror.set(Lane.PREVIOUS)
    story.plane.table(active=1, previous=2, previous_warm=True)
    await story.call()
    story.canary.answer(content=[])
    (pair,) = story.taken
    old, new = pair.sides
    assert (old.generation, old.lane, new.generation, new.lane) == (2, Lane.PREVIOUS, 1, Lane.ACTIVE)


@pytest.mark.requirement("MIRROR-2")
async def test_what_may_change_something_is_never_mirrored() -> None:
    story = Mirroring()
    await story.call("writes")
    assert asked(story.canary) == []
    changed = story.plane.worker(2, tools=[{**READS, "annotations": {}}, WRITES])
    await story.call()
    assert asked(changed) == []
    assert story.mirror.flow.dropped == {"not_read_only": 1}
    assert story.mirror.flow.unfit == {"reads"}
    story.client.ask("tools/list")
    story.active.answer(tools=[])
    await turn()
    assert changed.heard() == []


@pytest.mark.requirement("MIRROR-2")
async def test_a_call_that_goes_on_with_what_only_its_own_worker_knows_is_not_mirrored() -> None:
    story = Mirroring()
    story.client.ask("tools/call", name="reads", arguments={}, task={"ttl": 1000})
    story.active.answer(task={"taskId": "t", "status": "working"})
    await turn()
    story.client.heard()
    await story.call(requestState="more")
    assert asked(story.canary) == []
    assert story.mirror.flow.sampled == 0


@pytest.mark.requirement("MIRROR-2")
async def test_sessions_with_workers_of_their_own_are_not_mirrored_and_that_is_said() -> None:
    story = Mirroring(isolated=True)
    own = story.plane.worker(1, session=story.client.end, tools=[READS])
    own.heard()
    story.client.ask("tools/call", name="reads", arguments={})
    own.answer(content=[])
    await turn()
    assert story.mirror.flow.sampled == 0
    assert "worker.isolation" in story.mirror.silent


@pytest.mark.requirement("MIRROR-3")
async def test_what_is_too_much_is_dropped_and_counted_and_no_answer_waits_for_it() -> None:
    story = Mirroring(in_flight=1, queue=2)
    for _ in range(5):
        await story.call()
    assert len(asked(story.canary)) == 1
    assert story.mirror.queued == 2
    assert story.mirror.flow.dropped == {"queue": 2}
    story.plane.now += 2.0
    story.mirror._pump()
    story.canary.end.clogged = True
    story.mirror.set(None)
    await story.call()
    assert story.mirror.flow.sampled == 5


@pytest.mark.requirement("MIRROR-3")
async def test_a_target_that_does_not_read_or_is_not_there_is_asked_nothing() -> None:
    story = Mirroring()
    story.canary.end.clogged = True
    await story.call()
    story.canary.end.clogged = False
    story.plane.dispatcher.suspend(story.canary.end)
    await story.call()
    assert asked(story.canary) == []
    assert story.mirror.flow.dropped == {"clogged": 1, "no_worker": 1}
    assert "generation 2 is not ready" in story.mirror.silent


@pytest.mark.requirement("MIRROR-3")
async def test_mirrored_calls_are_given_up_when_the_target_moves_and_hold_up_no_drain() -> None:
    story = Mirroring()
    await story.call()
    (mirrored,) = asked(story.canary)
    assert story.canary.end.in_flight == 0
    assert story.plane.dispatcher.ledger.open == {}
    story.mirror.set(None)
    assert story.canary.told() == ["notifications/cancelled"]
    story.canary.say(id=mirrored["id"], result={})
    assert story.client.heard() == []
    assert story.taken == []
    assert story.mirror.flow.dropped == {"moved": 1}


@pytest.mark.requirement("MIRROR-4")
async def test_a_mirrored_call_without_an_answer_in_time_is_a_failure_of_that_version() -> None:
    story = Mirroring(timeout=0.02)
    await story.call()
    async with asyncio.timeout(60):
        while not story.taken:
            story.plane.now += 0.02
            await asyncio.sleep(0.005)
    _, new = story.taken[0].sides
    assert new.outcome is Outcome.EXPIRED
    assert story.canary.told() == ["tools/call", "notifications/cancelled"]


@pytest.mark.requirement("MIRROR-4")
async def test_the_end_of_a_worker_that_held_its_lane_is_a_failure_and_of_one_that_did_not_is_nothing() -> None:
    story = Mirroring()
    await story.call()
    await story.call()
    story.plane.dispatcher.detach(story.canary.end, "it died")
    assert [pair.sides[1].outcome for pair in story.taken] == [Outcome.LOST, Outcome.LOST]
    again = story.plane.worker(2, tools=[READS])
    await story.call()
    story.plane.table(active=1)
    story.plane.dispatcher.detach(again.end, "it was retired")
    assert len(story.taken) == 2
    assert story.mirror.flow.dropped == {"lost": 1}


@pytest.mark.requirement("MIRROR-4")
async def test_a_call_that_its_own_worker_failed_is_mirrored_too() -> None:
    story = Mirroring()
    story.client.ask("tools/call", name="reads", arguments={})
    (call,) = story.plane.dispatcher.ledger.open.values()
    assert isinstance(call, Call)
    story.plane.dispatcher._expired(call)
    await turn()
    story.canary.answer(content=[])
    assert [side.outcome for side in story.taken[0].sides] == [Outcome.EXPIRED, Outcome.OK]


@pytest.mark.requirement("MIRROR-5")
async def test_to_learn_noise_a_call_is_asked_twice_of_the_older_version() -> None:
    story = Mirroring()
    story.mirror.repeat = lambda _tool, generation: generation == 1
    await story.call(content=[], v=1)
    (again,) = asked(story.active)
    story.canary.answer(content=[], v=3)
    assert story.taken == []
    story.active.say(id=again["id"], result={"content": [], "v": 2})
    (pair,) = story.taken
    assert pair.control is not None
    assert (pair.control.generation, story.client.heard()) == (1, [])
    story.mirror.set(Lane.PREVIOUS)
    story.mirror.repeat = lambda _tool, generation: generation == 2
    story.plane.table(active=1, previous=2, previous_warm=True)
    await story.call()
    assert (len(asked(story.canary)), asked(story.active)) == (2, [])


@pytest.mark.requirement("MIRROR-5")
async def test_a_pair_during_which_something_was_written_says_so() -> None:
    story = Mirroring()
    story.plane.now = 200.0
    await story.call(content=[1])
    story.canary.answer(content=[2])
    story.plane.now = 201.0
    await story.call(content=[1])
    await story.call("writes")
    story.canary.answer(content=[2])
    assert [pair.disturbed for pair in story.taken] == [False, True]


@pytest.mark.requirement("MIRROR-6")
async def test_only_the_share_is_mirrored_and_nothing_while_the_kill_switch_is_on() -> None:
    story = Mirroring()
    story.mirror.set(Lane.CANARY, 0.0)
    await story.call()
    assert story.mirror.flow.sampled == 0
    story.mirror.set(Lane.CANARY, 50.0)
    for _ in range(64):
        await story.call()
    assert 0 < story.mirror.flow.sampled < 64
    before = story.mirror.flow.sampled
    story.mirror.set(Lane.CANARY, 100.0)
    story.plane.table(active=1, canary=2, kill_switch=True)
    await story.call()
    assert story.mirror.flow.sampled == before
    assert story.mirror.silent == "the kill switch is on"


@pytest.mark.requirement("MIRROR-6")
async def test_a_client_of_the_stateless_era_is_mirrored_to_a_process_of_that_era_which_is_started_for_it() -> None:
    story = Mirroring()
    serving = story.plane.worker(1, era=STATELESS, tools=[READS])
    serving.heard()
    other = story.plane.client(greeted=False)
    for _ in range(2):
        other.ask("tools/call", name="reads", arguments={}, _meta=VERSION)
        serving.answer(content=[], resultType="complete")
        await turn()
        if not any(place.era is STATELESS and place.generation == 2 for place in story.plane.dispatcher.links):
            assert [(place.generation, place.era) for place in story.plane.wanted] == [(2, STATELESS)]
            target = story.plane.worker(2, era=STATELESS, tools=[READS])
    assert len(asked(target)) == 1
    assert story.mirror.flow.dropped == {"no_worker": 1}
    assert HANDSHAKE is not STATELESS


@pytest.mark.requirement("MIRROR-6")
def test_tools_beyond_the_bound_are_counted_together() -> None:
    known = {f"tool-{n}": 1 for n in range(MOST_TOOLS)}
    assert named("tool-7", known) == "tool-7"
    assert named("another", known) == OTHERS
