"""Logging never blocks: what cannot be written is dropped, counted, and the count is told when it can be."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from orchestrator.settings import Log
from orchestrator.telemetry.log_sinks import RotatingFile, Stream
from orchestrator.telemetry.log_writer import FULL, LINES, Writer
from orchestrator.telemetry.logging import configure, get_logger

BOUND = 60.0
"""Seconds any wait may take; nothing here takes that long unless it is broken."""


class Gate:
    """A sink that writes nothing until it is let, and fails while it is told to."""

    name = "gate"

    def __init__(self) -> None:
        self.failure = ""
        self.broken = ""
        self.let = threading.Event()
        self.asked = threading.Event()
        self.lines: list[dict] = []
        self.closed = False

    def write(self, lines: Sequence[bytes]) -> int:
        self.asked.set()
        assert self.let.wait(BOUND)
        self.failure = self.broken
        if self.broken:
            return 0
        self.lines += [json.loads(line) for line in lines]
        return len(lines)

    def close(self) -> None:
        self.closed = True


def line(number: int) -> bytes:
    return b'{"event":"%d"}\n' % number


def events(lines: list[dict]) -> list[str]:
    return [said["event"] for said in lines]


@pytest.mark.requirement("LOG-1")
def test_putting_returns_while_the_sink_is_stuck_and_the_surplus_is_counted() -> None:
    gate = Gate()
    writer = Writer(gate)
    writer.put(line(0))
    assert gate.asked.wait(BOUND)
    for number in range(1, LINES + 51):
        writer.put(line(number))  # the sink writes nothing all this while
    assert not gate.lines
    gate.let.set()
    assert writer.close(BOUND)
    assert events(gate.lines[:-1]) == [str(number) for number in range(LINES + 1)]
    assert gate.lines[-1]["event"] == "log lines dropped"
    assert (gate.lines[-1]["count"], gate.lines[-1]["reason"]) == (50, FULL)
    assert gate.closed


@pytest.mark.requirement("LOG-1")
def test_the_bytes_that_wait_are_bounded_as_well() -> None:
    gate = Gate()
    writer = Writer(gate, size=100)
    writer.put(line(0))
    assert gate.asked.wait(BOUND)
    for number in range(1, 21):
        writer.put(line(number))
    gate.let.set()
    assert writer.close(BOUND)
    assert events(gate.lines[:-1]) == ["0", "1", "2", "3", "4", "5", "6", "7"]
    assert gate.lines[-1]["count"] == 13


@pytest.mark.requirement("LOG-1")
def test_a_sink_that_fails_is_tried_again_and_tells_its_loss_first() -> None:
    gate = Gate()
    gate.let.set()
    gate.broken = "disk full"
    told: list[tuple[str, str]] = []
    writer = Writer(gate, lambda sink, reason: told.append((sink, reason)))
    for number in range(3):
        writer.put(line(number))
        assert writer.flush(BOUND)
    gate.broken = ""
    writer.put(line(3))
    assert writer.close(BOUND)
    assert told == [("gate", "disk full")]
    assert events(gate.lines) == ["log lines dropped", "3"]
    assert (gate.lines[0]["count"], gate.lines[0]["reason"]) == (3, "disk full")


def test_a_sink_that_breaks_down_does_not_end_the_log() -> None:
    gate = Gate()
    gate.let.set()
    shown: list[Callable[[], None]] = []

    class Clumsy(Gate):
        def write(self, lines: Sequence[bytes]) -> int:
            if not shown:
                shown.append(self.close)
                raise KeyError("clumsy")
            return gate.write(lines)

    writer = Writer(Clumsy())
    writer.put(line(0))
    assert writer.flush(BOUND)
    writer.put(line(1))
    assert writer.close(BOUND)
    assert events(gate.lines) == ["log lines dropped", "1"]


def test_closing_gives_up_on_a_sink_that_stays_stuck() -> None:
    gate = Gate()
    writer = Writer(gate)
    writer.put(line(0))
    assert gate.asked.wait(BOUND)
    assert not writer.close(0.01)
    writer.put(line(1))
    gate.let.set()
    assert writer.close(BOUND)
    assert events(gate.lines) == ["0", "log lines dropped"]


def test_many_threads_lose_no_line(tmp_path: Path) -> None:
    file = tmp_path / "switchover.jsonl"
    writer = Writer(RotatingFile(file, 1 << 30, 2))
    threads = [
        threading.Thread(target=lambda base=base: [writer.put(line(base + number)) for number in range(1000)])
        for base in range(0, 8000, 1000)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(BOUND)
    assert writer.close(BOUND)
    said = [int(json.loads(text)["event"]) for text in file.read_text().splitlines()]
    assert sorted(said) == list(range(8000))


@pytest.mark.requirement("LOG-1")
def test_a_full_disk_costs_lines_and_nothing_else_and_is_told_on_stderr(tmp_path: Path) -> None:
    file = tmp_path / "switchover.jsonl"
    file.symlink_to("/dev/full")
    reading, writing = os.pipe()
    with os.fdopen(reading) as reader, os.fdopen(writing, "w") as stream:
        with configure(Log(format="json"), file, stream) as setup:
            get_logger("daemon").info("lost")
            assert setup.flush(BOUND)
            file.unlink()
            get_logger("daemon").info("kept")
        on_stderr = [json.loads(text) for text in os.read(reader.fileno(), 65536).splitlines()]
    in_file = [json.loads(text) for text in file.read_text().splitlines()]
    assert events(on_stderr)[:2] == ["lost", "log lines cannot be written"]
    assert on_stderr[1]["to"] == str(file)
    assert on_stderr[1]["reason"] == "No space left on device"
    assert in_file[0]["event"] == "log lines dropped"
    assert in_file[0]["count"] in {1, 2}  # the warning itself may have met the full disk, too
    assert "kept" in events(in_file)


@pytest.mark.requirement("LOG-1")
def test_a_reader_that_goes_away_and_comes_back_learns_what_it_missed(tmp_path: Path) -> None:
    fifo = tmp_path / "stderr"
    os.mkfifo(fifo)
    first = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    writing = os.open(fifo, os.O_WRONLY)
    writer = Writer(Stream(writing))
    os.close(writing)  # the sink has its own
    os.close(first)
    writer.put(line(0))
    writer.put(line(1))
    assert writer.flush(BOUND)
    second = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    writer.put(line(2))
    assert writer.close(BOUND)
    said = [json.loads(text) for text in os.read(second, 65536).splitlines()]
    os.close(second)
    assert events(said) == ["log lines dropped", "2"]
    assert (said[0]["count"], said[0]["reason"]) == (2, "Broken pipe")


@pytest.mark.requirement("LOG-1")
def test_a_reader_that_stops_reading_holds_up_neither_the_caller_nor_the_file(tmp_path: Path) -> None:
    file = tmp_path / "switchover.jsonl"
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as stream:
        setup = configure(Log(format="json"), file, stream)
        get_logger("daemon").info("long", text="x" * 1_000_000)  # more than a pipe holds
        get_logger("daemon").info("short")
        assert setup._writers[0].flush(BOUND)
        assert events([json.loads(text) for text in file.read_text().splitlines()]) == ["long", "short"]
        assert not setup._writers[1].flush(0.01)
        os.close(reading)
    assert setup.close(BOUND)
