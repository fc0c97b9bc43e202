"""The configuration file: what it sets, and how each mistake in it is named by line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from orchestrator.domain.errors import SettingsError
from orchestrator.settings import Settings, load

Load = Callable[[str], Settings]

SESSIONS = "whole number from 1 to 1000000"
SECONDS = "number from 0.01 to 604800"
COMMAND = 'list of texts, such as ["python", "server.py"], or one text of shell words'
MODE = 'permission bits: 0o660 or "0660"'
GRACES = ["worker.stop_grace.close_stdin", "worker.stop_grace.terminate"]


@pytest.fixture
def read(tmp_path: Path) -> Load:
    def read(text: str) -> Settings:
        file = tmp_path / "s.toml"
        file.write_text(text)
        return load(file, {"HOME": "/home/me"}, {})

    return read


def refused(read: Load, text: str) -> list[str]:
    """Return the lines of the refusal, each without the file's directory."""
    with pytest.raises(SettingsError) as caught:
        read(text)
    lines = str(caught.value).splitlines()
    return [line[line.index("s.toml") :] for line in lines if "s.toml" in line]


def test_without_a_file_everything_has_its_default() -> None:
    assert load(None, {}, {}) == Settings()
    assert Settings().limits.call_timeout == 300.0
    assert Settings().drain_timeout == 300.0


def test_a_file_sets_what_it_names_and_nothing_else(read: Load) -> None:
    settings = read("""
        worker.command = ["python", "server.py"]
        worker.env = { A = "1" }
        worker.stop_grace.terminate = 9
        [limits]
        call_timeout = 60
        [sockets]
        mode = "0600"
        group = "tools"
    """)
    assert settings.worker.command == ("python", "server.py")
    assert settings.worker.env == {"A": "1"}
    assert settings.worker.stop_grace.terminate == 9.0
    assert settings.worker.stop_grace.close_stdin == 2.0
    assert settings.drain_timeout == 60.0
    assert (settings.sockets.mode, settings.sockets.group) == (0o600, "tools")


def test_paths_start_from_the_files_own_directory(read: Load, tmp_path: Path) -> None:
    worker = read('worker = { cwd = "work", source = "/abs", state = "~/state" }').worker
    assert (worker.cwd, worker.source, worker.state) == (tmp_path / "work", Path("/abs"), Path("/home/me/state"))


def test_a_command_may_be_written_as_one_text_of_shell_words(read: Load) -> None:
    assert read("""worker.command = "python -m 'my server'" """).worker.command == ("python", "-m", "my server")


@pytest.mark.requirement("SET-1")
@pytest.mark.parametrize(
    ("text", "place", "hint"),
    [
        ("[limits]\n\ncall_timeot = 5", "3: limits.call_timeot", "did you mean limits.call_timeout?"),
        ("call_timeout = 5", "1: call_timeout", "did you mean limits.call_timeout?"),
        ("[limit]\nsessions = 5", "1: limit", "did you mean limits?"),
        ("[limits]\nmode = 5", "2: limits.mode", "did you mean sockets.mode?"),
        ("worker.stop_grace = { x = 1 }", "1: worker.stop_grace.x", f"known here: {', '.join(GRACES)}"),
        ("[worker.stop_grace]\nterminat = 5", "2: worker.stop_grace.terminat", f"did you mean {GRACES[1]}?"),
        ("[replay]\nqqq = 5", "2: replay.qqq", "known here: replay.idempotent"),
        ('[replay]\n"a\\u001bb" = 5', r'2: replay."a\u001bb"', "known here: replay.idempotent"),
        (
            "qqq = 5",
            "1: qqq",
            (
                "known here: worker, limits, restart, health, replay, sockets, http, control, access, flags, notify, "
                "upgrade, rollout, routing, samples, mirror, parity, log, stop"
            ),
        ),
    ],
)
def test_a_key_that_does_not_exist_is_refused_by_name_and_line(read: Load, text: str, place: str, hint: str) -> None:
    assert refused(read, text) == [f"s.toml:{place}: there is no such setting; {hint}"]


@pytest.mark.requirement("SET-2")
@pytest.mark.parametrize(
    ("text", "place", "wrong", "allowed"),
    [
        ('[limits]\nsessions = "many"', "2: limits.sessions", 'the text "many"', SESSIONS),
        ("limits.sessions = 5.0", "1: limits.sessions", "the number 5.0", SESSIONS),
        ("limits.sessions = true", "1: limits.sessions", "the truth value true", SESSIONS),
        ("limits.sessions = 0", "1: limits.sessions", "the number 0", SESSIONS),
        ('limits.call_timeout = "5"', "1: limits.call_timeout", 'the text "5"', SECONDS),
        ("limits.call_timeout = inf", "1: limits.call_timeout", "the number Infinity", SECONDS),
        ("limits.call_timeout = nan", "1: limits.call_timeout", "the number NaN", SECONDS),
        ("limits.call_timeout = 2026-01-01", "1: limits.call_timeout", "a date", SECONDS),
        ("log.file = 1", "1: log.file", "the number 1", "true or false"),
        ('log.level = "INFO"', "1: log.level", 'the text "INFO"', '"debug", "info", "warning" or "error"'),
        ('worker.isolation = "process"', "1: worker.isolation", 'the text "process"', '"shared" or "session"'),
        ("worker.cwd = 5", "1: worker.cwd", "the number 5", "path"),
        ('worker.cwd = "a\\u0000"', "1: worker.cwd", r'the text "a\u0000" (it holds a NUL character)', "path"),
        ("worker.command = [\n'a',\n5\n]", "3: worker.command[1]", "the number 5", COMMAND),
        ('worker.command = "a \'b"', "1: worker.command", 'the text "a \'b" (No closing quotation)', COMMAND),
        ("worker.command = []", "1: worker.command", "a list (no program is named)", COMMAND),
        ("limits = 5", "1: limits", "the number 5", "table, as in [limits]"),
        ("[[limits]]\nsessions = 5", "1: limits", "a list", "table, as in [limits]"),
        ("sockets.mode = 660", "1: sockets.mode", "the number 660", MODE),
        ('sockets.mode = "rw"', "1: sockets.mode", 'the text "rw" (no octal number)', MODE),
        ("sockets.mode = 0o060", "1: sockets.mode", "the number 48 (the owner would have no access)", MODE),
    ],
)
def test_a_value_that_cannot_be_used_is_refused_with_its_line_and_what_is_allowed(
    read: Load, text: str, place: str, wrong: str, allowed: str
) -> None:
    assert refused(read, text) == [f"s.toml:{place}: is {wrong}; allowed: {allowed}"]


@pytest.mark.requirement("SET-2")
@pytest.mark.parametrize(
    ("text", "place", "reason"),
    [
        ('worker.env = { "A=B" = "x" }', '1: worker.env."A=B"', "a variable's name is not empty and has no '='"),
        (
            '[worker.env]\nSWITCHOVER_ROLE = "x"',
            "2: worker.env.SWITCHOVER_ROLE",
            "the daemon sets this variable itself",
        ),
    ],
)
def test_a_variable_the_worker_cannot_have_is_refused_by_name_and_line(
    read: Load, text: str, place: str, reason: str
) -> None:
    assert refused(read, text) == [f"s.toml:{place}: is no usable name ({reason})"]


def test_a_value_that_may_be_secret_is_not_shown(read: Load) -> None:
    assert refused(read, "worker.env.TOKEN = 12345") == ["s.toml:1: worker.env.TOKEN: is the number; allowed: text"]


def test_a_long_value_is_shown_in_part(read: Load) -> None:
    (line,) = refused(read, f'log.level = "{"x" * 1000}"')
    assert len(line) < 200


@pytest.mark.requirement("SET-2")
def test_every_mistake_is_reported_at_once(read: Load) -> None:
    lines = refused(read, "[limits]\nsessions = 'x'\nfoo = 1\n[log]\nfile = 3\n[nowhere]")
    assert [line.split(":")[1] for line in lines] == ["2", "3", "5", "6"]
    with pytest.raises(SettingsError, match=r"^4 settings cannot be used:\n"):
        read("[limits]\nsessions = 'x'\nfoo = 1\n[log]\nfile = 3\n[nowhere]")


@pytest.mark.requirement("SET-2")
@pytest.mark.parametrize(
    ("text", "place", "wrong"),
    [
        ("a = 1\nb =\n", "s.toml:2", "invalid value (column 4)"),
        ("a = 1\na = 2\n", "s.toml:2", "cannot overwrite a value (column 6)"),
        ("\na = 'x", "s.toml:2", 'expected "\'" before the end'),
        ("a = " + "9" * 5000, "s.toml", "exceeds the limit (4300 digits) for integer string conversion"),
    ],
)
def test_a_text_that_is_no_toml_is_refused_by_line(read: Load, text: str, place: str, wrong: str) -> None:
    (line,) = refused(read, text)
    assert line.startswith(f"{place}: is not valid TOML: {wrong}")


def test_a_text_nested_beyond_reason_is_refused(read: Load) -> None:
    assert refused(read, "a = " + "[" * 5000) == ["s.toml: is nested too deeply"]


def test_a_file_in_another_encoding_is_refused_by_line(tmp_path: Path) -> None:
    file = tmp_path / "s.toml"
    file.write_bytes("a = 1\n# Gr\xfc\xdfe\n".encode("latin-1"))
    with pytest.raises(SettingsError, match=r"s\.toml:2: is not UTF-8 text"):
        load(file, {}, {})


@pytest.mark.parametrize("name", ["missing.toml", ""])
def test_a_file_that_cannot_be_read_is_refused_by_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(SettingsError, match=r"cannot be read: .*; name a readable TOML file with --config"):
        load(tmp_path / name, {}, {})


@pytest.mark.requirement("SET-2")
@pytest.mark.parametrize(
    ("text", "place", "wrong"),
    [
        ("\nworker.drain_timeout = 5", "2: worker.drain_timeout", "is 5; allowed: at least limits.call_timeout,"),
        ("limits.line_bytes = 99_000_000", "1: limits.client_backlog_bytes", "is 67108864; allowed: at least limits.l"),
        ("restart.initial = 60", "1: restart.cap", "is 30; allowed: at least restart.initial, which is 60"),
        ('control.listen = "[::1]:9"', "1: control.listen", "is [::1]:9; allowed only with control.token_file or"),
        ('http.listen = "0.0.0.0:9"', "1: http.listen", "is 0.0.0.0:9; allowed without http.token_file or http.tok"),
        ('notify.webhooks = ["http://x/"]', "1: notify.webhooks", "is set; allowed only with notify.secret_file or"),
        ("[restart]\nperiod = 3", "2: restart.period", "is 3; allowed: more than the 3.72 s of waits before a crash"),
    ],
)
def test_settings_that_contradict_each_other_are_refused_by_line(read: Load, text: str, place: str, wrong: str) -> None:
    (line,) = refused(read, text)
    assert line.startswith(f"s.toml:{place}: {wrong}")


def test_settings_cannot_be_changed_once_made() -> None:
    settings: Any = Settings()
    with pytest.raises(ValueError, match="frozen"):
        settings.limits = None
    with pytest.raises(ValueError, match="frozen"):
        settings.limits.sessions = 5
