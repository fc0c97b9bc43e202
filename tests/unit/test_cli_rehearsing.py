"""Ctrl-C while the daemon has not yet said that a rehearsal begins: it is cancelled, or it is said that it goes on."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from orchestrator.cli import rehearsing
from orchestrator.cli.errors import FailedError
from orchestrator.cli.group import switchover
from orchestrator.settings import Paths, locate

pytestmark = pytest.mark.requirement("REH-12")

PATIENCE = 10.0


class Daemon:
    """Answers the shell; a person presses Ctrl-C until it has been heard often enough, and only then it begins.

    Attributes:
        asked: what it was asked, in turn.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, presses: int = 1, refuses: str = "") -> None:
        self.asked: list[str] = []
        self._presses, self._refuses = presses, refuses
        self._heard = threading.Semaphore(0)
        self._echo = click.echo
        monkeypatch.setattr(rehearsing, "ask", self._ask)
        monkeypatch.setattr(click, "echo", self._say)

    def _say(self, message: str, *, err: bool = False) -> None:
        self._echo(message, err=err)
        self._heard.release()

    def _ask(self, _paths: Paths, method: str, path: str, _body: dict[str, Any] | None = None) -> dict[str, Any]:
        self.asked.append(f"{method} {path}")
        if path == "/v1/upgrade":
            for _ in range(self._presses):
                signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
                assert self._heard.acquire(timeout=PATIENCE), "nothing was said to Ctrl-C"
            if self._refuses:
                raise FailedError(self._refuses)
        return {"id": "r-1", "message": "", "running": False, "exit_code": 1, "events": []}


def rehearse(tmp_path: Path) -> int:
    named = {"command": ["new"], "cwd": tmp_path}
    return rehearsing.rehearse(locate(tmp_path, {}), named, "", {"nightly": False})


def test_ctrl_c_before_a_rehearsal_has_begun_cancels_it_once_it_has(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon = Daemon(monkeypatch)
    assert rehearse(tmp_path) == 1
    assert daemon.asked == ["POST /v1/upgrade", "POST /v1/upgrade/cancel", "GET /v1/upgrade/r-1?after=0"]
    said = capsys.readouterr()
    assert "as soon as the rehearsal has begun" in said.err
    assert "rehearsal r-1; artifacts in" in said.out


def test_a_second_ctrl_c_leaves_the_rehearsal_alone_and_says_how_it_is_ended(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon = Daemon(monkeypatch, presses=2)
    assert rehearse(tmp_path) == rehearsing.INTERRUPTED
    assert daemon.asked == ["POST /v1/upgrade"]
    assert "goes on once it has begun; end it with: switchover upgrade --cancel" in capsys.readouterr().err


@pytest.mark.parametrize("presses", [0, 1])
def test_a_rehearsal_that_is_refused_is_told_with_its_reason_and_nobody_elses_is_cancelled(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, presses: int
) -> None:
    daemon = Daemon(monkeypatch, presses, refuses="another one runs")
    with pytest.raises(FailedError, match="another one runs"):
        rehearse(tmp_path)
    assert daemon.asked == ["POST /v1/upgrade"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--cancel", "--nightly"), "--cancel goes alone: leave out --nightly"),
        (("--cancel", "--follow", "one"), "--cancel goes alone: leave out --follow"),
        (("--follow", "one", "--rehearse"), "--follow goes alone: leave out --rehearse"),
        (("--follow", "one", "--", "new"), "--follow takes no COMMAND"),
        (("--rehearse", "--id", "a/b", "--", "new"), "--id 'a/b' cannot name a run: use letters"),
        (("--rehearse", "--id", "a" * 65, "--", "new"), "64 at most"),
        (("--rehearse", "--id", "", "--old", "old", "--", "new"), "--id '' cannot name a run"),
    ],
)
def test_what_would_be_passed_over_or_cannot_name_a_run_is_refused(
    tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    refused = CliRunner().invoke(switchover, ["upgrade", "--state-dir", str(tmp_path), *words])
    assert (refused.exit_code, said in refused.output) == (2, True), refused.output


def test_a_state_directory_that_is_none_is_refused_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    environment = {"SWITCHOVER_STATE_DIR": str(tmp_path / "file")}
    refused = CliRunner().invoke(switchover, ["upgrade", "--old", "old", "--", "new"], env=environment)
    assert (refused.exit_code, "is no directory; name another with --state-dir" in refused.output) == (1, True)


def test_without_a_daemon_the_way_without_one_is_named(tmp_path: Path) -> None:
    refused = CliRunner().invoke(switchover, ["upgrade", "--rehearse", "--state-dir", str(tmp_path), "--", "new"])
    assert (refused.exit_code, "beside an old version: --old 'COMMAND...'" in refused.output) == (3, True)
