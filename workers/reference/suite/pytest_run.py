"""Runs pytest in a work tree and says what came of each test.

Above it stands `examination`, below it `process` and `junit`.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from workers.reference.suite.junit import ReportError, Result, parse
from workers.reference.suite.process import Ended, run
from workers.reference.suite.work_tree import WorkTree

MOST_REPORT: Final = 16 << 20
"""Bytes of a report that are read."""

TOLD_OUTPUT: Final = 2000
"""Characters of pytest's output that are told when it left no report."""

_THROUGH: Final = frozenset({0, 1, 5})  # pytest's exit statuses: all passed, some failed, none collected
_USAGE: Final = 4  # likewise: it did not understand its arguments


@dataclass(frozen=True, slots=True)
class Run:
    """What a run of pytest has shown.

    Attributes:
        results: what came of each test.
        trouble: why the run itself is worth nothing, None when it went through.
    """

    results: tuple[Result, ...]
    trouble: str | None = None

    @property
    def passed(self) -> frozenset[str]:
        """The tests that passed."""
        return frozenset(result.test for result in self.results if result.outcome == "passed")

    @property
    def failed(self) -> tuple[Result, ...]:
        """The tests that did not pass and were not skipped."""
        return tuple(result for result in self.results if result.outcome in {"failed", "error"})


def interpreter(tree: WorkTree) -> Path:
    """Return the interpreter that runs the tree's tests: that of its own .venv, else ours."""
    own = tree.root / ".venv" / "bin" / "python"
    return own if own.exists() else Path(sys.executable)


async def run_pytest(tree: WorkTree, words: Sequence[str], seconds: float) -> Run:
    """Run tests.

    Args:
        tree: where they are.
        words: which of them, as pytest takes them; none for all it finds.
        seconds: how long they may take together.
    """
    with tempfile.TemporaryDirectory(prefix="verify-") as scratch:
        report = Path(scratch, "report.xml")
        python = interpreter(tree)
        command = [str(python), "-m", "pytest", "-q", "--tb=no", "-p", "no:cacheprovider", f"--junitxml={report}"]
        ended = await run(
            python, [*command, *words], directory=tree.root, seconds=seconds, extra={"PYTHONDONTWRITEBYTECODE": "1"}
        )
        return _read(ended, report, seconds)


def _read(ended: Ended, report: Path, seconds: float) -> Run:
    """Make sense of how pytest ended and what it reported."""
    if ended.status is None:
        return Run((), f"the tests were not through after {seconds:g} s and were ended")
    try:
        results = tuple(parse(_report(report)))
    except FileNotFoundError:
        return Run((), f"pytest ended with status {ended.status} and left no report: {_end(ended.output)}")
    except ReportError as error:
        return Run((), str(error))
    run = Run(results)
    if ended.status in _THROUGH or (run.failed and ended.status != _USAGE):
        return run
    return Run(results, f"pytest ended with status {ended.status}: {_end(ended.output)}")


def _report(path: Path) -> bytes:
    if path.stat().st_size > MOST_REPORT:
        raise ReportError(f"the report of the tests is longer than {MOST_REPORT} bytes")
    return path.read_bytes()


def _end(output: bytes) -> str:
    return output.decode(errors="replace").strip()[-TOLD_OUTPUT:] or "it said nothing"
