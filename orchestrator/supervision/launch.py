"""Started between the daemon and a worker: ties the worker's life to the daemon's, then becomes the worker.

Runs as a script (`python -S -I launch.py PARENT COMMAND ...`) with nothing but the standard library, so that no Python
code runs between fork and exec in the daemon itself, which has threads.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
NOT_EXECUTABLE = 126
NOT_FOUND = 127
AUTOGROUP = "/proc/self/autogroup"


def main(argv: list[str]) -> int:
    """Tie, check, exec; returns only when the command cannot be executed."""
    parent, command = int(argv[1]), argv[2:]
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before we asked
        return 1
    carry_niceness()
    try:
        os.execvp(command[0], command)  # noqa: S606 - this program's purpose
    except OSError as error:
        sys.stderr.write(f"cannot execute {command[0]!r}: {error.strerror}\n")
        return NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_EXECUTABLE


def carry_niceness() -> None:
    """Give a session of its own the niceness that the process has.

    A kernel that groups processes by session weighs the sessions against each other, and a new one weighs as much as
    any; niceness would count only within it.
    """
    nice = os.nice(0)
    if nice <= 0 or os.getsid(0) != os.getpid():
        return
    try:
        with open(AUTOGROUP, "w") as group:  # noqa: PTH123 - pathlib would take longer to load than all of this
            group.write(str(nice))
    except OSError:  # the kernel has no such groups, or took one a tenth of a second ago
        return


if __name__ == "__main__":
    sys.exit(main(sys.argv))
