"""A small MCP client over two pipes or a socket: it keeps every answer's bytes, as they are what is compared.

Above: `processes`, `shadow_run`.  Below: `proxy.codec` for envelopes.  Fits `domain.ports.Link`, so that
`supervision.readiness` opens the conversation in either era.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import UNSET

from orchestrator.domain.errors import METHOD_NOT_FOUND, RequestFailedError, StartError
from orchestrator.domain.protocol import Era
from orchestrator.proxy import codec
from orchestrator.rehearsal.samples import Answer
from orchestrator.supervision.readiness import stateless_meta

KEPT: Final = 1 << 16
"""Bytes kept of a line that is too long, or cannot be read."""


class Answered(NamedTuple):
    """How a request was answered.

    Attributes:
        answer: how.
        body: the bytes of the result or error, or of what could not be read.
    """

    answer: Answer
    body: bytes


class Client(asyncio.Protocol):
    """One conversation with one server, one call at a time.

    Attributes:
        generation: whose process it is.
        era: the wire era.
        handshake: the server's own words, once it is ready.
        last_heard: nobody asks for it here.
        tools: as the server lists them.
    """

    def __init__(self, generation: int, line_bytes: int) -> None:
        """Build a client.

        Args:
            generation: whose process it is.
            line_bytes: longest line that is read.
        """
        self.generation = generation
        self.era = Era.HANDSHAKE
        self.handshake: dict[str, Any] = {}
        self.last_heard = 0.0
        self.tools: list[Any] = []
        self._line_bytes = line_bytes
        self._writing: asyncio.WriteTransport | None = None
        self._buffer = bytearray()
        self._dropping = False
        self._asked = 0
        self._waiting: dict[str, asyncio.Future[Answered]] = {}
        self._over: str | None = None

    # --- asking ---------------------------------------------------------------------------------

    async def call(self, tool: str, arguments: Mapping[str, Any], seconds: float) -> Answered:
        """Call a tool; an answer that does not come in time is a time-out, and the server is told.

        Args:
            tool: its name.
            arguments: its arguments.
            seconds: how long it may take.
        """
        params: dict[str, Any] = {"name": tool, "arguments": dict(arguments)}
        if self.era is Era.STATELESS:
            params["_meta"] = stateless_meta()
        call_id, future = self._send("tools/call", params)
        try:
            async with asyncio.timeout(seconds):
                return await asyncio.shield(future)
        except TimeoutError:
            self._waiting.pop(call_id, None)
            if self.era is Era.HANDSHAKE:
                self.notify("notifications/cancelled", {"requestId": call_id, "reason": "it took too long"})
            return Answered(Answer.TIMEOUT, b"")

    async def request(self, method: str, params: Mapping[str, Any] | None) -> Any:
        """Ask something whose result is needed here and now.

        Raises:
            RequestFailedError: it was answered with an error.
            StartError: the server is gone, or answered nonsense.
        """
        _, future = self._send(method, params)
        answered = await future
        if answered.answer is Answer.RESULT:
            return msgspec.json.decode(answered.body)
        if answered.answer is Answer.ERROR:
            error = msgspec.json.decode(answered.body)
            raise RequestFailedError(error if isinstance(error, dict) else {"message": str(error)})
        raise StartError(self._over or "its answer cannot be read")

    def notify(self, method: str, params: Mapping[str, Any] | None = None) -> None:
        """Tell the server something."""
        self._write(codec.notification_line(method, None if params is None else dict(params)))

    def learn(self, lists: dict[str, list[Any]]) -> None:
        """Note the tools that the server lists."""
        self.tools = lists.get("tools", [])

    @property
    def in_flight(self) -> int:
        """Number of requests without an answer."""
        return len(self._waiting)

    async def drained(self) -> None:
        """Wait until nothing is unanswered."""
        while self._waiting:
            await asyncio.wait(self._waiting.values())

    # --- the pipes ------------------------------------------------------------------------------

    def open(self, writing: asyncio.WriteTransport) -> None:
        """Use this to write by."""
        self._writing = writing

    def close(self, why: str = "the process ended") -> None:
        """Give up: whatever is unanswered is lost."""
        self._over = self._over or why
        if self._writing is not None:
            writing, self._writing = self._writing, None
            if not writing.is_closing():
                writing.abort()
        waiting, self._waiting = self._waiting, {}
        for future in waiting.values():
            if not future.done():
                future.set_result(Answered(Answer.LOST, b""))

    def end_input(self) -> None:
        """Close the server's stdin, by which it is asked to end."""
        if self._writing is not None:
            writing, self._writing = self._writing, None
            writing.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take a socket for both directions; a pipe is only read."""
        if self._writing is None and isinstance(transport, asyncio.Transport):
            self._writing = transport

    def data_received(self, data: bytes) -> None:
        """Read lines."""
        *lines, rest = data.split(b"\n")
        for line in lines:
            if not self._dropping:
                self._buffer += line
                self._whole(bytes(self._buffer))
            self._buffer.clear()
            self._dropping = False
        if not self._dropping:
            self._buffer += rest
        if len(self._buffer) > self._line_bytes:
            self._unreadable(bytes(self._buffer[:KEPT]))
            self._buffer.clear()
            self._dropping = True

    def eof_received(self) -> None:
        """Nothing more will be answered."""
        self.close("it closed its stdout")

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Likewise."""
        self.close("its pipe broke")

    def pause_writing(self) -> None:
        """Nothing to do: one call at a time is written."""

    def resume_writing(self) -> None:
        """Likewise."""

    def _send(self, method: str, params: Mapping[str, Any] | None) -> tuple[str, asyncio.Future[Answered]]:
        self._asked += 1
        call_id = f"rehearsal-{self._asked}"
        future: asyncio.Future[Answered] = asyncio.get_running_loop().create_future()
        if self._over is not None:
            future.set_result(Answered(Answer.LOST, b""))
            return call_id, future
        self._waiting[call_id] = future
        self._write(codec.call_line(call_id, method, params))
        return call_id, future

    def _write(self, line: bytes) -> None:
        if self._writing is not None and not self._writing.is_closing():
            self._writing.write(line)

    def _whole(self, line: bytes) -> None:
        if len(line) > self._line_bytes:
            self._unreadable(line[:KEPT])
        else:
            self._line(line)

    def _line(self, line: bytes) -> None:
        """Handle one line: an answer, a request of the server's, a notification, or rubbish."""
        try:
            message = codec.decode_message(line)
        except (msgspec.MsgspecError, RecursionError):
            if line.lstrip()[:1] == b"{":  # meant as an answer, and none that can be read
                self._unreadable(line[:KEPT])
            return
        if message.method is not UNSET:
            if message.id is not UNSET:
                self._asked_by_server(bytes(message.id), message.method)
            return
        with contextlib.suppress(msgspec.MsgspecError):
            call_id = None if message.id is UNSET else msgspec.json.decode(message.id)
            failed = message.error is not UNSET
            payload = message.error if failed else message.result
            body = b"" if payload is UNSET else bytes(payload)
            self._settle(call_id, Answered(Answer.ERROR if failed else Answer.RESULT, body))

    def _asked_by_server(self, call_id: bytes, method: str) -> None:
        if method == "ping":
            self._write(codec.result_line(call_id, {}))
        else:
            self._write(codec.error_line(call_id, METHOD_NOT_FOUND, f"{method} is not offered in a rehearsal"))

    def _settle(self, call_id: object, answered: Answered) -> None:
        future = self._waiting.pop(call_id, None) if isinstance(call_id, str) else None
        if future is not None and not future.done():
            future.set_result(answered)

    def _unreadable(self, line: bytes) -> None:
        """Take it for the answer of the oldest question: there is one at a time."""
        if self._waiting:
            self._settle(next(iter(self._waiting)), Answered(Answer.UNREADABLE, line))
