"""The push thread against a daemon that the test plays: hello, versions, acknowledgements, and what breaks."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flag_documents import flag, typed_flag
from flags_page import PATIENCE, SECOND, Clock, Page, PushPeer, PushSocket
from switchover_kit import Changed, Flags
from switchover_kit.push_messages import (
    MOST_LINE,
    MOST_READ,
    Applied,
    Hello,
    Lines,
    MessageError,
    Version,
    decode_from_daemon,
    decode_from_reader,
    encode,
)

ENVIRON = {"SWITCHOVER_ROLE": "serving", "SWITCHOVER_GENERATION": "3", "SWITCHOVER_FLAG_F": "other"}


@pytest.fixture
def page(tmp_path: Path) -> Page:
    return Page(tmp_path / "live", Clock(), {"F": flag("on"), "G": flag("on")})


@pytest.fixture
def daemon(page: Page) -> Iterator[PushSocket]:
    with PushSocket(page.path) as opened:
        yield opened


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the thread look and connect again at once, so that no test waits."""
    for name, seconds in (("LOOK_SECONDS", 0.01), ("FIRST_WAIT", 0.01), ("LONGEST_WAIT", 0.02)):
        monkeypatch.setattr(f"switchover_kit.push.{name}", seconds)


@pytest.fixture
def flags(page: Page, daemon: PushSocket, quick: None) -> Iterator[Flags]:  # noqa: ARG001 - the socket has to be there first
    opened = Flags(page.path, environ=ENVIRON, clock=page.clock)
    yield opened
    opened.close()


def greeted(daemon: PushSocket) -> PushPeer:
    """Accept a reader that says hello."""
    peer = daemon.accept()
    assert isinstance(peer.receive(), Hello)
    return peer


@pytest.mark.requirement("FLAG-17")
@pytest.mark.usefixtures("flags")
def test_a_reader_says_who_it_is_and_what_its_environment_forces(daemon: PushSocket) -> None:
    assert daemon.accept().receive() == Hello(os.getpid(), 3, "serving", 1, {"F": "other"})


@pytest.mark.requirement("FLAG-17")
def test_a_version_is_acknowledged_once_every_read_answers_by_it(flags: Flags, page: Page, daemon: PushSocket) -> None:
    peer = greeted(daemon)
    for value in ("off", "other", "on"):
        version = page.publish({"F": flag(), "G": flag(value)})
        peer.tell(version)
        peer.acknowledged(version)
        assert flags.value("G") == value


@pytest.mark.requirement("FLAG-17")
def test_a_version_that_a_read_has_found_already_is_acknowledged_too(
    flags: Flags, page: Page, daemon: PushSocket
) -> None:
    peer = greeted(daemon)
    version = page.publish({"F": flag("on"), "G": flag("off")})
    assert flags.value("G") == "off"
    peer.tell(version)
    assert peer.receive() == Applied(version, ("G",))


@pytest.mark.requirement("FLAG-17")
def test_a_version_of_which_nobody_was_told_is_found_and_acknowledged_all_the_same(
    flags: Flags, page: Page, daemon: PushSocket
) -> None:
    peer = greeted(daemon)
    version = page.publish({"F": flag("on"), "G": flag("off")})
    assert peer.receive() == Applied(version, ())
    assert flags.value("G") == "off"


@pytest.mark.requirement("FLAG-17")
def test_what_was_read_is_told_once_until_it_is_noted_anew(flags: Flags, page: Page, daemon: PushSocket) -> None:
    peer = greeted(daemon)
    assert (flags.value("G"), flags.value("ABSENT"), flags.decide("F").value) == ("on", None, "other")
    keys: set[str] = set()
    while keys != {"F", "G"}:
        told = peer.receive()
        assert isinstance(told, Applied)
        assert not keys & set(told.read)
        keys |= set(told.read)
    for _ in range(100):
        flags.value("G")
    assert flags.take_read() == []
    flags.note_anew()
    assert flags.value("G") == "on"
    assert peer.receive() == Applied(page.version, ("G",))


@pytest.mark.requirement("FLAG-17")
def test_hello_is_said_again_when_the_environment_forces_something_new(
    flags: Flags, page: Page, daemon: PushSocket
) -> None:
    peer = greeted(daemon)
    version = page.publish({"G": flag()})
    peer.tell(version)
    assert peer.receive() == Hello(os.getpid(), 3, "serving", version, {})
    assert peer.receive() == Applied(version, ())
    assert flags.forced == {}


@pytest.mark.requirement("FLAG-17")
def test_a_reader_comes_back_when_the_daemon_has_hung_up(flags: Flags, page: Page, daemon: PushSocket) -> None:
    for value in ("off", "on"):
        peer = greeted(daemon)
        version = page.publish({"F": flag(), "G": flag(value)})
        peer.tell(version)
        peer.acknowledged(version)
        peer.close()
    assert flags.value("G") == "on"


@pytest.mark.requirement("FLAG-17")
def test_a_reader_finds_a_daemon_that_is_started_after_it(page: Page, quick: None) -> None:  # noqa: ARG001
    flags = Flags(page.path, environ={}, clock=page.clock)
    with PushSocket(page.path) as daemon:
        peer = greeted(daemon)
        peer.tell(page.publish({"G": flag("off")}))
        peer.acknowledged(page.version)
    flags.close()


@pytest.mark.requirement("FLAG-18")
@pytest.mark.usefixtures("flags")
@pytest.mark.parametrize("line", [b"hello\n", b'{"version": "41"}\n', b"[]\n", b"x" * (MOST_LINE + 1)])
def test_a_daemon_that_talks_nonsense_is_left_said_and_called_again(
    daemon: PushSocket, capfd: pytest.CaptureFixture[str], line: bytes
) -> None:
    peer = greeted(daemon)
    with contextlib.suppress(OSError):  # it may have heard enough before all was said
        peer.connection.sendall(line)
    with pytest.raises((EOFError, ConnectionResetError)):
        peer.receive()
    greeted(daemon)
    assert "the push connection was closed: " in capfd.readouterr().err


@pytest.mark.requirement("FLAG-19")
def test_callbacks_are_called_in_the_thread_before_it_acknowledges(
    flags: Flags, page: Page, daemon: PushSocket
) -> None:
    heard: list[tuple[Changed, str]] = []
    flags.on_change(lambda changed: heard.append((changed, threading.current_thread().name)))
    peer = greeted(daemon)
    version = page.publish({"F": flag("on"), "G": flag("off")})
    peer.tell(version)
    peer.acknowledged(version)
    ((changed, thread),) = heard
    assert (changed.version, changed.changes, changed.trouble) == (version, (("G", "on", "off"),), None)
    assert thread == "switchover-flags"


@pytest.mark.requirement("FLAG-13")
def test_a_daemon_that_was_killed_is_noticed_though_nobody_reads(flags: Flags, page: Page, daemon: PushSocket) -> None:
    gone = threading.Event()
    flags.on_change(lambda changed: gone.set() if changed.trouble else None)
    greeted(daemon).close()
    page.clock.now += 4 * SECOND
    assert gone.wait(PATIENCE)
    assert flags.value("G") == "off"


@pytest.mark.requirement("FLAG-17")
def test_a_callback_may_end_the_thread(flags: Flags, page: Page, daemon: PushSocket) -> None:
    flags.on_change(lambda _: flags.close())
    peer = greeted(daemon)
    peer.tell(page.publish({"F": flag(), "G": flag("off")}))
    with contextlib.suppress(EOFError, ConnectionResetError):
        peer.acknowledged(page.version)  # what it has to say it still says
        peer.receive()
        pytest.fail("it went on")
    assert flags.value("G") == "off"


@pytest.mark.requirement("FLAG-17")
def test_a_socket_deep_in_the_file_system_is_reached(tmp_path: Path, quick: None) -> None:  # noqa: ARG001
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    deep.mkdir(parents=True)
    (tmp_path / "short").symlink_to(deep)
    page = Page(deep / "live", Clock(), {"G": flag()})
    with PushSocket(tmp_path / "short" / "live") as daemon:
        flags = Flags(page.path, environ={}, clock=page.clock)
        greeted(daemon)
        flags.close()


@pytest.mark.requirement("FLAG-17")
def test_a_process_without_a_thread_to_spare_reads_all_the_same(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    def none_left(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", none_left)
    flags = Flags(page.path, environ={}, clock=page.clock)
    page.publish({"G": flag("off")})
    assert flags.value("G") == "off"


@pytest.mark.requirement("FLAG-18")
@pytest.mark.parametrize(
    "message",
    [
        Hello(71, 3, "serving", 40, {"F": {"a": [1, None, "ü"]}}),
        Hello(1, 0, "rehearsal", 0, {}),
        Applied(41, ("F", "G")),
        Applied(0),
    ],
)
def test_what_a_reader_says_arrives_as_it_was_said(message: Hello | Applied) -> None:
    (line,) = Lines().feed(encode(message))
    assert decode_from_reader(line) == message


@pytest.mark.requirement("FLAG-18")
def test_what_the_daemon_says_arrives_and_what_a_later_one_adds_is_let_pass() -> None:
    (line,) = Lines().feed(encode(Version(41)))
    assert decode_from_daemon(line) == Version(41)
    assert decode_from_daemon(b'{"version": 41, "at": 7}') == Version(41)


@pytest.mark.requirement("FLAG-18")
@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"", "is not JSON"),
        (b"\xff", "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b"7", "is not a JSON object"),
        (b"{}", "is neither"),
        (b'{"applied": 1}', "is neither"),
        (b'{"applied": -1, "read": []}', "'applied' is -1; it must be a whole number of 0 or more"),
        (b'{"applied": true, "read": []}', "'applied' is True"),
        (b'{"applied": 1e3, "read": []}', "'applied' is 1000.0"),
        (b'{"applied": 1, "read": "F"}', "'read' is 'F'; it must be a list of at most 1000 keys"),
        (b'{"applied": 1, "read": [1]}', "'read' is [1]"),
        (b'{"hello": 1}', "'hello' is 1; it must be an object"),
        (b'{"hello": {"pid": 1, "generation": 1, "version": 1}}', "'role' is None; it must be a text"),
        (b'{"hello": {"pid": 1, "generation": 1, "version": 1, "role": "x", "forced": []}}', "'forced' is []"),
        (b'{"hello": {"pid": "1", "generation": 1, "version": 1, "role": "x"}}', "'pid' is '1'"),
    ],
)
def test_a_line_that_no_reader_says_is_refused_with_what_is_wrong(line: bytes, why: str) -> None:
    with pytest.raises(MessageError) as refused:
        decode_from_reader(line)
    assert why in str(refused.value)
    assert len(str(refused.value)) < 400


@pytest.mark.requirement("FLAG-18")
def test_a_message_that_cannot_be_written_is_refused() -> None:
    long: Any = "x" * MOST_LINE
    for forced in ({"F": object()}, {"F": float("nan")}, {"F": long}):
        with pytest.raises(MessageError, match="the message "):
            encode(Hello(1, 1, "serving", 1, forced))


@pytest.mark.requirement("FLAG-18")
def test_lines_are_cut_wherever_the_bytes_are() -> None:
    stream = encode(Version(1)) + encode(Version(2)) + b'{"vers'
    for size in range(1, len(stream) + 1):
        lines = Lines()
        whole = [line for at in range(0, len(stream), size) for line in lines.feed(stream[at : at + size])]
        assert [decode_from_daemon(line).version for line in whole] == [1, 2]


@pytest.mark.requirement("FLAG-17")
def test_many_keys_are_told_in_several_messages(page: Page, daemon: PushSocket, quick: None) -> None:  # noqa: ARG001
    page.publish({f"K{number}": typed_flag("int", 0, number) for number in range(MOST_READ + 10)})
    flags = Flags(page.path, environ={}, clock=page.clock)
    peer = greeted(daemon)
    for key in flags:
        flags.value(key)
    keys: list[str] = []
    while len(keys) < MOST_READ + 10:
        told = peer.receive()
        assert isinstance(told, Applied)
        keys += told.read
    assert sorted(keys) == sorted(flags)
    flags.close()


@pytest.mark.requirement("FLAG-17")
@pytest.mark.usefixtures("quick")
def test_a_daemon_that_does_not_read_is_left_and_called_again(
    page: Page, daemon: PushSocket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("switchover_kit.push.PATIENCE", 0.05)
    flags = Flags(page.path, environ={}, clock=page.clock)
    peer = daemon.accept()
    for _ in range(100_000):  # far more than the socket holds of the answers that nobody reads
        try:
            peer.tell(page.version)
        except (BrokenPipeError, ConnectionResetError):
            break
    else:
        pytest.fail("the reader never gave up")
    greeted(daemon)
    flags.close()
