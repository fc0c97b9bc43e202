"""Looks at the work itself: runs the tests, compiles the sources, and says what the critics who do that think.

Above it stands the `verify` tool, below it everything else in `suite`.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from anyio import to_thread

from workers.reference.critics.evidence import MOST_NAMED, test_regression
from workers.reference.critics.opinion import Critic, Opinion, abstains
from workers.reference.suite.changed import changed_since
from workers.reference.suite.compiling import compiles
from workers.reference.suite.pytest_run import Run, run_pytest
from workers.reference.suite.selection import CONFIGURATION, Selection, everything, select
from workers.reference.suite.work_tree import WorkTree

COMPILE_SECONDS: Final = 20.0
"""How long compiling may take; thousands of files take a second or two."""


@dataclass(frozen=True, slots=True)
class Look:
    """What is to be looked at.

    Attributes:
        tree: where the work is.
        selective: whether only some tests run.
        changed: paths that changed, None for what git says.
        since: the revision to compare with, None for what was committed last.
        seconds: how long the tests may take.
    """

    tree: WorkTree
    selective: bool
    changed: Sequence[str] | None
    since: str | None
    seconds: float


@dataclass(frozen=True, slots=True)
class Seen:
    """What a look has shown.

    Attributes:
        selection: which tests were to run.
        run: what came of them.
        opinions: what the critics say who looked.
    """

    selection: Selection
    run: Run
    opinions: tuple[Opinion, ...]


async def examine(look: Look, passed_before: Collection[str]) -> Seen:
    """Look at the work.

    Args:
        look: what is to be looked at.
        passed_before: the tests that passed when work in this tree was last accepted.

    Raises:
        WorkTreeError: a path leads out of the tree, or git knows no such revision.
    """
    tree = look.tree
    named = None if look.changed is None else [tree.relative(path) for path in look.changed]
    sources = await to_thread.run_sync(tree.sources)
    selection = everything("SELECTIVE_TESTS is off")
    if look.selective:
        changed = frozenset(named) if named is not None else await changed_since(tree, look.since)
        selection = await to_thread.run_sync(select, sources, changed, _configuration(tree))
    compiled = await compiles(tree, sorted(sources or ()), COMPILE_SECONDS)
    run = Run(()) if selection.nothing else await run_pytest(tree, selection.words, look.seconds)
    return Seen(selection, run, (tests_opinion(selection, run), compiled, _regression(selection, run, passed_before)))


def tests_opinion(selection: Selection, run: Run) -> Opinion:
    """Judge by what came of the tests."""
    if run.trouble is not None:
        return Opinion(Critic.TESTS, passed=False, score=0.0, reasons=(run.trouble,))
    if selection.nothing:
        return abstains(Critic.TESTS, "no test is critical, and the change reaches none")
    if not run.passed and not run.failed:
        return abstains(Critic.TESTS, "no test ran")
    named = [f"{it.test} {it.outcome}: {it.message}" if it.message else f"{it.test} {it.outcome}" for it in run.failed]
    more = [f"and {len(named) - MOST_NAMED} more tests failed"] if len(named) > MOST_NAMED else []
    score = len(run.passed) / (len(run.passed) + len(run.failed))
    return Opinion(Critic.TESTS, not run.failed, score, tuple(named[:MOST_NAMED] + more))


def _regression(selection: Selection, run: Run, before: Collection[str]) -> Opinion:
    if run.trouble is not None:
        return abstains(Critic.REGRESSION, "the tests did not run through")
    ran = {result.test for result in run.results}
    return test_regression(run.passed, ran, before, whole=not selection.selective)


def _configuration(tree: WorkTree) -> str:
    """Return what the tree's configuration files say, however much of it is about pytest."""
    texts = []
    for name in sorted(CONFIGURATION):
        path = tree.root / name
        if path.is_file() and os.access(path, os.R_OK):
            texts.append(path.read_text("utf-8", errors="replace"))
    return "\n".join(texts)
