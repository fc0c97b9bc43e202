"""What a rehearsal asks of the process in service: served like anybody's call, and told to nobody as one."""

from __future__ import annotations

import os
import socket
from types import SimpleNamespace
from typing import Any, cast

import pytest
from plane_story import Json, Peer, Pipe, Plane

from orchestrator.domain.evidence.samples import Outcome, Sample
from orchestrator.domain.routing import Lane
from orchestrator.proxy.codec import OWN_CALL
from orchestrator.proxy.holding import Holding
from orchestrator.proxy.mirror import Mirror
from orchestrator.proxy.mirrored import Bounds
from orchestrator.proxy.movement import Movement
from orchestrator.proxy.own import OwnIntake
from orchestrator.proxy.recording import Recording

pytestmark = pytest.mark.requirement("REH-18")

READS: Json = {"name": "reads", "inputSchema": {"type": "object"}, "annotations": {"readOnlyHint": True}}
WRITES: Json = {"name": "writes", "inputSchema": {"type": "object"}}


class Story:
    """A plane with everybody listening who is told of tool calls; clients are this process, as the kernel says."""

    def __init__(self) -> None:
        self.plane = Plane()
        self.own = OwnIntake(self.plane.dispatcher, self.plane.intake._gating)
        self.plane.intake.attendant = self.own.of
        self.plane.table(active=1, canary=2)
        self.worker = self.plane.worker(1, tools=[READS, WRITES])
        self.plane.worker(2, tools=[READS, WRITES])
        self.samples: list[Sample] = []
        self.written: list[Outcome] = []
        dispatcher = self.plane.dispatcher
        dispatcher.sampling.attach(cast("Any", SimpleNamespace(sample=self.samples.append)), 0.0)
        self.recording = Recording(99, 1e9, dispatcher.now)
        dispatcher.on_sent.append(self.recording)
        self.mirror = Mirror(dispatcher, Bounds(gather=1e6), lambda _pair: None)
        self.mirror.set(Lane.CANARY)
        self.mirror.watch_writes(lambda _call, _link, _line, outcome: self.written.append(outcome))

    def client(self, *pids: int, **hello: Any) -> Peer:
        """Have a client connect while the processes `pids` are the daemon's own program."""
        self.own.is_own = frozenset(pids).__contains__
        client = self.plane.client(greeted=False)
        client.ask("initialize", protocolVersion="2025-11-25", capabilities={}, clientInfo={"name": "c", **hello})
        client.heard()
        return client

    def call(self, client: Peer, tool: str) -> Json:
        client.ask("tools/call", name=tool, arguments={})
        self.worker.answer(content=[])
        (answer,) = client.heard()
        return answer

    def told(self) -> list[int]:
        """Return how many calls each was told of: samples, the recording, the mirror, parity."""
        seen = self.recording.seen + self.recording.passed
        return [len(self.samples), seen, self.mirror.flow.sampled, len(self.written)]


@pytest.fixture(autouse=True)
def _unix(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Have the pipes' peers be this process."""
    ends = socket.socketpair()
    monkeypatch.setattr(Pipe, "get_extra_info", lambda *_: ends[0])
    yield
    for end in ends:
        end.close()


async def test_what_the_daemons_own_program_asks_is_answered_and_no_recording_sample_mirror_or_parity_has_it() -> None:
    story = Story()
    own = story.client(os.getpid())
    assert [set(story.call(own, tool)) for tool in ("reads", "writes")] == [{"jsonrpc", "id", "result"}] * 2
    own.ask("tools/call", name="reads", arguments={})
    story.plane.dispatcher.abandon("the daemon stops")
    assert story.told() == [0, 0, 0, 0]
    tally = story.plane.dispatcher.tallies[1]
    assert (tally.own, tally.calls) == (3, 3)


async def test_what_the_own_program_asks_while_all_calls_wait_makes_no_tally_of_a_generation_there_is_not() -> None:
    story = Story()
    own = story.client(os.getpid())
    holding = Holding(story.plane.dispatcher, Movement(story.plane.dispatcher))
    holding.hold()
    own.ask("tools/call", name="reads", arguments={})
    assert sorted(story.plane.dispatcher.tallies) == [1, 2]
    holding.release()
    story.worker.answer(content=[])
    assert "result" in own.heard()[0]


async def test_a_client_is_one_whatever_it_calls_itself_and_its_calls() -> None:
    story = Story()
    client = story.client(os.getpid() + 1, name="switchover-rehearsal", version=OWN_CALL)
    for tool in ("reads", "writes"):
        story.call(client, tool)
    assert story.told() == [2, 2, 1, 1]
    client.ask(OWN_CALL, name="reads", arguments={})
    assert [message["method"] for message in story.worker.heard()] == [OWN_CALL]
    assert story.plane.dispatcher.tallies[1].own == 0


async def test_a_call_of_the_own_program_that_only_reads_goes_once_more_when_its_worker_dies() -> None:
    story = Story()
    own = story.client(os.getpid())
    for tool in ("reads", "writes"):
        own.ask("tools/call", name=tool, arguments={})
    story.plane.dispatcher.detach(story.worker.end, "it died")
    (lost,) = own.heard()
    assert lost["error"]["code"] == -31010
    story.worker = story.plane.worker(1, tools=[READS, WRITES])
    assert story.worker.answer(content=[])["params"]["name"] == "reads"
    assert "result" in own.heard()[0]
    assert story.told() == [0, 0, 0, 0]


async def test_a_gate_that_keeps_a_tool_from_clients_keeps_it_from_the_own_program() -> None:
    story = Story()
    keeper = SimpleNamespace(closed=lambda _tool, _caller: "WRITERS", hidden=lambda _caller: frozenset())
    story.plane.intake._gating.keeper = cast("Any", keeper)
    own = story.client(os.getpid())
    own.ask("tools/call", name="reads", arguments={})
    assert "error" in own.heard()[0]
    assert story.worker.heard() == []
