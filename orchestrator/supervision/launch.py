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


def main(argv: list[str]) -> int:
    """Tie, check, exec; returns only when the command cannot be executed."""
    parent, command = int(argv[1]), argv[2:]
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before we asked
        return 1
    try:
        os.execvp(command[0], command)  # noqa: S606 - this program's purpose
    except OSError as error:
        sys.stderr.write(f"cannot execute {command[0]!r}: {error.strerror}\n")
        return NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_EXECUTABLE


if __name__ == "__main__":
    sys.exit(main(sys.argv))
