"""Commands that really run: in the work tree, within bounds, and with nothing left over."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp.types import CallToolResult
from waiting import alive, eventually

from workers.reference.hands.errors import HandError, RefusedCommandError
from workers.reference.hands.gates import Command, Further, check
from workers.reference.hands.rules import Effect
from workers.reference.hands.runner import Runner
from workers.reference.hands.settings import HandSettings
from workers.reference.hands.tree import Tree
from workers.reference.tools.commands import CommandTools
from workers.reference.world import DryRunError, World

SIGNING = ("gpg.program", "gpg.openpgp.program", "gpg.x509.program", "gpg.ssh.program")
"""Settings of git that name what signs and verifies."""
LIMIT = 60
"""Seconds that any of these may take; each takes a fraction of one."""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a work tree that is a repository, with a secret beside it."""
    (tmp_path / "secret").write_text("secret")
    root = tmp_path / "root"
    root.mkdir()
    (root / "a.txt").write_text("hello\nworld\n")
    git(root, "init", "-q", "-b", "main")
    return root


def git(root: Path, *words: str) -> None:
    """Do what the tools refuse to do."""
    subprocess.run(["git", *words], cwd=root, check=True, timeout=LIMIT)


def sign(root: Path) -> None:
    """Put a commit with a signature on top, as somebody else would who pushed it."""
    found = subprocess.run(
        ["git", "cat-file", "commit", "HEAD"], cwd=root, check=True, timeout=LIMIT, capture_output=True, text=True
    ).stdout
    head, _, message = found.partition("\n\n")
    signature = "gpgsig -----BEGIN PGP SIGNATURE-----\n \n x\n -----END PGP SIGNATURE-----"
    made = subprocess.run(
        ["git", "hash-object", "-t", "commit", "-w", "--stdin"],
        cwd=root, check=True, timeout=LIMIT, capture_output=True, text=True, input=f"{head}\n{signature}\n\n{message}",
    ).stdout  # fmt: skip
    git(root, "update-ref", "HEAD", made.strip())


def shell(script: str) -> Command:
    """Return a command that no gate would let through, to see what the runner does with it."""
    return Command("sh", ("-c", script), Effect.CHANGES, ())


def tools(root: Path, *, strict: bool = False, dry_run: bool = False, further: Further | None = None) -> CommandTools:
    """Return the tools on a work tree."""
    settings = HandSettings() if further is None else HandSettings(further=further)
    return CommandTools(World(root, root.parent / "state", dry_run), lambda: strict, settings)


async def ran(tool: CommandTools, command: str) -> dict[str, Any]:
    """Run a command that must pass and return the answer."""
    with anyio.fail_after(LIMIT):
        result: CallToolResult = await tool.cmd_run(command)
    content: dict[str, Any] = result.structured_content
    return content


@pytest.mark.requirement("HAND-2")
async def test_commands_run_in_the_work_tree_and_say_how_they_ended(root: Path) -> None:
    tool = tools(root)
    assert await ran(tool, "cat a.txt") == {
        "program": "cat",
        "effect": "reads",
        "status": 0,
        "stdout": "hello\nworld\n",
        "stderr": "",
        "truncated": False,
    }
    assert (await ran(tool, "grep -c nothing a.txt"))["status"] == 1
    missing = await ran(tool, "cat none")
    assert (missing["status"], "none" in missing["stderr"]) == (1, True)
    assert (await ran(tool, "echo 'a; rm -rf . && $(id)'"))["stdout"] == "a; rm -rf . && $(id)\n"
    assert (await ran(tool, "pwd"))["stdout"] == f"{root}\n"


@pytest.mark.requirement("HAND-2")
async def test_git_adds_and_commits_but_runs_no_program_that_the_tree_names(root: Path) -> None:
    trap = root / "trap"
    trap.write_text("#!/bin/sh\ntouch sprung\n")
    trap.chmod(0o755)
    for hook in ("pre-commit", "post-commit", "commit-msg", "prepare-commit-msg", "post-index-change"):
        (root / ".git" / "hooks" / hook).write_bytes(trap.read_bytes())
        (root / ".git" / "hooks" / hook).chmod(0o755)
    for key in ("core.fsmonitor", "core.pager", "core.editor", "diff.external", "diff.trap.textconv", *SIGNING):
        git(root, "config", key, "./trap")
    git(root, "config", "commit.gpgsign", "true")
    git(root, "config", "pretty.sprung", "%GG")
    git(root, "config", "alias.status", "!./trap")
    (root / ".gitattributes").write_text("*.txt diff=trap\n")
    tool = tools(root)
    assert (await ran(tool, "git add a.txt .gitattributes"))["status"] == 0
    done = await ran(tool, "git commit -m 'Say hello'")
    assert (done["status"], done["effect"]) == (0, "changes"), done["stderr"]
    (root / "a.txt").write_text("changed\n")
    assert "+changed" in (await ran(tool, "git diff"))["stdout"]
    assert "Say hello" in (await ran(tool, "git log -p -- a.txt"))["stdout"]
    sign(root)
    for command in (
        "git log '--format=%G?'",
        "git show --pretty=sprung",
        "git status --short",
        "git show",
        "git blame a.txt",
        "git grep hello",
        "git describe --always",
    ):
        assert (await ran(tool, command))["status"] in {0, 1}
    assert not (root / "sprung").exists()


@pytest.mark.requirement("HAND-2")
async def test_files_that_look_like_a_repository_are_not_one_and_none_is_found_above(root: Path) -> None:
    inner = root / "inner"
    git(root, "init", "-q", "--bare", str(inner))
    (inner / "config").write_text("[core]\n\tbare = true\n\tfsmonitor = touch sprung\n")
    for place in (inner, root / "plain"):
        place.mkdir(exist_ok=True)
        found = await ran(tools(place), "git status")
        assert found["status"] == 128
    assert "sprung" not in (await ran(tools(root), "find ."))["stdout"]


@pytest.mark.requirement("HAND-2")
async def test_a_link_out_of_the_tree_is_no_way_out(root: Path) -> None:
    (root / "out").symlink_to("../secret")
    (root / "up").symlink_to("..")
    tool = tools(root)
    for command in ("cat out", "cat up/secret", "touch up/new", "git add up/secret", "ls up", "find up -name x"):
        with pytest.raises(HandError, match=r"leads out of the work tree through a link"):
            await tool.cmd_run(command)
    for command in ("grep -r secret .", "ls -R .", "find . -name secret", "diff a.txt a.txt"):
        found = await ran(tool, command)
        assert "secret" not in found["stdout"].replace("out -> ../secret", "")
    (root / "d").mkdir()
    (root / "d" / "a.txt").symlink_to("../../secret")
    assert "secret" not in (await ran(tool, "diff a.txt d"))["stdout"].replace("../../secret", "")


@pytest.mark.requirement("HAND-2")
async def test_a_command_sees_a_small_environment_and_no_secrets(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_TOKEN", "secret")
    monkeypatch.setenv("LD_LIBRARY_PATH", str(root))
    monkeypatch.setenv("GIT_EXTERNAL_DIFF", "./trap")
    monkeypatch.setenv("PATH", f"{root}:{os.environ['PATH']}")
    monkeypatch.setenv("SWITCHOVER_DAEMON", "mark")
    (root / "ls").write_text("#!/bin/sh\necho fake\n")
    (root / "ls").chmod(0o755)
    seen = (await Runner(Tree(root)).run(Command("env", (), Effect.READS, ()))).stdout
    names = {line.partition("=")[0] for line in seen.splitlines()}
    assert names.isdisjoint({"MY_TOKEN", "LD_LIBRARY_PATH", "GIT_EXTERNAL_DIFF"})
    assert "SWITCHOVER_DAEMON=mark" in seen
    assert "fake" not in (await ran(tools(root), "ls"))["stdout"]


@pytest.mark.requirement("HAND-2")
async def test_a_command_out_of_time_is_killed_with_all_that_it_started(root: Path) -> None:
    command = shell("sleep 600 & echo $! > child; setsid sleep 0; trap '' TERM; wait")
    with pytest.raises(HandError, match=r"sh did not end within 0\.5 s and was stopped; ask for less"):
        await Runner(Tree(root)).run(command, seconds=0.5)
    child = int((root / "child").read_text())
    await eventually(lambda: not alive(child))


@pytest.mark.requirement("HAND-2")
async def test_a_pipe_in_a_files_place_costs_only_its_time(root: Path) -> None:
    os.mkfifo(root / "pipe")
    with pytest.raises(HandError, match=r"cat did not end within"):
        await tools(root).cmd_run("cat pipe", seconds=0.3)


@pytest.mark.requirement("HAND-2")
async def test_what_a_command_leaves_running_is_killed_when_it_ends(root: Path) -> None:
    outcome = await Runner(Tree(root)).run(shell("sleep 600 >/dev/null 2>&1 & echo $!"), seconds=LIMIT)
    assert outcome.status == 0
    await eventually(lambda: not alive(int(outcome.stdout)))


@pytest.mark.requirement("HAND-2")
async def test_a_cancelled_call_kills_its_command(root: Path) -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(Runner(Tree(root)).run, shell("echo $$ > pid; sleep 600"), LIMIT)
        pid = await eventually(lambda: (root / "pid").exists() and int((root / "pid").read_text() or 0))
        group.cancel_scope.cancel()
    await eventually(lambda: not alive(pid))


@pytest.mark.requirement("HAND-2")
async def test_a_command_that_writes_without_end_is_stopped_and_its_beginning_kept(root: Path) -> None:
    outcome = await Runner(Tree(root), most_bytes=1000).run(shell("yes; yes >&2"), seconds=LIMIT)
    assert (outcome.truncated, outcome.status, outcome.stdout) == (True, None, "y\n" * 500)


@pytest.mark.requirement("HAND-2")
async def test_bytes_that_are_no_text_come_back_replaced(root: Path) -> None:
    (root / "b").write_bytes(b"a\xff\0b")
    assert (await ran(tools(root), "cat b"))["stdout"] == "a\ufffd\0b"


@pytest.mark.requirement("HAND-2")
async def test_a_dry_run_reads_but_changes_only_its_private_state(root: Path) -> None:
    tool = tools(root, dry_run=True)
    assert (await ran(tool, "cat a.txt"))["status"] == 0
    for command in ("touch x", "git add a.txt", "git commit -m x"):
        with pytest.raises(DryRunError, match=r"cmd_run is refused: this process is a dry run"):
            await tool.cmd_run(command)
    assert not (root / "x").exists()
    private = CommandTools(World(root, root.parent, dry_run=True), lambda: False, HandSettings())
    assert (await ran(private, "touch x"))["status"] == 0


@pytest.mark.requirement("HAND-1")
async def test_the_flag_is_read_at_every_call_and_changes_the_prefix(root: Path) -> None:
    mode = [False]
    tool = CommandTools(World(root, root, dry_run=False), lambda: mode[0], HandSettings())
    with pytest.raises(RefusedCommandError, match=r"^rm may not run: it removes, overwrites or damages"):
        await tool.cmd_run("rm -rf .")
    mode[0] = True
    with pytest.raises(RefusedCommandError, match=r"^\[DANGER_GATES\] rm may not run"):
        await tool.cmd_run("rm -rf .")
    assert tool.refused == {"destructive": 2}
    assert (root / "a.txt").exists()


@pytest.mark.requirement("HAND-1")
def test_further_restrictions_bind_in_strict_mode_only() -> None:
    further = Further(ascii_only=True, no_quoted_operators=True, read_only=True)
    for command in ("echo é", "grep 'a|b' x", "touch x"):
        assert check(command, strict=False, further=further)
        with pytest.raises(RefusedCommandError) as refused:
            check(command, strict=True, further=further)
        assert refused.value.reason == "restricted"
    assert check("cat x", strict=True, further=further)


@pytest.mark.requirement("HAND-2")
async def test_a_work_tree_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(HandError, match=r"cannot run in .*none: No such file or directory; create the work tree"):
        await tools(tmp_path / "none").cmd_run("ls")
