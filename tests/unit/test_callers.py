"""Who is said to have asked on the control socket: the user whom the kernel vouches for, by name."""

from __future__ import annotations

import os
import pwd
import socket
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
import uvicorn
from structlog.testing import capture_logs

from orchestrator.api.callers import user
from orchestrator.api.server import PeerCheckedProtocol
from orchestrator.telemetry.logging import set_level


@pytest.fixture(autouse=True)
def _asked_for_the_first_time() -> Iterator[None]:
    user.cache_clear()
    set_level("debug")
    yield
    set_level("info")
    user.cache_clear()


@pytest.mark.requirement("API-2")
def test_a_user_is_called_by_name_and_number_and_by_number_alone_where_there_is_no_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def known(uid: int) -> SimpleNamespace:
        return {1000: SimpleNamespace(pw_name="ann")}[uid]

    monkeypatch.setattr(pwd, "getpwuid", known)
    assert (user(1000), user(1001)) == ("ann (uid 1000)", "uid 1001")


async def nobody(_scope: object, _receive: object, _send: object) -> None:
    """Be an app that is never asked."""


class Transport:
    """One accepted connection, as far as the protocol looks at it before it reads."""

    def __init__(self, sock: socket.socket) -> None:
        self._known = {"socket": sock, "sockname": "", "peername": ""}

    def get_extra_info(self, name: str) -> object:
        return self._known.get(name)


@pytest.mark.requirement("API-2")
async def test_who_asks_is_the_kernels_word_and_the_process_is_in_the_log_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SUDO_USER", "mallory")
    here, there = socket.socketpair()
    with here, there:
        config = uvicorn.Config(nobody, lifespan="off", log_config=None)
        config.load()
        protocol = PeerCheckedProtocol(config, uvicorn.server.ServerState(), {})
        with capture_logs() as logs:
            protocol.connection_made(Transport(here))  # type: ignore[arg-type]
        name = f"{pwd.getpwuid(os.getuid()).pw_name} (uid {os.getuid()})"
        assert protocol.client == (name, 0)
        assert [(one["actor"], one["pid"]) for one in logs] == [(name, os.getpid())]
