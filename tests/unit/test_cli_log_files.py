"""Reading a rotated log backwards, and following it: every line once and in order, whenever it is rotated."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.cli.log_files import BLOCK, Follower, last_lines, open_parts, parts, seek_end
from orchestrator.cli.logs import follow
from orchestrator.telemetry.log_sinks import RotatingFile

pytestmark = pytest.mark.requirement("CLI-4")


def everything(_line: bytes) -> bool:
    return True


def last(path: Path, count: int, wanted: Callable[[bytes], bool] = everything) -> list[bytes]:
    with ExitStack() as stack:
        files, _ = open_parts(path, stack)
        files[0].seek(0, os.SEEK_END)
        return last_lines(files, count, wanted)


def follower(path: Path) -> Follower:
    file = path.open("rb")
    seek_end(file)
    return Follower(path, file)


def test_the_last_lines_come_oldest_first(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"1\n2\n3\n")
    assert last(log, 2) == [b"2\n", b"3\n"]
    assert last(log, 9) == [b"1\n", b"2\n", b"3\n"]
    assert last(log, 0) == []


def test_lines_are_counted_after_those_that_are_not_wanted_are_left_out(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"a1\nb\na2\nb\nb\n")
    assert last(log, 2, lambda line: line.startswith(b"a")) == [b"a1\n", b"a2\n"]


def test_older_parts_are_read_where_the_current_one_has_too_few_lines(tmp_path: Path) -> None:
    log = tmp_path / "log"
    for number, lines in ((0, b"5\n"), (1, b"3\n4\n"), (2, b"1\n2\n"), (10, b"0\n")):
        (tmp_path / (f"log.{number}" if number else "log")).write_bytes(lines)
    assert last(log, 4) == [b"2\n", b"3\n", b"4\n", b"5\n"]
    assert last(log, 99)[0] == b"0\n"


def test_only_numbered_files_are_parts(tmp_path: Path) -> None:
    for name in ("log", "log.1", "log.old", "log.2.gz"):
        (tmp_path / name).touch()
    assert [part.name for part in parts(tmp_path / "log") if part.exists()] == ["log", "log.1"]


@given(lines=st.lists(st.integers(0, 3 * BLOCK // 2), max_size=6), count=st.integers(1, 7))
def test_lines_are_whole_wherever_a_block_ends(lines: list[int], count: int) -> None:
    written = [b"%d:" % index + b"x" * size + b"\n" for index, size in enumerate(lines)]
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        log.write_bytes(b"".join(written))
        assert last(log, count) == written[-count:]


def test_a_last_line_without_an_end_is_shown_by_who_does_not_follow(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"1\n2")
    assert last(log, 5) == [b"1\n", b"2\n"]


@pytest.mark.parametrize("begun", [b"", b"2", b"2" * (2 * BLOCK)])
def test_a_line_being_written_is_shown_once_it_is_whole(tmp_path: Path, begun: bytes) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"1\n" + begun)
    with follower(log) as following:
        assert list(following.new_lines()) == []
        with log.open("ab") as more:
            more.write(b"...\n3\n")
        assert list(following.new_lines()) == [begun + b"...\n", b"3\n"]
        assert list(following.new_lines()) == []


def test_a_log_that_is_truncated_in_place_is_read_from_its_new_beginning(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"old line\n")
    with follower(log) as following:
        log.write_bytes(b"new\n")
        assert list(following.new_lines()) == [b"new\n"]


def test_a_log_that_is_gone_for_a_moment_is_waited_for(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"1\n")
    with follower(log) as following:
        log.rename(tmp_path / "log.1")
        assert list(following.new_lines()) == []
        log.write_bytes(b"2\n")
        assert list(following.new_lines()) == [b"2\n"]
        assert not following.missed


def test_a_line_that_nobody_can_end_any_more_is_shown_when_the_next_file_begins(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"")
    with follower(log) as following:
        log.write_bytes(b"torn")
        assert list(following.new_lines()) == []
        log.rename(tmp_path / "log.1")
        log.write_bytes(b"2\n")
        assert list(following.new_lines()) == [b"torn\n", b"2\n"]


@given(
    bursts=st.lists(st.integers(0, 60), min_size=1, max_size=12),
    count=st.integers(1, 5),
    size=st.integers(40, 400),
)
def test_every_line_is_shown_once_and_in_order_unless_some_were_rotated_away(
    bursts: list[int], count: int, size: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        sink = RotatingFile(log, size, count)
        sink.write([b"before\n"])
        written: list[bytes] = []
        shown: list[bytes] = []
        with follower(log) as following:
            for burst in bursts:
                lines = [b"line %d\n" % (len(written) + index) for index in range(burst)]
                sink.write(lines)
                written += lines
                shown += following.new_lines()
            missed = following.missed
        sink.close()
        assert shown == [line for line in written if line in set(shown)]
        assert missed or shown == written
        assert shown[-1:] == written[-1:]


def test_following_says_once_that_lines_may_be_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"1\n")
    shown: list[bytes] = []
    looks = 0

    def show(lines: Iterable[bytes]) -> None:
        shown.extend(lines)

    def replace_it() -> bool:
        nonlocal looks
        looks += 1
        log.rename(tmp_path / "elsewhere")
        log.write_bytes(b"%d\n" % looks)
        return looks < 4

    with follower(log) as following:
        follow(following, show, replace_it)
    assert shown == [b"1\n", b"2\n", b"3\n"]
    assert capsys.readouterr().err.count("lines may be missing") == 1
