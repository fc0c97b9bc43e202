"""Starts daemons and verbs in half of the time: one process imports what they need once and forks for each one wanted.

`python daemon_forks.py FD` is that process.  Each message on the socket FD asks for one program: its command line,
directory and environment, and with it its three standard streams and a socket on which its pid is told at once and its
exit status in the end.  The process ends when nobody is left at the socket's other end.

What is forked goes the executable's own way, from its `main`.  Above: `forked`.  Below: the executable.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import json
import os
import selectors
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any

MOST = 1 << 18
"""Bytes a message may have."""
STREAMS = (0, 1, 2)
NEEDED = (
    "orchestrator.__main__", "orchestrator.cli.serve", "orchestrator.daemon", "orchestrator.api.app",
    "orchestrator.api.server", "orchestrator.api.tcp.over_tcp", "orchestrator.api.planes", "anyio._backends._asyncio",
    "uvicorn.protocols.http.h11_impl", "httpx", "orchestrator.cli.status", "orchestrator.cli.control",
    "orchestrator.cli.mcp_client", "orchestrator.cli.flags.ask",
)  # fmt: skip
"""What a daemon imports before it serves, and what most verbs do."""


def serve(asking: socket.socket) -> bool:
    """Fork for whoever asks; return True in what was forked, False once nobody asks any more."""
    with selectors.DefaultSelector() as watched:
        watched.register(asking, selectors.EVENT_READ)
        while True:
            for key, _ in watched.select():
                if key.data is not None:
                    watched.unregister(key.fd)
                    _tell_end(key.fd, *key.data)
                    continue
                message, given, _, _ = socket.recv_fds(asking, MOST, len(STREAMS) + 1)
                if not message:
                    return False
                telling = socket.socket(fileno=given.pop())
                pid = os.fork()
                if pid == 0:
                    _let_go(watched, asking, telling)
                    _become(json.loads(message), given)
                    return True
                for descriptor in given:
                    os.close(descriptor)
                telling.send(str(pid).encode())
                watched.register(os.pidfd_open(pid), selectors.EVENT_READ, (pid, telling))


def _tell_end(descriptor: int, pid: int, telling: socket.socket) -> None:
    _, status = os.waitpid(pid, 0)
    os.close(descriptor)
    with telling, contextlib.suppress(OSError):  # nobody need be interested any more
        telling.send(str(os.waitstatus_to_exitcode(status)).encode())


def _let_go(watched: selectors.BaseSelector, asking: socket.socket, telling: socket.socket) -> None:
    """Close everything that belongs to the process that forks."""
    for key in list(watched.get_map().values()):
        if key.data is not None:
            os.close(key.fd)
            key.data[1].close()
    watched.close()
    asking.close()
    telling.close()


def _become(wanted: dict[str, Any], given: list[int]) -> None:
    """Be as a process is that was started with these streams, words, directory and variables."""
    for stream, descriptor in zip(STREAMS, given, strict=True):
        os.dup2(descriptor, stream)
        os.close(descriptor)
    os.chdir(wanted["cwd"])
    os.environ.clear()
    os.environ.update(wanted["env"])
    time.tzset()
    sys.argv[:] = wanted["words"]
    signal.signal(signal.SIGINT, signal.default_int_handler)


def prepare() -> None:
    """Import what is needed."""
    sys.path[0] = str(Path(sys.executable).parent)  # as it is for the executable, and not the folder of the tests
    for name in NEEDED:
        importlib.import_module(name)
    assert threading.active_count() == 1, "threads do not come along when a process forks"
    gc.collect()
    gc.freeze()  # what is there stays: nothing that is forked need look through it again


def run() -> None:
    """Run the program; where it ends in order, all that it still has to do is done, but a thousand modules are left."""
    try:
        sys.modules["orchestrator.__main__"].main()
    except SystemExit as end:
        if not isinstance(end.code, int | None):
            raise
        threading._shutdown()  # what an interpreter does first when it ends
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(end.code or 0)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C at the tests is theirs
    prepare()
    with socket.socket(fileno=int(sys.argv[1])) as asked:
        if serve(asked):
            run()
