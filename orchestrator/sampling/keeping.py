"""Keeps samples: collects them on the loop, writes them off it, twice a second, and bounds how many.

The file is opened in the background and may come and go: without it samples are counted and dropped, and the daemon
serves on.  Above: `measuring`, and the bus whose sink this is.  Below: `storage` opens the file, `rows` shapes it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import anyio

from orchestrator.domain.evidence.samples import Pair, Sample
from orchestrator.sampling.rows import Pseudonyms, rows_of
from orchestrator.settings import Samples
from orchestrator.telemetry.logging import get_logger
from state.errors import CorruptStoreError, StorageError, StoreClosedError
from state.samples import PAGE, SqliteSampleStore

log = get_logger("samples")

FLUSH: Final = 0.5
"""Seconds between two writes."""
MOST: Final = 5000
"""Samples and pairs stored a second while something is on trial."""
OTHERS: Final = 2000
"""Of what is no call (processes, posted, queries), stored a second."""
AGAIN: Final = 30.0
"""Seconds after which a file that could not be opened is tried again."""
PRUNE: Final = 60.0
"""Seconds between two looks at what is too old or too much."""
PRUNED: Final = 40
"""Pages removed at one such look at most: 200,000 rows."""

Open = Callable[[], Awaitable[tuple[SqliteSampleStore, str | None]]]
"""Opens the file; says what was damaged and set aside, None in health."""


@dataclass(slots=True)
class Counts:
    """What became of samples and pairs since the daemon started.

    Attributes:
        stored: written.
        passed: not written on purpose: nothing was on trial, and there were more than `samples.idle_per_second`.
        dropped: lost: more than the file takes, or the file could not be written.
    """

    stored: int = 0
    passed: int = 0
    dropped: int = 0


class Keeping:
    """A sink that stores; fits `domain.evidence.samples.SampleSink`.

    Attributes:
        counts: what became of what it was told.
        restored: how often the file was put back that was removed while it was open.
        on_refill: called when it is known anew how many samples are wanted.
        settings: how much is kept, and how long; replaced on reload.
    """

    def __init__(self, opens: Open, pseudonyms: Pseudonyms, settings: Samples, now: Callable[[], float]) -> None:
        """Build it; `run` does the work.

        Args:
            opens: opens the file.
            pseudonyms: hides keys.
            settings: how much is kept, and how long.
            now: Unix seconds on the steady clock.
        """
        self.counts = Counts()
        self.restored = 0
        self.on_refill: Callable[[], None] = lambda: None
        self._rollout = ""
        self.settings = settings
        self._opens = opens
        self._pseudonyms = pseudonyms
        self._now = now
        self._store: SqliteSampleStore | None = None
        self._opened = anyio.Event()
        self._writing = anyio.Lock()
        self._closed = False
        self._aside: str | None = None
        self._failure: str | None = None
        self._why: StorageError | None = None
        self._misplaced = False
        self._backlog: list[Sample | Pair] = []
        self._idle = self._trial = self._others = self._idle_pairs = 0
        self._refill()

    @property
    def rollout(self) -> str:
        """The rollout under way, "" for none; noted with each sample, and while there is one, every call makes one."""
        return self._rollout

    @rollout.setter
    def rollout(self, rollout: str) -> None:
        self._rollout = rollout
        self.on_refill()

    @property
    def idle(self) -> int:
        """How many more calls on which nothing is on trial are stored before the next write."""
        return max(0, self._idle)

    @property
    def wants_pairs(self) -> bool:
        """Whether one more pair is stored before the next write."""
        return bool(self._rollout) or self._idle_pairs > 0

    # --- on the loop, with every sample -------------------------------------------------------

    def sample(self, sample: Sample) -> None:
        """Collect one, unless there are too many."""
        if sample.outcome is None:
            self._others -= 1
            if self._others < 0:
                self.counts.dropped += 1
                return
        elif sample.treated is None:
            self._idle -= 1
            if self._idle < 0:
                self.counts.passed += 1
                return
        else:
            self._trial -= 1
            if self._trial < 0:
                self.counts.dropped += 1
                return
        self._backlog.append(sample)

    def pair(self, pair: Pair) -> None:
        """Collect one, unless there are too many; while no rollout is under way nobody judges by it, so few will do."""
        if self._rollout:
            self._trial -= 1
            if self._trial < 0:
                self.counts.dropped += 1
                return
        else:
            self._idle_pairs -= 1
            if self._idle_pairs < 0:
                self.counts.passed += 1
                return
        self._backlog.append(pair)

    def _refill(self) -> None:
        """Allow for the time until the next write; a write that takes long thereby bounds what waits for it."""
        self._trial = int(MOST * FLUSH)
        self._others = int(OTHERS * FLUSH)
        self._idle = self._idle_pairs = int(self.settings.idle_per_second * FLUSH)
        self.on_refill()

    # --- off it -------------------------------------------------------------------------------

    @property
    def trouble(self) -> str | None:
        """What is wrong with the file, for `status`; None in health."""
        return "; ".join(filter(None, (self._aside, self._failure))) or None

    async def store(self) -> SqliteSampleStore:
        """Return the file once it was tried to open it.

        Raises:
            StorageError: it cannot be used now.
        """
        await self._opened.wait()
        if self._store is None:
            await self._open()
        if self._store is None:
            raise self._why or StoreClosedError(Path("samples.db"))
        return self._store

    async def run(self) -> None:
        """Open, write and prune for ever."""
        await self._open()
        tried = pruned = self._now()
        while True:
            await anyio.sleep(FLUSH)
            if self._closed:
                return
            if self._store is None and self._now() - tried >= AGAIN:
                tried = self._now()
                await self._open()
            await self.flush()
            await self.look()
            if self._now() - pruned >= PRUNE:
                pruned = self._now()
                await self._prune()

    async def flush(self) -> None:
        """Write what was collected."""
        async with self._writing:  # one batch after the other, as they were told
            await self._flush()

    async def _flush(self) -> None:
        batch, self._backlog = self._backlog, []
        try:
            if batch and self._store is not None:
                rows = await anyio.to_thread.run_sync(rows_of, batch, self._pseudonyms, self._rollout)
                await self._store.add(rows)
                self.counts.stored += len(batch)
                self._fine()
            else:
                self.counts.dropped += len(batch)
        except StorageError as error:
            self.counts.dropped += len(batch)
            await self._failed(error)
        finally:
            self._refill()

    async def close(self) -> None:
        """Write what is left and close the file, for good."""
        await self.flush()
        self._closed = True
        store, self._store = self._store, None
        if store is not None:
            await store.close()

    async def _open(self) -> None:
        try:
            self._store, aside = await self._opens()
        except StorageError as error:
            self._why = error
            self._say(error)
        else:
            self._aside = aside or self._aside
            self._fine()
        finally:
            self._opened.set()

    async def look(self) -> None:
        """See that the file is under its name, also while there is nothing to write."""
        if self._store is None:
            return
        try:
            restored = await self._store.look()
        except StorageError as error:
            self._misplaced = True
            await self._failed(error)
            return
        if self._misplaced:
            self._misplaced = False
            self._fine()
        if restored > self.restored:
            log.warning("database file was removed while it was open, and is put back whole", file="samples.db")
        self.restored = restored

    async def _prune(self) -> None:
        before = self._now() - self.settings.keep_days * 86_400
        try:
            for _ in range(PRUNED):
                if self._store is None or await self._store.prune(before=before, keep=self.settings.keep_rows) < PAGE:
                    return
        except StorageError as error:
            await self._failed(error)

    async def _failed(self, error: StorageError) -> None:
        """Say what is wrong; a file that turned out to be damaged is closed, so that it is set aside and begun anew."""
        self._say(error)
        if isinstance(error, CorruptStoreError) and self._store is not None:
            store, self._store = self._store, None
            await store.close()
            await self._open()

    def _say(self, error: StorageError) -> None:
        if self._failure is None:
            log.warning("samples are not stored; calls are served as ever", reason=str(error))
        self._failure = f"samples are not stored: {error}"

    def _fine(self) -> None:
        if self._failure is not None:
            log.info("samples are stored again", dropped=self.counts.dropped)
        self._failure = None
