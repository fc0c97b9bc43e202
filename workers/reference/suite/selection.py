"""Which tests run: all of them, or those that a change reaches and the critical ones.

Pure.  Above it stands `examination`, below it `categories` and `imports`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Final

from workers.reference.suite.categories import Category, Test, find_tests, is_test_file
from workers.reference.suite.imports import reached

CONFIGURATION: Final = frozenset(
    {"pyproject.toml", "pytest.ini", "tox.ini", "setup.cfg", "setup.py", "requirements.txt", ".pytest.ini"}
)
"""Files that may change what every test does."""

PROSE: Final = frozenset({".md", ".rst"})
"""Endings of files that are for people; one that no source names reaches nothing."""

RENAMED: Final = ("python_files", "python_classes", "python_functions", "--doctest")
"""Settings of pytest that make other things tests than we look for."""

MOST_WORDS: Final = 100_000
"""Characters of pytest's command line; a selection that needs more becomes all tests."""


@dataclass(frozen=True, slots=True)
class Selection:
    """What to run.

    Attributes:
        selective: whether it is a selection.
        reason: why all are run, or what was selected by; one sentence.
        words: arguments for pytest; none for everything it finds.
        chosen: how many tests of each category were chosen; empty when everything runs.
        left_out: how many tests the source shows that do not run.
    """

    selective: bool
    reason: str
    words: tuple[str, ...] = ()
    chosen: Mapping[Category, int] = field(default_factory=dict)
    left_out: int = 0

    @property
    def nothing(self) -> bool:
        """Whether no test is to run."""
        return self.selective and not self.words


def everything(reason: str) -> Selection:
    """Select every test."""
    return Selection(selective=False, reason=reason)


def select(sources: Mapping[str, str] | None, changed: Collection[str] | None, configuration: str = "") -> Selection:
    """Select the tests that a change reaches, and the critical ones.

    Args:
        sources: every Python file's text by its path; None when there are too many.
        changed: paths of what changed; None when nobody knows.
        configuration: the text of the tree's pytest configuration.
    """
    if sources is None:
        return everything("the tree is too large to follow its imports")
    if changed is None:
        return everything("nobody knows what changed: name the files, or keep the tree in git")
    if any(name in configuration for name in RENAMED):
        return everything("pytest is configured to find other tests than its own rules say")
    found = {path: find_tests(path, text) for path, text in sources.items() if is_test_file(path)}
    if broken := sorted(path for path, tests in found.items() if tests is None):
        return everything(f"{broken[0]} cannot be read as Python")
    affected, why = affected_files(sources, changed)
    if affected is None:
        return everything(why)
    return _selected({path: tests or [] for path, tests in found.items()}, affected, len(changed))


def affected_files(sources: Mapping[str, str], changed: Collection[str]) -> tuple[set[str] | None, str]:
    """Return the Python files that a change reaches; None, and why, when that is all of them or cannot be told."""
    python = {path for path in changed if path.endswith(".py")}
    for path in sorted(set(changed) - python):
        name = PurePosixPath(path).name
        if name in CONFIGURATION:
            return None, f"{path} may change what every test does"
        readers = {source for source, text in sources.items() if name in text}
        if not readers and PurePosixPath(path).suffix not in PROSE:
            return None, f"no source names {path}, so nobody knows what reads it"
        python |= readers
    return reached(sources, python), ""


def _selected(found: Mapping[str, Sequence[Test]], affected: Collection[str], changes: int) -> Selection:
    words: list[str] = []
    chosen: list[Test] = []
    for path, tests in sorted(found.items()):
        wanted = [test for test in tests if path in affected or test.category is Category.CRITICAL]
        words += [path] if len(wanted) == len(tests) and tests else [test.node for test in wanted]
        chosen += wanted
    if sum(map(len, words)) > MOST_WORDS:
        return everything("the selection is too long for one command line")
    return Selection(
        selective=True,
        reason=f"what {changes} changed {'file' if changes == 1 else 'files'} reach, and the critical tests",
        words=tuple(words),
        chosen=dict(Counter(test.category for test in chosen)),
        left_out=sum(map(len, found.values())) - len(chosen),
    )
