"""The command line against a real daemon: what each verb does, prints, and exits with."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from daemon import EXECUTABLE, RunningDaemon, echo_worker
from running_verb import RunningVerb

from orchestrator.cli.mcp_client import McpClient

QUICK_STOP = "[worker.stop_grace]\nclose_stdin = 0.1\n"
SMALL_LOG = "[log]\nfile_bytes = 4096\nfile_count = 20\n"


@pytest.fixture(scope="module")
def shared() -> Iterator[RunningDaemon]:
    """Give the tests that change nothing one daemon."""
    with RunningDaemon.start(echo_worker("--version", "1")) as daemon:
        yield daemon


def done(completed: subprocess.CompletedProcess[str]) -> str:
    assert completed.returncode == 0, completed
    return completed.stdout


def refused(completed: subprocess.CompletedProcess[str]) -> str:
    assert (completed.returncode, completed.stdout) == (1, ""), completed
    return completed.stderr


# --- verbs and exit statuses ------------------------------------------------------------------------


@pytest.mark.requirement("CLI-1")
def test_each_verb_does_what_the_control_api_means_by_it() -> None:
    with RunningDaemon.start(echo_worker("--version", "1"), config="[limits]\nsessions = 9\n") as daemon:
        said = done(daemon.cli("canary", "--env", "A=b", "--", *echo_worker("--version", "2")))
        assert said == "generation 2 is the canary, with weight 0\n"
        assert done(daemon.cli("weight", "25")) == "25 % of assignment keys go to generation 2\n"
        assert (daemon.status()["weight"], daemon.status()["lanes"]) == (25, {"active": 1, "canary": 2})
        assert done(daemon.cli("switch")) == "generation 2 is active, generation 1 stays warm\n"
        assert daemon.status()["lanes"] == {"active": 2, "previous": 1}
        assert "kill switch is on" in done(daemon.cli("kill-switch", "on", "--reason", "it is slow"))
        assert daemon.status()["kill_switch"] is True
        assert done(daemon.cli("kill-switch", "off")) == "the kill switch is off\n"
        assert "generation 1 is active again" in done(daemon.cli("switch", "--back"))
        assert daemon.status()["lanes"] == {"active": 1, "canary": 2}
        assert "generation 2 is drained and stopped" in done(daemon.cli("canary", "--stop"))
        daemon.write_config("[limits]\nsessions = 10\n")
        assert done(daemon.cli("reload")) == "changed: limits.sessions\n"
        assert done(daemon.cli("stop")) == "the daemon drains and stops\n"
        assert daemon.wait_exit() == 0


@pytest.mark.requirement("CLI-1")
@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["switch"], "there is no canary"),
        (["switch", "--back"], "there is no previous"),
        (["weight", "101"], "not a percentage"),
        (["canary", "--", "/bin/false"], "did not become a canary"),
        (["canary", "--cwd", "/nowhere", "--", "x"], "/nowhere"),
    ],
)
def test_what_is_refused_is_exit_status_1_with_the_reason(shared: RunningDaemon, words: list[str], reason: str) -> None:
    said = refused(shared.cli(*words))
    assert said.startswith("switchover: ")
    assert reason in said


@pytest.mark.requirement("CLI-1")
@pytest.mark.parametrize(
    "words",
    [
        ["promenade"],
        ["weight", "half"],
        ["canary"],
        ["canary", "--env", "A", "--", "x"],
        ["kill-switch"],
        ["call"],
        ["call", "echo", "{"],
        ["call", "echo", "{}", "--timeout", "0"],
        ["logs", "--level", "loud"],
        ["logs", "-n", "-1"],
    ],
)
def test_wrong_usage_is_exit_status_2_and_reaches_no_daemon(tmp_path: Path, words: list[str]) -> None:
    completed = without_daemon(tmp_path, *words)
    assert completed.returncode == 2, completed
    assert "Usage: switchover" in completed.stderr


@pytest.mark.requirement("CLI-1")
@pytest.mark.parametrize(
    "words",
    [
        ["status"],
        ["status", "--watch"],
        ["tools"],
        ["call", "echo"],
        ["canary", "--", "x"],
        ["switch"],
        ["weight", "5"],
        ["kill-switch", "on"],
        ["reload"],
        ["stop"],
    ],
)
def test_without_a_daemon_each_verb_is_exit_status_3_and_says_how_to_start_one(
    tmp_path: Path, words: list[str]
) -> None:
    completed = without_daemon(tmp_path, *words)
    assert (completed.returncode, completed.stdout) == (3, ""), completed
    assert re.fullmatch(
        r"switchover: no daemon answers on .*\.sock \(.*\); start one with: switchover serve -- COMMAND\n",
        completed.stderr,
    )


def without_daemon(tmp_path: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a verb on a state directory that no daemon has."""
    environment = {"PATH": os.environ["PATH"], "SWITCHOVER_STATE_DIR": str(tmp_path)}
    return subprocess.run(
        [EXECUTABLE, *words], env=environment, capture_output=True, text=True, timeout=60, check=False
    )


# --- status -----------------------------------------------------------------------------------------


@pytest.mark.requirement("CLI-2")
def test_status_tells_of_the_lanes_the_generations_and_their_calls() -> None:
    with RunningDaemon.start(echo_worker("--version", "1")) as daemon:
        done(daemon.cli("call", "echo"))
        refused(daemon.cli("call", "fail"))
        daemon.verb("canary", command=echo_worker("--version", "2"))
        daemon.verb("switch")
        known = {row["lane"]: row for row in daemon.status()["generations"]}
        lines = done(daemon.cli("status")).splitlines()
        active = next(line for line in lines if line.startswith("active"))
        previous = next(line for line in lines if line.startswith("previous"))
        assert lines[0].startswith("switchover 0.1.0  up ")
        assert "  revision 3  steady  weight 0 %  kill switch off" in lines[0]
        assert active.split()[:6] == ["active", "2", "ready", "echo", "2", str(known["active"]["pid"])]
        assert previous.split()[:6] == ["previous", "1", "ready", "echo", "1", str(known["previous"]["pid"])]
        assert re.split(r" {2,}", previous)[6:8] == ["2", "1"]
        assert lines[-1].startswith("last switch: to revision 3, ")
        assert "\x1b" not in "".join(lines)


@pytest.mark.requirement("CLI-2")
def test_status_as_json_is_what_the_api_says(shared: RunningDaemon) -> None:
    said = json.loads(done(shared.cli("status", "--json")))
    assert said.keys() == {*shared.status(), "rollouts"}
    assert said["pid"] == shared.pid


@pytest.mark.requirement("CLI-1", "CLI-2")
def test_status_is_1_while_the_active_generation_is_not_ready() -> None:
    slow = echo_worker("--start-delay", "60")
    with RunningDaemon.start(slow, config=QUICK_STOP, ready=False) as daemon:
        daemon.wait_listening()
        for completed in (daemon.cli("status"), daemon.cli("status", "--json")):
            assert (completed.returncode, completed.stderr) == (1, ""), completed
        assert "trouble: the active generation 1 is starting: calls wait" in daemon.cli("status").stdout


@pytest.mark.requirement("CLI-2")
def test_watching_on_a_terminal_redraws_one_screen_and_gives_the_terminal_back(shared: RunningDaemon) -> None:
    with RunningVerb(shared, "status", "--watch", terminal=(24, 100)) as watch:
        watch.read_until("\x1b[H", times=2)
        assert watch.end() == 0
        assert watch.said.startswith("\x1b[?1049h")
        assert watch.said.endswith("\x1b[?1049l")
        assert watch.said.count("\x1b[?1049h") == 1
        assert "\x1b[2J" not in watch.said
        assert "\x1b[32mready\x1b[0m" in watch.said


@pytest.mark.requirement("CLI-2")
def test_a_watch_that_is_told_to_end_gives_the_terminal_back(shared: RunningDaemon) -> None:
    with RunningVerb(shared, "status", "--watch", terminal=(24, 100)) as watch:
        watch.read_until("last switch")
        assert watch.end(signal.SIGTERM) == 128 + signal.SIGTERM
        assert watch.said.endswith("\x1b[?1049l")


@pytest.mark.requirement("CLI-2")
def test_no_color_leaves_the_screen_and_takes_the_colours(shared: RunningDaemon) -> None:
    with RunningVerb(shared, "status", "--watch", terminal=(24, 100), env={"NO_COLOR": "1"}) as watch:
        said = watch.read_until("last switch")
        assert "\x1b[H" in said
        assert not re.search(r"\x1b\[[0-9;]*m", said)


@pytest.mark.requirement("CLI-2")
def test_a_small_terminal_shows_the_top_and_never_scrolls(shared: RunningDaemon) -> None:
    with RunningVerb(shared, "status", "--watch", terminal=(3, 40)) as watch:
        picture = watch.read_until("\x1b[H", times=2).split("\x1b[H")[1]
        assert picture.count("\n") == 2


@pytest.mark.requirement("CLI-2")
def test_watching_into_a_pipe_prints_block_after_block_also_over_a_restart_of_the_daemon() -> None:
    with RunningDaemon.start(echo_worker()) as daemon, RunningVerb(daemon, "status", "--watch") as watch:
        watch.read_until("\n\nswitchover 0.1.0")
        daemon.stop()
        watch.read_until("no daemon answers")
        daemon.restart()
        blocks = watch.said.count("last switch: ")
        watch.read_until("last switch: ", times=blocks + 2)
        assert "\x1b" not in watch.said
        assert watch.end() == 0


@pytest.mark.requirement("CLI-2")
def test_watching_as_json_prints_one_status_a_line(shared: RunningDaemon) -> None:
    with RunningVerb(shared, "status", "--watch", "--json") as watch:
        lines = watch.read_until("\n", times=2).splitlines()
        assert [json.loads(line)["pid"] for line in lines[:2]] == [shared.pid, shared.pid]
        assert watch.end() == 0


# --- call and tools ---------------------------------------------------------------------------------


@pytest.mark.requirement("CLI-3")
def test_tools_are_listed_with_their_hints_and_first_lines(shared: RunningDaemon) -> None:
    lines = done(shared.cli("tools")).splitlines()
    assert lines[0].split() == ["TOOL", "HINTS", "DESCRIPTION"]
    assert "echo   read-only    Return the text." in lines
    assert "die    destructive  End this process by SIGKILL, unanswered." in lines
    listed = json.loads(done(shared.cli("tools", "--json")))
    assert [tool["name"] for tool in listed] == [line.split()[0] for line in lines[1:]]


@pytest.mark.requirement("CLI-3")
def test_a_call_prints_text_as_text_and_structured_content_as_json(shared: RunningDaemon) -> None:
    assert done(shared.cli("call", "echo", '{"text": "häß\\n\\u001b[1m"}')) == "version 1: häß\n\x1b[1m\n"
    text, _, structured = done(shared.cli("call", "pid")).partition("\n")
    assert json.loads(structured) == {"pid": int(text.removeprefix("version 1: pid ")), "version": "1"}


@pytest.mark.requirement("CLI-3")
def test_a_raw_call_prints_the_result_on_one_line(shared: RunningDaemon) -> None:
    assert json.loads(done(shared.cli("call", "echo", '{"text": "x"}', "--raw"))) == {
        "content": [{"type": "text", "text": "version 1: x"}],
        "isError": False,
    }


@pytest.mark.requirement("CLI-3")
def test_a_dash_takes_the_arguments_from_stdin(shared: RunningDaemon) -> None:
    assert done(shared.cli("call", "echo", "-", stdin='{"text": "from a pipe"}')) == "version 1: from a pipe\n"


@pytest.mark.requirement("CLI-1", "CLI-3")
def test_a_tool_that_fails_speaks_on_stderr_with_exit_status_1(shared: RunningDaemon) -> None:
    assert refused(shared.cli("call", "fail", '{"text": "no disk"}')) == "version 1: no disk\n"
    raw = shared.cli("call", "fail", "--raw")
    assert (raw.returncode, json.loads(raw.stdout)["isError"]) == (1, True)


@pytest.mark.requirement("CLI-1", "CLI-3")
def test_an_error_of_the_worker_or_the_daemon_is_told_on_stderr(shared: RunningDaemon) -> None:
    assert refused(shared.cli("call", "nope")) == "switchover: Unknown tool: nope (error -32602)\n"
    assert re.fullmatch(r"switchover: worker_lost: .*SIGKILL.* \(error -31010\)\n", refused(shared.cli("call", "die")))


@pytest.mark.requirement("CLI-3")
def test_a_call_given_up_after_its_timeout_is_cancelled(shared: RunningDaemon) -> None:
    said = refused(shared.cli("call", "slow", '{"seconds": 30}', "--timeout", "2"))
    assert said.startswith("switchover: tools/call was not answered within 2 s")
    assert shared.status()["in_flight"] == 0


@pytest.mark.requirement("CLI-3")
def test_calls_with_the_same_key_go_to_the_same_generation() -> None:
    with RunningDaemon.start(echo_worker("--version", "1")) as daemon:
        daemon.verb("canary", command=echo_worker("--version", "2"))
        daemon.verb("weight", weight=50)
        keys = {answer_to(daemon, f"key {number}"): f"key {number}" for number in range(64)}
        assert keys.keys() == {"version 1: ", "version 2: "}  # by chance only one in 2 ** 63 times
        for answer, key in [*keys.items()] * 2:
            assert done(daemon.cli("call", "echo", "--key", key)) == f"{answer}\n"


def answer_to(daemon: RunningDaemon, key: str) -> str:
    """Return the text of a call with this assignment key."""
    with McpClient(daemon.tools_socket, timeout=60) as client:
        result = client.request("tools/call", {"name": "echo", "_meta": {"io.switchover/key": key}})
    return str(result["content"][0]["text"])


# --- logs -------------------------------------------------------------------------------------------


def written(daemon: RunningDaemon) -> list[str]:
    """Return all lines of a daemon's log, its older parts first."""
    older = sorted(daemon.log_file.parent.glob("switchover.jsonl.*"), key=lambda part: -int(part.suffix[1:]))
    return [line for part in [*older, daemon.log_file] for line in part.read_text().splitlines()]


@pytest.mark.requirement("CLI-4")
def test_logs_are_readable_and_as_they_are_with_json() -> None:
    with RunningDaemon.start(echo_worker()) as daemon:
        daemon.stop()
        lines = written(daemon)
        assert done(daemon.cli("logs", "--json", "-n", "1000")).splitlines() == lines
        assert done(daemon.cli("logs", "--json", "-n", "2")).splitlines() == lines[-2:]
        shown = done(daemon.cli("logs")).splitlines()
        assert len(shown) == len(lines)
        assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} info    daemon: stopped .*", shown[-1])


@pytest.mark.requirement("CLI-4")
def test_only_lines_of_the_level_or_above_are_shown(shared: RunningDaemon) -> None:
    refused(shared.cli("call", "die"))
    records = [json.loads(line) for line in done(shared.cli("logs", "--json", "--level", "warning")).splitlines()]
    assert {record["level"] for record in records} <= {"warning", "error"}
    assert "worker lost" in {record["event"] for record in records}
    assert done(shared.cli("logs", "-n", "1", "--level", "warning")).count("\n") == 1


@pytest.mark.requirement("CLI-4")
def test_a_log_is_found_where_the_daemon_says_it_is(tmp_path: Path) -> None:
    with RunningDaemon.start(echo_worker(), env={"LOGS_DIRECTORY": str(tmp_path)}) as daemon:
        said = done(daemon.cli("logs", env={"LOGS_DIRECTORY": ""}))
        assert "daemon: ready" in said
        assert (tmp_path / "switchover.jsonl").exists()


@pytest.mark.requirement("CLI-1", "CLI-4")
@pytest.mark.parametrize("words", [["logs"], ["logs", "-f"]])
def test_a_missing_log_is_a_clear_error(tmp_path: Path, words: list[str]) -> None:
    said = refused(without_daemon(tmp_path, *words))
    assert said.startswith(f"switchover: there is no log at {tmp_path}/logs/switchover.jsonl: no daemon has run there")


@pytest.mark.requirement("CLI-4")
def test_following_shows_every_line_once_across_rotations() -> None:
    with RunningDaemon.start(echo_worker(), config=SMALL_LOG) as daemon:
        with RunningVerb(daemon, "logs", "-f", "--json", "-n", "1000") as following:
            following.read_until('"event":"ready"')
            for _ in range(60):
                daemon.verb("kill-switch", on=True)
                daemon.verb("kill-switch", on=False)
            following.read_until(f'"revision":{daemon.status()["revision"]},')
            assert following.end() == 0
        shown = following.said.splitlines()
        assert len(list(daemon.log_file.parent.iterdir())) > 2
        assert shown == written(daemon)[: len(shown)]


@pytest.mark.requirement("CLI-4")
def test_following_on_a_terminal_is_coloured_and_ends_with_ctrl_c(shared: RunningDaemon) -> None:
    with RunningVerb(shared, "logs", "-f", "-n", "1", terminal=(24, 100)) as following:
        following.read_until("\n")  # it looks from here on
        for _ in range(2):
            done(shared.cli("call", "echo"))
        said = following.read_until("\x1b[1msession opened\x1b[0m")
        assert "\x1b[32minfo" in said
        assert following.end() == 0


@pytest.mark.requirement("CLI-4")
def test_following_ends_when_its_reader_does(shared: RunningDaemon) -> None:
    with RunningVerb(shared, "logs", "-f") as following:
        following.read_until("ready")
        assert following.hang_up() in {0, 1}
