"""How long a change of a flag takes until every reader sees it, and what readers cost while nothing changes.

Below `bench.flags`; above `bench.flag_readers`, whose processes are the readers, and `bench.daemon`.  A change is made
at a *source*, which says when it was asked and when it was made:

    service   `POST /v1/flags` of a running daemon, which says when it was committed; then come page and push
    page      the page's writer and a bare push socket: what delivery alone takes
    table     one UPDATE of a SQLite table, for readers that ask it every half second
"""

from __future__ import annotations

import contextlib
import json
import mmap
import random
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from switchover_kit.page import PageWriter
from switchover_kit.push_messages import Version, encode

from bench.daemon import Daemon, serve
from bench.flag_readers import WORDS
from bench.processes import ROOT, cpu_seconds, wait_until

PATIENCE = 20.0
"""Seconds until a change that nobody sees is an error."""
BEAT = 0.5
"""Seconds between two heartbeats while nothing else is done."""
GAP = (0.005, 0.02)
"""Seconds between two changes, by chance, so that they fall anywhere between two looks of a reader."""


class Change(NamedTuple):
    """A change that was made.

    Attributes:
        version: what it has become.
        asked: when it was asked for, in nanoseconds of CLOCK_MONOTONIC.
        made: when it was committed, or published where nothing is committed.
    """

    version: int
    asked: int
    made: int


class Source(Protocol):
    """Where flags are changed."""

    path: Path

    def change(self) -> Change:
        """Change a flag."""

    def beat(self) -> None:
        """Say that the source is alive, where nobody else does."""


class PageSource:
    """The page's writer and the push socket's bare minimum, in this process."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "live"
        self._version = 1
        self._writer = PageWriter.create(self.path, self._payload(), version=1)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self.path) + ".sock")
        self._listener.listen(128)
        self._listener.settimeout(0)
        self._readers: list[socket.socket] = []

    def change(self) -> Change:
        """Publish, and tell every reader."""
        self._welcome()
        self._version += 1
        payload, line = self._payload(), encode(Version(self._version))
        begin = time.monotonic_ns()
        self._writer.publish(self._version, payload)
        for reader in self._readers:
            reader.send(line)
        return Change(self._version, begin, begin)

    def beat(self) -> None:
        """Beat, and let nobody's words pile up."""
        self._writer.beat()
        self._welcome()

    def close(self) -> None:
        """Hang up and close the page."""
        for one in (self._listener, *self._readers):
            one.close()
        self._writer.close()

    def _welcome(self) -> None:
        """Accept who has come, and read what was said."""
        with contextlib.suppress(BlockingIOError):
            while True:
                reader, _ = self._listener.accept()
                reader.settimeout(0)
                self._readers.append(reader)
        for reader in self._readers:
            with contextlib.suppress(BlockingIOError):
                reader.recv(65536)

    def _payload(self) -> bytes:
        """Return a document whose flag has another value each time."""
        value = ("compact", "verbose")[self._version % 2]
        flag = {
            "type": "enum",
            "values": ["compact", "verbose"],
            "default": "compact",
            "safe": "compact",
            "value": value,
            "salt": "bench",
            "hash_version": 1,
        }
        return json.dumps({"format": 1, "flags_version": self._version, "flags": {"PROMPT_MODE": flag}}).encode()


class ServiceSource:
    """A running daemon's control plane, asked as the command line asks it: over a connection of its own."""

    def __init__(self, daemon: Daemon) -> None:
        self.path = daemon.control.parent / "flags" / "live"
        self._daemon = daemon
        self._turn = 0

    def change(self) -> Change:
        """Set a flag."""
        self._turn += 1
        body = {"values": {"PROMPT_MODE": ("compact", "verbose")[self._turn % 2]}}
        asked = time.monotonic_ns()
        answer: dict[str, Any] = self._daemon.ask("POST", "/v1/flags", body)
        made = round(answer["at"] * 1e9) - (time.time_ns() - time.monotonic_ns())
        return Change(answer["version"], asked, made)

    def beat(self) -> None:
        """Leave that to the daemon."""


class TableSource:
    """A table of SQLite."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "flags.db"
        self._version = 1
        self._database = sqlite3.connect(self.path, isolation_level=None)
        self._database.execute("PRAGMA journal_mode = wal")
        self._database.execute("CREATE TABLE settings (key TEXT PRIMARY KEY, val TEXT)")
        self._database.execute("INSERT INTO settings VALUES ('PROMPT_MODE', '1')")

    def change(self) -> Change:
        """Write the flag."""
        self._version += 1
        begin = time.monotonic_ns()
        self._database.execute("UPDATE settings SET val = ? WHERE key = 'PROMPT_MODE'", (str(self._version),))
        return Change(self._version, begin, time.monotonic_ns())

    def beat(self) -> None:
        """A table has no heartbeat."""

    def close(self) -> None:
        """Close the database."""
        self._database.close()


@dataclass(frozen=True)
class Readers:
    """Running readers.

    Attributes:
        board: what they write down, `WORDS` numbers each.
    """

    board: memoryview

    def versions(self) -> list[int]:
        """Return the version each has seen last."""
        return list(self.board[::WORDS])

    def moments(self) -> list[int]:
        """Return when each saw it, in nanoseconds."""
        return list(self.board[1::WORDS])

    def processes(self) -> list[int]:
        """Return their processes."""
        return list(self.board[2::WORDS])


@contextlib.contextmanager
def source(kind: str, directory: Path) -> Iterator[Source]:
    """Open a source of some kind; its files are in `directory`."""
    if kind == "service":
        with serve(directory) as daemon:
            yield ServiceSource(daemon)
        return
    with contextlib.closing(PageSource(directory) if kind == "page" else TableSource(directory)) as opened:
        yield opened


@contextlib.contextmanager
def readers(mode: str, of: Source, count: int, directory: Path) -> Iterator[Readers]:
    """Run readers of a source; give them once each has seen something."""
    place = directory / "board"
    place.write_bytes(bytes(8 * WORDS * count))
    with place.open("r+b") as file, mmap.mmap(file.fileno(), 0) as mapped, memoryview(mapped).cast("Q") as board:
        command = (
            sys.executable,
            str(ROOT / "bench" / "flag_readers.py"),
            mode,
            str(of.path),
            str(place),
            str(count),
        )
        with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
            running = Readers(board)
            try:
                wait_until(lambda: _beaten(of) and all(running.versions()), f"{count} readers", PATIENCE)
                yield running
            finally:
                assert process.stdin is not None  # noqa: S101 - tells mypy
                process.stdin.close()
                process.wait(PATIENCE)


def _beaten(of: Source) -> bool:
    """Keep a source alive; always true."""
    of.beat()
    return True


class Seen(NamedTuple):
    """How a change spread, in milliseconds.

    Attributes:
        each: what every reader took from when it was made.
        all: what the last of them took.
        asked: what the last took from when it was asked for.
    """

    each: list[float]
    all: float
    asked: float


def delays(of: Source, by: Readers, changes: int) -> list[Seen]:
    """Make changes one after the other; return how each has spread."""
    chance = random.Random(4)
    found = []
    for _ in range(changes):
        time.sleep(chance.uniform(*GAP))
        change = of.change()
        wait_until(lambda version=change.version: min(by.versions()) >= version, f"{change}", PATIENCE)
        moments = by.moments()
        each = [(moment - change.made) / 1e6 for moment in moments]
        found.append(Seen(each, max(each), (max(moments) - change.asked) / 1e6))
    return found


def idle_share(of: Source, seen_by: Readers, seconds: float) -> float:
    """Return the processor time that all readers use while nothing changes, as a part of one core's."""
    processes = seen_by.processes()
    before, begin = sum(map(cpu_seconds, processes)), time.monotonic()
    while time.monotonic() - begin < seconds:
        of.beat()
        time.sleep(BEAT)
    return (sum(map(cpu_seconds, processes)) - before) / (time.monotonic() - begin)
