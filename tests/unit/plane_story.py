"""The tool plane in memory: clients and workers are lists of lines, and whatever was said is there at once.

Above: tests of what a switch means for sessions.  Below: the rooms of `orchestrator.proxy`, wired as the daemon wires
them; no socket, no process, no waiting.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import socket
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

from orchestrator.domain.protocol import Era, Place
from orchestrator.domain.routing import RoutingTable
from orchestrator.others import Others, OtherWorker
from orchestrator.proxy.answers import Answers
from orchestrator.proxy.dispatch import Dispatcher, Limits
from orchestrator.proxy.gating import Gating
from orchestrator.proxy.intake import Intake
from orchestrator.proxy.link import WorkerLink
from orchestrator.proxy.lists import Lists
from orchestrator.proxy.movement import Movement
from orchestrator.proxy.session import Session
from orchestrator.proxy.session_value import SessionValue
from orchestrator.proxy.socket_session import SocketSession
from orchestrator.supervision.fleet import Fleet
from orchestrator.wiring import Wiring

Json = dict[str, Any]

HANDSHAKE, STATELESS = Era.HANDSHAKE, Era.STATELESS
VERSION = {"io.modelcontextprotocol/protocolVersion": "2026-07-28"}


class Pipe:
    """A transport whose peer reads at once."""

    def __init__(self) -> None:
        self.said = b""
        self._closing = False

    def write(self, data: bytes) -> None:
        self.said += data

    def writelines(self, parts: list[bytes]) -> None:
        self.said += b"".join(parts)

    def get_extra_info(self, _name: str) -> socket.socket:
        with socket.socket(socket.AF_INET) as sock:  # its options are of no interest
            return sock

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        self._closing = True

    def set_write_buffer_limits(self, **_: int) -> None: ...
    def get_write_buffer_size(self) -> int:
        return 0

    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...

    def take(self) -> list[Json]:
        """Return what was said since the last time."""
        said, self.said = self.said, b""
        return [json.loads(line) for line in said.splitlines()]


class Peer:
    """A client's or a worker's end."""

    def __init__(self, plane: Plane, end: Any) -> None:
        self.pipe = Pipe()
        self.end = end
        self._plane = plane
        self._numbers = itertools.count(1)

    def write(self, line: bytes) -> None:
        """Say something as it is."""
        self.end.lines_received([line])

    def say(self, **message: Any) -> None:
        self.write(json.dumps({"jsonrpc": "2.0", **message}).encode())

    def ask(self, method: str, **params: Any) -> int:
        """Send a request and return its id."""
        number = next(self._numbers)
        self.say(id=number, method=method, params=params)
        return number

    def heard(self) -> list[Json]:
        """Return what this end was told since the last time."""
        self._plane.dispatcher.turn.flush()
        return self.pipe.take()

    def told(self) -> list[str]:
        """Return the methods of the requests and notifications among those."""
        return [message["method"] for message in self.heard() if "method" in message]

    def answer(self, **result: Any) -> Json:
        """Answer the last request heard, and return it."""
        asked = [message for message in self.heard() if "id" in message][-1]
        self.say(id=asked["id"], result=result)
        return asked

    def refuse(self, code: int, message: str) -> Json:
        asked = [message for message in self.heard() if "id" in message][-1]
        self.say(id=asked["id"], error={"code": code, "message": message})
        return asked


class Plane:
    """Everything between the peers.

    Attributes:
        wanted: places whose worker the fleet was asked for.
        released: places whose worker it was told to stop.
    """

    def __init__(self, *, isolated: bool = False, idle: float | None = None, warm: int = 8) -> None:
        self.now = 100.0
        loop = asyncio.get_running_loop()
        self.dispatcher = Dispatcher(loop, Limits(), lambda: self.now)
        self.dispatcher.isolated = isolated
        movement = Movement(self.dispatcher)
        gating = Gating(self.dispatcher, movement)
        self.intake = Intake(self.dispatcher, gating)
        self.answers = Answers(self.dispatcher, movement, gating)
        self.lists = Lists(self.dispatcher, movement)
        self.spawned: list[tuple[Callable[..., Any], Any]] = []
        self.wiring = Wiring(self.dispatcher, self.answers, self.lists, lambda *job: self.spawned.append(job))
        self.wanted: list[Place] = []
        self.released: list[Place] = []
        self.kept: dict[Place, Any] = {}
        fleet = SimpleNamespace(others=self.kept, want=self._want, release=self.released.append)
        self.others = Others(self.dispatcher, cast("Fleet", fleet), self.lists, cast("Any", None), warm=warm, idle=idle)
        self._names = itertools.count(1)
        self._revision = itertools.count(1)

    def _want(self, place: Place, *_: Any) -> None:
        self.wanted.append(place)
        self.kept[place] = SimpleNamespace(refusal=None)

    def table(self, **lanes: Any) -> None:
        """Replace the routing table."""
        self.dispatcher.replace(RoutingTable(revision=next(self._revision), **lanes))

    def worker(
        self, generation: int, *, era: Era = HANDSHAKE, session: Session | None = None, **lists: list[Any]
    ) -> Peer:
        """Have a worker become ready that shows these lists."""
        link = WorkerLink(
            generation, self.answers, self.dispatcher.turn, line_bytes=1 << 20, backlog_bytes=1 << 20,
            on_eof=lambda: None, session=session,
        )  # fmt: skip
        link.era = era
        link.handshake = {"protocolVersion": "2025-11-25", "capabilities": {kind: {} for kind in lists}}
        link.learn(lists)
        peer = Peer(self, link)
        link.outbox.open(cast("asyncio.WriteTransport", peer.pipe))
        if session is None:
            self.wiring.ready(generation, link)
        else:
            OtherWorker(self.others, link.place, session).ready(generation, link)
        return peer

    def fail(self, place: Place, reason: str) -> None:
        """Have the start of a wanted worker fail."""
        session = self.dispatcher.sessions.get(place.session)
        OtherWorker(self.others, place, session).failed(place.generation, reason)

    def client(self, *, greeted: bool = True) -> Peer:
        """Have a client connect, and shake hands unless it should not."""
        value = SessionValue(id=f"session-{next(self._names)}", opened=0.0)
        session = SocketSession(value, self.intake, self.dispatcher.turn, 1 << 20, 1 << 20)
        peer = Peer(self, session)
        session.connection_made(cast("asyncio.BaseTransport", peer.pipe))
        if greeted:
            peer.ask("initialize", protocolVersion="2025-11-25", capabilities={}, clientInfo={"name": "c"})
            peer.heard()
            value.version = value.version or "2025-11-25"
        return peer


def tools(*names: str) -> list[Json]:
    return [{"name": name, "inputSchema": {"type": "object"}} for name in names]
