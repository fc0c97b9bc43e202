"""A client behind the daemon hears what the worker itself would tell it, whatever it says and whenever traffic moves.

The same generated messages go to a worker directly and through the daemon, with a switch before each of them in turn.
What comes back is compared as JSON with its exact types; only the ids of the worker's own questions are its own affair.
"""

from __future__ import annotations

import asyncio
import asyncio.subprocess
import contextlib
import json
import sys
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from daemon import WORKERS, RunningDaemon
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from jsonrpc_client import LINE_BYTES, PATIENCE

MIRROR = [sys.executable, str(WORKERS / "mirror_worker.py")]
OFFER = {"protocolVersion": "2025-11-25", "capabilities": {"sampling": {}}, "clientInfo": {"name": "t", "version": "1"}}
HELLO = [
    json.dumps({"jsonrpc": "2.0", "id": "hello", "method": "initialize", "params": OFFER}),
    json.dumps({"jsonrpc": "2.0", "method": "notifications/initialized"}),
]

Json = dict[str, Any]

texts = st.text(st.characters(codec="utf-8"), max_size=12)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts
    | st.sampled_from(["\u2028", '"id":7', '{"id": 1}', "\\", '\\"', "a\nb", "\ud7ff", "😀"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=8,
)
tables = st.dictionaries(texts, values, max_size=4)
ids = st.integers(-(2**53), 2**53) | texts
tokens = st.none() | st.integers(0, 2**53) | texts
methods = st.sampled_from(
    ["tools/call", "resources/read", "prompts/get", "completion/complete", "unknown/method", "ping", "tools/list"]
)


@st.composite
def requests(draw: st.DrawFn, tools: Sequence[str]) -> tuple[Json, str]:
    """Draw a request and its spelling."""
    method = draw(methods)
    params = draw(tables)
    if method == "tools/call":
        params = {"name": draw(st.sampled_from(tools)), "arguments": draw(tables), **params}
    if (token := draw(tokens)) is not None and method != "ping":
        params = {**params, "_meta": {**draw(tables), "progressToken": token}}
    message = {"jsonrpc": "2.0", "id": draw(ids), "method": method, "params": params}
    order = draw(st.permutations(list(message)))
    spelling = json.dumps(
        {key: message[key] for key in order},
        ensure_ascii=draw(st.booleans()),
        separators=draw(st.sampled_from([(",", ":"), (", ", ": "), (" ,\t", " : ")])),
    )
    return message, spelling


def conversations(*tools: str) -> st.SearchStrategy[list[tuple[Json, str]]]:
    """Return a few requests whose ids and progress tokens all differ, as the protocol demands."""

    def distinct(drawn: list[tuple[Json, str]]) -> bool:
        marks = [message["params"].get("_meta", {}).get("progressToken") for message, _ in drawn]
        used = [json.dumps(mark) for mark in marks if mark is not None]
        return len(set(used)) == len(used)

    several = st.lists(requests(tools), min_size=1, max_size=4, unique_by=lambda drawn: json.dumps(drawn[0]["id"]))
    return several.filter(distinct)


class Peer:
    """Whoever answers: the worker itself, or the daemon."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def hear(self) -> Json:
        """Return the next message."""
        line = await self._reader.readline()
        assert line, "the other side hung up"
        message: Json = json.loads(line)
        return message

    def say(self, *lines: str) -> None:
        """Send lines as they are."""
        self._writer.write("".join(f"{line}\n" for line in lines).encode())

    async def open(self) -> Json:
        """Do the handshake; return what was answered."""
        self.say(*HELLO)
        return await self.hear()

    async def all_about(self, conversation: Sequence[tuple[Json, str]]) -> dict[str, list[str]]:
        """Hear until all is answered; return what was said about each request, in order, as canonical JSON."""
        tokens = {
            _text(message["params"].get("_meta", {}).get("progressToken")): message for message, _ in conversation
        }
        about: dict[str, list[str]] = {_text(message["id"]): [] for message, _ in conversation}
        answered = 0
        while answered < len(conversation):
            heard = await self.hear()
            if "method" in heard and "id" in heard:
                question = heard.pop("id")
                self.say(json.dumps({"jsonrpc": "2.0", "id": question, "result": {"answer": heard["params"]}}))
                about.setdefault("questions", []).append(_text(heard))
            elif "method" in heard:
                subject = tokens[_text(heard["params"]["progressToken"])]["id"]
                about[_text(subject)].append(_text(heard))
            else:
                about[_text(heard["id"])].append(_text(heard))
                answered += 1
        return about


def _text(value: Any) -> str:
    """Write a value so that 1, 1.0, "1" and true all differ."""
    return json.dumps(value, sort_keys=True)


@contextlib.asynccontextmanager
async def worker_itself() -> AsyncIterator[Peer]:
    """Run the worker with nothing between."""
    process = await asyncio.create_subprocess_exec(*MIRROR, stdin=-1, stdout=-1, limit=LINE_BYTES)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield Peer(process.stdout, process.stdin)
    finally:
        process.stdin.close()
        await process.wait()


@contextlib.asynccontextmanager
async def through(daemon: RunningDaemon) -> AsyncIterator[Peer]:
    """Connect to the daemon as a client."""
    reader, writer = await asyncio.open_unix_connection(str(daemon.tools_socket), limit=LINE_BYTES)
    try:
        yield Peer(reader, writer)
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def compare(daemon: RunningDaemon, direct: Peer, proxied: Peer, conversation: list[tuple[Json, str]]) -> None:
    """Have a conversation with both, for every point at which traffic can move."""
    spellings = [spelling for _, spelling in conversation]
    direct.say(*spellings)
    expected = await direct.all_about(conversation)
    for point in range(len(conversation) + 1):
        proxied.say(*spellings[:point])
        lanes = daemon.status()["lanes"]
        await asyncio.to_thread(daemon.verb, "switch-back" if lanes.get("previous") else "switch")
        proxied.say(*spellings[point:])
        heard = await proxied.all_about(conversation)
        assert heard == expected, f"with a switch before message {point}"


@pytest.mark.requirement("E2E-2")
@pytest.mark.parametrize(
    ("isolation", "tools", "examples"), [("shared", ["mirror"], 40), ("session", ["mirror", "ask"], 15)]
)
async def test_generated_messages_are_answered_as_by_the_worker_itself_with_a_switch_at_every_point(
    isolation: str, tools: list[str], examples: int
) -> None:
    config = f'[worker]\nisolation = "{isolation}"\n'
    with RunningDaemon.start(MIRROR, config=config) as daemon:
        daemon.verb("canary", command=MIRROR)
        async with worker_itself() as direct, through(daemon) as proxied:
            assert await direct.open() == await proxied.open()
            loop = asyncio.get_running_loop()

            @settings(
                max_examples=examples,
                deadline=None,
                database=None,
                derandomize=True,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            @given(conversations(*tools))
            def attempt(conversation: list[tuple[Json, str]]) -> None:
                work = asyncio.wait_for(compare(daemon, direct, proxied, conversation), PATIENCE)
                asyncio.run_coroutine_threadsafe(work, loop).result()

            await asyncio.to_thread(attempt)
