"""The program that follows: `python -m orchestrator.paritying.follow`.

It runs the new code on a copy of the state, has it do each write call once that is over in service, and compares the
two states whenever nothing is being written.  It ends when the daemon closes the socket on its stdin, after what it
was sent before.  Above: `live` in the daemon.  Below: `orchestrator.parity` compares, `rehearsal` copies the state and
holds the new code to it.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any, Final

import anyio
import msgspec
from msgspec import UNSET, Raw

from orchestrator.domain.errors import StartError
from orchestrator.domain.generation import Role
from orchestrator.parity.compare import compare
from orchestrator.parity.reading import BusyError, Reader, ReadingError
from orchestrator.parity.scrub import Scrubber
from orchestrator.parity.values import Difference, Tree
from orchestrator.paritying.messages import (
    Ask,
    Begin,
    Copied,
    Did,
    Found,
    Quiet,
    ToDaemon,
    Unknown,
    Write,
    encode,
    to_follow,
)
from orchestrator.rehearsal import cloning, snapshot
from orchestrator.rehearsal.processes import Started, Terms, Wanted, started
from orchestrator.rehearsal.redact import Redactor
from orchestrator.rehearsal.samples import Answer
from orchestrator.rehearsal.sandbox import find_hold
from orchestrator.supervision.helper import LENGTH, frame
from orchestrator.supervision.priority import stand_back

COPY: Final = "copy"
"""Name of the copy in its folder."""
TRIES: Final = 40
"""Copies made at most until none was disturbed by a write call."""
PAUSE: Final = 0.25
"""Seconds between two tries to copy or to compare."""
LATER: Final = 0.5
"""Seconds after which states that differ are looked at once more: some code answers before it has written."""


class _Request(msgspec.Struct):
    params: dict[str, Raw] | msgspec.UnsetType = UNSET


class _NoMoreError(Exception):
    """The daemon answers no more."""


class Follower:
    """Follows the writes of one daemon."""

    def __init__(self, begin: Begin, writer: asyncio.StreamWriter) -> None:
        """Build it."""
        self._begin = begin
        self._writer = writer
        self._writes: asyncio.Queue[Write | None] = asyncio.Queue()
        self._quiet: asyncio.Future[Quiet] | None = None
        self._over = False
        self._live, self._copy = Path(begin.live), Path(begin.folder, COPY)
        self._last, self._tool = begin.last, ""
        self._since = begin.since
        self._known: frozenset[str] = frozenset()
        self._redactor = Redactor(begin.key)

    async def run(self, reader: asyncio.StreamReader) -> None:
        """Follow until the daemon wants no more."""
        listening = asyncio.create_task(self._listen(reader))
        try:
            await self._follow()
        except (StartError, ReadingError, snapshot.DatabaseError, OSError) as error:
            self._say(Unknown(str(error), over=True))
        except _NoMoreError:  # before the state was copied
            pass
        finally:
            listening.cancel()
            with contextlib.suppress(OSError):
                await self._writer.drain()

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        """Take in what the daemon says."""
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                message = to_follow(await read_frame(reader))
                if isinstance(message, Write):
                    self._writes.put_nowait(message)
                elif isinstance(message, Quiet) and self._quiet is not None and not self._quiet.done():
                    self._quiet.set_result(message)
        self._over = True
        self._writes.put_nowait(None)
        if self._quiet is not None and not self._quiet.done():
            self._quiet.set_exception(_NoMoreError())

    def _say(self, message: ToDaemon) -> None:
        if not self._writer.is_closing():
            self._writer.write(frame(encode(message)))

    async def _ask(self) -> Quiet:
        """Ask how things stand.

        Raises:
            _NoMoreError: nobody answers any more.
        """
        if self._over:
            raise _NoMoreError
        self._quiet = asyncio.get_running_loop().create_future()
        self._say(Ask())
        return await self._quiet

    # --- the copy -----------------------------------------------------------------------------

    async def _follow(self) -> None:
        hold = await anyio.to_thread.run_sync(find_hold)
        if not self._begin.resume:
            await self._copied()
        self._known = await anyio.to_thread.run_sync(self._ids)
        self._say(Copied(self._last, self._since, hold.words))
        begin = self._begin
        terms = Terms(
            hold,
            begin.environ,
            Path(begin.flags) if begin.flags is not None else None,
            begin.network,
            begin.write,
            begin.grace,
            begin.start_timeout,
            begin.answer_bytes,
            self._redactor,
        )
        async with started(Wanted(begin.spec, Role.REHEARSAL, begin.generation, self._copy, terms)) as new:
            await self._serve(new)

    async def _copied(self) -> None:
        """Copy the state between two write calls."""
        for _ in range(TRIES):
            before = await self._ask()
            if not before.busy:
                await anyio.to_thread.run_sync(cloning.remove_tree, self._copy)
                self._since = time.time()
                await anyio.to_thread.run_sync(snapshot.take, self._live, self._copy)
                after = await self._ask()
                if after == before:
                    self._last = after.last
                    return
            await asyncio.sleep(PAUSE)
        raise StartError(
            f"the state could not be copied between two write calls in {TRIES} tries; try in a calmer hour"
        )

    def _ids(self) -> frozenset[str]:
        """Return the ids the state held when it was copied; after a restart nobody can tell them from new ones."""
        if self._begin.resume:
            return frozenset()
        reader = self._reader()
        reader.ids = set()
        reader.read(self._copy, Scrubber(self._since, self._since))
        return frozenset(reader.ids)

    def _reader(self) -> Reader:
        settings: dict[str, Any] = self._begin.settings
        return Reader(tuple(settings["ignore"]), settings["rows"])

    # --- write calls --------------------------------------------------------------------------

    async def _serve(self, new: Started) -> None:
        """Do the writes, and compare whenever there are none."""
        wait = 0.0
        every = float(self._begin.settings["every"])
        while True:
            try:
                async with asyncio.timeout(wait):
                    write = await self._writes.get()
            except TimeoutError:
                try:
                    wait = every if await self._compare() else PAUSE
                except _NoMoreError:
                    wait = PAUSE  # what was sent before is done all the same
                continue
            if write is None:
                return
            if write.number <= self._last:
                continue  # the copy holds it already
            await self._do(write, new)
            wait = 0.0

    async def _do(self, write: Write, new: Started) -> None:
        """Have the new code do a call; without its answer the states cannot be compared any more."""
        try:
            arguments = _arguments(write)
        except (msgspec.MsgspecError, RecursionError, ValueError) as error:
            self._say(Unknown(f"call {write.number} ({write.tool}) cannot be done again: its arguments are {error}"))
            self._did(write)
            return
        answered = await new.client.call(write.tool, arguments, self._begin.call_timeout)
        if answered.answer in {Answer.TIMEOUT, Answer.LOST}:
            how = "did not answer in time" if answered.answer is Answer.TIMEOUT else f"ended; {new.last_words}"
            raise StartError(f"the new code {how} under call {write.number} ({write.tool})")
        self._did(write)

    def _did(self, write: Write) -> None:
        self._last, self._tool = write.number, write.tool
        self._say(Did(write.number))

    # --- comparing ----------------------------------------------------------------------------

    async def _compare(self) -> bool:
        """Compare the two states, if nothing is written meanwhile; return whether that was done."""
        differences = await self._differences()
        if differences:  # it may be on its way still
            await asyncio.sleep(LATER)
            differences = await self._differences()
        if differences is None:
            return False
        self._say(Found(self._last, self._tool, time.time(), tuple(map(self._shown, differences))))
        return True

    async def _differences(self) -> list[Difference] | None:
        """Return how the states differ, None where a write call came in between."""
        before = await self._ask()
        if before.busy or before.last != self._last:
            return None
        scrubber = Scrubber(self._since, time.time(), self._known)
        try:
            live, mine = [
                await anyio.to_thread.run_sync(self._read, root, scrubber) for root in (self._live, self._copy)
            ]
        except BusyError as error:
            self._say(Unknown(str(error)))
            return None
        if await self._ask() != before:
            return None
        if live.bound or mine.bound:
            raise ReadingError(f"the states are not compared to the end: {live.bound or mine.bound}")
        return compare(live, mine, self._hidden)

    def _read(self, root: Path, scrubber: Scrubber) -> Tree:
        return self._reader().read(root, scrubber)

    def _hidden(self, column: str, text: str) -> str:
        """Return a cell as it may be written down: by what its column is called, and by what it looks like."""
        (hidden,) = self._redactor.value({column: text}).values()
        return str(hidden)

    def _shown(self, one: Difference) -> Difference:
        """Return a difference that may be written down."""
        place, old, new = map(self._redactor.text, (one.place, one.old, one.new))
        return Difference(place, one.kind, old, new)


def _arguments(write: Write) -> dict[str, Any]:
    """Return a call's arguments; null, as some clients write, is none.

    Raises:
        ValueError: they cannot be read, or are no object.
        RecursionError: they are nested too deep.
    """
    params = msgspec.json.decode(b"".join((b'{"id":0', write.tail)), type=_Request).params
    written = {} if params is UNSET else params
    arguments = msgspec.json.decode(written["arguments"]) if "arguments" in written else None
    if arguments is not None and not isinstance(arguments, dict):
        raise ValueError("no JSON object")
    return arguments or {}


async def read_frame(reader: asyncio.StreamReader) -> bytes:
    """Read one frame.

    Raises:
        asyncio.IncompleteReadError: the daemon wants no more.
    """
    (length,) = LENGTH.unpack(await reader.readexactly(LENGTH.size))
    return await reader.readexactly(length)


async def main() -> int:
    """Follow until the daemon wants no more."""
    reader, writer = await asyncio.open_unix_connection(sock=socket.socket(fileno=0))
    try:
        begin = to_follow(await read_frame(reader))
    except asyncio.IncompleteReadError:
        return 0
    if isinstance(begin, Begin):
        await Follower(begin, writer).run(reader)
    writer.close()
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C is meant for the daemon, which then ends us
    stand_back()
    sys.exit(anyio.run(main))
