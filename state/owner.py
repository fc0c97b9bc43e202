"""Who holds a lock: one process, named so that nobody is ever taken for it.

Above: `directory` and `upgrade_lock` write it into their lock files.  Below: /proc.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final, Self

DAEMON_LOCK: Final = "daemon.lock"
"""The lock of the state directory itself."""

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_START_TIME_FIELD = 19
"""Of /proc/<pid>/stat, counted from 0 after the command's closing parenthesis (field 22 of proc(5))."""


class Fate(StrEnum):
    """What became of an owner, in words that complete "its process ..."."""

    LIVES = "runs"
    GONE = "is gone"
    REBOOTED = "belonged to an earlier start of this machine"
    REPLACED = "is gone, its number belongs to another one now"


@dataclass(frozen=True, slots=True)
class Owner:
    """Which process owns something; the three together name one process for ever.

    Attributes:
        pid: its process id.
        boot_id: the kernel's id of the boot it runs in; empty in a sandbox that hides it.
        start_time: clock ticks from boot to its start, as /proc/<pid>/stat says.
    """

    pid: int
    boot_id: str
    start_time: int

    @classmethod
    def myself(cls) -> Self:
        """Return this process."""
        return cls(os.getpid(), _boot_id(), _start_time("self") or 0)

    @classmethod
    def read(cls, directory: Path, lock: str = DAEMON_LOCK) -> Self | None:
        """Return who wrote itself into a directory's lock file in this boot, None if nobody did or it is unreadable.

        That the owner still lives is certain only when the lock is refused.
        """
        try:
            owner = cls(**json.loads((directory / lock).read_bytes()))
        except (OSError, ValueError, TypeError):
            return None
        return owner if owner.boot_id in (_boot_id(), "") else None

    def fate(self) -> Fate:
        """Say what became of the process."""
        if self.boot_id not in (_boot_id(), ""):
            return Fate.REBOOTED
        found = _start_time(str(self.pid))
        if found is None:
            return Fate.GONE
        return Fate.LIVES if found == self.start_time else Fate.REPLACED


def _boot_id() -> str:
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return ""


def _start_time(pid: str) -> int | None:
    """Return when a process started, None when there is none of that number, or only its remains."""
    try:
        fields = Path("/proc", pid, "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in {"Z", "X"} else int(fields[_START_TIME_FIELD])
