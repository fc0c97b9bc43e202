"""The tiny MCP client against servers that behave, misbehave, or say nothing at all."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator.cli.control import FailedError, UnreachableError
from orchestrator.cli.mcp_client import PAGES, AnsweredError, McpClient

pytestmark = pytest.mark.requirement("CLI-3")

PATIENCE = 60.0
"""Seconds a test waits for what should come."""
SHORT = 0.05
"""Seconds a test waits for what should not come."""

Json = dict[str, Any]
Answer = Callable[[Json], list[Any]]
"""A request -> the messages sent for it: objects, or bytes as they are; None hangs up."""


def result(message: Json, told: Any) -> Json:
    return {"jsonrpc": "2.0", "id": message["id"], "result": told}


def error(message: Json, told: Any) -> Json:
    return {"jsonrpc": "2.0", "id": message["id"], "error": told}


@contextlib.contextmanager
def serving(path: Path, answer: Answer, *, greeting: bytes = b"", handshake: bool = True) -> Iterator[list[Json]]:
    """Serve one client on a thread; yields the messages it has sent."""
    heard: list[Json] = []
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()

    def serve() -> None:
        connection, _ = listener.accept()
        with connection, connection.makefile("rb") as lines, contextlib.suppress(OSError):
            connection.sendall(greeting)
            if greeting:
                return
            for line in lines:
                message = json.loads(line)
                heard.append(message)
                if "id" not in message:
                    continue
                opening = handshake and message["method"] == "initialize"
                for told in [result(message, {"capabilities": {"tools": {}}})] if opening else answer(message):
                    if told is None:
                        return
                    connection.sendall(told if isinstance(told, bytes) else json.dumps(told).encode() + b"\n")

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield heard
    finally:
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as last:  # in case nobody came
            last.connect(str(path))
        thread.join(PATIENCE)
        listener.close()


def echo(message: Json) -> list[Json]:
    return [result(message, message["params"])]


def test_a_session_is_opened_before_anything_is_asked(tmp_path: Path) -> None:
    with serving(tmp_path / "s", echo) as heard:
        with McpClient(tmp_path / "s", PATIENCE) as client:
            assert client.handshake == {"capabilities": {"tools": {}}}
            assert client.request("tools/call", {"name": "x"}) == {"name": "x"}
        assert [message["method"] for message in heard] == ["initialize", "notifications/initialized", "tools/call"]
        assert heard[0]["params"]["clientInfo"]["name"] == "switchover-cli"


def test_only_the_answer_is_taken_among_all_that_comes(tmp_path: Path) -> None:
    def chatty(message: Json) -> list[Any]:
        notification = {"jsonrpc": "2.0", "method": "notifications/message", "params": {}}
        asked = {"jsonrpc": "2.0", "id": message["id"], "method": "ping"}
        stray = {"jsonrpc": "2.0", "id": 99, "result": {}}
        return [notification, asked, stray, result(message, {"is": "it"}), notification]

    with serving(tmp_path / "s", chatty), McpClient(tmp_path / "s", PATIENCE) as client:
        assert client.request("tools/call", {}) == {"is": "it"}
        assert client.request("tools/call", {}) == {"is": "it"}


def test_an_answer_may_come_in_pieces_and_be_large(tmp_path: Path) -> None:
    large = "x" * 3_000_000

    def pieces(message: Json) -> list[Any]:
        line = json.dumps(result(message, {"text": large})).encode() + b"\n"
        return [line[:7], line[7:100_000], line[100_000:]]

    with serving(tmp_path / "s", pieces), McpClient(tmp_path / "s", PATIENCE) as client:
        assert client.request("tools/call", {}) == {"text": large}


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"code": -31010, "message": "worker_lost: it died"}, "worker_lost: it died (error -31010)"),
        (
            {"code": -31011, "message": "no worker", "data": {"retryable": True}},
            "no worker (error -31011); it may be tried again",
        ),
        ({"code": 1, "message": "a\x1b[2Jb"}, "a\\x1b[2Jb (error 1)"),
        ("odd", '"odd" (error None)'),
    ],
)
def test_an_error_is_told_with_its_message_and_code(tmp_path: Path, told: Any, message: str) -> None:
    with (
        serving(tmp_path / "s", lambda asked: [error(asked, told)]),
        McpClient(tmp_path / "s", PATIENCE) as client,
        pytest.raises(AnsweredError) as caught,
    ):
        client.request("tools/call", {})
    assert caught.value.message == message
    assert caught.value.exit_code == 1


def test_a_session_that_is_refused_says_why(tmp_path: Path) -> None:
    refusal = {"jsonrpc": "2.0", "id": None, "error": {"code": -31013, "message": "overloaded: too many"}}
    with (
        serving(tmp_path / "s", echo, greeting=json.dumps(refusal).encode() + b"\n"),
        pytest.raises(AnsweredError, match="overloaded: too many"),
        McpClient(tmp_path / "s", PATIENCE),
    ):
        pass


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        (lambda _: [None], "hung up before it answered tools/call"),
        (lambda _: [b'{"half', None], "hung up before it answered tools/call"),
        (lambda _: [b"HTTP/1.1 400 Bad Request\n"], "no JSON-RPC message"),
        (lambda _: [b"[1]\n"], "no JSON-RPC message"),
        (lambda asked: [result(asked, [1])], "is not an object"),
    ],
)
def test_what_is_no_answer_is_a_clear_error(tmp_path: Path, answer: Answer, complaint: str) -> None:
    with (
        serving(tmp_path / "s", answer),
        McpClient(tmp_path / "s", PATIENCE) as client,
        pytest.raises(FailedError, match=complaint),
    ):
        client.request("tools/call", {})


def test_a_call_that_is_never_answered_is_given_up(tmp_path: Path) -> None:
    with (
        serving(tmp_path / "s", lambda _: [], handshake=False),
        pytest.raises(FailedError, match=r"initialize was not answered within 0\.05 s"),
        McpClient(tmp_path / "s", SHORT),
    ):
        pass


def test_the_time_is_for_everything_together(tmp_path: Path) -> None:
    with serving(tmp_path / "s", echo), McpClient(tmp_path / "s", PATIENCE) as client:
        client._deadline = 0.0
        with pytest.raises(FailedError, match="not answered within"):
            client.request("tools/call", {})


def test_nobody_listening_is_exit_status_3(tmp_path: Path) -> None:
    with pytest.raises(UnreachableError, match=r"no daemon answers on .*/s") as caught, McpClient(tmp_path / "s", 1):
        pass
    assert caught.value.exit_code == 3


def test_a_stale_socket_is_exit_status_3(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(tmp_path / "s"))
    with pytest.raises(UnreachableError, match="start one with: switchover serve"), McpClient(tmp_path / "s", 1):
        pass


def test_a_list_is_collected_page_after_page(tmp_path: Path) -> None:
    def pages(message: Json) -> list[Json]:
        cursor = int(message["params"].get("cursor", 0))
        page: Json = {"tools": [cursor]} if cursor == 3 else {"tools": [cursor], "nextCursor": str(cursor + 1)}
        return [result(message, page)]

    with serving(tmp_path / "s", pages), McpClient(tmp_path / "s", PATIENCE) as client:
        assert client.collect("tools/list", "tools") == [0, 1, 2, 3]


def test_a_list_without_end_is_given_up(tmp_path: Path) -> None:
    def endless(message: Json) -> list[Json]:
        return [result(message, {"tools": [], "nextCursor": "again"})]

    with (
        serving(tmp_path / "s", endless),
        McpClient(tmp_path / "s", PATIENCE) as client,
        pytest.raises(FailedError, match=f"{PAGES} pages were read"),
    ):
        client.collect("tools/list", "tools")


def test_a_page_without_its_list_is_a_clear_error(tmp_path: Path) -> None:
    with (
        serving(tmp_path / "s", lambda asked: [result(asked, {"tools": {}})]),
        McpClient(tmp_path / "s", PATIENCE) as client,
        pytest.raises(FailedError, match="no list 'tools'"),
    ):
        client.collect("tools/list", "tools")
