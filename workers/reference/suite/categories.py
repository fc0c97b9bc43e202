"""The tests of a tree, as its source says, and the category of each: critical, standard or comprehensive.

A marker of that name says it (``@pytest.mark.critical`` at the test, its class, or as the module's ``pytestmark``),
else the directory by convention, else it is standard.  Pure.  Above it stands `selection`, below it `ast`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Final


class Category(StrEnum):
    """How soon a test has to run."""

    CRITICAL = "critical"
    """Unit tests, types and style: always."""
    STANDARD = "standard"
    """Integration and contract tests: when what they test has changed."""
    COMPREHENSIVE = "comprehensive"
    """End to end and performance: likewise."""


DIRECTORIES: Final[Mapping[str, Category]] = {
    "unit": Category.CRITICAL,
    "critical": Category.CRITICAL,
    "smoke": Category.CRITICAL,
    "types": Category.CRITICAL,
    "lint": Category.CRITICAL,
    "integration": Category.STANDARD,
    "contract": Category.STANDARD,
    "api": Category.STANDARD,
    "e2e": Category.COMPREHENSIVE,
    "end_to_end": Category.COMPREHENSIVE,
    "performance": Category.COMPREHENSIVE,
    "load": Category.COMPREHENSIVE,
    "soak": Category.COMPREHENSIVE,
}
"""Category of the tests in a directory of this name; the innermost one counts."""


@dataclass(frozen=True, slots=True)
class Test:
    """One test, or one class of tests whose category is the same.

    Attributes:
        file: path of its file in the tree.
        name: what pytest calls it within the file, such as "TestAll::test_one".
        category: how soon it has to run.
    """

    __test__ = False

    file: str
    name: str
    category: Category

    @property
    def node(self) -> str:
        """What pytest calls it."""
        return f"{self.file}::{self.name}"


def is_test_file(path: str) -> bool:
    """Return whether pytest collects a file by default."""
    name = PurePosixPath(path).name
    return name.endswith(".py") and (name.startswith("test_") or name.endswith("_test.py"))


def find_tests(path: str, source: str) -> list[Test] | None:
    """Return the tests in a file, None when its source cannot be read as Python."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    outer = _marked(_module_marks(tree)) or _by_directory(path)
    return list(_tests(path, tree.body, "", outer))


def _tests(path: str, body: Iterable[ast.stmt], prefix: str, outer: Category) -> Iterable[Test]:
    for node in body:
        if isinstance(node, ast.ClassDef) and node.name.startswith("Test"):
            inner = _marked([*node.decorator_list, *_module_marks(node)]) or outer
            yield from _tests(path, node.body, f"{prefix}{node.name}::", inner)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name.startswith("test"):
            yield Test(path, prefix + node.name, _marked(node.decorator_list) or outer)
        elif isinstance(node, (ast.If, ast.Try, ast.With)):
            yield from _tests(path, node.body, prefix, outer)


def _module_marks(scope: ast.Module | ast.ClassDef) -> list[ast.expr]:
    """Return what `pytestmark` is set to in a module or a class."""
    values = [
        node.value
        for node in scope.body
        if isinstance(node, ast.Assign)
        and any(isinstance(name, ast.Name) and name.id == "pytestmark" for name in node.targets)
    ]
    return [mark for value in values for mark in (value.elts if isinstance(value, (ast.List, ast.Tuple)) else [value])]


def _marked(marks: Iterable[ast.expr]) -> Category | None:
    """Return the category that a mark says; the soonest when several do."""
    texts = {ast.unparse(mark.func if isinstance(mark, ast.Call) else mark) for mark in marks}
    return next((category for category in Category if f"pytest.mark.{category}" in texts), None)


def _by_directory(path: str) -> Category:
    inwards = reversed(PurePosixPath(path).parent.parts)
    return next((DIRECTORIES[name] for name in inwards if name in DIRECTORIES), Category.STANDARD)
