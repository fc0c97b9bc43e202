"""The one rehearsal at a time, as the harness sees it; `state.upgrade_lock.UpgradeLock` fits by structure.

Above: `harness`.  Below: whoever keeps the file.
"""

from __future__ import annotations

from typing import Protocol


class LockFile(Protocol):
    """The lock while it is held.

    Attributes:
        taken_over: whose stale lock was found, in words; None when there was none.
        stale_run: id of the rehearsal that left it, "" when unknown or none.
    """

    taken_over: str | None
    stale_run: str

    def release(self) -> None:
        """Give it up and remove the file."""
        ...
