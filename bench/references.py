"""What the daemon is measured against, each as a context manager around the same lean worker.

Below `bench.proxy`, beside `bench.daemon`; above `bench.processes`.  Every one gives a `Target`: how the load reaches
it and which process's time is the proxy's.

The load and the worker share one core, the proxy has the other; where there is no proxy the worker has it.

- direct: the load is the client of the worker's own pipes; for many clients the worker listens on a Unix socket.
- haproxy: a byte relay (`mode tcp`) between two Unix sockets, otherwise as it comes.
- mcp-proxy: MCP over HTTP in front of a worker on stdio, the way its documentation starts it.
- fastmcp: `fastmcp run` over a client configuration that names the worker, spoken to over its own stdio.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.processes import (
    LEAN_WORKER,
    LOAD_CORE,
    PROXY_CORE,
    ROOT,
    NotReadyError,
    on_core,
    running,
    wait_until,
)

PEERS = ROOT / ".venv-bench"
"""Where `make bench-setup` installs the peers; fastmcp needs another major version of the SDK and has its own place."""

HAPROXY_CONFIG = """\
global
    log /dev/null local0
defaults
    mode tcp
    timeout connect 5s
    timeout client 120s
    timeout server 120s
frontend clients
    bind unix@{front}
    default_backend worker
backend worker
    server lean unix@{back}
"""


@dataclass(frozen=True)
class Target:
    """Something the load can call.

    Attributes:
        name: as it stands in the figures.
        single: the load's arguments for one client.
        clients: the load's arguments for many clients, None where one process serves one client alone.
        pid: the proxy's process, None where the load starts it itself or there is no proxy.
        started_by_load: True where the process that the load starts is the proxy.
    """

    name: str
    single: tuple[str, ...]
    clients: tuple[str, ...] | None
    pid: int | None = None
    started_by_load: bool = False


def accepts(path: Path) -> bool:
    """Return whether somebody listens on a Unix socket."""
    with socket.socket(socket.AF_UNIX) as client, contextlib.suppress(OSError):
        client.connect(str(path))
        return True
    return False


def tool(path: str, needed_by: str) -> str:
    """Return an executable's path.

    Raises:
        NotReadyError: it is not installed.
    """
    found = shutil.which(path)
    if found is None:
        raise NotReadyError(f"{needed_by} is not installed ({path}); run `make bench-setup`")
    return found


@contextlib.contextmanager
def worker_on_socket(directory: Path, core: int) -> Iterator[Path]:
    """Run the lean worker on a Unix socket."""
    path = directory / "worker.sock"
    with running(on_core(core, (*LEAN_WORKER, "--unix", str(path))), directory / "worker.log"):
        wait_until(lambda: accepts(path), "the worker's socket")
        yield path


@contextlib.contextmanager
def direct(directory: Path) -> Iterator[Target]:
    """No proxy: pipes for one client, a Unix socket for many."""
    with worker_on_socket(directory, PROXY_CORE) as path:
        yield Target("direct", ("--", *on_core(PROXY_CORE, LEAN_WORKER)), ("--unix", str(path)))


@contextlib.contextmanager
def haproxy(directory: Path) -> Iterator[Target]:
    """HAProxy as a byte relay."""
    executable = tool("haproxy", "HAProxy")
    front = directory / "haproxy.sock"
    config = directory / "haproxy.cfg"
    with worker_on_socket(directory, LOAD_CORE) as back:
        config.write_text(HAPROXY_CONFIG.format(front=front, back=back))
        command = on_core(PROXY_CORE, (executable, "-db", "-f", str(config)))
        with running(command, directory / "haproxy.log") as process:
            wait_until(lambda: accepts(front), "HAProxy's socket")
            there = ("--unix", str(front))
            yield Target("haproxy", there, there, process.pid)


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def listens(port: int) -> bool:
    """Return whether somebody listens on a port of 127.0.0.1."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1.0):
        return True
    return False


@contextlib.contextmanager
def mcp_proxy(directory: Path) -> Iterator[Target]:
    """The `mcp-proxy` package, serving HTTP."""
    executable = tool(str(PEERS / "bin" / "mcp-proxy"), "mcp-proxy")
    port = free_port()
    command = (executable, "--port", str(port), "--log-level", "ERROR", "--", *on_core(LOAD_CORE, LEAN_WORKER))
    with running(on_core(PROXY_CORE, command), directory / "mcp-proxy.log") as process:
        wait_until(lambda: listens(port), "mcp-proxy's port")
        there = ("--http", str(port))
        yield Target("mcp-proxy", there, there, process.pid)


@contextlib.contextmanager
def fastmcp(directory: Path) -> Iterator[Target]:
    """The proxy of the `fastmcp` package, on stdio."""
    executable = tool(str(PEERS / "fastmcp" / "bin" / "fastmcp"), "fastmcp")
    config = directory / "mcp.json"
    program, *rest = on_core(LOAD_CORE, LEAN_WORKER)
    server = {"command": program, "args": rest}
    config.write_text(json.dumps({"mcpServers": {"lean": server}}))
    quiet = ("env", "FASTMCP_CHECK_FOR_UPDATES=off")  # nothing here talks to the outside
    command = on_core(PROXY_CORE, (*quiet, executable, "run", str(config), "--no-banner", "--log-level", "ERROR"))
    yield Target("fastmcp", ("--", *command), None, started_by_load=True)
