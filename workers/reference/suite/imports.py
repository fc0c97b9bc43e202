"""Which files a change reaches: the import graph of a tree, followed backwards from what changed.

The unit is the file, as in M. Gligoric, L. Eloussi and D. Marinov, "Practical regression test selection with dynamic
file dependencies" (2015); here the dependencies are read from the source with `ast`.  Where the source leaves it open,
more is reached rather than less: a name that could mean several files means all of them, and a file that imports what
it computes, or that cannot be parsed, is reached by every change.  What runs as a program of its own is not seen.
Pure.  Above it stands `selection`, below it `ast`.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

_PACKAGE: Final = "__init__.py"


@dataclass(frozen=True, slots=True)
class Imports:
    """What one file imports.

    Attributes:
        names: dotted names, absolute.
        relative: files and directories that it imports from by a relative import, without ".py".
        opaque: whether it may import anything.
    """

    names: frozenset[str] = frozenset()
    relative: frozenset[str] = frozenset()
    opaque: bool = False


def reached(sources: Mapping[str, str], changed: Collection[str]) -> set[str]:
    """Return the files that a change reaches, themselves included.

    Args:
        sources: every Python file's text by its path in the tree.
        changed: paths of Python files that changed; those that are gone count, too.
    """
    files = {*sources, *changed}
    found = {path: imports_of(path, text) for path, text in sources.items()}
    backwards: dict[str, set[str]] = defaultdict(set)
    meaning = _meanings(files)
    for path, imports in found.items():
        for target in _targets(path, imports, meaning, files):
            backwards[target].add(path)
    opaque = {path for path, imports in found.items() if imports.opaque}
    return _closure({*changed, *opaque} if changed else set(), backwards)


def imports_of(path: str, source: str) -> Imports:
    """Read what a file imports, wherever in it."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return Imports(opaque=True)
    names: set[str] = set()
    relative: set[str] = set()
    opaque = False
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            (relative if node.level else names).update(_from(path, node))
        elif isinstance(node, ast.Call) and _is_dynamic(node):
            literal = node.args[0].value if node.args and isinstance(node.args[0], ast.Constant) else None
            opaque |= not isinstance(literal, str)
            names.update({literal} if isinstance(literal, str) else ())
        elif isinstance(node, ast.Assign) and any(ast.unparse(target) == "pytest_plugins" for target in node.targets):
            names.update(_texts(node.value))
    return Imports(frozenset(names), frozenset(relative), opaque)


def _from(path: str, node: ast.ImportFrom) -> Iterator[str]:
    """Yield what `from ... import ...` may import: the module, and each name as a module in it."""
    if not node.level:
        yield node.module or ""
        yield from (f"{node.module}.{alias.name}" for alias in node.names)
        return
    base = PurePosixPath(path).parent
    for _ in range(node.level - 1):
        base = base.parent
    start = base.joinpath(*(node.module or "").split(".")) if node.module else base
    yield start.as_posix()
    yield from ((start / alias.name).as_posix() for alias in node.names)


def _is_dynamic(call: ast.Call) -> bool:
    return ast.unparse(call.func) in {"importlib.import_module", "import_module", "__import__"}


def _texts(value: ast.expr) -> Iterator[str]:
    yield from (
        node.value for node in ast.walk(value) if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


def _meanings(files: Iterable[str]) -> dict[str, set[str]]:
    """Return the files that each dotted name may mean, from whichever directory above them Python looks."""
    known = set(files)
    meaning: dict[str, set[str]] = defaultdict(set)
    for file in known:
        path = PurePosixPath(file)
        parts = list(path.parent.parts) + ([] if path.name == _PACKAGE else [path.stem])
        top = len(path.parent.parts)
        while top and (PurePosixPath(*path.parent.parts[:top]) / _PACKAGE).as_posix() in known:
            top -= 1  # a module of a package is never found by a name that leaves the package out
        for start in range(min(top, max(len(parts) - 1, 0)) + 1):
            meaning[".".join(parts[start:])].add(file)
    return meaning


def _targets(path: str, imports: Imports, meaning: Mapping[str, set[str]], files: Collection[str]) -> Iterator[str]:
    """Yield the files that one file depends on."""
    for name in imports.names:
        parts = name.split(".")
        for end in range(1, len(parts) + 1):  # importing a.b.c runs a and a.b first
            yield from meaning.get(".".join(parts[:end]), ())
    for place in imports.relative:
        yield from (file for file in (f"{place}.py", f"{place}/{_PACKAGE}") if file in files)
    for parent in PurePosixPath(path).parents:
        beside = [_PACKAGE, "conftest.py"]
        yield from (file for name in beside if (file := (parent / name).as_posix()) in files and file != path)


def _closure(start: set[str], backwards: Mapping[str, set[str]]) -> set[str]:
    seen = set(start)
    edge = list(start)
    while edge:
        for path in backwards.get(edge.pop(), ()):
            if path not in seen:
                seen.add(path)
                edge.append(path)
    return seen
