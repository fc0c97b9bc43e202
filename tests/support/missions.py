"""Clients that call for many missions all the while, connect again when the daemon went, and count what calls came to.

Above: the rollouts of `tests/e2e`.  Below: `jsonrpc_client`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from random import Random

from jsonrpc_client import JsonRpcClient, Message, connected

CLIENTS = 8
"""Connections, each with one call at a time."""
PAUSE = 0.012
"""Seconds between a client's answer and its next call: some 400 calls a second together, where the machine has time."""
AGAIN = 0.02
"""Seconds between two tries to connect."""
MISSIONS = 100_000
"""So many that each call is for a mission of its own, and tells something new."""
END = 60.0
"""Seconds in which every client must have had its last answer."""
DAEMONS_OWN = range(-31014, -31009)
"""Codes by which the daemon says that it could not have a call served."""
KEY = "io.switchover/key"
HELLO = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "missions", "version": "1"}}


class Missions:
    """A stream of calls.

    Attributes:
        counts: `answered`, `failed` (the tool said so), `cut` (the daemon was killed before it answered).
        lost: answers in which the daemon says that it could not have the call served.
        strays: messages that nobody had asked for, second answers among them.
    """

    def __init__(self, socket: Path, tools: Sequence[tuple[str, Message]], clients: int = CLIENTS) -> None:
        """Build it; `running` begins.

        Args:
            socket: the daemon's tool socket.
            tools: names and arguments of what is called, at random.
            clients: how many connections there are.
        """
        self.counts: Counter[str] = Counter()
        self.lost: list[Message] = []
        self.strays: list[Message] = []
        self._socket = socket
        self._tools = list(tools)
        self._clients = clients
        self._random = Random(1)
        self._over = False

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Call while inside; on leaving, every call that was begun was answered or cut."""
        clients = [asyncio.ensure_future(self._client()) for _ in range(self._clients)]
        try:
            yield
        finally:
            self._over = True
            _, hung = await asyncio.wait(clients, timeout=END)
            assert not hung, f"{len(hung)} clients wait for an answer that does not come"
            for client in clients:
                client.result()

    async def more(self, count: int) -> None:
        """Wait until `count` more calls were answered."""
        target = self.counts["answered"] + count
        async with asyncio.timeout(END):
            while self.counts["answered"] < target:  # noqa: ASYNC110 - each client counts
                await asyncio.sleep(AGAIN)

    async def _client(self) -> None:
        while not self._over:
            with contextlib.suppress(ConnectionError, FileNotFoundError):
                async with connected(self._socket) as client:
                    await self._session(client)
            await asyncio.sleep(AGAIN)

    async def _session(self, client: JsonRpcClient) -> None:
        """Call over one connection until it ends."""
        try:
            await client.answer(client.ask("initialize", HELLO))
            client.notify("notifications/initialized")
            while not self._over and not client.ended.is_set():
                await self._call(client)
                await asyncio.sleep(PAUSE)
        finally:
            self.strays += client.stray

    async def _call(self, client: JsonRpcClient) -> None:
        tool, arguments = self._random.choice(self._tools)
        meta = {KEY: f"mission-{self._random.randrange(MISSIONS)}"}
        try:
            answer = await client.call(tool, arguments, meta=meta)
        except ConnectionError:
            self.counts["cut"] += 1
            raise
        if answer.get("error", {}).get("code") in DAEMONS_OWN:
            self.lost.append(answer)
        elif "error" in answer or answer["result"].get("isError"):
            self.counts["failed"] += 1
        else:
            self.counts["answered"] += 1
