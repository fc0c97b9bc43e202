"""The harness's program: a whole run, one that fails, and what is left of one that is killed or cancelled."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from rehearsal_parts import artifact, begin, events, finish, refusal, rehearsed, repository, request, spec
from waiting import eventually

from orchestrator.domain.rehearsal import Options
from orchestrator.rehearsal.code_copy import git
from orchestrator.rehearsal.request import Request
from orchestrator.supervision.warden import MARK, marked
from state.upgrade_lock import LOCK_NAME

BUILD = "import os, sys; print('built in', os.getcwd()); print('password=hunter2hunter2'); open('built', 'w').close()"
TEST = "import os, sys; sys.exit(0 if os.path.exists('built') else 3)"

PATIENCE = 60.0
ENDED = ("summary", "ok")
SUITE = """
[[call]]
tool = "database"
[[call]]
tool = "write"
arguments = { path = "note" }
repeats = 2
"""

UNSTEADY = """
import json, os, sys
state = os.environ["SWITCHOVER_WORKER_STATE"]
results = {
    "initialize": {"protocolVersion": "2025-11-25", "capabilities": {}, "serverInfo": {"name": "w", "version": "1"}},
    "tools/list": {"tools": [{"name": "look", "inputSchema": {"type": "object"}}]},
    "tools/call": {"content": [], "structuredContent": {"cached": state.endswith("rehearsal-1")}},
}
for message in map(json.loads, sys.stdin):
    if "id" in message:
        answer = {"jsonrpc": "2.0", "id": message["id"], "result": results.get(message["method"], {})}
        print(json.dumps(answer), flush=True)
"""
"""A worker of which the second rehearsed process answers otherwise than all the rest."""


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    (tmp_path / "s" / "worker").mkdir(parents=True)
    with closing(sqlite3.connect(tmp_path / "s" / "worker" / "own.db")) as connection, connection:
        connection.execute("CREATE TABLE t (n)")
    return tmp_path / "s"


@pytest.fixture
def suite(tmp_path: Path) -> str:
    path = tmp_path / "suite.toml"
    path.write_text(SUITE)
    return str(path)


def python(code: str) -> list[str]:
    return [sys.executable, "-S", "-c", code]


def left_behind(state_dir: Path, source: Path | None = None) -> list[str]:
    """Return what no finished rehearsal leaves."""
    found = [path.name for path in (state_dir / "rehearsals", state_dir / LOCK_NAME) if path.exists()]
    found += [str(path) for path in state_dir.rglob("*.partial")]
    found += [path.name for path in (state_dir / "upgrades").iterdir() if not (path / "report.json").exists()]
    if source is not None and "\n" in git(source, "worktree", "list")[1]:
        found.append("a work tree")
    return found


@pytest.mark.requirement("REH-1", "REH-6", "REH-9", "REH-11")
def test_a_whole_rehearsal_builds_tests_and_asks_both_versions_and_leaves_only_what_is_to_be_read(
    state_dir: Path, tmp_path: Path, suite: str
) -> None:
    source = repository(tmp_path / "source", {"server.py": "1"})
    worker = spec("escaping_worker.py")
    new = spec("escaping_worker.py", "--break", "later", "--leave", source=source)
    settings = {"build": python(BUILD), "test": python(TEST)}
    assert rehearsed(request(state_dir, "one", worker, new, suite=suite, settings=settings)) == 0

    steps = artifact(state_dir, "one", "steps")
    assert [(one["step"], one["status"]) for one in steps["steps"]] == [
        (step, "ok") for step in ("preflight", "copy", "build", "test", "shadow", "summary")
    ]
    assert "work tree of commit" in steps["steps"][1]["message"]
    shadow = artifact(state_dir, "one", "shadow")
    assert (shadow["count"], shadow["compared"]) == (0, 3)
    assert shadow["state"] == {"shared": True, "broken": []}
    assert set(shadow["attempts"]) == {"control 1", "rehearsal 1", "control 2", "touched 1"}
    log = (state_dir / "upgrades" / "one" / "build.log").read_text()
    assert "hunter2" not in log
    assert str(state_dir / "rehearsals" / "one" / "code") in log
    assert artifact(state_dir, "one", "promotion_plan")["may_promote"]
    assert artifact(state_dir, "one", "report")["message"] == "[upgrade] All checks passed."
    summary = json.loads((state_dir / "analytics" / "upgrade_shadow.json").read_text())
    assert (summary["count"], summary["path"]) == (0, "upgrades/one/shadow.json")
    assert events(state_dir, "one")[-1] | {"at": 0, "n": 0} == {
        "n": 0, "end": True, "exit_code": 0, "message": "[upgrade] All checks passed.", "at": 0,
    }  # fmt: skip
    assert left_behind(state_dir, source) == []
    assert not (source / "built").exists()
    with closing(sqlite3.connect(state_dir / "worker" / "own.db")) as live:
        assert live.execute("SELECT count(*) FROM t").fetchone() == (0,)
    assert [path.name for path in (state_dir / "worker").iterdir()] == ["own.db"]


@pytest.mark.requirement("REH-13")
def test_both_are_asked_again_where_a_difference_is_in_some_answers_only(state_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "worker.py").write_text(UNSTEADY)
    (tmp_path / "suite.toml").write_text('repeats = 2\n[[call]]\ntool = "look"\n')
    worker = replace(spec("escaping_worker.py"), command=(sys.executable, "-S", str(tmp_path / "worker.py")))
    assert rehearsed(request(state_dir, "one", worker, worker, suite=str(tmp_path / "suite.toml"))) == 4
    shadow = artifact(state_dir, "one", "shadow")
    assert {(one["kind"], one["seen"], one["pairs"]) for one in shadow["differences"]} == {("value", 1, 4)}
    said = [one["message"] for one in events(state_dir, "one") if one.get("step") == "shadow"]
    assert any("what differs may be chance" in one for one in said)
    assert left_behind(state_dir) == []


@pytest.mark.requirement("REH-8", "REH-11")
def test_what_was_attempted_and_a_state_the_old_code_cannot_bear_are_warnings(state_dir: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    (tmp_path / "suite.toml").write_text(
        f'[[call]]\ntool = "write"\narguments = {{ path = "{outside}" }}\nexpect = {{ error = false }}\n'
    )
    old = spec("escaping_worker.py", "--break", "later", "--refuse")
    new = spec("escaping_worker.py", "--break", "later", "--leave")
    asked = request(state_dir, "one", old, new, suite=str(tmp_path / "suite.toml"))
    assert rehearsed(asked) == 4
    shadow = artifact(state_dir, "one", "shadow")
    assert {attempt["target"] for made in shadow["attempts"].values() for attempt in made} == {str(outside)}
    assert shadow["state"]["shared"] is False
    assert "later version" in shadow["state"]["broken"][0]
    assert {(one["kind"], one["class"]) for one in shadow["differences"]} == {
        ("refused", "incomplete"),
        ("expectation", "unexpected"),
    }
    plan = artifact(state_dir, "one", "promotion_plan")
    assert not plan["may_promote"]
    assert plan["state"]["shared"] is False
    assert not outside.exists()
    report = artifact(state_dir, "one", "report")
    assert report["message"] == "[upgrade] Completed with warnings (review noted shadow differences)."


@pytest.mark.requirement("REH-11")
def test_old_code_that_answers_well_but_has_lost_its_rows_to_the_new_may_not_share_state(
    state_dir: Path, tmp_path: Path
) -> None:
    (tmp_path / "suite.toml").write_text('[[call]]\ntool = "write"\narguments = { path = "note" }\n')
    with closing(sqlite3.connect(state_dir / "worker" / "own.db")) as live, live:
        live.executemany("INSERT INTO t VALUES (?)", [(1,), (2,), (3,)])
    old, new = spec("escaping_worker.py"), spec("escaping_worker.py", "--break", "later", "--rename")
    assert rehearsed(request(state_dir, "one", old, new, suite=str(tmp_path / "suite.toml"))) == 4
    shadow = artifact(state_dir, "one", "shadow")
    assert shadow["state"] == {"shared": False, "broken": ["what it keeps in own.db:t is gone"]}
    assert artifact(state_dir, "one", "report")["broken"] == shadow["state"]["broken"]
    assert shadow["count"] == 0
    assert "exclusive" in artifact(state_dir, "one", "promotion_plan")["then"][0]


@pytest.mark.requirement("REH-1", "REH-6")
def test_a_build_that_fails_stops_the_run_and_a_test_that_takes_too_long_is_ended_with_all_it_started(
    state_dir: Path, tmp_path: Path
) -> None:
    source = repository(tmp_path / "source", {"server.py": "1"})
    (source / "dirty").write_text("x")
    old, new = spec("escaping_worker.py"), spec("escaping_worker.py", source=source)
    options = Options(allow_dirty=True, nightly=True)
    bad = {"build": python("print('no such header'); raise SystemExit(2)"), "test": python(TEST)}
    assert rehearsed(request(state_dir, "one", old, new, settings=bad, options=options)) == 1
    report = artifact(state_dir, "one", "report")
    assert [(one["step"], one["status"]) for one in report["steps"]][2:] == [
        ("build", "failed"),
        ("test", "skipped"),
        ("shadow", "skipped"),
    ]
    assert "no such header" in report["message"]

    daemon = "import os, time, sys\nif os.fork() == 0:\n os.setsid()\n time.sleep(600)\ntime.sleep(600)"
    slow = {"build": python("pass"), "test": python(daemon), "test_timeout": 0.5}
    asked = request(state_dir, "two", old, new, settings=slow, options=options)
    assert rehearsed(asked) == 1
    assert "did not end within 0.5 s" in artifact(state_dir, "two", "report")["message"]
    assert marked(asked.environ[MARK]) == []
    assert left_behind(state_dir, source) == []


async def killed_in_summary(asked: Request, state_dir: Path) -> None:
    """Kill a run while it writes what is to be read last: a pipe stands where it writes, and nobody reads."""
    program = begin(asked)
    assert refusal(program) == ""
    folder = state_dir / "upgrades" / asked.run
    os.mkfifo(folder / "report.json.partial")
    await eventually(lambda: [one for one in events(state_dir, asked.run) if (one["step"], one["status"]) == ENDED])
    program.kill()
    assert finish(program) == -signal.SIGKILL
    assert {LOCK_NAME, asked.run} <= set(left_behind(state_dir))


@pytest.mark.requirement("REH-3", "REH-7")
async def test_a_run_killed_at_any_step_leaves_nothing_that_the_next_does_not_clear_up(
    state_dir: Path, tmp_path: Path
) -> None:
    source = repository(tmp_path / "source", {"server.py": "1"})
    old, new = spec("echo_worker.py"), spec("echo_worker.py", source=source)
    wait = python("import time; time.sleep(600)")
    (tmp_path / "slow.toml").write_text('[[call]]\ntool = "slow"\narguments = { seconds = 600 }\n')
    (tmp_path / "quick.toml").write_text('[[call]]\ntool = "echo"\n')
    blocked = {"preflight": {}, "copy": {}, "build": {"build": wait}, "test": {"test": wait}, "shadow": {}}
    for step, settings in blocked.items():
        asked = request(state_dir, step, old, new, settings=settings, suite=str(tmp_path / "slow.toml"))
        program = begin(asked)
        assert refusal(program) == ""
        said = "control 1 is asked" if step == "shadow" else ""
        await eventually(
            lambda s=step, m=said: [e for e in events(state_dir, s) if (e["step"], e["message"]) == (s, m)]
        )
        program.kill()
        assert finish(program) == -signal.SIGKILL
        assert left_behind(state_dir)
    await killed_in_summary(request(state_dir, "summary", old, new, suite=str(tmp_path / "quick.toml")), state_dir)
    blocked["summary"] = {}
    asked = request(state_dir, "last", old, new, suite=str(tmp_path / "quick.toml"))
    assert rehearsed(asked) == 0
    assert left_behind(state_dir, source) == []
    lock = next(one for one in artifact(state_dir, "last", "preflight")["checks"] if one["name"] == "lock")
    assert "taken over" in lock["message"]
    assert "is gone" in lock["message"]
    for step in blocked:
        assert artifact(state_dir, step, "report")["status"] == "failed"
        assert marked(f"test-{os.getpid()}-{step}") == []


@pytest.mark.requirement("REH-3", "REH-7")
async def test_a_cancelled_run_clears_up_itself_and_a_second_one_is_refused_while_it_lives(
    state_dir: Path, tmp_path: Path
) -> None:
    (tmp_path / "slow.toml").write_text('[[call]]\ntool = "slow"\narguments = { seconds = 600 }\n')
    worker = spec("echo_worker.py")
    program = begin(request(state_dir, "one", worker, worker, suite=str(tmp_path / "slow.toml")))
    assert refusal(program) == ""
    second = begin(request(state_dir, "two", worker, worker))
    assert f"rehearsal one (pid {program.pid}) holds it" in refusal(second)
    assert finish(second) == 1
    await eventually(lambda: [one for one in events(state_dir, "one") if "control 1" in one["message"]])
    program.terminate()
    assert finish(program) == 1
    assert left_behind(state_dir) == []
    report = artifact(state_dir, "one", "report")
    assert report["steps"][-1] == {"step": "shadow", "status": "failed", "message": "it was cancelled"}


@pytest.mark.requirement("REH-7")
def test_copies_that_are_to_be_kept_stay_also_for_the_next_run(state_dir: Path, suite: str) -> None:
    worker = spec("escaping_worker.py")
    asked = request(state_dir, "one", worker, worker, suite=suite, options=Options(keep_copy=True))
    assert rehearsed(asked) == 0
    kept = Path(artifact(state_dir, "one", "report")["copies"])
    assert (kept / "runs" / "rehearsal-0" / "note").read_text() == "x"
    assert rehearsed(request(state_dir, "two", worker, worker, suite=suite)) == 0
    assert (kept / "state" / "own.db").exists()


@pytest.mark.requirement("REH-11")
def test_a_new_version_that_does_not_start_fails_with_its_last_words(state_dir: Path, suite: str) -> None:
    old, new = spec("escaping_worker.py"), spec("escaping_worker.py", "--break", "own.db", "--refuse")
    assert rehearsed(request(state_dir, "one", old, new, suite=suite)) == 1
    message = artifact(state_dir, "one", "report")["message"]
    assert "the new code did not start" in message
    assert "this state belongs to a later version" in message


@pytest.mark.requirement("REH-12")
def test_a_run_that_is_ended_in_the_moment_it_begins_clears_up(state_dir: Path, suite: str) -> None:
    old = spec("escaping_worker.py")
    program = begin(request(state_dir, "brief", old, old, suite=suite))
    assert refusal(program) == ""
    program.send_signal(signal.SIGTERM)
    assert finish(program) == 1
    assert artifact(state_dir, "brief", "report")["status"] == "failed"
    assert left_behind(state_dir) == []


@pytest.mark.requirement("REH-7")
def test_a_run_whose_artifacts_cannot_be_written_any_more_clears_up_and_says_so(
    state_dir: Path, tmp_path: Path, suite: str
) -> None:
    source = repository(tmp_path / "source", {"server.py": "1"})
    blocked = state_dir / "upgrades" / "one" / "steps.json.partial"
    worker = spec("escaping_worker.py")
    settings = {"build": python(f"import os; os.mkdir({str(blocked)!r})"), "test": python("")}
    new = spec("escaping_worker.py", source=source)
    program = begin(request(state_dir, "one", worker, new, suite=suite, settings=settings))
    assert refusal(program) == ""
    assert program.stdout is not None
    assert program.stderr is not None
    with program.stdout, program.stderr as errors:
        assert program.wait(PATIENCE) == 1
        said = errors.read().decode()
    assert said == (
        f"the rehearsal one failed and cannot write down why: {blocked}: Is a directory; "
        "look at its disk and permissions\n"
    )
    last = events(state_dir, "one")[-1]
    assert (last["step"], last["status"]) == ("build", "ok")  # what could still be written; the test was not begun
    blocked.rmdir()
    (blocked.parent / "report.json").touch()
    assert left_behind(state_dir, source) == []
