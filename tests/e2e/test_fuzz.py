"""Garbage at the tools socket, seeded: small in every run, at length in `make soak`."""

from __future__ import annotations

import json
import random

import pytest
from daemon import RunningDaemon
from jsonrpc_client import connected
from waiting import async_worker

BATCH = 50
LENGTHY = [pytest.mark.soak, pytest.mark.timeout(1800)]

SEEDS = [
    {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "echo", "arguments": {"value": "x"}}},
    {"jsonrpc": "2.0", "id": "a", "method": "tools/list", "params": {"_meta": {"progressToken": 7}}},
    {"jsonrpc": "2.0", "id": 2, "method": "initialize", "params": {"protocolVersion": "2025-11-25"}},
    {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}},
    {"jsonrpc": "2.0", "id": 3, "result": {"isError": False}},
    {
        "jsonrpc": "2.0",
        "id": 4,
        "method": "subscriptions/listen",
        "params": {"notifications": {}, "_meta": {"io.modelcontextprotocol/protocolVersion": "2026-07-28"}},
    },
]


def spoiled(chance: random.Random) -> bytes:
    """Return a message with a few bytes changed, lost, doubled or put in."""
    line = bytearray(json.dumps(chance.choice(SEEDS), separators=chance.choice([(",", ":"), (", ", ": ")])).encode())
    for _ in range(chance.randrange(1, 6)):
        at = chance.randrange(len(line))
        what = chance.randrange(4)
        if what == 0:
            line[at] = chance.randrange(256)
        elif what == 1 and len(line) > 1:
            del line[at : at + chance.randrange(1, 9)]
            line = line or bytearray(b"x")
        elif what == 2:
            line[at:at] = line[at : at + chance.randrange(1, 30)]
        else:
            line[at:at] = chance.choice([b'"', b"{", b"[", b"\\", b'"id":1,', b"\0", b"\xff", b"null"])
    return bytes(line).replace(b"\n", b" ") + b"\n"


@pytest.mark.requirement("PROXY-6")
@pytest.mark.parametrize("rounds", [20, pytest.param(5000, marks=LENGTHY)])
async def test_spoiled_messages_harm_neither_the_daemon_nor_its_other_clients(rounds: int) -> None:
    chance = random.Random(20261121)
    with RunningDaemon.start(async_worker(), config="[limits]\ncall_timeout = 5\n") as daemon:
        async with connected(daemon.tools_socket) as good:
            assert "result" in await good.call("echo", {"value": "first"})
            for number in range(rounds):
                async with connected(daemon.tools_socket) as bad:
                    for _ in range(BATCH):
                        bad.write(spoiled(chance))
                    await bad.drain()
                assert "result" in await good.call("echo", {"value": str(number)})
        status = daemon.status()
        assert status["generations"][0]["restarts"] == 0
        assert not [line for line in daemon.log() if "Traceback" in line.get("exception", "")]
