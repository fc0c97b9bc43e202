"""Processes that read flags and write down when they saw each version.

    python bench/flag_readers.py MODE PATH BOARD COUNT

Below `bench.flag_propagation`, which starts it and closes its stdin when it is done; it needs nothing but the kit.  One
process is forked for each reader, so that fifty take no longer to start than one.

    push   reads a page, has the push thread, and writes down when its callback was called
    page   reads a page without a thread, now and then (`PAUSE`), as a worker reads when it has something to do
    poll   asks a table of SQLite every half second, as the flags of old did
"""

from __future__ import annotations

import gc
import mmap
import os
import select
import sqlite3
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "workers" / "kit")]

from switchover_kit import Changed, Flags  # noqa: E402 - found by the line above

WORDS = 3
"""Numbers of one reader on the board: the version it saw last, when (CLOCK_MONOTONIC in nanoseconds), its process."""
PAUSE = 0.005
"""Seconds between two reads of a reader of the page."""
POLL = 0.5
"""Seconds between two questions to the table."""
GARBAGE = 700
"""Python's own threshold; each reader has one a little higher, or all would clean up after the same change: they are
clones, which the workers of a real machine are not."""


class Row:
    """One reader's place on the board."""

    def __init__(self, board: memoryview, number: int) -> None:
        self._words = board[number * WORDS : (number + 1) * WORDS]

    def saw(self, version: int) -> None:
        """Write down that a version is seen now; the version last, for it is what is waited for."""
        self._words[1] = time.monotonic_ns()
        self._words[2] = os.getpid()
        self._words[0] = version


def ended(seconds: float) -> bool:
    """Wait; return whether stdin was closed meanwhile."""
    return bool(select.select([0], [], [], seconds)[0])


def push(path: str, row: Row, _: int) -> None:
    """Be told."""
    flags = Flags(path)

    def heard(changed: Changed) -> None:
        row.saw(changed.version)

    flags.on_change(heard)
    row.saw(flags.version)
    os.read(0, 1)
    flags.close()


def page(path: str, row: Row, _: int) -> None:
    """Read now and then."""
    flags = Flags(path, push=False)
    before = 0
    while not ended(PAUSE):
        flags.value("PROMPT_MODE")
        version = flags.version
        if version != before:
            row.saw(version)
            before = version


def poll(path: str, row: Row, number: int) -> None:
    """Ask the table, each reader at a moment of its own."""
    database = sqlite3.connect(path)
    before = 0
    wait = POLL * (number * 0.618 % 1)
    while True:
        ((text,),) = database.execute("SELECT val FROM settings WHERE key = 'PROMPT_MODE'")
        if int(text) != before:
            before = int(text)
            row.saw(before)
        if ended(wait):
            return
        wait = POLL


def main() -> None:
    """Fork the readers and wait for them."""
    mode, path, board, count = sys.argv[1:]
    with Path(board).open("r+b") as file:
        words = memoryview(mmap.mmap(file.fileno(), 0)).cast("Q")
    # What is there by now counts as old, as it does in a worker that has run for a while; else each reader's first
    # collection would copy all the memory it shares with its parent, in the middle of what is measured.
    gc.collect()
    gc.freeze()
    children = []
    for number in range(int(count)):
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                gc.set_threshold(GARBAGE + 7 * number)
                {"push": push, "page": page, "poll": poll}[mode](path, Row(words, number), number)
                code = 0
            finally:
                os._exit(code)
        children.append(pid)
    for pid in children:
        os.waitpid(pid, 0)


if __name__ == "__main__":
    main()
