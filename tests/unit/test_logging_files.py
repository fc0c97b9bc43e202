"""The rotating file keeps whole lines and its bound, whatever others do to it; a torn stream line stays alone."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from orchestrator.telemetry.log_sinks import RotatingFile, Stream


def lines(*numbers: int) -> list[bytes]:
    return [b"line %02d\n" % number for number in numbers]


def test_the_file_is_rotated_between_lines_and_the_oldest_part_goes(tmp_path: Path) -> None:
    file = tmp_path / "logs" / "switchover.jsonl"
    sink = RotatingFile(file, size=24, count=3)
    assert sink.write(lines(*range(8))) == 8
    assert sink.write(lines(8, 9)) == 2
    sink.close()
    assert file.read_bytes() == b"".join(lines(9))
    assert Path(f"{file}.1").read_bytes() == b"".join(lines(6, 7, 8))
    assert Path(f"{file}.2").read_bytes() == b"".join(lines(3, 4, 5))
    assert sorted(path.name for path in file.parent.iterdir()) == [file.name, f"{file.name}.1", f"{file.name}.2"]


def test_one_file_alone_starts_over(tmp_path: Path) -> None:
    file = tmp_path / "switchover.jsonl"
    sink = RotatingFile(file, size=24, count=1)
    assert sink.write(lines(*range(4))) == 4
    sink.close()
    assert file.read_bytes() == b"".join(lines(3))
    assert len(list(tmp_path.iterdir())) == 1


def test_a_line_longer_than_the_bound_has_a_file_of_its_own(tmp_path: Path) -> None:
    file = tmp_path / "switchover.jsonl"
    sink = RotatingFile(file, size=10, count=3)
    assert sink.write([b"a\n", b"x" * 50 + b"\n", b"b\n"]) == 3
    sink.close()
    assert [Path(f"{file}{suffix}").stat().st_size for suffix in ("", ".1", ".2")] == [2, 51, 2]


def test_what_another_daemon_left_is_continued(tmp_path: Path) -> None:
    file = tmp_path / "switchover.jsonl"
    file.write_bytes(b"".join(lines(0, 1)))
    sink = RotatingFile(file, size=24, count=2)
    sink.write(lines(2, 3))
    sink.close()
    assert Path(f"{file}.1").read_bytes() == b"".join(lines(0, 1, 2))
    assert file.read_bytes() == b"".join(lines(3))


@pytest.mark.parametrize("fate", ["moved", "removed", "directory removed", "truncated"])
def test_writing_goes_on_at_the_path_after_somebody_touched_the_file(tmp_path: Path, fate: str) -> None:
    file = tmp_path / "logs" / "switchover.jsonl"
    sink = RotatingFile(file, size=1000, count=2)
    sink.write(lines(0))
    if fate == "truncated":
        os.truncate(file, 0)
    elif fate == "moved":
        file.rename(tmp_path / "elsewhere")
    else:
        file.unlink()
    if fate == "directory removed":
        file.parent.rmdir()
    assert sink.write(lines(1)) == 1
    sink.close()
    assert file.read_bytes() == b"".join(lines(1))


def test_a_file_that_cannot_be_opened_says_why_and_is_tried_again(tmp_path: Path) -> None:
    in_the_way = tmp_path / "logs"
    in_the_way.write_text("a file where the directory should be")
    sink = RotatingFile(in_the_way / "switchover.jsonl", size=1000, count=2)
    assert sink.write(lines(0)) == 0
    assert sink.failure in {"File exists", "Not a directory"}
    in_the_way.unlink()
    assert sink.write(lines(1)) == 1
    assert sink.failure == ""
    sink.close()


def test_a_write_that_breaks_off_leaves_no_half_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "switchover.jsonl"
    sink = RotatingFile(file, size=1000, count=2)
    sink.write(lines(0))
    real = os.write
    left = [3]

    def scarce(descriptor: int, data: bytes) -> int:
        if not left:
            raise OSError(28, "No space left on device")
        return real(descriptor, data[: left.pop()])

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", scarce)
        assert sink.write(lines(1, 2)) == 0
    assert file.read_bytes() == b"".join(lines(0))
    assert sink.write(lines(3)) == 1
    sink.close()
    assert file.read_bytes() == b"".join(lines(0, 3))


def test_a_stream_line_that_broke_off_is_ended_before_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    sink = Stream(writing)
    os.close(writing)
    real = os.write
    allowed = [11]

    def brittle(descriptor: int, data: bytes) -> int:
        if not allowed:
            raise OSError(32, "Broken pipe")
        return real(descriptor, data[: allowed.pop()])

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", brittle)
        assert sink.write(lines(1, 2, 3)) == 1
        assert sink.failure == "Broken pipe"
        assert sink.write(lines(4)) == 0
    assert sink.write(lines(5)) == 1
    sink.close()
    assert os.read(reading, 100) == b"line 01\nlin\nline 05\n"
    os.close(reading)
