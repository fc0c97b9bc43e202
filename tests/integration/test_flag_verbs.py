"""The verbs of `flags` and `token` against a running daemon whose worker reads flags."""

from __future__ import annotations

import datetime as dt
import json
import os
import socket
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import jwt
import pytest
from click.testing import CliRunner, Result
from daemon import EXECUTABLE, RunningDaemon
from flag_daemon import start

from orchestrator.cli.group import switchover

PATIENCE = 60.0
"""Seconds any single wait may take."""


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDaemon]:
    """One daemon for all verbs."""
    with start(tmp_path_factory.mktemp("verbs")) as running:
        yield running


@pytest.fixture(autouse=True)
def safe(daemon: RunningDaemon) -> Iterator[None]:
    """Leave flags as safe as they were."""
    yield
    status, answer = daemon.control("POST", "/v1/flags/-/reset", {})
    assert status == 200, answer


def run(daemon: RunningDaemon, *words: str, stdin: str = "") -> Result:
    """Run a verb in this process, as the executable would: starting one takes longer than all it does."""
    return CliRunner().invoke(switchover, words, input=stdin, env=daemon.environment())


def good(daemon: RunningDaemon, *words: str, stdin: str = "") -> str:
    """Run a verb that must succeed; return what it printed."""
    done = run(daemon, *words, stdin=stdin)
    assert done.exit_code == 0, (done.output, done.exception)
    return done.stdout


def bad(daemon: RunningDaemon, status: int, *words: str) -> str:
    """Run a verb that must fail; return what it said."""
    done = run(daemon, *words)
    assert done.exit_code == status, (done.output, done.exception)
    return done.stderr


@pytest.mark.requirement("FLAG-51")
def test_flags_are_set_shown_explained_and_remembered(daemon: RunningDaemon) -> None:
    said = good(daemon, "flags", "set", "MODE=wsjf", "limit=7", "--reason", "to try it")
    assert "MODE: legacy -> wsjf" in said
    assert "changed MODE, limit" in said
    assert good(daemon, "flags", "get", "MODE") == "wsjf\n"
    assert "values" in good(daemon, "flags", "get", "MODE", "--all")
    assert (
        next(line for line in good(daemon, "flags", "list").splitlines() if line.startswith("limit")).split()[1] == "7"
    )
    newest = good(daemon, "flags", "history", "limit").splitlines()[1]
    assert all(word in newest for word in ("limit", "-> 7", f"(uid {os.getuid()})", "to try it"))
    explained = good(daemon, "flags", "explain", "MODE", "--for", "mission-42", "--attribute", "agent_type=planner")
    assert "MODE is wsjf for mission-42" in explained
    assert "default decided" in explained


@pytest.mark.requirement("FLAG-51")
def test_targeting_comes_from_a_file_or_the_command_line_and_goes_again(daemon: RunningDaemon) -> None:
    rules = json.dumps({"allow": {"value": "wsjf", "keys": ["mission-42"]}})
    good(daemon, "flags", "target", "MODE", "-", stdin=rules)
    assert "allow decided" in good(daemon, "flags", "explain", "MODE", "--for", "mission-42")
    assert "targeting removed" in good(daemon, "flags", "target", "MODE", "--clear", "--reason", "enough")
    assert "targeting changed" in good(daemon, "flags", "target", "MODE", "--rules", rules)
    assert "no JSON" in bad(daemon, 1, "flags", "target", "MODE", "--rules", "[]")
    bad(daemon, 2, "flags", "target", "MODE")
    version = json.loads(good(daemon, "flags", "list", "--json"))["version"]
    stale = ("--expect-version", str(version - 1))
    assert f"{version}" in bad(daemon, 1, "flags", "target", "MODE", "--clear", *stale)
    assert "allow decided" in good(daemon, "flags", "explain", "MODE", "--for", "mission-42")
    fresh = ("--expect-version", str(version), "--wait", "--timeout", "5")
    told = good(daemon, "flags", "target", "MODE", "--clear", *fresh)
    assert "targeting removed" in told
    assert f"version {version + 1} is applied by" in told


@pytest.mark.requirement("FLAG-51")
def test_an_export_is_imported_and_a_reset_makes_all_safe(daemon: RunningDaemon, tmp_path: Path) -> None:
    good(daemon, "flags", "set", "limit=42")
    kept = tmp_path / "flags.json"
    kept.write_text(good(daemon, "flags", "export"))
    good(daemon, "flags", "reset", "--all")
    assert good(daemon, "flags", "get", "limit") == "1\n"
    good(daemon, "flags", "import", str(kept))
    assert good(daemon, "flags", "get", "limit") == "42\n"
    assert "flag" in good(daemon, "flags", "stale")


@pytest.mark.requirement("FLAG-51")
def test_an_import_is_waited_for_and_refused_when_somebody_was_faster(daemon: RunningDaemon) -> None:
    kept = good(daemon, "flags", "export")
    assert "is applied by 1 process" in good(daemon, "flags", "import", "-", "--wait", stdin=kept)
    done = run(daemon, "flags", "import", "-", "--expect-version", "0", stdin=kept)
    assert (done.exit_code, "not 0" in done.stderr) == (1, True)


@pytest.mark.requirement("FLAG-78")
def test_a_list_says_that_the_kill_switch_is_on(daemon: RunningDaemon) -> None:
    said = "DISABLE_NEW is on: every other flag answers its safe value"
    assert said not in good(daemon, "flags", "list")
    good(daemon, "flags", "set", "DISABLE_NEW=1", "MODE=wsjf")
    assert said in good(daemon, "flags", "list")
    one = run(daemon, "flags", "get", "MODE")
    assert one.stdout == "wsjf\n"
    assert "but it answers legacy: DISABLE_NEW is on" in one.stderr
    good(daemon, "flags", "set", "DISABLE_NEW=0")


@pytest.mark.requirement("FLAG-78", "FLAG-22")
def test_flags_are_shown_as_they_stood_at_a_time_written_as_the_history_shows_it(daemon: RunningDaemon) -> None:
    good(daemon, "flags", "set", "limit=8")
    newest = json.loads(good(daemon, "flags", "history", "limit", "--json"))["changes"][0]
    shown = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(newest["at"]))
    in_utc = dt.datetime.fromtimestamp(newest["at"], dt.UTC).isoformat()
    in_table = in_utc[:23] + "Z"  # as `settings` and webhooks have it
    for moment in (shown, in_utc, in_table, str(newest["version"])):
        (row,) = [line for line in good(daemon, "flags", "history", "--at", moment).splitlines() if "limit" in line]
        assert row.split() == ["limit", "8"]
    assert "limit" not in good(daemon, "flags", "history", "--at", "2001-01-01T00:00:00Z")
    assert "neither a flags version nor a time" in bad(daemon, 2, "flags", "history", "--at", "yesterday")


@pytest.mark.requirement("FLAG-74", "FLAG-51")
def test_notices_are_listed_and_delivered_again(daemon: RunningDaemon) -> None:
    assert good(daemon, "notices") == "no failed notices\n"
    assert json.loads(good(daemon, "notices", "--state", "all", "--json")) == {"notices": [], "before": None}
    assert good(daemon, "notices", "--retry", "--reason", "mended") == "no notice had failed\n"
    bad(daemon, 2, "notices", "3")


@pytest.mark.requirement("FLAG-51")
def test_every_answer_is_to_be_had_as_json(daemon: RunningDaemon) -> None:
    for words in (
        ("list",), ("get", "MODE"), ("set", "limit=5"), ("reset", "limit"), ("history",), ("history", "--at", "1"),
        ("explain", "MODE"), ("stale",), ("export",), ("target", "MODE", "--clear"), ("lint",),
    ):  # fmt: skip
        more = () if words == ("export",) else ("--json",)
        assert isinstance(json.loads(good(daemon, "flags", *words, *more)), dict), words


@pytest.mark.requirement("FLAG-51")
@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (("set", "MODE=loud"), 1, 'allowed: "legacy", "wsjf"'),
        (("set", "MODES=wsjf"), 1, "did you mean MODE?"),
        (("set", "limit=5", "--expect-version", "0"), 1, "not 0"),
        (("get", "nothing"), 1, "no flag nothing"),
        (("set", "MODE"), 2, "NAME=VALUE"),
        (("set", "limit=1", "limit=2"), 2, "twice"),
        (("reset",), 2, "--all"),
    ],
)
def test_what_is_refused_is_said_in_words(
    daemon: RunningDaemon, words: tuple[str, ...], status: int, said: str
) -> None:
    assert said in bad(daemon, status, "flags", *words)


@pytest.mark.requirement("FLAG-51")
def test_lint_needs_no_daemon_and_names_file_and_line(tmp_path: Path) -> None:
    declared = tmp_path / "flags.toml"
    declared.write_text('[flags.MODE]\ntype = "enum"\nvalues = ["a"]\ndefault = "b"\nsafe = "a"\n')
    for words, status, said in (((), 0, "can be used"), ((str(declared),), 1, f"{declared}:4: MODE: default")):
        done = CliRunner().invoke(switchover, ["flags", "lint", *words])
        assert (done.exit_code, said in done.stdout) == (status, True), done.output


@pytest.mark.requirement("FLAG-53")
def test_waiting_ends_when_every_worker_has_acknowledged(daemon: RunningDaemon) -> None:
    said = good(daemon, "flags", "set", "limit=6", "--wait")
    assert "is applied by 1 process\n" in said


@pytest.mark.requirement("FLAG-53")
def test_a_process_that_does_not_acknowledge_is_named(daemon: RunningDaemon) -> None:
    with socket.socket(socket.AF_UNIX) as silent:
        silent.settimeout(PATIENCE)
        silent.connect(str(daemon.state_dir / "run" / "flags" / "live.sock"))
        hello = {"hello": {"pid": 1, "generation": 7, "role": "serving", "version": 0, "forced": {}}}
        silent.sendall(json.dumps(hello).encode() + b"\n")
        assert silent.recv(100), "the daemon has heard who it is"
        done = run(daemon, "flags", "set", "limit=5", "--wait", "--timeout", "0.3")
    assert done.exit_code == 1
    assert "is applied by 1 process\n" in done.stdout
    assert "not yet: process" in done.stderr
    assert "generation 7" in done.stderr


@pytest.mark.requirement("FLAG-52")
def test_watching_shows_each_change_as_it_happens(daemon: RunningDaemon) -> None:
    command = [EXECUTABLE, "flags", "watch"]
    watching = [
        subprocess.Popen([*command, *more], env=daemon.environment(), stdout=subprocess.PIPE, text=True)
        for more in ((), ("--json",))
    ]
    try:
        for one in watching:
            assert one.stdout is not None
            assert "version" in one.stdout.readline()
        good(daemon, "flags", "set", "MODE=wsjf", "--reason", "now")
        plain, as_json = (one.stdout.readline() for one in watching if one.stdout)
        assert f"(uid {os.getuid()})" in plain.partition("MODE: legacy -> wsjf  by ")[2]
        assert plain.rstrip().endswith("(now)")
        told: dict[str, Any] = json.loads(as_json)
        assert (told["type"], told["changes"][0]["after"]) == ("changed", "wsjf")
    finally:
        for one in watching:
            one.kill()
            one.communicate(timeout=PATIENCE)


@pytest.mark.requirement("FLAG-60", "FLAG-51")
def test_a_token_is_printed_when_its_gates_are_open_and_refused_by_their_names(daemon: RunningDaemon) -> None:
    assert "tool-access" in bad(daemon, 1, "token", "ann", "--gate", "tool-access")
    good(daemon, "flags", "set", "tool-access=true")
    printed = good(daemon, "token", "ann", "--gate", "tool-access", "--attribute", "level=3", "--ttl", "60")
    claims = jwt.decode(printed.strip(), options={"verify_signature": False})
    assert (claims["sub"], claims["gates"], claims["attributes"]) == ("ann", {"tool-access": True}, {"level": 3})
    assert json.loads(good(daemon, "token", "ann", "--json"))["gates"] == {}


@pytest.mark.requirement("STATE-6")
def test_what_is_set_after_the_database_was_removed_is_in_the_one_that_was_put_back(daemon: RunningDaemon) -> None:
    database = daemon.state_dir / "orchestrator.db"
    before = good(daemon, "flags", "history", "limit")
    for side in ("", "-wal", "-shm"):
        database.with_name(database.name + side).unlink(missing_ok=True)
    good(daemon, "flags", "set", "limit=9")
    with closing(sqlite3.connect(database)) as found:
        assert found.execute("SELECT val FROM settings WHERE key = 'limit'").fetchone() == ("9",)
    assert good(daemon, "flags", "history", "limit").endswith(before.partition("\n")[2]), "nothing of before is lost"
    assert daemon.status()["trouble"] is None
    good(daemon, "flags", "reset", "limit")
