"""What a log line holds: its time, level and context, whatever is said, and nothing that could harm a terminal."""

from __future__ import annotations

import json
import logging
import os
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from orchestrator.settings import Log
from orchestrator.telemetry.log_line import encode
from orchestrator.telemetry.logging import LogSetup, RoomLogger, configure, get_logger, set_level


@pytest.fixture
def setup(tmp_path: Path):
    with configure(Log(level="info"), tmp_path / "logs" / "switchover.jsonl", None) as made:
        yield made
    set_level("info")


def written(setup: LogSetup, tmp_path: Path) -> list[dict]:
    assert setup.flush(10)
    return [json.loads(line) for line in (tmp_path / "logs" / "switchover.jsonl").read_text().splitlines()]


@pytest.mark.requirement("LOG-2")
def test_a_line_says_when_how_grave_and_what_before_its_context(setup: LogSetup, tmp_path: Path) -> None:
    log = get_logger("proxy", session=7).bind(generation=3, revision=12)
    log.info("call forwarded", call=41)
    (line,) = written(setup, tmp_path)
    assert list(line) == ["ts", "level", "event", "room", "session", "generation", "revision", "call"]
    assert line["level"] == "info"
    assert line["event"] == "call forwarded"
    assert (line["room"], line["session"], line["generation"], line["revision"], line["call"]) == (
        "proxy",
        7,
        3,
        12,
        41,
    )


def test_the_time_is_utc_in_iso_8601_with_milliseconds(setup: LogSetup, tmp_path: Path) -> None:
    before = datetime.now(UTC)
    get_logger("proxy").info("now")
    (line,) = written(setup, tmp_path)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["ts"])
    assert abs((datetime.fromisoformat(line["ts"]) - before).total_seconds()) < 60


def test_a_fact_cannot_pass_itself_off_as_the_lines_own_head(setup: LogSetup, tmp_path: Path) -> None:
    get_logger("supervision").info("worker says", level="error", ts="yesterday")
    (line,) = written(setup, tmp_path)
    assert line["level"] == "info"
    assert line["ts"] != "yesterday"


def test_the_level_changes_at_once_for_loggers_that_exist_already(setup: LogSetup, tmp_path: Path) -> None:
    log = get_logger("proxy").bind(session=1)
    log.debug("hidden")
    setup.set_level("debug")
    log.debug("shown")
    setup.set_level("error")
    log.warning("hidden")
    log.error("shown, too")
    assert [line["event"] for line in written(setup, tmp_path)] == ["shown", "shown, too"]


def test_an_exception_brings_its_traceback(setup: LogSetup, tmp_path: Path) -> None:
    log = get_logger("engine")
    failure = failed(log)
    log.warning("said later", exc_info=failure)
    first, second = written(setup, tmp_path)
    assert first["exception"].splitlines()[0] == "Traceback (most recent call last):"
    assert first["exception"].endswith("ValueError: invalid literal for int() with base 10: 'broken'")
    assert first["step"] == 2
    assert second["exception"] == first["exception"]


def failed(log: RoomLogger) -> ValueError:
    try:
        int("broken")
    except ValueError as error:
        log.exception("step failed", step=2)
        return error
    raise AssertionError


class Unspeakable:
    def __str__(self) -> str:
        raise RuntimeError("no words")


def circle() -> list:
    ring: list = []
    ring.append(ring)
    return ring


@pytest.mark.parametrize(
    "value",
    [Path("/x"), {1, 2}, 10**30, float("nan"), "\ud800", object(), Unspeakable(), circle(), {(1, 2): 3}, b"\xff"],
)
def test_anything_can_be_said(value: object) -> None:
    line = encode({"event": "odd", "value": value})
    assert json.loads(line)["event"] == "odd"
    assert line.endswith(b"\n")


@pytest.mark.requirement("LOG-2")
@pytest.mark.parametrize(
    "evil", ["\x1b]0;owned\x07", "\x9b31m", "\x7f", "a\nb", "\u202egpj", "\u2028", "\U000e0001", "\x00"]
)
def test_a_json_line_holds_only_printable_characters_and_loses_nothing(evil: str) -> None:
    line = encode({"event": "stderr", evil: evil, "kept": "Grüße 日本 🙂"}).decode()
    assert line[:-1].isprintable()
    assert json.loads(line)[evil] == evil
    assert "Grüße 日本 🙂" in line


def test_what_libraries_log_arrives_from_warning_up(setup: LogSetup, tmp_path: Path) -> None:
    logging.getLogger("uvicorn.error").info("not this")
    logging.getLogger("uvicorn.error").warning("port %d in use", 80)
    logging.getLogger("asyncio").critical("loop gone")
    try:
        Path("/nowhere/at/all").stat()
    except OSError:
        logging.getLogger("asyncio").exception("callback failed")
    lines = written(setup, tmp_path)
    said = [(line["room"], line["level"], line["event"]) for line in lines]
    assert said == [
        ("uvicorn.error", "warning", "port 80 in use"),
        ("asyncio", "error", "loop gone"),
        ("asyncio", "error", "callback failed"),
    ]
    assert lines[2]["exception"].endswith("'/nowhere/at/all'")


def test_a_library_that_logs_wrongly_is_heard_all_the_same(setup: LogSetup, tmp_path: Path) -> None:
    wrong = logging.LogRecord("asyncio", logging.WARNING, "file", 1, "%d fits nowhere", ("text",), None)
    setup._bridge.emit(wrong)
    assert [line["event"] for line in written(setup, tmp_path)] == ["%d fits nowhere"]


def test_before_it_is_configured_warnings_go_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    get_logger("daemon").info("quiet")
    get_logger("daemon").warning("loud", pid=4)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.endswith("daemon: loud pid=4\n")
    assert err.count("\n") == 1


def test_a_line_said_after_closing_goes_to_stderr_and_not_to_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "switchover.jsonl"
    setup = configure(Log(), file, None)
    get_logger("daemon").info("last words")
    assert setup.close()
    get_logger("daemon").error("too late")
    assert [json.loads(line)["event"] for line in file.read_text().splitlines()] == ["last words"]
    assert "too late" in capsys.readouterr().err


def test_structlogs_own_test_helper_sees_our_lines() -> None:
    with capture_logs() as said:
        get_logger("proxy").info("seen", session=1)
    assert said == [{"room": "proxy", "session": 1, "event": "seen", "log_level": "info"}]


def test_the_file_can_be_switched_off(tmp_path: Path) -> None:
    with configure(Log(file=False), tmp_path / "switchover.jsonl", None):
        get_logger("daemon").info("nowhere")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("how", "looks"), [("json", '{"ts":"'), ("auto", '{"ts":"'), ("text", "20")])
def test_a_stream_that_is_no_terminal_gets_json_unless_text_is_asked_for(how: str, looks: str) -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading) as reader, os.fdopen(writing, "w") as stream:
        with configure(Log(format=how), None, stream):
            get_logger("daemon").info("hello", text="a\x1bb")
        line = os.read(reader.fileno(), 4096).decode()
    assert line.startswith(looks)
    assert "\x1b" not in line


def test_a_terminal_gets_coloured_text_unless_colours_are_unwanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[1mhello\x1b[0m" in said_on_a_terminal()
    monkeypatch.setenv("NO_COLOR", "1")
    line = said_on_a_terminal()
    assert "hello" in line
    assert "\x1b" not in line


def said_on_a_terminal() -> str:
    leader, follower = os.openpty()
    with os.fdopen(leader, "rb", buffering=0) as screen, os.fdopen(follower, "w") as stream:
        with configure(Log(), None, stream):
            get_logger("daemon").info("hello")
        return screen.read(4096).decode()
