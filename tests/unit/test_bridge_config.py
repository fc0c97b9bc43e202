"""What a client is told to start is what finds the same daemon without this shell's environment."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from orchestrator.cli.client_config import Start, rendered, start_of

HOME = {"HOME": "/home/ann"}


@pytest.fixture
def program(tmp_path: Path) -> str:
    path = tmp_path / "switchover"
    path.touch()
    return str(path)


@pytest.mark.requirement("CONN-3")
def test_a_daemon_in_its_usual_place_needs_no_words(program: str) -> None:
    assert start_of(None, None, HOME, program) == Start(program, ["connect"])
    assert start_of(None, 2.5, HOME, program).args == ["connect", "--wait", "2.5"]


@pytest.mark.requirement("CONN-3")
@pytest.mark.parametrize("variable", ["SWITCHOVER_STATE_DIR", "STATE_DIRECTORY", "XDG_STATE_HOME"])
def test_what_this_shell_decides_is_written_down(program: str, variable: str) -> None:
    place = "/srv/s/switchover" if variable == "XDG_STATE_HOME" else "/srv/s"
    start = start_of(None, None, {**HOME, variable: "/srv/s"}, program)
    assert (start.args, start.env) == (["connect", "--state-dir", place], {})


@pytest.mark.requirement("CONN-3")
def test_a_place_that_was_named_is_absolute_and_a_runtime_directory_is_a_variable(program: str) -> None:
    start = start_of(Path("here"), None, {**HOME, "RUNTIME_DIRECTORY": "/run/switchover"}, program)
    assert start.args == ["connect", "--state-dir", str(Path("here").absolute())]
    assert start.env == {"RUNTIME_DIRECTORY": "/run/switchover"}
    assert json.loads(rendered("vscode", "x", start))["servers"]["x"]["env"] == start.env


@pytest.mark.requirement("CONN-3")
def test_the_command_is_absolute_however_this_process_was_started() -> None:
    start = start_of(None, None, HOME, "/nowhere/__main__.py")
    installed = Path(sys.executable).with_name("switchover")
    words = [str(installed)] if installed.is_file() else [sys.executable, "-m", "orchestrator"]
    assert [start.command, *start.args] == [*words, "connect"]


@pytest.mark.requirement("CONN-3")
def test_each_client_gets_the_format_it_documents() -> None:
    start = Start("/bin/switchover", ["connect"])
    plain = {"command": "/bin/switchover", "args": ["connect"]}
    assert json.loads(rendered("claude", "s", start)) == {"mcpServers": {"s": plain}}
    assert json.loads(rendered("cursor", "s", start)) == {"mcpServers": {"s": {"type": "stdio", **plain}}}
    assert json.loads(rendered("vscode", "s", start)) == {"servers": {"s": {"type": "stdio", **plain}}}
    assert json.loads(rendered("json", "s", start)) == {"name": "s", **plain}
