"""What a rehearsed process may touch, and how a call that was caught is judged: without any process."""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Sequence
from pathlib import Path

import pytest

from orchestrator.rehearsal import seccomp_filter
from orchestrator.rehearsal.bounds import Bounds, Kind, Means, within
from orchestrator.rehearsal.judge import AT_FDCWD, Judge, Stopped
from orchestrator.rehearsal.peer import Peer
from orchestrator.rehearsal.syscalls import BIND, CONNECT, FILES, NETWORK, SENDTO, SOCKET, Call, by_number

pytestmark = pytest.mark.requirement("REH-8")

CALLS = {call.name: call for call in (*FILES, *NETWORK)}
UNSIGNED_CWD = AT_FDCWD & 0xFFFFFFFF


class FakePeer(Peer):
    """A process whose memory is a dict and whose working directory is given."""

    def __init__(self, memory: dict[int, bytes], cwd: Path, opened: dict[int, str] | None = None) -> None:
        self.memory, self.cwd, self.opened = memory, cwd, opened or {}

    def bytes_at(self, address: int, length: int) -> bytes:
        return self.memory[address][:length]

    def text_at(self, address: int) -> str:
        return os.fsdecode(self.memory[address].split(b"\0")[0])

    def directory(self, descriptor: int | None) -> str:
        return str(self.cwd) if descriptor is None else self.opened[descriptor]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "state" / "sub").mkdir(parents=True)
    (tmp_path / "else").mkdir()
    (tmp_path / "state" / "out").symlink_to(tmp_path / "else")
    (tmp_path / "else" / "in").symlink_to(tmp_path / "state")
    return tmp_path


def judge(place: Path, means: Means = Means.BUBBLEWRAP, **more: bool) -> Judge:
    return Judge(Bounds((str(place / "state"),), (str(place / "else" / "allowed.sock"),), means=means, **more))


def asked(place: Path, name: str, arguments: Sequence[int], *texts: str) -> Stopped | None:
    memory = {1000 + number: text.encode() + b"\0" for number, text in enumerate(texts)}
    opened = {7: str(place / "state" / "sub"), 8: str(place / "else")}
    return judge(place).judge(CALLS[name], [*arguments, 0, 0, 0], FakePeer(memory, place / "state", opened))


def internet(host: str, port: int) -> bytes:
    return struct.pack("=H", socket.AF_INET) + struct.pack("!H", port) + socket.inet_aton(host) + bytes(8)


def unix(path: str) -> bytes:
    return struct.pack("=H", socket.AF_UNIX) + path.encode()


@pytest.mark.parametrize(
    ("name", "arguments", "texts", "target"),
    [
        ("openat", (UNSIGNED_CWD, 1000, os.O_WRONLY), ["new"], None),
        ("openat", (UNSIGNED_CWD, 1000, os.O_WRONLY), ["../else/new"], "else/new"),
        ("openat", (7, 1000, os.O_RDWR), ["deep"], None),
        ("openat", (8, 1000, os.O_RDWR), ["x"], "else/x"),
        ("openat", (UNSIGNED_CWD, 1000, os.O_WRONLY), ["out/x"], "else/x"),
        ("openat", (8, 1000, os.O_WRONLY), ["in/x"], None),
        ("openat", (8, 1000, os.O_WRONLY), ["/dev/null"], None),
        ("openat", (8, 1000, os.O_WRONLY), ["/dev/stdout"], None),
        ("unlink", (1000,), ["out"], None),
        ("rmdir", (1000,), ["out/x"], "else/x"),
        ("chmod", (1000, 0o600), ["out"], "else"),
        ("rename", (1000, 1001), ["sub", "out/sub"], "else/sub"),
        ("linkat", (8, 1000, 7, 1001), ["secret", "mine"], "else/secret"),
        ("symlinkat", (1000, 7, 1001), ["/anywhere", "link"], None),
        ("fchmod", (8,), [], "else"),
        ("fchmod", (7,), [], None),
        ("utimensat", (8, 0), [], "else"),
    ],
)
def test_a_file_is_judged_by_where_it_really_is(
    place: Path, name: str, arguments: Sequence[int], texts: Sequence[str], target: str | None
) -> None:
    stopped = asked(place, name, arguments, *texts)
    assert (stopped and stopped.target) == (target and str(place / target))


def test_a_new_style_open_is_judged_by_the_flags_behind_its_pointer(place: Path) -> None:
    for flags, stopped in ((os.O_RDONLY, False), (os.O_WRONLY, True)):
        memory = {1: b"/etc/x\0", 2: struct.pack("=Q", flags)}
        found = judge(place).judge(CALLS["openat2"], [0, 1, 2, 24, 0, 0], FakePeer(memory, place))
        assert (found is not None) is stopped


@pytest.mark.parametrize(
    ("call", "address", "target", "error"),
    [
        (CONNECT, internet("192.0.2.1", 443), "192.0.2.1:443", errno.ENETUNREACH),
        (CONNECT, internet("127.0.0.1", 6379), "127.0.0.1:6379", errno.ENETUNREACH),
        (CONNECT, unix("/run/docker.sock"), "/run/docker.sock", errno.EACCES),
        (CONNECT, unix("\0bus"), "@bus", errno.ECONNREFUSED),
        (BIND, unix("/run/mine.sock"), "/run/mine.sock", errno.EACCES),
        (CONNECT, unix("sub/own.sock"), None, 0),
        (BIND, unix("own.sock"), None, 0),
        (BIND, internet("127.0.0.1", 80), None, 0),
    ],
)
def test_an_address_is_judged_by_whom_it_reaches(
    place: Path, call: Call, address: bytes, target: str | None, error: int
) -> None:
    stopped = judge(place).judge(call, [3, 1, len(address), 0, 0, 0], FakePeer({1: address}, place / "state"))
    assert (stopped and (stopped.target, stopped.error)) == (target and (target, error))


def test_a_socket_that_is_named_may_be_talked_to_but_not_taken(place: Path) -> None:
    address = unix(str(place / "else" / "allowed.sock"))
    peer = FakePeer({1: address}, place)
    assert judge(place).judge(CONNECT, [3, 1, len(address)], peer) is None
    assert judge(place).judge(BIND, [3, 1, len(address)], peer) is not None


def test_a_process_may_reach_what_it_listens_at_itself(place: Path) -> None:
    one = judge(place)
    peer = FakePeer({1: internet("127.0.0.1", 8000), 2: internet("127.0.0.1", 8001), 3: unix("\0me")}, place)
    assert one.judge(BIND, [3, 1, 16, 0, 0, 0], peer) is None
    assert one.judge(BIND, [3, 3, 5, 0, 0, 0], peer) is None
    assert one.judge(CONNECT, [3, 1, 16, 0, 0, 0], peer) is None
    assert one.judge(CONNECT, [3, 3, 5, 0, 0, 0], peer) is None
    assert one.judge(SENDTO, [3, 0, 1, 0, 2, 16], peer) is not None


def test_without_a_network_of_its_own_datagrams_and_odd_sockets_are_not_even_made(place: Path) -> None:
    one, peer = judge(place, Means.LANDLOCK), FakePeer({}, place)
    assert one.judge(SOCKET, [socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_CLOEXEC], peer) is None
    made = one.judge(SOCKET, [socket.AF_INET, socket.SOCK_DGRAM], peer)
    assert made == Stopped(Kind.NETWORK, "socket", "AF_INET, type 2")
    assert one.judge(SOCKET, [40, socket.SOCK_STREAM], peer) is not None
    assert one.judge(BIND, [3, 1, 16], FakePeer({1: internet("127.0.0.1", 80)}, place)) is not None


def test_bounds_compare_whole_names() -> None:
    assert within("/a/b/c", "/a/b")
    assert within("/a/b", "/a/b")
    assert not within("/a/bc", "/a/b")
    assert Bounds(("/a",)).may_change("/dev/null")
    assert not Bounds(("/a",)).may_change("/dev/sda")
    assert not Bounds(("/a",)).may_change("/proc/sys/kernel/core_pattern")


def run(code: bytes, machine_word: int, number: int, arguments: Sequence[int]) -> int:
    """Interpret a classic BPF program over one call, as the kernel does; return what it returns."""
    words = [number, machine_word, 0, 0]
    for argument in (*arguments, 0, 0, 0, 0, 0, 0)[:6]:
        words += [argument & 0xFFFFFFFF, argument >> 32]
    lines = list(struct.iter_unpack("=HBBI", code))
    at, value = 0, 0
    while True:
        operation, when, otherwise, operand = lines[at]
        at += 1
        if operation == seccomp_filter.LOAD:
            value = words[operand // 4]
        elif operation == seccomp_filter.RETURN:
            return int(operand)
        else:
            tests = {
                seccomp_filter.EQUAL: value == operand,
                seccomp_filter.AT_LEAST: value >= operand,
                seccomp_filter.ANY_BIT: bool(value & operand),
            }
            at += when if tests[operation] else otherwise


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_the_filter_asks_about_what_changes_something_and_lets_all_else_pass(machine: str) -> None:
    arch = seccomp_filter.AUDIT_ARCH[machine]
    numbers = {call.name: number for number, call in by_number(machine).items()}
    code = seccomp_filter.build(machine, asks=True, network=False, own_network=True)
    ask, allow = seccomp_filter.ASK, seccomp_filter.ALLOW
    assert run(code, arch, numbers["openat"], [0, 1, os.O_RDONLY | os.O_CLOEXEC]) == allow
    assert run(code, arch, numbers["openat"], [0, 1, os.O_RDWR]) == ask
    assert run(code, arch, numbers["openat"], [0, 1, os.O_CREAT]) == ask
    assert run(code, arch, numbers["unlinkat"], []) == ask
    assert run(code, arch, numbers["sendto"], [3, 1, 1, 0, 0]) == allow
    assert run(code, arch, numbers["sendto"], [3, 1, 1, 0, 1 << 40]) == ask
    assert run(code, arch, numbers["socket"], [socket.AF_UNIX]) == allow
    assert run(code, arch, numbers["socket"], [socket.AF_INET]) == allow
    assert run(code, arch, numbers["socket"], [40]) == ask
    assert run(code, arch, 425, []) & 0xFFFF == errno.ENOSYS
    assert run(code, arch, 1, []) == allow
    assert run(code, 0x40000003, 1, []) & 0xFFFF == errno.ENOSYS
    assert len(code) // 8 < 4096


def test_without_anybody_to_ask_sockets_that_lead_away_are_refused_at_once() -> None:
    code = seccomp_filter.build("x86_64", asks=False, network=False, own_network=False)
    arch = seccomp_filter.AUDIT_ARCH["x86_64"]
    assert run(code, arch, 41, [socket.AF_INET]) & 0xFFFF == errno.EACCES
    assert run(code, arch, 41, [socket.AF_UNIX]) == seccomp_filter.ALLOW
    assert run(code, arch, 257, [0, 1, os.O_RDWR]) == seccomp_filter.ALLOW
    open_to_all = seccomp_filter.build("x86_64", asks=False, network=True, own_network=False)
    assert run(open_to_all, arch, 41, [socket.AF_INET]) == seccomp_filter.ALLOW
    assert run(code, arch, seccomp_filter.X32 + 1, []) & 0xFFFF == errno.ENOSYS
