"""The client of a shadow run keeps every answer's bytes and gives each its kind, whatever the server sends."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from orchestrator.domain.errors import StartError
from orchestrator.domain.protocol import Era
from orchestrator.rehearsal.client import Client
from orchestrator.rehearsal.samples import Answer
from orchestrator.supervision.readiness import handshake

pytestmark = pytest.mark.requirement("REH-11")

PATIENCE = 60.0
BYTES = 1 << 16
Speak = Callable[[dict[str, object]], bytes | None]


class Serving(asyncio.Protocol):
    """A server that answers each line by a function; it hangs up when that returns None."""

    def __init__(self, speak: Speak) -> None:
        self._speak = speak
        self._rest = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        assert self._transport is not None
        for line in lines:
            said = self._speak(json.loads(line))
            if said is None:
                self._transport.close()
            else:
                self._transport.write(said)


@asynccontextmanager
async def talking(speak: Speak) -> AsyncIterator[Client]:
    """Connect a client to a server that speaks by a function."""
    loop = asyncio.get_running_loop()
    ours, theirs = socket.socketpair()
    client = Client(1, BYTES)
    async with asyncio.timeout(PATIENCE):
        server, _ = await loop.create_connection(lambda: Serving(speak), sock=theirs)
        transport, _ = await loop.create_connection(lambda: client, sock=ours)
        try:
            yield client
        finally:
            server.close()
            transport.close()


def answering(text: str) -> Speak:
    """Answer each request with a line in which ID stands for its id."""
    return lambda message: text.replace("ID", json.dumps(message["id"])).encode() + b"\n" if "id" in message else b""


@pytest.mark.parametrize(
    ("line", "answer", "body"),
    [
        ('{"jsonrpc":"2.0","id":ID,"result":{"b":1.0,"a":9007199254740993}}', Answer.RESULT,
         b'{"b":1.0,"a":9007199254740993}'),
        ('{"jsonrpc":"2.0","id":ID,"error":{"code":1}}', Answer.ERROR, b'{"code":1}'),
        ('{"jsonrpc":"2.0","id":ID,"result":{"a":1,"a":2}}', Answer.RESULT, b'{"a":1,"a":2}'),
        ('{"jsonrpc":"2.0","id":ID,"result":NaN}', Answer.UNREADABLE, None),
        ('{"jsonrpc":"2.0","id":ID,"result":{"x":' + "[" * 10_000 + "]" * 10_000 + "}}", None, None),
        ('{"jsonrpc":"2.0","id":ID,"result":"' + "x" * (2 * BYTES) + '"}', Answer.UNREADABLE, None),
        ('{"half', Answer.UNREADABLE, b'{"half'),
        ('starting up\n\n{"jsonrpc":"2.0","method":"notifications/x"}\n{"id":ID,"result":{}}', Answer.RESULT, b"{}"),
    ],
)  # fmt: skip
async def test_an_answer_is_what_it_is_and_its_bytes_are_kept(
    line: str, answer: Answer | None, body: bytes | None
) -> None:
    async with talking(answering(line)) as client:
        answered = await client.call("a", {}, PATIENCE)
        assert answered.answer in ({answer} if answer else {Answer.RESULT, Answer.UNREADABLE})
        assert body is None or answered.body == body
        again = await client.call("a", {}, PATIENCE)
        assert again.answer is answered.answer


async def test_an_answer_that_does_not_come_is_a_time_out_and_a_later_one_is_not_taken_for_the_next() -> None:
    asked: list[dict[str, object]] = []

    def late(message: dict[str, object]) -> bytes:
        asked.append(message)
        calls = [one for one in asked if one["method"] == "tools/call"]
        if message["method"] != "tools/call" or len(calls) == 1:
            return b""
        return b"".join(json.dumps({"id": one["id"], "result": {"of": one["id"]}}).encode() + b"\n" for one in calls)

    async with talking(late) as client:
        assert (await client.call("a", {}, 0.05)).answer is Answer.TIMEOUT
        answered = await client.call("a", {}, PATIENCE)
        assert json.loads(answered.body) == {"of": asked[-1]["id"]}
        assert asked[1]["method"] == "notifications/cancelled"


async def test_a_server_that_goes_loses_the_call_and_all_after_it() -> None:
    async with talking(lambda _message: None) as client:
        assert (await client.call("a", {}, PATIENCE)).answer is Answer.LOST
        assert (await client.call("a", {}, PATIENCE)).answer is Answer.LOST
        with pytest.raises(StartError, match=r"closed its stdout|pipe broke"):
            await client.request("ping", None)


async def test_what_a_server_asks_is_answered_and_its_tools_are_learned() -> None:
    heard: list[dict[str, object]] = []

    def asking(message: dict[str, object]) -> bytes:
        heard.append(message)
        if "method" not in message or "id" not in message:
            return b""
        result = {"capabilities": {"tools": {}}} if message["method"] == "initialize" else {"tools": [{"name": "a"}]}
        lines = [
            {"id": 1, "method": "ping"},
            {"id": 2, "method": "roots/list"},
            {"id": message["id"], "result": result},
        ]
        return b"".join(json.dumps(line).encode() + b"\n" for line in lines)

    async with talking(asking) as client:
        await handshake(client, Era.HANDSHAKE)
        assert client.tools == [{"name": "a"}]
        await client.drained()
        answers = {one["id"]: one for one in heard if "method" not in one}
        assert answers[1]["result"] == {}
        assert "error" in answers[2]
