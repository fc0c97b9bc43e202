"""The tests of a tree, as its source says, and the category of each: critical, standard or comprehensive.

A marker of that name says it (``@pytest.mark.critical`` at the test, its class, or as the module's ``pytestmark``),
else the directory by convention, else it is standard.  Where a file's source does not show all of its tests (classes
that inherit, tests that are imported, assigned or defined under a condition), the file is one test, as soon as the
soonest in it.  Pure.  Above it stands `selection`, below it `ast`.
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


_TESTLESS: Final = frozenset(
    {"object", "Protocol", "Generic", "ABC", "Enum", "IntEnum", "StrEnum", "NamedTuple", "TypedDict", "Exception"}
)
"""Base classes from which no class inherits tests."""


@dataclass(frozen=True, slots=True)
class Test:
    """One test, or a whole file of them.

    Attributes:
        file: path of its file in the tree.
        name: what pytest calls it within the file, such as "TestAll::test_one"; empty for the whole file.
        category: how soon it has to run.
    """

    __test__ = False

    file: str
    name: str
    category: Category

    @property
    def node(self) -> str:
        """What pytest calls it."""
        return f"{self.file}::{self.name}" if self.name else self.file


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
    found = list(_tests(path, tree.body, "", outer))
    if not any(_hides_tests(node) for node in tree.body):
        return found
    soonest = {outer, *(test.category for test in found)}
    return [Test(path, "", next(category for category in Category if category in soonest))]


def _tests(path: str, body: Iterable[ast.stmt], prefix: str, outer: Category) -> Iterable[Test]:
    for node in body:
        if isinstance(node, ast.ClassDef) and node.name.startswith("Test"):
            inner = _marked([*node.decorator_list, *_module_marks(node)]) or outer
            yield from _tests(path, node.body, f"{prefix}{node.name}::", inner)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and _is_test(node):
            yield Test(path, prefix + node.name, _marked(node.decorator_list) or outer)
        elif isinstance(node, (ast.If, ast.Try, ast.With)):
            yield from _tests(path, node.body, prefix, outer)


def _is_test(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Return whether pytest takes a function for a test: by its name, unless it is a fixture."""
    return node.name.startswith("test") and not any("fixture" in ast.unparse(mark) for mark in node.decorator_list)


def _hides_tests(node: ast.stmt) -> bool:
    """Return whether a statement may make tests that `_tests` does not list, or lists though they may not be there."""
    if isinstance(node, ast.ClassDef):
        inherits = bool(node.keywords) or any(_name(base) not in _TESTLESS for base in node.bases)
        return inherits or (node.name.startswith("Test") and any(_spoils(it) or _hides_tests(it) for it in node.body))
    if isinstance(node, ast.ImportFrom):
        return any(_may_be_test(alias.asname or alias.name) for alias in node.names)
    if isinstance(node, (ast.Assign, ast.AnnAssign)):
        made = isinstance(node.value, (ast.Call, ast.Name, ast.Attribute, ast.Lambda))
        names = node.targets if isinstance(node, ast.Assign) else [node.target]
        return any(_name(name) == "__test__" or (made and _may_be_test(_name(name))) for name in names)
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Import, ast.Expr)):
        return False
    return any(_defines_tests(inner) for inner in ast.walk(node))


def _defines_tests(node: ast.AST) -> bool:
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return _is_test(node)
    if isinstance(node, ast.ClassDef) and node.name.startswith("Test"):
        return True
    return isinstance(node, (ast.ClassDef, ast.ImportFrom)) and _hides_tests(node)


def _spoils(node: ast.stmt) -> bool:
    """Return whether a class with this in it is none that pytest takes tests from."""
    return isinstance(node, ast.FunctionDef) and node.name in {"__init__", "__new__"}


def _may_be_test(name: str) -> bool:
    return name == "*" or name.startswith(("test", "Test"))


def _name(node: ast.expr) -> str:
    """Return the last part of a dotted name, without what is in brackets behind it."""
    return ast.unparse(node).partition("[")[0].rpartition(".")[2]


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
