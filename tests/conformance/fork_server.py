"""Starts fixture servers in a hundredth of the time: one process imports the SDK once and forks for each one wanted.

`python fork_server.py serve SOCKET` is that process.  `python fork_server.py worker SOCKET` is what the daemon runs as
its worker: it hands its three standard streams over and lives as long as the server that was forked for it.  A run of
the suite starts some fifty workers, and importing the SDK takes most of a second each time.
"""

from __future__ import annotations

import os
import signal
import socket
import sys

STREAMS = (0, 1, 2)


def worker(path: str) -> None:
    """Give away the standard streams; end when whoever got them ends."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)
        socket.send_fds(connection, [b"streams"], list(STREAMS))
        nothing = os.open(os.devnull, os.O_RDWR)
        for stream in STREAMS:
            os.dup2(nothing, stream)
        connection.recv(1)


def serve(path: str) -> None:
    """Fork a fixture server for each worker that connects."""
    from fixture import prepare, run  # noqa: PLC0415 - what takes the time; a worker must not import it

    prepare()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(64)
        print("ready", flush=True)
        while True:
            connection, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                _become_server(connection)
                run(None)
                os._exit(0)
            connection.close()


def _become_server(connection: socket.socket) -> None:
    """Take the worker's streams over; the connection stays open until this process ends."""
    _, received, _, _ = socket.recv_fds(connection, 16, len(STREAMS))
    for stream, given in zip(STREAMS, received, strict=True):
        os.dup2(given, stream)
        os.close(given)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)


if __name__ == "__main__":
    {"worker": worker, "serve": serve}[sys.argv[1]](sys.argv[2])
