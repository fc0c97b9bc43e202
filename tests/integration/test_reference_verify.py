"""`verify` at work: it runs a real pytest in a work tree, whole or a selection, and leaves nothing behind.

The tool is called in this process, over a real store and with flags that the test sets.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp.types import CallToolResult
from reference_parts import WHEN, SetGates
from switchover_kit import METRICS_KEY
from waiting import alive, eventually

from workers.reference.modes import Modes
from workers.reference.store import Store
from workers.reference.suite import process
from workers.reference.suite.changed import changed_since
from workers.reference.suite.work_tree import WorkTree, WorkTreeError
from workers.reference.tasks import Evidence
from workers.reference.tools.reviews import ReviewTools
from workers.reference.world import DryRunError, World

PASSED = Evidence("test", passed=True, detail="12 passed")
LOST = "passed before and not now: tests.integration.test_prices::test_adds_tax[1], "
FILES = {
    "shop/__init__.py": "",
    "shop/prices.py": "def price(net):\n    return round(net * 1.2, 2)\n",
    "shop/mail.py": "def greet(name):\n    return f'Dear {name}'\n",
    "tests/unit/test_mail.py": "from shop.mail import greet\n\ndef test_greets():\n    assert greet('A') == 'Dear A'\n",
    "tests/integration/test_prices.py": "import pytest\nfrom shop.prices import price\n\n"
    "@pytest.mark.parametrize('net', [1, 2])\ndef test_adds_tax(net):\n    assert price(net) > net\n\n"
    "@pytest.mark.skip(reason='no bank')\ndef test_pays():\n    raise AssertionError\n",
}
SLEEPER = """
import os, pathlib, subprocess, sys
def test_never_ends():
    child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
    pathlib.Path("pids").write_text(f"{os.getpid()} {child.pid}")
    child.wait()
"""


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spare the pytest that is run the plugins of this environment; loading them takes longer than its tests."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")


def put(tree: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


class Desk:
    """A store with a work tree, and the tool on top of it."""

    def __init__(self, home: Path, store: Store, *, dry_run: bool) -> None:
        self.tree = home / "tree"
        self.store = store
        self.gates = SetGates()
        world = World(self.tree, home / "state", dry_run)
        self._tools = ReviewTools(store, Modes(self.gates), world, lambda: WHEN)

    async def verify(self, **arguments: Any) -> dict[str, Any]:
        """Have the next ready task worked on and verified; return the structured answer."""
        result = await self.result(self.report(), **arguments)
        content: dict[str, Any] = result.structured_content
        return content

    async def result(self, task: int, **arguments: Any) -> CallToolResult:
        with anyio.fail_after(60):
            return await self._tools.verify(task_id=task, **arguments)

    def report(self) -> int:
        """Hand in the next task and return its number."""
        task = self.store.dispatch("ada", WHEN).task
        assert task is not None
        self.store.report(task.id, "ada", [PASSED], WHEN)
        return task.id


@asynccontextmanager
async def desk(home: Path, *, dry_run: bool = False, **files: str) -> AsyncIterator[Desk]:
    put(home / "tree", FILES | files)
    with closing(Store.open(home / "state", WHEN)) as store:
        yield Desk(home, store, dry_run=dry_run)


@pytest.mark.requirement("REF-8")
async def test_every_test_is_run_and_reported(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        result = await at.result(at.report(), work_tree=".")
        assert result.structured_content is not None
        answer = result.structured_content
        assert (answer["verdict"], answer["task"]["status"], answer["reasons"]) == ("done", "done", [])
        tests = answer["tests"]
        assert (tests["passed"], tests["failed"], tests["skipped"], tests["selective"]) == (3, 0, 1, False)
        assert {it["test"]: it["outcome"] for it in tests["results"]} == {
            "tests.integration.test_prices::test_adds_tax[1]": "passed",
            "tests.integration.test_prices::test_adds_tax[2]": "passed",
            "tests.integration.test_prices::test_pays": "skipped",
            "tests.unit.test_mail::test_greets": "passed",
        }
        assert result.meta is not None
        assert result.meta[METRICS_KEY]["quality"] == 100
        assert not list(at.tree.rglob("__pycache__")), "and the tree is as it was"
        again = await at.result(answer["task"]["id"], work_tree=".")
        assert again.structured_content == answer, "what was reviewed is not run again"


@pytest.mark.requirement("REF-7", "REF-8")
async def test_what_fails_does_not_compile_or_worked_before_stops_the_work(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        assert (await at.verify(work_tree="."))["verdict"] == "done"
        put(at.tree, {"shop/prices.py": "def price(net):\n    return net - 1\n", "shop/odd.py": "def (\n"})
        answer = await at.verify(work_tree=".")
        assert answer["verdict"] == "needs_improvement"
        opinions = {it["critic"]: it for it in answer["critics"]}
        assert {name: it["passed"] for name, it in opinions.items()} == {
            "tests": False,
            "compile": False,
            "evidence": True,
            "completeness": None,
            "regression": False,
        }
        assert opinions["compile"]["reasons"] == ["does not compile: shop/odd.py:1: invalid syntax"]
        assert "test_adds_tax[1] failed: assert 0 > 1" in opinions["tests"]["reasons"][0]
        assert opinions["regression"]["reasons"] == [f"{LOST}tests.integration.test_prices::test_adds_tax[2]"]
        assert [it["outcome"] for it in answer["tests"]["results"]] == ["failed", "failed", "skipped", "passed"]


@pytest.mark.requirement("REF-6")
async def test_the_flag_turns_the_same_call_from_all_tests_into_those_that_matter(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        everything = await at.verify(work_tree=".", changed=["shop/mail.py"])
        at.gates.selective = True
        some = await at.verify(work_tree=".", changed=["shop/mail.py"])
        assert (everything["tests"]["passed"], some["tests"]["passed"]) == (3, 1)
        assert some["tests"]["selection"] == "what 1 changed file reach, and the critical tests"
        assert (some["tests"]["chosen"], some["tests"]["left_out"]) == ({"critical": 1}, 2)
        assert some["verdict"] == "done", "tests that were not to run are not missed"
        nothing = await at.verify(work_tree="shop", changed=["mail.py"])
        tests = next(it for it in nothing["critics"] if it["critic"] == "tests")
        assert tests["reasons"] == ["no test is critical, and the change reaches none"]


@pytest.mark.requirement("REF-6")
async def test_git_says_what_changed(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        tree = WorkTree.within(at.tree, ".")
        assert await changed_since(tree, None) is None, "not kept in git: nobody knows"
        commit = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "x"]
        for command in (["git", "init", "-q"], ["git", "add", "."], commit):
            await anyio.run_process(command, cwd=at.tree)
        put(at.tree, {"shop/prices.py": "def price(net):\n    return net * 2\n", "shop/new name.py": ""})
        (at.tree / "shop" / "mail.py").unlink()
        expected = {"shop/prices.py", "shop/new name.py", "shop/mail.py"}
        assert await changed_since(tree, None) == await changed_since(tree, "HEAD") == expected
        assert await changed_since(WorkTree.within(at.tree, "shop"), None) == {path[5:] for path in expected}
        for revision in ("--output=/tmp/x", "no such", "nowhere"):
            with pytest.raises(WorkTreeError, match=r"is no revision|knows no revision"):
                await changed_since(tree, revision)


@pytest.mark.requirement("REF-8")
@pytest.mark.parametrize("ends_by", ["its time", "the caller"])
async def test_tests_that_do_not_end_are_ended_with_all_they_started(tmp_path: Path, ends_by: str) -> None:
    async with desk(tmp_path, **{"tests/test_sleeps.py": SLEEPER}) as at:
        written = at.tree / "pids"
        answers: list[dict[str, Any]] = []

        async def verify() -> None:
            answers.append(await at.verify(work_tree=".", time_limit=60 if ends_by == "the caller" else 10))

        async with anyio.create_task_group() as group:
            group.start_soon(verify)
            pids = await eventually(lambda: written.exists() and [int(pid) for pid in written.read_text().split()])
            if ends_by == "the caller":
                group.cancel_scope.cancel()
        assert await eventually(lambda: not any(map(alive, pids or [])))
        if ends_by == "the caller":
            assert at.store.under_review(3).made is None, "the task is still to be reviewed"
        else:
            assert answers[0]["reasons"] == ["the tests were not through after 10 s and were ended"]


@pytest.mark.requirement("REF-8")
async def test_a_pytest_that_dies_is_told_with_what_it_said(tmp_path: Path) -> None:
    died = "import os, sys\ndef test_dies():\n    print('farewell', file=sys.__stderr__, flush=True)\n    os._exit(9)\n"
    async with desk(tmp_path, **{"tests/test_dies.py": died}) as at:
        (reason,) = (await at.verify(work_tree="."))["reasons"]
        assert "pytest ended with status 9 and left no report" in reason


@pytest.mark.requirement("REF-8")
async def test_what_a_program_left_running_holds_nobody_up(tmp_path: Path) -> None:
    """A grandchild that keeps the output open is killed with its group; the last bytes of the output are kept."""
    left = (
        "import os, sys\nif os.fork() == 0:\n    import signal; signal.pause()\nsys.stdout.write('x' * 200_000 + 'end')"
    )
    with anyio.fail_after(60):
        ended = await process.run(Path(sys.executable), [sys.executable, "-c", left], directory=tmp_path, seconds=15)
    assert (ended.status, len(ended.output), ended.output[-4:]) == (0, process.KEPT_BYTES, b"xend")


@pytest.mark.requirement("REF-8")
async def test_paths_that_lead_out_of_the_work_tree_are_refused_and_nothing_moves(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        (tmp_path / "tree" / "door").symlink_to(tmp_path)
        task = at.report()
        for bad in ("..", "/", "shop/../..", "door", "door/state", "", "a\0b"):
            with pytest.raises(WorkTreeError, match=r"leads outside|is no path"):
                await at.result(task, work_tree=bad)
        with pytest.raises(WorkTreeError, match="'nowhere' is no directory in the work tree"):
            await at.result(task, work_tree="nowhere")
        for bad in ("../x.py", "/etc/passwd", "door/x.py"):
            with pytest.raises(WorkTreeError, match=r"leads outside .*; name a path inside it"):
                await at.result(task, work_tree=".", changed=[bad])
        with pytest.raises(WorkTreeError, match="changed and since are about a work tree; name that too"):
            await at.result(task, since="HEAD")
        assert at.store.under_review(task).made is None


@pytest.mark.requirement("REF-9")
async def test_a_dry_run_judges_evidence_and_runs_tests_in_its_private_state_only(tmp_path: Path) -> None:
    async with desk(tmp_path, dry_run=True) as at:
        task = at.report()
        with pytest.raises(DryRunError, match="verify is refused: this process is a dry run"):
            await at.result(task, work_tree=".")
        assert at.store.under_review(task).made is None
        assert (await at.result(task)).structured_content["verdict"] == "done"  # type: ignore[index]
        World(tmp_path / "state" / "work", tmp_path / "state", dry_run=True).allow(
            "verify", "running", tmp_path / "state"
        )
