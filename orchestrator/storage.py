"""Opens what outlives the daemon, and goes on without what is damaged rather than not at all.

Above: `daemon`.  Below: `state`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import anyio

from orchestrator.domain.errors import StartError
from orchestrator.settings import Paths
from orchestrator.telemetry.logging import get_logger
from state.directory import StateDirectory
from state.errors import CorruptStoreError, StorageError
from state.files import set_aside
from state.journal import SqliteJournal
from state.samples import SqliteSampleStore
from state.store import OrchestratorStore

log = get_logger("daemon")

LOOK: Final = 1.0
"""Seconds between two looks at whether the open files are still under their names."""


@dataclass(frozen=True, slots=True)
class Storage:
    """What is open.

    Attributes:
        journal: the rollout's memory.
        store: desired state and audit.
        trouble: what was found damaged and set aside, None in health.
        lost: what keeps a file from being used that was removed or replaced while it was open, by its name.
        restored: how often a removed file was put back, by its name.
    """

    journal: SqliteJournal
    store: OrchestratorStore
    trouble: str | None
    lost: dict[str, str] = field(default_factory=dict)
    restored: dict[str, int] = field(default_factory=dict)

    async def watch(self) -> None:
        """See for ever that both files are under their names, so that one that was removed is put back at once."""
        while True:
            await self.look()
            await anyio.sleep(LOOK)

    async def look(self) -> None:
        """See that both files are under their names, and say what was found otherwise."""
        await self._look("journal.db", self.journal.look)
        await self._look("orchestrator.db", self.store.look)

    async def _look(self, name: str, look: Callable[[], Awaitable[int]]) -> None:
        try:
            restored = await look()
        except StorageError as error:
            if name not in self.lost:
                log.error("database file lost while it was open", file=name, reason=str(error))  # noqa: TRY400
            self.lost[name] = str(error)
            return
        if restored > self.restored.get(name, 0):
            log.warning("database file was removed while it was open, and is put back whole", file=name)
        elif name in self.lost:
            log.info("database file is in its place again", file=name)
        self.lost.pop(name, None)
        self.restored[name] = restored


def make_runtime_dir(paths: Paths) -> None:
    """Make the runtime directory; where it lies elsewhere, leave `run` in the state directory as the way to it.

    Raises:
        StartError: it cannot be made.
    """
    try:
        paths.runtime_dir.mkdir(mode=0o755, parents=True, exist_ok=True)
        way = paths.state_dir / "run"
        if way != paths.runtime_dir and not way.is_dir():
            way.unlink(missing_ok=True)
            way.symlink_to(paths.runtime_dir)
    except OSError as error:
        raise StartError(f"the runtime directory {paths.runtime_dir} cannot be used: {error}") from error


async def open_storage(directory: StateDirectory, stack: AsyncExitStack) -> Storage:
    """Open journal and store; a damaged file is set aside, said so, and begun anew.

    Raises:
        StorageError: the directory cannot be used, or was written by a newer version.
    """
    journal, broken_journal = await _open_journal(directory.journal_db)
    stack.push_async_callback(journal.close)
    store, broken_store = await _open_store(directory.orchestrator_db)
    stack.push_async_callback(store.close)
    trouble = "; ".join(filter(None, (broken_journal, broken_store))) or None
    return Storage(journal, store, trouble)


async def _open_journal(path: Path) -> tuple[SqliteJournal, str | None]:
    try:
        return await SqliteJournal.open(path), None
    except CorruptStoreError as error:
        trouble = _aside(path, error)
        return await SqliteJournal.open(path), trouble


async def _open_store(path: Path) -> tuple[OrchestratorStore, str | None]:
    try:
        return await OrchestratorStore.open(path), None
    except CorruptStoreError as error:
        trouble = _aside(path, error)
        return await OrchestratorStore.open(path), trouble


async def open_samples(state_dir: Path) -> tuple[SqliteSampleStore, str | None]:
    """Open what was measured; a damaged file is set aside and begun anew.

    Returns:
        The store, and what was set aside, None in health.

    Raises:
        StorageError: it cannot be opened or written; nobody serves less for that.
    """
    path = state_dir / "samples.db"
    try:
        return await SqliteSampleStore.open(path), None
    except CorruptStoreError as error:
        trouble = _aside(path, error)
        return await SqliteSampleStore.open(path), trouble


def _aside(path: Path, error: CorruptStoreError) -> str:
    kept = set_aside(path)
    log.error("damaged file set aside", reason=str(error), kept_as=str(kept))
    return f"{path.name} was damaged and set aside as {kept.name}"
