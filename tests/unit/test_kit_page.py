"""The shared-memory page: what is read was written, whole, whatever the writer does meanwhile."""

from __future__ import annotations

import itertools
import os
import struct
import traceback
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from switchover_kit.page import (
    PageBusyError,
    PageDamagedError,
    PageError,
    PageMissingError,
    PageReader,
    PageWriter,
    State,
)
from switchover_kit.page_format import CHANGE, HEARTBEAT, SLOT, SLOTS_AT

pytestmark = pytest.mark.requirement("FLAG-10")

ROUNDS = 20_000
"""Snapshots that the hammering writer publishes; about a third of a second."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "live"


def edit(path: Path, at: int, data: bytes) -> None:
    """Change bytes of a page behind its writer's back."""
    path.chmod(0o600)
    with path.open("r+b") as file:
        file.seek(at)
        file.write(data)


def story(version: int) -> bytes:
    """Return a payload whose every byte tells its version, of a length that differs from its neighbours'."""
    return struct.pack("=Q", version) * (1 + version * 7919 % 400)


def in_child(work: Callable[[], int]) -> int:
    """Fork a child that ends with what `work` returns."""
    pid = os.fork()
    if pid:
        return pid
    code = 99
    try:
        code = work()
    except BaseException:  # noqa: BLE001 - nothing of a child may come back into the test run
        traceback.print_exc()
    finally:
        os._exit(code)


def read_to_the_end(path: Path, started: int) -> int:
    """Read until the last version; 0 when every content was whole and versions never went back."""
    reader, before = PageReader.open(path), 0
    for _ in range(200 * ROUNDS):
        if reader.state is State.SUPERSEDED:
            reader = PageReader.open(path)
        try:
            version, payload, _ = reader.read()
        except PageBusyError:
            continue
        if payload != story(version):
            return 1
        if version < before:
            return 2
        if not before:
            os.write(started, b".")
        before = version
        if version == ROUNDS:
            return 0
    return 3


def test_what_is_published_is_read_with_its_version(path: Path) -> None:
    writer = PageWriter.create(path, b"first", version=1)
    reader = PageReader.open(path)
    assert reader.read() == (1, b"first", 1)
    writer.publish(41, b"second")
    assert reader.read() == (41, b"second", 2)
    assert reader.state is State.OPEN


@pytest.mark.parametrize("payload", [b"", b"x", bytes(range(256)) * 3, b"\0" * 4096])
def test_any_bytes_come_back_as_they_were(path: Path, payload: bytes) -> None:
    writer = PageWriter.create(path, payload, capacity=4096)
    writer.publish(2, payload)
    assert PageReader.open(path).read().payload == payload


def test_a_torn_page_is_never_read_by_processes_that_read_while_another_writes(path: Path) -> None:
    writer = PageWriter.create(path, story(1), version=1, capacity=2048)  # too small: it moves on the way
    started, tell = os.pipe()
    readers = [in_child(lambda: read_to_the_end(path, tell)) for _ in range(2)]
    assert os.read(started, 1) + os.read(started, 1) == b".."
    for version in range(2, ROUNDS + 1):
        writer.publish(version, story(version))
    ends = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in readers]
    os.close(started)
    os.close(tell)
    assert ends == [0, 0]


def test_a_slot_that_is_half_written_is_not_looked_at(path: Path) -> None:
    writer = PageWriter.create(path, b"old and whole", version=1)
    reader = PageReader.open(path)
    edit(path, SLOTS_AT, SLOT.pack(2, 2, 9, 0) + b"half")  # the idle slot, as a writer leaves it that was killed there
    assert reader.read() == (1, b"old and whole", 1)
    writer.publish(2, b"new and whole")
    assert reader.read() == (2, b"new and whole", 2)


def test_a_slot_that_is_written_again_while_it_is_copied_is_read_anew(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = PageWriter.create(path, b"one", version=1)
    reader = PageReader.open(path)
    mapped, meanwhile = reader._mapped_file, iter([2, 3])

    class Overtaken:
        def __getitem__(self, span: slice) -> bytes:
            copied = mapped[span]
            for version in meanwhile:
                writer.publish(version, b"%d" % version)
            return copied

    monkeypatch.setattr(reader, "_mapped_file", Overtaken())
    assert reader.read() == (3, b"3", 3)


def test_a_payload_that_does_not_fit_moves_the_page_and_readers_are_told(path: Path) -> None:
    writer = PageWriter.create(path, b"small", capacity=16)
    before = PageReader.open(path)
    word = before.words[CHANGE]
    writer.publish(2, b"large" * 100)
    assert before.words[CHANGE] != word
    assert before.state is State.SUPERSEDED
    assert before.read().payload == b"small"
    assert not before.is_current()
    after = PageReader.open(path)
    assert after.read() == (2, b"large" * 100, 1)
    writer.publish(3, b"again")
    assert after.read() == (3, b"again", 2)
    assert list(path.parent.iterdir()) == [path]


def test_a_page_that_somebody_removed_is_made_anew_and_its_readers_are_told(path: Path) -> None:
    writer = PageWriter.create(path, b"first", version=3)
    writer.publish(4, b"second")
    before = PageReader.open(path)
    assert not writer.keep()
    path.unlink()
    assert writer.keep()
    assert before.state is State.SUPERSEDED
    assert PageReader.open(path).read() == (4, b"second", 1)
    writer.publish(5, b"third")
    assert PageReader.open(path).read() == (5, b"third", 2)
    writer.close()
    path.unlink()
    assert not writer.keep()


def test_a_new_writer_takes_the_place_of_a_page_whose_writer_was_killed(path: Path) -> None:
    PageWriter.create(path, b"left behind", version=7)
    reader = PageReader.open(path)
    PageWriter.create(path, b"anew", version=8)
    assert reader.state is State.SUPERSEDED
    assert PageReader.open(path).read() == (8, b"anew", 1)


@pytest.mark.parametrize("junk", [b"", b"not a page at all" * 20, b"SWFLAGS\n" + bytes(300)])
def test_a_new_writer_takes_the_place_of_anything_else_that_stands_there(path: Path, junk: bytes) -> None:
    path.write_bytes(junk)
    PageWriter.create(path, b"fine")
    assert PageReader.open(path).read().payload == b"fine"


def test_closing_changes_the_word_that_readers_compare(path: Path) -> None:
    writer = PageWriter.create(path, b"last words", version=5)
    reader = PageReader.open(path)
    word = reader.words[CHANGE]
    writer.close()
    writer.close()
    assert reader.words[CHANGE] != word
    assert reader.state is State.CLOSED
    assert reader.read() == (5, b"last words", 1)
    with pytest.raises(PageError, match="is closed; create it anew"):
        writer.publish(6, b"too late")


def test_a_heartbeat_is_the_clock_of_the_moment(path: Path) -> None:
    ticks = iter([100, 200, 300])
    writer = PageWriter.create(path, b"", clock=lambda: next(ticks))
    reader = PageReader.open(path)
    beats = [reader.words[HEARTBEAT]]
    writer.beat()
    beats.append(reader.words[HEARTBEAT])
    writer.publish(2, b"")
    assert [*beats, reader.heartbeat] == [100, 200, 300]


def test_a_page_that_is_not_there_is_missing(path: Path) -> None:
    with pytest.raises(PageMissingError, match="there is no flags page at "):
        PageReader.open(path)


def test_every_byte_of_the_head_is_watched_over(path: Path) -> None:
    PageWriter.create(path, b"fine")
    whole = path.read_bytes()
    for at in range(64):
        edit(path, at, bytes([whole[at] ^ 0x40]))
        with pytest.raises(PageDamagedError, match="is damaged: "):
            PageReader.open(path)
        edit(path, at, whole[at : at + 1])
    assert PageReader.open(path).read().payload == b"fine"


def test_a_page_that_was_cut_short_is_damaged(path: Path) -> None:
    PageWriter.create(path, b"fine", capacity=4096)
    path.chmod(0o600)
    os.truncate(path, 5000)
    with pytest.raises(PageDamagedError, match=r"it has 5000 bytes of \d+"):
        PageReader.open(path)


@pytest.mark.parametrize("at", [0, 8, 16, 24, SLOT.size, SLOT.size + 3])
def test_every_part_of_a_slot_is_watched_over(path: Path, at: int) -> None:
    PageWriter.create(path, b"fine", capacity=64, version=3)
    place = SLOTS_AT + SLOT.size + 64 + at
    edit(path, place, bytes([path.read_bytes()[place] ^ 1]))
    reader = PageReader.open(path)
    with pytest.raises(PageDamagedError, match="snapshot 1 is not whole"):
        reader.read()


def test_a_page_of_a_later_format_is_refused_with_what_to_do(path: Path) -> None:
    PageWriter.create(path, b"")
    head = path.read_bytes()[:56]
    head = head[:8] + struct.pack("=Q", 2) + head[16:]
    edit(path, 0, head + struct.pack("=Q", zlib.crc32(head)))
    with pytest.raises(PageDamagedError, match="its format is 2, this kit reads 1; install the kit of the daemon's"):
        PageReader.open(path)


def test_a_pipe_or_a_directory_in_a_pages_place_is_an_error_and_no_wait(path: Path) -> None:
    os.mkfifo(path)
    with pytest.raises(PageError):
        PageReader.open(path)
    with pytest.raises(PageError):
        PageReader.open(path.parent)


@pytest.mark.parametrize(("version", "payload"), [(-1, b""), (True, b""), (1.0, b""), (1 << 63, b""), (1, "text")])
def test_what_a_slot_cannot_hold_is_refused_and_the_content_stays(path: Path, version: int, payload: bytes) -> None:
    writer = PageWriter.create(path, b"fine", version=1)
    with pytest.raises(PageError, match="it must be"):
        writer.publish(version, payload)
    assert PageReader.open(path).read() == (1, b"fine", 1)


def test_a_file_that_cannot_be_made_leaves_the_old_content(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = PageWriter.create(path, b"fine", version=1, capacity=8)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OSError, match="No space left"):
        writer.publish(2, b"does not fit")
    monkeypatch.undo()
    reader = PageReader.open(path)
    assert (reader.read(), reader.state) == ((1, b"fine", 1), State.OPEN)
    writer.publish(3, b"fits")
    assert reader.read() == (3, b"fits", 2)
    assert list(path.parent.iterdir()) == [path]


def test_a_page_cannot_be_opened_for_writing_by_accident(path: Path) -> None:
    PageWriter.create(path, b"")
    assert path.stat().st_mode & 0o777 == 0o440


def test_a_reader_that_is_overtaken_again_and_again_gives_up_within_a_bound(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = PageWriter.create(path, b"")
    reader = PageReader.open(path)
    mapped, versions = reader._mapped_file, itertools.count(1)

    class Overtaken:
        def __getitem__(self, span: slice) -> bytes:
            writer.publish(next(versions), b"")
            return mapped[span]

    monkeypatch.setattr(reader, "_mapped_file", Overtaken())
    with pytest.raises(PageBusyError, match="read again"):
        reader.read()
    monkeypatch.undo()
    assert reader.read().version == next(versions) - 1
