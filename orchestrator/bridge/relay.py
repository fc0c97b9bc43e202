"""Carries the bytes between a client and the daemon, connects again when the daemon is gone, and knows when it is over.

Above: the verb `connect`.  Below: `ends` for the bytes, `conversation` and its two sides for every decision.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Final

from orchestrator.bridge.client_side import ClientSide
from orchestrator.bridge.conversation import Conversation
from orchestrator.bridge.daemon_side import DaemonSide
from orchestrator.bridge.ends import HIGH_WATER, Inlet, Input, Outlet, Output
from orchestrator.bridge.pipes import Pipe
from orchestrator.domain.errors import SwitchoverError

FIRST_PAUSE: Final = 0.02
"""Seconds until a lost daemon is looked for again; doubled each time."""
LONGEST_PAUSE: Final = 1.0
"""Seconds between two looks at most."""
STEADY: Final = 1.0
"""Seconds after which a connection on which nothing was said yet counts as one."""
LINGER: Final = 60.0
"""Seconds for the answers that are still to come when the client will say nothing more."""
FLUSH: Final = 2.0
"""Seconds for the client to read what has been written when it is over."""


class NoDaemonError(SwitchoverError):
    """No daemon was there in time; the message says why not."""


class Relay:
    """One client, one daemon after another."""

    def __init__(self, path: Path, wait: float, say: Callable[[str], None]) -> None:
        """Build a relay; `run` starts it.

        Args:
            path: the daemon's tools socket.
            wait: seconds the first daemon may take to be there; one that was there is waited for without end.
            say: tells a person something.
        """
        self._path = path
        self._wait = wait
        self._say = say
        self._conversation = Conversation()
        self._client = ClientSide(self._conversation)
        self._daemon = DaemonSide(self._conversation)
        self._inlet: Inlet | None = None
        self._outlet: asyncio.WriteTransport | None = None
        self._last_line = b""
        self._heard = False
        self._clogged = False
        self._found = False
        self._ended = False
        self._timer: asyncio.TimerHandle | None = None

    async def run(self) -> int:
        """Relay until the client has ended or the process is told to end; return the exit status.

        Raises:
            NoDaemonError: there was no daemon in time.
        """
        loop = self._loop = asyncio.get_running_loop()
        self._over: asyncio.Future[int] = loop.create_future()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._finish, 0)
        with Pipe(0, reading=True) as stdin, Pipe(1, reading=False) as stdout:
            self._output, output = await self._open_output(stdout)
            self._input = Input(self._from_client, self._on_end)
            reading, _ = await loop.connect_read_pipe(lambda: self._input, stdin.file)
            keeping = loop.create_task(self._keep_connected())
            keeping.add_done_callback(self._kept)
            try:
                return await self._over
            finally:
                reading.close()
                await self._flush(output)
                keeping.cancel()
                stdout.join(FLUSH)

    async def _open_output(self, stdout: Pipe) -> tuple[asyncio.WriteTransport, Output]:
        transport, output = await self._loop.connect_write_pipe(
            lambda: Output(self._client_clogged, lambda: self._finish(0)), stdout.file
        )
        transport.set_write_buffer_limits(high=HIGH_WATER)
        return transport, output

    async def _flush(self, output: Output) -> None:
        """Let the client and the daemon have what is written, for a while."""
        self._pump()
        self._output.close()
        if self._outlet is not None:
            self._outlet.close()
        await asyncio.wait([output.gone], timeout=FLUSH)
        if not output.gone.done():
            self._output.abort()

    def _finish(self, status: int) -> None:
        if not self._over.done():
            self._over.set_result(status)

    # --- lines --------------------------------------------------------------------------------

    def _from_client(self, lines: list[bytes]) -> None:
        now = self._loop.time()
        for line in lines:
            self._client.take(line, now)
        self._pump()

    def _from_daemon(self, lines: list[bytes]) -> None:
        now = self._loop.time()
        for line in lines:
            self._daemon.take(line, now)
        self._heard = self._heard or not self._conversation.refusal
        self._pump()

    def _pump(self) -> None:
        """Write what there is to write, and see what else is due."""
        conversation = self._conversation
        if conversation.to_daemon:
            self._write_to_daemon()
        if conversation.refusal and self._outlet is not None:
            self._hang_up()
        if conversation.to_client:
            self._output.write(_joined(conversation.to_client))
        while conversation.notes:
            self._say(conversation.notes.pop(0))
        if self._ended and self._found and not conversation.books.in_flight:
            self._finish(0)
        self._set_timer()

    def _write_to_daemon(self) -> None:
        """Write what the daemon is to get; what a daemon that is gone did not even take was not sent."""
        if self._outlet is None:
            return
        lines = list(self._conversation.to_daemon)
        self._last_line = lines[-1]
        clear = not self._outlet.get_write_buffer_size()
        self._outlet.write(_joined(self._conversation.to_daemon))
        if clear and self._outlet.is_closing():
            self._conversation.unsent(lines, self._loop.time())

    def _hang_up(self) -> None:
        if self._outlet is not None:
            self._outlet.abort()
        if self._inlet is not None:
            self._inlet.abort()

    def _set_timer(self) -> None:
        deadline = self._conversation.books.next_deadline()
        if deadline is None or (self._timer is not None and self._timer.when() <= deadline):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(deadline, self._expire)

    def _expire(self) -> None:
        self._timer = None
        self._conversation.expire(self._loop.time())
        self._pump()

    def _on_end(self) -> None:
        """Wait for the answers that are still to come, then end."""
        if not self._ended:
            self._ended = True
            self._loop.call_later(LINGER, self._overdue)
            self._pump()

    def _overdue(self) -> None:
        self._say(f"{self._conversation.books.in_flight} requests were not answered {LINGER:g} s after the last one")
        self._finish(1)

    def _client_clogged(self, clogged: bool) -> None:  # noqa: FBT001 - see Output
        self._clogged = clogged
        if self._inlet is not None:
            self._inlet.read(on=not clogged)

    def _daemon_clogged(self, clogged: bool) -> None:  # noqa: FBT001 - see Output
        self._input.read(on=not clogged)

    # --- the daemon ---------------------------------------------------------------------------

    async def _keep_connected(self) -> None:
        """Have a daemon for as long as there is a client."""
        met, pause, patience = False, FIRST_PAUSE, self._loop.time() + self._wait
        while True:
            began, self._heard = self._loop.time(), False
            reason = await self._one_connection(again=met)
            if self._over.done():
                return
            now = self._loop.time()
            if self._heard or now > began + STEADY:
                self._say(f"the daemon is gone ({reason}); looking for it")
                met, pause = True, FIRST_PAUSE
            elif not met and (now >= patience or (self._ended and not self._conversation.books.in_flight)):
                raise NoDaemonError(reason)
            await asyncio.sleep(pause * (0.5 + os.urandom(1)[0] / 256))  # many clients look for the same daemon
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _one_connection(self, *, again: bool) -> str:
        """Connect once and relay until the connection is over; return why it is."""
        peer = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        peer.settimeout(0)
        try:
            peer.connect(str(self._path))
        except PermissionError:
            peer.close()
            return f"{self._path} may not be used by you; have the daemon's sockets.group be one of your groups"
        except OSError as error:
            peer.close()
            return f"no daemon answers on {self._path} ({error}); start one with: switchover serve -- COMMAND"
        await self._use(peer, again=again)
        refusal = self._conversation.refusal
        return f"the daemon turned this client away: {refusal}" if refusal else "it hung up"

    async def _use(self, peer: socket.socket, *, again: bool) -> None:
        """Relay until the connection is over."""
        outlet, _ = await self._loop.create_unix_connection(lambda: Outlet(self._daemon_clogged), sock=peer.dup())
        self._outlet, self._found, self._last_line = outlet, True, b""
        self._conversation.connected()
        _, self._inlet = await self._loop.create_unix_connection(lambda: Inlet(self._from_daemon), sock=peer)
        self._inlet.read(on=not self._clogged)
        if again:
            self._say("connected to the daemon again")
        self._pump()
        error = await asyncio.shield(self._inlet.lost)
        if self._over.done():
            return
        backlog = outlet.get_write_buffer_size()
        outlet.abort()
        self._outlet = self._inlet = None
        if backlog or isinstance(error, ConnectionResetError):  # not all that was written had been read, says Linux
            self._conversation.unsent([self._last_line], self._loop.time())
        self._conversation.lost(self._loop.time())
        self._input.read(on=True)
        self._pump()

    def _kept(self, keeping: asyncio.Task[None]) -> None:
        """Pass on why the daemon is not looked for any more."""
        error = None if keeping.cancelled() else keeping.exception()
        if error is not None and not self._over.done():
            self._conversation.give_up(str(error))
            self._over.set_exception(error)


def _joined(lines: list[bytes]) -> bytes:
    """Take the lines out and return them as bytes, each with its newline."""
    lines.append(b"")
    data = b"\n".join(lines)
    lines.clear()
    return data
