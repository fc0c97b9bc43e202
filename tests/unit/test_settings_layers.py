"""Environment and command line: how they set a key, what they override, how their mistakes are named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from orchestrator.domain.errors import SettingsError
from orchestrator.settings import Settings, load
from orchestrator.settings.keys import keys, value_of


def refused(environ: dict[str, str], flags: dict[str, Any] | None = None) -> str:
    with pytest.raises(SettingsError) as caught:
        load(None, environ, flags or {})
    return str(caught.value)


@pytest.mark.parametrize(
    ("variable", "text", "value"),
    [
        ("SWITCHOVER_LIMITS__CALL_TIMEOUT", "5", 5.0),
        ("SWITCHOVER_LIMITS__SESSIONS", "7", 7),
        ("SWITCHOVER_WORKER__STOP_GRACE__TERMINATE", "1.5", 1.5),
        ("SWITCHOVER_WORKER__COMMAND", "python 'my server.py' --fast", ("python", "my server.py", "--fast")),
        ("SWITCHOVER_WORKER__CWD", "/srv", Path("/srv")),
        ("SWITCHOVER_REPLAY__IDEMPOTENT", "true", True),
        ("SWITCHOVER_LOG__FILE", "0", False),
        ("SWITCHOVER_LOG__LEVEL", "debug", "debug"),
        ("SWITCHOVER_SOCKETS__MODE", "0600", 0o600),
        ("SWITCHOVER_SOCKETS__MODE", "0o600", 0o600),
        ("SWITCHOVER_WORKER__ENV__Some.Name", "a=b", {"Some.Name": "a=b"}),
        ("SWITCHOVER_WORKER__ENV__EMPTY", "", {"EMPTY": ""}),
    ],
)
def test_a_variable_sets_its_key(variable: str, text: str, value: object) -> None:
    settings = load(None, {variable: text}, {})
    (name,) = [key.name for key in keys().values() if variable.startswith(key.env)]
    assert value_of(settings, name) == value


def test_an_empty_variable_counts_as_not_set() -> None:
    assert load(None, {"SWITCHOVER_LIMITS__SESSIONS": "", "SWITCHOVER_WORKER__CWD": ""}, {}) == Settings()


def test_flags_come_before_the_environment_and_the_environment_before_the_file(tmp_path: Path) -> None:
    file = tmp_path / "s.toml"
    file.write_text("""
        [limits]
        call_timeout = 1
        sessions = 1
        calls_per_session = 1
        [worker.env]
        A = "file"
        B = "file"
        C = "file"
    """)
    environ = {
        "SWITCHOVER_LIMITS__CALL_TIMEOUT": "2",
        "SWITCHOVER_LIMITS__SESSIONS": "2",
        "SWITCHOVER_WORKER__ENV__B": "environment",
        "SWITCHOVER_WORKER__ENV__C": "environment",
    }
    flags = {"limits.call_timeout": 3, "worker.env.C": "flag", "worker.cwd": None}
    settings = load(file, environ, flags)
    limits = settings.limits
    assert (limits.call_timeout, limits.sessions, limits.calls_per_session) == (3.0, 2, 1)
    assert settings.worker.env == {"A": "file", "B": "environment", "C": "flag"}


@pytest.mark.parametrize("command", [["python", "x y"], ("python", "x y"), "python 'x y'"])
def test_a_flag_is_taken_as_it_is_or_read_from_text(command: object) -> None:
    settings = load(
        None, {}, {"worker.command": command, "log.file": "no", "limits.sessions": "5", "sockets.mode": 0o600}
    )
    assert settings.worker.command == ("python", "x y")
    assert settings.log.file is False
    assert settings.limits.sessions == 5
    assert settings.sockets.mode == 0o600


def test_relative_paths_outside_the_file_start_from_where_the_daemon_does() -> None:
    worker = load(None, {"SWITCHOVER_WORKER__CWD": "a"}, {"worker.source": Path("b")}).worker
    assert (worker.cwd, worker.source) == (Path.cwd() / "a", Path.cwd() / "b")


@pytest.mark.requirement("SET-1")
@pytest.mark.parametrize(
    ("variable", "meant"),
    [
        ("SWITCHOVER_LIMITS__CALL_TIMEOT", "did you mean SWITCHOVER_LIMITS__CALL_TIMEOUT?"),
        ("SWITCHOVER_LIMITS__call_timeout", "did you mean SWITCHOVER_LIMITS__CALL_TIMEOUT?"),
        ("SWITCHOVER_LIMITS_CALL_TIMEOUT", "did you mean SWITCHOVER_LIMITS__CALL_TIMEOUT?"),
        ("SWITCHOVER_CALL__TIMEOUT", "did you mean SWITCHOVER_STOP__TIMEOUT?"),
        ("SWITCHOVER_NOTHING__LIKE_IT", "unset it"),
    ],
)
def test_a_variable_that_sets_nothing_is_refused_by_name(variable: str, meant: str) -> None:
    assert refused({variable: "5"}) == f"{variable}: there is no such setting; {meant}"


def test_variables_of_the_contract_are_no_settings() -> None:
    environ = {
        "SWITCHOVER_STATE_DIR": "/x",
        "SWITCHOVER_WORKER_STATE": "/x",
        "SWITCHOVER_ROLE": "serving",
        "SWITCHOVER_FLAGS": "/x",
    }
    assert load(None, environ, {}) == Settings()


@pytest.mark.requirement("SET-2")
@pytest.mark.parametrize(
    ("variable", "text", "wrong"),
    [
        ("STOP__TIMEOUT", "soon", 'stop.timeout: is the text "soon"; allowed: number from 0.01 to 604800'),
        ("STOP__TIMEOUT", "inf", 'stop.timeout: is the text "inf"; allowed: number from 0.01 to 604800'),
        ("LOG__FILE", "maybe", 'log.file: is the text "maybe"; allowed: true or false'),
        ("WORKER__ENV", "A=1", "worker.env: set one variable each: SWITCHOVER_WORKER__ENV__NAME=value"),
        (
            "WORKER__ENV__A=",
            "x",
            "worker.env.\"A=\": is no usable name (a variable's name is not empty and has no '=')",
        ),
    ],
)
def test_a_variable_that_cannot_be_used_is_refused_with_what_is_allowed(variable: str, text: str, wrong: str) -> None:
    assert refused({f"SWITCHOVER_{variable}": text}) == f"SWITCHOVER_{variable}: {wrong}"


@pytest.mark.requirement("SET-1")
def test_a_flag_that_sets_nothing_is_refused() -> None:
    assert refused({}, {"limits.session": 5}) == (
        "command line: limits.session: there is no such setting; did you mean limits.sessions?"
    )


@pytest.mark.requirement("SET-2")
def test_the_mistakes_of_all_sources_are_reported_together_also_where_they_are_overridden(tmp_path: Path) -> None:
    file = tmp_path / "s.toml"
    file.write_text("limits.sessions = 'x'\nlimits.qqq = 1")
    with pytest.raises(SettingsError) as caught:
        load(file, {"SWITCHOVER_LIMITS__SESSIONS": "y"}, {"limits.sessions": -1, "log.level": "loud"})
    message = str(caught.value)
    assert message.startswith("5 settings cannot be used:")
    for origin in (f"{file}:1: ", f"{file}:2: ", "SWITCHOVER_LIMITS__SESSIONS: ", "command line: log.level: "):
        assert f"\n  {origin}" in message
    assert "command line: limits.sessions: is the number -1" in message


def test_a_contradiction_names_every_source_that_takes_part(tmp_path: Path) -> None:
    file = tmp_path / "s.toml"
    file.write_text("\nworker.drain_timeout = 5")
    with pytest.raises(SettingsError) as caught:
        load(file, {"SWITCHOVER_LIMITS__CALL_TIMEOUT": "6"}, {})
    assert str(caught.value).startswith(f"{file}:2 and SWITCHOVER_LIMITS__CALL_TIMEOUT: worker.drain_timeout: is 5;")
