"""What systemd is told, and the sockets it hands over."""

from __future__ import annotations

import os
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from orchestrator.domain.errors import SettingsError
from orchestrator.telemetry.sd_notify import Notifier, Notify, NullNotifier, listen_fds, notifier

FIRST = 700
"""Where tests put descriptors: far above any that are in use."""


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bound:
        bound.settimeout(10)
        bound.bind(str(tmp_path / "notify"))
        yield bound


@pytest.fixture
def notify(systemd: socket.socket) -> Iterator[Notifier]:
    made = notifier({"NOTIFY_SOCKET": systemd.getsockname(), "WATCHDOG_USEC": "20000000"}, 17)
    assert isinstance(made, Notifier)
    yield made
    made.close()


@pytest.mark.requirement("SD-1")
def test_each_message_is_what_the_protocol_says(systemd: socket.socket, notify: Notifier) -> None:
    for say in (notify.ready, notify.stopping, notify.watchdog):
        say()
    notify.status("active 3, canary 4 at 25 %")
    said = [systemd.recv(4096).decode() for _ in range(4)]
    assert said == ["READY=1", "STOPPING=1", "WATCHDOG=1", "STATUS=active 3, canary 4 at 25 %"]


@pytest.mark.requirement("SD-1")
def test_a_reload_carries_the_monotonic_time_at_which_it_began(systemd: socket.socket, notify: Notifier) -> None:
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    notify.reloading()
    after = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    match = re.fullmatch(r"RELOADING=1\nMONOTONIC_USEC=(\d+)", systemd.recv(4096).decode())
    assert match
    assert before <= int(match[1]) <= after


@pytest.mark.requirement("SD-1")
def test_a_status_can_neither_forge_other_messages_nor_grow_without_bound(
    systemd: socket.socket, notify: Notifier
) -> None:
    notify.status("x\nMAINPID=1\x1b[2J" + "y" * 10_000)
    said = systemd.recv(65536).decode()
    assert said.startswith(r"STATUS=x MAINPID=1\x1b[2Jyyy")
    assert "\n" not in said
    assert len(said) < 1024


def test_an_abstract_socket_is_reached_by_its_at_sign() -> None:
    name = f"switchover-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bound:
        bound.settimeout(10)
        bound.bind("\0" + name)
        made = notifier({"NOTIFY_SOCKET": "@" + name}, 17)
        made.ready()
        assert bound.recv(4096) == b"READY=1"
        assert isinstance(made, Notifier)
        made.close()


def test_a_socket_that_is_gone_is_logged_once_until_one_message_gets_through(tmp_path: Path) -> None:
    path = tmp_path / "notify"
    made = Notifier(str(path))
    with capture_logs() as said, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bound:
        made.ready()
        made.watchdog()
        bound.bind(str(path))
        made.watchdog()
        path.unlink()
        made.stopping()
        made.stopping()
    made.close()
    assert [(line["event"], line["what"]) for line in said] == [
        ("systemd cannot be told", "READY=1"),
        ("systemd cannot be told", "STOPPING=1"),
    ]


def test_a_manager_that_reads_nothing_never_holds_us_up(systemd: socket.socket, notify: Notifier) -> None:
    with capture_logs() as said:
        for _ in range(10_000):  # far more than a datagram socket queues; blocking would hang here
            notify.watchdog()
    assert len(said) == 1
    assert systemd.recv(4096) == b"WATCHDOG=1"


@pytest.mark.parametrize("address", ["a" * 200, "/" + "a" * 200, "vsock:2:1234", "relative"])
def test_an_address_nobody_can_reach_is_logged_and_harmless(address: str) -> None:
    with capture_logs() as said:
        made = notifier({"NOTIFY_SOCKET": address}, 17)
        made.ready()
    assert len(said) == 1
    if isinstance(made, Notifier):
        made.close()


def test_without_a_manager_nothing_is_said() -> None:
    made: Notify = notifier({"WATCHDOG_USEC": "1000000"}, 17)
    assert isinstance(made, NullNotifier)
    for say in (made.ready, made.stopping, made.reloading, made.watchdog):
        say()
    made.status("x")
    assert made.watchdog_interval() is None


@pytest.mark.requirement("SD-1")
@pytest.mark.parametrize(
    ("environ", "interval"),
    [
        ({"WATCHDOG_USEC": "20000000", "WATCHDOG_PID": "17"}, 10.0),
        ({"WATCHDOG_USEC": "3000000"}, 1.5),
        ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "18"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "-5"}, None),
        ({}, None),
    ],
)
def test_the_watchdog_is_fed_at_half_its_time_and_only_by_whom_it_waits_for(
    environ: dict[str, str], interval: float | None
) -> None:
    with capture_logs():
        made = notifier({"NOTIFY_SOCKET": "/run/notify", **environ}, 17)
    assert made.watchdog_interval() == interval
    assert isinstance(made, Notifier)
    made.close()


class Handed:
    """Sockets at consecutive descriptors from FIRST, as systemd leaves them."""

    def __init__(self, tmp_path: Path) -> None:
        self._tmp_path = tmp_path
        self.count = 0

    def listening(self, name: str) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as bound:
            bound.bind(str(self._tmp_path / name))
            bound.listen()
            self.add(bound.fileno())

    def add(self, descriptor: int) -> None:
        os.dup2(descriptor, FIRST + self.count)
        self.count += 1

    def environ(self, names: str | None = None) -> dict[str, str]:
        announced = {"LISTEN_FDS": str(self.count), "LISTEN_PID": "17"}
        return announced if names is None else announced | {"LISTEN_FDNAMES": names}


@pytest.fixture
def handed(tmp_path: Path) -> Iterator[Handed]:
    made = Handed(tmp_path)
    yield made
    for descriptor in range(FIRST, FIRST + made.count):
        try:
            os.close(descriptor)
        except OSError:
            continue


@pytest.mark.requirement("SD-1")
@pytest.mark.parametrize(
    "names",
    ["tools:control", "switchover.socket:switchover.socket", "switchover@a.socket:x.socket", "both:both", None],
)
def test_handed_over_sockets_are_told_apart_by_name_or_else_by_path(handed: Handed, names: str | None) -> None:
    handed.listening("tools.sock")
    handed.listening("control.sock")
    taken = listen_fds(handed.environ(names), 17, FIRST)
    assert {name: Path(one.getsockname()).name for name, one in taken.items()} == {
        "tools": "tools.sock",
        "control": "control.sock",
    }
    assert not any(one.get_inheritable() for one in taken.values())
    for one in taken.values():
        one.close()


def test_a_name_the_operator_chose_wins_over_the_path(handed: Handed) -> None:
    handed.listening("one.sock")
    taken = listen_fds(handed.environ("tools"), 17, FIRST)
    assert list(taken) == ["tools"]
    taken["tools"].close()


@pytest.mark.parametrize(
    "environ",
    [{}, {"LISTEN_FDS": "2"}, {"LISTEN_FDS": "2", "LISTEN_PID": "18"}, {"LISTEN_FDS": "0", "LISTEN_PID": "17"}],
)
def test_sockets_meant_for_nobody_or_another_process_are_left_alone(environ: dict[str, str]) -> None:
    assert listen_fds(environ, 17, FIRST) == {}


def test_a_count_that_is_no_number_is_refused() -> None:
    with pytest.raises(SettingsError, match="LISTEN_FDS=many is not a number"):
        listen_fds({"LISTEN_FDS": "many", "LISTEN_PID": "17"}, 17, FIRST)


def test_names_and_sockets_that_do_not_match_are_refused(handed: Handed) -> None:
    handed.listening("tools.sock")
    with pytest.raises(SettingsError, match=r"names 2 sockets, LISTEN_FDS=1 announces 1"):
        listen_fds(handed.environ("tools:control"), 17, FIRST)


def test_sockets_that_nothing_tells_apart_are_refused(handed: Handed) -> None:
    handed.listening("tools.sock")
    with socket.socket(fileno=os.dup(FIRST)) as again:
        handed.add(again.fileno())
    with pytest.raises(SettingsError, match="FileDescriptorName="):
        listen_fds(handed.environ("a.socket:a.socket"), 17, FIRST)


def test_a_descriptor_that_is_not_open_is_refused() -> None:
    with pytest.raises(SettingsError, match=f"descriptor {FIRST} was announced by LISTEN_FDS and is not open"):
        listen_fds({"LISTEN_FDS": "1", "LISTEN_PID": "17"}, 17, FIRST)


def test_what_is_no_socket_is_refused(handed: Handed) -> None:
    with Path("/dev/null").open() as null:
        handed.add(null.fileno())
    with pytest.raises(SettingsError, match="is no socket: the socket unit has to use ListenStream="):
        listen_fds(handed.environ("tools"), 17, FIRST)


@pytest.mark.parametrize("kind", ["datagram", "tcp", "connected"])
def test_a_socket_clients_cannot_connect_to_is_refused(handed: Handed, kind: str) -> None:
    family = socket.AF_INET if kind == "tcp" else socket.AF_UNIX
    with socket.socket(family, socket.SOCK_DGRAM if kind == "datagram" else socket.SOCK_STREAM) as other:
        if kind == "tcp":
            other.listen()
        handed.add(other.fileno())
    with pytest.raises(SettingsError, match="is no listening Unix stream socket"):
        listen_fds(handed.environ("tools"), 17, FIRST)
