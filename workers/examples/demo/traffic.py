"""Clients that call tools all the while, and count what becomes of each call.

Above: the story.  Below: the daemon's tool socket, one JSON-RPC message a line.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any, Final

CLIENTS: Final = 8
PAUSE: Final = 0.03
"""Seconds between a client's answer and its next call: about 200 calls a second together."""
KEYS: Final = 500
"""Missions the calls are for; a call sticks to a version by its mission."""
CALLS: Final = ("plan_next", "health", "orchestrator_status")
PATIENCE: Final = 30.0
"""Seconds after which a call without an answer is lost."""
LOST: Final = frozenset(range(-31014, -31009))
"""Codes by which the daemon says that a call could not be served."""


class Traffic:
    """A stream of calls.

    Attributes:
        counts: `answered`, `failed` (the tool said so), `lost` (no answer, or the daemon could not serve it).
        failures: when calls failed, Unix seconds.
    """

    def __init__(self, socket: Path, seed: int = 1) -> None:
        """Build it.

        Args:
            socket: the daemon's tool socket.
            seed: of who calls what for whom.
        """
        self.counts: Counter[str] = Counter()
        self.failures: list[float] = []
        self._socket = socket
        self._random = Random(seed)  # noqa: S311 - nobody guesses missions
        self._over = asyncio.Event()

    async def run(self) -> None:
        """Call until `stop`."""
        async with asyncio.TaskGroup() as tasks:
            for number in range(CLIENTS):
                tasks.create_task(self._client(number))

    def stop(self) -> None:
        """Let every client finish its call."""
        self._over.set()

    async def _client(self, number: int) -> None:
        reader, writer = await asyncio.open_unix_connection(str(self._socket), limit=1 << 24)
        hello = {
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": {"name": f"demo-{number}", "version": "1"},
        }
        await _asked(reader, writer, 0, "initialize", hello)
        writer.write(b'{"jsonrpc":"2.0","method":"notifications/initialized"}\n')
        for call in itertools.count(1):
            if self._over.is_set():
                break
            await self._call(reader, writer, call)
            await asyncio.sleep(PAUSE)
        writer.close()

    async def _call(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        mission = f"mission-{self._random.randrange(KEYS)}"
        params = {
            "name": self._random.choice(CALLS),
            "arguments": {},
            "_meta": {"io.switchover/key": mission},
        }
        try:
            answer = await _asked(reader, writer, number, "tools/call", params)
        except (TimeoutError, OSError, ValueError):
            self.counts["lost"] += 1
            return
        if answer.get("error", {}).get("code") in LOST:
            self.counts["lost"] += 1
        elif "error" in answer or answer["result"].get("isError"):
            self.counts["failed"] += 1
            self.failures.append(time.time())
        else:
            self.counts["answered"] += 1


async def _asked(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int, method: str, params: dict[str, Any]
) -> dict[str, Any]:
    """Return the answer to one request; what else is said meanwhile is passed over."""
    writer.write(json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params}).encode() + b"\n")
    async with asyncio.timeout(PATIENCE):
        while True:
            line = await reader.readline()
            if not line:
                raise ValueError("the daemon closed the connection")
            message: dict[str, Any] = json.loads(line)
            if message.get("id") == number and "method" not in message:
                return message
