"""Processes that live, as the kernel shows them: those with a variable, and with which command they were started.

Above: `daemon`.  Below: `/proc`.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


def with_variable(name: str, value: str, also: str | None = None) -> list[int]:
    """Return the pids of living processes with a variable in their environment, zombies excepted."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):  # it ended meanwhile, or is another user's
            variables = (entry / "environ").read_bytes().split(b"\0")
            marked = also is None or any(variable.startswith(f"{also}=".encode()) for variable in variables)
            if f"{name}={value}".encode() in variables and marked:
                found.append(int(entry.name))
    return found


def command_line(pid: int) -> str:
    """Return the command of a process."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    return "ended"
