"""Where a daemon's files are, and how its clients find them by the same rule."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.domain.errors import SettingsError
from orchestrator.settings import SUN_PATH, locate

EVERYTHING = {
    "SWITCHOVER_STATE_DIR": "/ours",
    "STATE_DIRECTORY": "/var/lib/one:/var/lib/two",
    "XDG_STATE_HOME": "/xdg",
    "HOME": "/home/me",
}


def without(*names: str) -> dict[str, str]:
    return {name: value for name, value in EVERYTHING.items() if name not in names}


@pytest.mark.requirement("SET-3")
@pytest.mark.parametrize(
    ("given", "environ", "state"),
    [
        (Path("/flag"), EVERYTHING, "/flag"),
        (None, EVERYTHING, "/ours"),
        (None, without("SWITCHOVER_STATE_DIR"), "/var/lib/one"),
        (None, without("SWITCHOVER_STATE_DIR", "STATE_DIRECTORY"), "/xdg/switchover"),
        (None, {"HOME": "/home/me"}, "/home/me/.local/state/switchover"),
        (None, {"HOME": "/home/me", "XDG_STATE_HOME": "relative"}, "/home/me/.local/state/switchover"),
        (None, dict.fromkeys(EVERYTHING, "") | {"HOME": "/home/me"}, "/home/me/.local/state/switchover"),
        (None, {"STATE_DIRECTORY": ":/second"}, "/second"),
    ],
)
def test_the_state_directory_is_the_first_that_is_named(
    given: Path | None, environ: dict[str, str], state: str
) -> None:
    assert locate(given, environ).state_dir == Path(state)


@pytest.mark.requirement("SET-3")
def test_the_runtime_directory_is_systemds_or_lies_in_the_state_directory() -> None:
    assert locate(Path("/s"), {}).runtime_dir == Path("/s/run")
    assert locate(Path("/s"), {"RUNTIME_DIRECTORY": "/run/a:/run/b"}).runtime_dir == Path("/run/a")
    assert locate(Path("/s"), {"RUNTIME_DIRECTORY": ""}).runtime_dir == Path("/s/run")


def test_logs_lie_in_systemds_log_directory_or_in_the_state_directory() -> None:
    assert locate(Path("/s"), {}).log_file == Path("/s/logs/switchover.jsonl")
    assert locate(Path("/s"), {"LOGS_DIRECTORY": "/var/log/a:/var/log/b"}).log_file == Path(
        "/var/log/a/switchover.jsonl"
    )


def test_everything_has_the_place_others_rely_on() -> None:
    paths = locate(Path("/s"), {"RUNTIME_DIRECTORY": "/run/switchover"})
    assert paths.tools_socket == Path("/run/switchover/tools.sock")
    assert paths.control_socket == Path("/run/switchover/control.sock")
    assert paths.generations == Path("/s/generations")
    assert paths.analytics == Path("/s/analytics")
    assert paths.worker_state == Path("/s/worker")


def test_relative_directories_do_not_move_with_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    paths = locate(Path("state"), {"RUNTIME_DIRECTORY": "r", "LOGS_DIRECTORY": "l"})
    assert (paths.state_dir, paths.runtime_dir, paths.logs_dir) == (tmp_path / "state", tmp_path / "r", tmp_path / "l")


def test_a_user_without_home_variable_has_the_home_the_system_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pwd.getpwuid", lambda _uid: type("Entry", (), {"pw_dir": "/home/known"}))
    assert locate(None, {}).state_dir == Path("/home/known/.local/state/switchover")


@pytest.mark.requirement("SET-3")
def test_a_user_without_any_home_is_told_to_name_a_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(_uid: int) -> None:
        raise KeyError

    monkeypatch.setattr("pwd.getpwuid", unknown)
    with pytest.raises(SettingsError, match=r"\$HOME is not set and user \d+ has no home; name one with --state-dir"):
        locate(None, {})


@pytest.mark.requirement("SET-3")
def test_a_socket_path_the_kernel_cannot_take_is_refused_with_what_to_do() -> None:
    longest = SUN_PATH - len("/run/flags/live.sock")
    assert locate(Path("/" + "x" * (longest - 1)), {}).control_socket
    with pytest.raises(SettingsError, match=r"live\.sock has 108 bytes, the kernel takes at most 107: .*--state-dir"):
        locate(Path("/" + "x" * longest), {})
    assert locate(Path("/" + "x" * 200), {"RUNTIME_DIRECTORY": "/run/short"}).state_dir


def test_the_length_of_a_socket_path_is_counted_in_bytes() -> None:
    with pytest.raises(SettingsError, match="kernel takes at most 107"):
        locate(Path("/" + "ü" * 60), {})
