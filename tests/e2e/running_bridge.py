"""`switchover connect` as an MCP client starts it, with a client at its other end that hides nothing.

Above: `test_connect`.  Below: `daemon` for the executable, `jsonrpc_client` for the client.
"""

from __future__ import annotations

import asyncio
import asyncio.subprocess
import contextlib
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path

from daemon import EXECUTABLE
from jsonrpc_client import LINE_BYTES, PATIENCE, JsonRpcClient, Message
from waiting import PAUSE

STILL = 10
"""Looks in a row at which nothing must have moved for it to be at rest."""

OFFER = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}


class RunningBridge:
    """One process.

    Attributes:
        client: speaks over its stdin and stdout.
        pid: its process id.
    """

    def __init__(self, process: asyncio.subprocess.Process, stderr: Path) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self.client = JsonRpcClient(process.stdout, process.stdin)
        self.pid = process.pid
        self._process = process
        self._stdout: asyncio.ReadTransport = process.stdout._transport  # type: ignore[attr-defined]
        self._stdin = process.stdin
        self._stderr = stderr

    async def open(self) -> Message:
        """Do the handshake; return its result."""
        answer = await self.client.answer(self.client.ask("initialize", OFFER))
        self.client.notify("notifications/initialized")
        assert "result" in answer, answer
        result: Message = answer["result"]
        return result

    @contextlib.contextmanager
    def not_reading(self) -> Iterator[None]:
        """Leave everything it writes unread while inside."""
        self._stdout.pause_reading()
        try:
            yield
        finally:
            self._stdout.resume_reading()

    async def unwritten(self) -> int:
        """Wait until it takes no more of what is written to it; return the bytes that are left."""
        left, same = -1, 0
        async with asyncio.timeout(PATIENCE):
            while same < STILL:
                await asyncio.sleep(PAUSE)
                now = self._stdin.transport.get_write_buffer_size()
                left, same = now, same + 1 if now == left else 0
        return left

    def end_input(self) -> None:
        """Say that the client will say nothing more."""
        self._stdin.close()

    def send_signal(self, number: signal.Signals) -> None:
        """Send the process a signal."""
        self._process.send_signal(number)

    async def status(self) -> int:
        """Wait until the process has ended; return its exit status."""
        async with asyncio.timeout(PATIENCE):
            await self.client.ended.wait()
            return await self._process.wait()

    def said(self) -> str:
        """Return what it has written to stderr."""
        return self._stderr.read_text()


@contextlib.asynccontextmanager
async def bridge(
    *options: str, env: Mapping[str, str], command: tuple[str, ...] = (EXECUTABLE, "connect")
) -> AsyncIterator[RunningBridge]:
    """Run a bridge while inside; `env` is the whole environment, such as `RunningDaemon.environment()`."""
    with tempfile.TemporaryDirectory() as home:
        stderr = Path(home) / "stderr"
        with stderr.open("wb") as file:
            process = await asyncio.create_subprocess_exec(
                *command, *options, env=env, stdin=-1, stdout=-1, stderr=file, limit=LINE_BYTES
            )
        running = RunningBridge(process, stderr)
        listening = asyncio.ensure_future(running.client.listen())
        try:
            yield running
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()
            await listening
