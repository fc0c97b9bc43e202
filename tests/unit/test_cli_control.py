"""Verbs that find nobody on the control socket: told so in words, with nothing left open."""

from __future__ import annotations

import gc
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from orchestrator.cli.control import ask, paths_of
from orchestrator.cli.errors import FailedError, UnreachableError

pytestmark = pytest.mark.requirement("CLI-1")


def refused(state_dir: Path) -> UnreachableError:
    with pytest.raises(UnreachableError, match=r"no daemon answers on .*; start one with: switchover serve") as caught:
        ask(paths_of(state_dir), "GET", "/v1/status")
    return caught.value


def test_nobody_listening_is_exit_status_3_and_leaves_no_socket_open(tmp_path: Path) -> None:
    assert refused(tmp_path).exit_code == 3
    gc.collect()  # a socket left open would be closed here, with a warning, which is an error in these tests


def test_a_stale_socket_is_exit_status_3(tmp_path: Path) -> None:
    place = paths_of(tmp_path).control_socket
    place.parent.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(place))
    assert refused(tmp_path).exit_code == 3


def test_what_an_address_cannot_hold_is_escaped_and_what_it_holds_is_left_as_it_is(tmp_path: Path) -> None:
    place = paths_of(tmp_path).control_socket
    place.parent.mkdir(parents=True)
    heard = b""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(place))
        listener.listen()

        def answer() -> None:
            nonlocal heard
            talk, _ = listener.accept()
            with talk:
                heard = talk.recv(1 << 16)
                talk.sendall(b'HTTP/1.1 409 Conflict\r\nContent-Length: 16\r\n\r\n{"reason":"no."}')

        with ThreadPoolExecutor(1) as threads:
            answered = threads.submit(answer)
            with pytest.raises(FailedError, match=r"^no\.$"):
                ask(paths_of(tmp_path), "GET", "/v1/flags/a%2Fb?note=ä b&since=-1", timeout=20)
            answered.result(20)
    assert heard.startswith(b"GET /v1/flags/a%2Fb?note=%C3%A4%20b&since=-1 HTTP/1.1\r\n")


@pytest.mark.parametrize("said", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}"])
def test_a_daemon_that_ends_while_it_answers_is_exit_status_3(tmp_path: Path, said: bytes) -> None:
    place = paths_of(tmp_path).control_socket
    place.parent.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(place))
        listener.listen()

        def end() -> None:
            talk, _ = listener.accept()
            with talk:
                talk.recv(1 << 16)
                talk.sendall(said)

        with ThreadPoolExecutor(1) as threads:
            ended = threads.submit(end)
            assert refused(tmp_path).exit_code == 3
            ended.result(20)
    gc.collect()  # as above
