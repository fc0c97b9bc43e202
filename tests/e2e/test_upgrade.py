"""`switchover upgrade --rehearse` from the shell: a run, its refusals, and a terminal that is closed meanwhile."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path

import pytest
from daemon import EXECUTABLE, RunningDaemon, echo_worker

pytestmark = pytest.mark.requirement("REH-12")

CONFIG = """
[upgrade]
repeats = 1
spare_bytes = 0
"""
PATIENCE = 60.0
SUITE = '[flags]\nPROMPT_MODE = "verbose"\n[[call]]\ntool = "echo"\narguments = { text = "hello" }\n'
SLOW = '[[call]]\ntool = "slow"\narguments = { seconds = 600 }\n'


@pytest.fixture(scope="module")
def daemon() -> Iterator[RunningDaemon]:
    with RunningDaemon.start(echo_worker(), config=CONFIG) as running:
        (running.home / "suite.toml").write_text(SUITE)
        (running.home / "slow.toml").write_text(SLOW)
        yield running


def upgrade(daemon: RunningDaemon, *words: str, new: str = "1") -> subprocess.CompletedProcess[str]:
    """Rehearse an echo worker of some version."""
    return daemon.cli(
        "upgrade", "--rehearse", "--suite", "suite.toml", *words, "--", *echo_worker("--version", new), timeout=PATIENCE
    )


def begun(daemon: RunningDaemon, *words: str) -> subprocess.Popen[str]:
    """Begin a run that does not end by itself, and wait until it is under way."""
    process = subprocess.Popen(
        [EXECUTABLE, "upgrade", "--rehearse", "--suite", "slow.toml", *words, "--", *echo_worker()],
        env=daemon.environment(),
        cwd=daemon.home,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if "control 1 is asked" in line:
            return process
    raise AssertionError("it ended")


def test_an_equal_version_passes_and_a_different_one_is_warned_of(daemon: RunningDaemon) -> None:
    done = upgrade(daemon, "--id", "equal")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "[upgrade] All checks passed."
    assert "active is asked" in done.stdout
    assert "preflight  ok" in done.stdout

    done = upgrade(daemon, "--id", "other", new="2")
    assert done.returncode == 4
    assert done.stdout.splitlines()[-1] == "[upgrade] Completed with warnings (review noted shadow differences)."
    shadow = json.loads((daemon.state_dir / "upgrades" / "other" / "shadow.json").read_text())
    assert shadow["count"] == 1
    assert shadow["flags"] == {"PROMPT_MODE": "verbose"}
    assert "version 2: hello" in shadow["differences"][0]["rehearsal"]
    assert set(shadow["calls"][0]) >= {"control", "rehearsal", "touched", "active"}
    summary = json.loads((daemon.state_dir / "analytics" / "upgrade_shadow.json").read_text())
    assert summary["count"] == 1
    status, answer = daemon.control("GET", "/v1/upgrade/other")
    assert (status, answer["running"], answer["exit_code"]) == (HTTPStatus.OK, False, 4)
    assert daemon.control("GET", "/v1/status")[1]["queue"]["shadow_diffs"] == {**summary, "in_a_row": 1}
    assert daemon.control("GET", "/v1/status")[1]["generations"][0]["own"] == 2, "each run asked active once"
    shown = json.loads(daemon.cli("shadow", "diff", "--json").stdout)
    assert [one["number"] for one in shown["tools"]["echo"]["unexpected"]] == [1]
    assert '[[expected]]\npath = "$.content[].text"' in daemon.cli("shadow", "explain", "other", "1").stdout


@pytest.mark.requirement("REH-15")
def test_live_calls_that_only_read_become_a_suite_that_a_rehearsal_takes(daemon: RunningDaemon) -> None:
    suite = daemon.home / "recorded.toml"
    recording = subprocess.Popen(
        [EXECUTABLE, "shadow", "record", "-o", str(suite), "--calls", "9", "--seconds", str(PATIENCE)],
        env=daemon.environment(),
        cwd=daemon.home,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert recording.stderr is not None
    assert "recording for" in recording.stderr.readline()
    refused = daemon.cli("shadow", "record", "-o", "another.toml")
    assert (refused.returncode, "are being recorded already" in refused.stderr) == (1, True)
    for text in ("a", "a", "password=hunter2hunter2"):
        daemon.cli("call", "echo", json.dumps({"text": text}))
    stopped = daemon.cli("shadow", "record", "--stop")
    assert "ended, with 2 different calls of 3" in stopped.stdout
    said, errors = recording.communicate(timeout=PATIENCE)
    assert recording.returncode == 0
    assert "1 different call of 3" in said
    assert "left out: echo (1), its arguments hold what looks secret" in errors
    assert "hunter2" not in suite.read_text()
    done = daemon.cli("upgrade", "--rehearse", "--suite", str(suite), "--", *echo_worker(), timeout=PATIENCE)
    assert done.returncode == 0, done.stdout
    ended = daemon.cli("shadow", "record", "--stop")
    assert (ended.returncode, "no calls are being recorded" in ended.stderr) == (1, True)


def test_what_cannot_be_rehearsed_is_refused_in_words(daemon: RunningDaemon) -> None:
    refusals = {
        ("--rehearse",): (2, "name the new version's command"),
        ("--cancel",): (1, "no rehearsal runs"),
        ("--rehearse", "--", ""): (2, "the name of the program is empty"),
        ("--rehearse", "--source", "nowhere", "--", "true"): (1, "is not a directory"),
    }
    for words, (status, said) in refusals.items():
        done = daemon.cli("upgrade", *words)
        assert (done.returncode, said in done.stderr) == (status, True), done.stderr
    (daemon.home / "bad.toml").write_text("[[call]]\n")
    done = daemon.cli("upgrade", "--rehearse", "--suite", "bad.toml", "--", "true")
    assert (done.returncode, "call 1: tool: names no tool" in done.stderr) == (1, True), done.stderr


def test_a_closed_terminal_ends_nothing_and_what_runs_can_be_cancelled_from_another(daemon: RunningDaemon) -> None:
    first = begun(daemon, "--id", "alone")
    first.send_signal(signal.SIGHUP)
    first.communicate(timeout=PATIENCE)
    status, answer = daemon.control("GET", "/v1/upgrade/alone")
    assert (status, answer["running"]) == (HTTPStatus.OK, True)
    refused = upgrade(daemon)
    assert refused.returncode == 1
    assert "rehearsal alone (pid" in refused.stderr
    assert daemon.cli("upgrade", "--cancel").returncode == 0
    done = daemon.cli("upgrade", "--follow", "alone", timeout=PATIENCE)
    assert done.returncode == 1
    assert "it was cancelled" in done.stdout
    assert not (daemon.state_dir / "rehearsals").exists()


def test_ctrl_c_cancels_and_a_daemon_that_stops_takes_its_rehearsal_along(daemon: RunningDaemon) -> None:
    process = begun(daemon, "--id", "interrupted")
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert "cancelling" in said
    assert "preflight" not in said  # what was printed before Ctrl-C is not printed again
    process = begun(daemon, "--id", "stopped")
    assert daemon.stop() == 0
    process.communicate(timeout=PATIENCE)
    assert not (daemon.state_dir / "rehearsals").exists()
    assert not (daemon.state_dir / "upgrade.lock").exists()
    report = json.loads((daemon.state_dir / "upgrades" / "stopped" / "report.json").read_text())
    assert report["status"] == "failed"
    assert Path(daemon.state_dir / "upgrades" / "interrupted" / "report.json").exists()
