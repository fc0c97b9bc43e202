"""`orchestrator.db`, opened: the desired state, the audit and the flags on one writer thread.

Above stands the daemon, below are `desired`, `audit`, `flags` and `database`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

from state import statements
from state.audit import AuditLog
from state.database import connect
from state.desired import SqliteDesiredState
from state.entries import CHANGES_KEPT
from state.flags import SqliteFlagStore
from state.writer import Writer


class OrchestratorStore:
    """The open file.

    Attributes:
        desired: what should be true.
        audit: who did what.
        flags: what the flags are and were, and who is still to be told.
    """

    def __init__(self, writer: Writer, desired: SqliteDesiredState, audit: AuditLog, flags: SqliteFlagStore) -> None:
        """Use `OrchestratorStore.open`."""
        self._writer = writer
        self.desired = desired
        self.audit = audit
        self.flags = flags

    @classmethod
    async def open(
        cls,
        path: Path,
        *,
        now: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        keep: int = CHANGES_KEPT,
    ) -> Self:
        """Open `path`, creating or migrating it; the caller owns the state directory's lock.

        Args:
            path: the database file.
            now: seconds that never go back, for leases; called in the writer's thread.
            wall: seconds since the Unix epoch, for the audit.
            keep: store revisions whose changes stay readable for a watch.

        Raises:
            CorruptStoreError: it is no database, or a damaged one.
            SchemaTooNewError: a newer version of this program wrote it.
            StorageError: it cannot be opened or written.
        """
        scripts = statements.migrations("orchestrator")
        writer = await Writer.open(path, lambda file: connect(file, scripts))
        try:
            desired = await SqliteDesiredState.open(writer, now, keep=keep)
        except BaseException:
            writer.stop()
            raise
        return cls(writer, desired, AuditLog(writer, wall), SqliteFlagStore(writer))

    async def look(self) -> int:
        """See that the file is still under its name, and put it back whole if it was removed; return how often it was.

        Raises:
            StorageError: it cannot be put back, or another file is there.
        """
        return await self._writer.look()

    async def close(self) -> None:
        """Finish what was handed over and close the file; every watch ends with StoreClosedError."""
        self._writer.stop()
        self.desired.closed()
        await self._writer.close()
