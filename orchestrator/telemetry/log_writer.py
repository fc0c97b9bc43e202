"""One thread that writes log lines to one sink, and the bounded queue in front of it.  Putting a line never waits.

Above: `logging` has a writer for each sink, so that a stuck terminal does not keep lines from the file.  Below:
`log_sinks`.  What does not fit or cannot be written is dropped and counted, and the count becomes a line itself.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from typing import Final

from orchestrator.telemetry.log_line import encode, stamp
from orchestrator.telemetry.log_sinks import Sink

LINES: Final = 10_000
"""Lines that may wait: at `LINGER` that is half a million a second, more than a loop can say."""
BYTES: Final = 16 * 1024 * 1024
"""Bytes that may wait: a worker that prints long lines must not cost the daemon its memory."""
LINGER: Final = 0.02
"""Seconds between two writes, so that a burst is one write and the loop is not interrupted line by line."""
FLUSH: Final = 2.0
"""Seconds that closing waits for lines to be written; a stuck disk must not keep the daemon from ending."""
FULL: Final = "more was said than could be written"


class Writer:
    """Takes lines from any thread and writes them from its own.

    Args:
        sink: where every line goes.
        failed: called from the writer's thread with sink and reason when the sink begins to fail.
        lines: lines that may wait.
        size: bytes that may wait.
    """

    def __init__(
        self,
        sink: Sink,
        failed: Callable[[str, str], None] = lambda _sink, _reason: None,
        lines: int = LINES,
        size: int = BYTES,
    ) -> None:
        self._sink = sink
        self._failed = failed
        self._lines = lines
        self._size = size
        # Reentrant, because a finaliser or a signal handler may log while this very thread holds it.
        self._lock = threading.RLock()
        self._waiting: list[bytes] = []
        self._bytes = 0
        self._dropped = 0
        self._flushes: list[threading.Event] = []
        self._woken = False
        self._wake: SimpleQueue[None] = SimpleQueue()
        self._closing = threading.Event()
        self._missed = 0  # from here on the thread's own
        self._reason = ""
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    def put(self, line: bytes) -> None:
        """Hand over one line, ending in a newline; dropped and counted when too much waits already."""
        with self._lock:
            full = len(self._waiting) >= self._lines or self._bytes + len(line) > self._size
            if full or self._closing.is_set():
                self._dropped += 1
                return
            self._waiting.append(line)
            self._bytes += len(line)
            self._rouse()

    def flush(self, timeout: float = FLUSH) -> bool:
        """Wait until what was put so far is written or dropped; never call it from the loop.

        Args:
            timeout: seconds to wait at most.

        Returns:
            Whether it was done in time.
        """
        done = threading.Event()
        with self._lock:
            self._flushes.append(done)
            self._rouse()
        return done.wait(timeout)

    def close(self, timeout: float = FLUSH) -> bool:
        """Write what waits, end the thread and close the sink.

        Args:
            timeout: seconds to wait at most; a sink that is stuck longer is left behind.

        Returns:
            Whether it was done in time.
        """
        self._closing.set()
        self._wake.put(None)
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _rouse(self) -> None:
        if not self._woken:
            self._woken = True
            self._wake.put(None)

    def _run(self) -> None:
        closing = False
        while not closing:
            self._wake.get()
            self._closing.wait(LINGER)
            closing = self._closing.is_set()
            lines, dropped, flushes = self._take()
            self._deliver(lines, dropped)
            for done in flushes:
                done.set()
        self._sink.close()

    def _take(self) -> tuple[list[bytes], int, list[threading.Event]]:
        with self._lock:
            taken = self._waiting, self._dropped, self._flushes
            self._waiting, self._dropped, self._flushes = [], 0, []
            self._bytes = 0
            self._woken = False
        return taken

    def _deliver(self, lines: Sequence[bytes], dropped: int) -> None:
        """Write lines between the notices that are due: of what was missed before them, of what was dropped after."""
        told = [(line, 1) for line in lines]
        if self._missed:
            told.insert(0, (_notice(self._missed, self._reason), self._missed))
        if dropped:
            told.append((_notice(dropped, FULL), dropped))
        if not told:
            return
        try:
            written = self._sink.write([line for line, _ in told])
            reason = self._sink.failure
        except Exception as error:  # noqa: BLE001  # one line that cannot be shown must not end the log for good
            written, reason = 0, repr(error)
        self._missed = sum(stands_for for _, stands_for in told[written:])
        if reason and not self._reason:
            self._failed(self._sink.name, reason)
        self._reason = reason


def _notice(count: int, reason: str) -> bytes:
    head = {"ts": stamp(time.time()), "level": "warning", "event": "log lines dropped", "room": "log"}
    return encode({**head, "count": count, "reason": reason})
