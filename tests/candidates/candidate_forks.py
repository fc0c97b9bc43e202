"""Starts candidates in a hundredth of the time: one process imports everything once and forks for each one wanted.

`python candidate_forks.py SOCKET` is that process.  A test connects, hands over the candidate's standard streams with
one line of JSON, `{"arguments": [...], "environment": {...}}`, and speaks MCP over their other ends; the connection
closes when the candidate ends.  Above: `tests/support/candidates.py`.  Below: `candidate`.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys

STREAMS = (0, 1, 2)
LINE = 1 << 16
"""Bytes of the longest line; a test's own, so nobody sends more."""


def serve(path: str) -> None:
    """Fork a candidate for each connection."""
    _warm_up()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(64)
        print("ready", flush=True)
        while True:
            connection, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                os._exit(_become(connection))
            connection.close()


def _warm_up() -> None:
    """Import what takes the time; nothing that starts a thread, which would not survive the fork."""
    import workers.reference.server  # noqa: F401, PLC0415
    from workers.reference.tokens import count_tokens  # noqa: PLC0415

    count_tokens("warm")


def _become(connection: socket.socket) -> int:
    """Take the streams and the environment over, and be the candidate until it ends."""
    from candidate import main  # noqa: PLC0415 - imports the worker

    message, received, _, _ = socket.recv_fds(connection, LINE, len(STREAMS))
    for stream, given in zip(STREAMS, received, strict=True):
        os.dup2(given, stream)
        os.close(given)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    wanted = json.loads(message)
    os.environ.update(wanted["environment"])
    try:
        return main(wanted["arguments"])
    finally:
        sys.stderr.flush()


if __name__ == "__main__":
    serve(sys.argv[1])
