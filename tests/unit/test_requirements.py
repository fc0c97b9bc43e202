"""The manifest of requirements and the tests know each other: no id on one side alone."""

from __future__ import annotations

import ast
import re
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

TESTS = Path(__file__).parents[1]
MANIFEST = TESTS.parent / "docs" / "requirements.toml"


def manifest() -> dict[str, str]:
    """Return every requirement's sentence by its id."""
    sections = tomllib.loads(MANIFEST.read_text())
    return {name: sentence for section in sections.values() for name, sentence in section.items()}


def named_in(source: str, place: str) -> Iterator[tuple[str, str]]:
    """Yield each id that a `pytest.mark.requirement(...)` names, with the file and line where it does."""
    for node in ast.walk(ast.parse(source)):
        if (
            not isinstance(node, ast.Call)
            or not isinstance(node.func, ast.Attribute)
            or node.func.attr != "requirement"
        ):
            continue  # unparsing every call would take seconds
        if ast.unparse(node.func) == "pytest.mark.requirement":
            assert node.args, f"{place}:{node.lineno} names no requirement"
            for word in node.args:
                assert isinstance(word, ast.Constant), f"{place}:{word.lineno} names a requirement by no plain text"
                yield str(word.value), f"{place}:{word.lineno}"


@cache
def named() -> dict[str, list[str]]:
    """Return where each id is named in the tests."""
    places: dict[str, list[str]] = defaultdict(list)
    for path in sorted(TESTS.rglob("*.py")):
        if "node_modules" in path.parts:
            continue
        for name, place in named_in(path.read_text(), str(path.relative_to(TESTS.parent))):
            places[name].append(place)
    return places


def test_every_requirement_that_a_test_names_is_in_the_manifest() -> None:
    known = manifest()
    unknown = {name: places for name, places in named().items() if name not in known}
    assert unknown == {}, f"describe them in docs/{MANIFEST.name}, one sentence each"


def test_every_requirement_of_the_manifest_is_shown_by_a_test() -> None:
    shown = named()
    missing = {name: sentence for name, sentence in manifest().items() if name not in shown}
    assert missing == {}, "mark the tests that show them with @pytest.mark.requirement, or write these"


def test_a_requirement_has_a_number_and_is_one_sentence() -> None:
    for name, sentence in manifest().items():
        assert re.fullmatch(r"[A-Z0-9]+-[1-9][0-9]*", name)
        assert re.fullmatch(r"[A-Za-z].*\.", sentence), name


def test_no_id_stands_in_two_sections() -> None:
    sections = tomllib.loads(MANIFEST.read_text()).values()
    assert sum(len(section) for section in sections) == len(manifest())


def test_ids_are_found_wherever_a_mark_may_stand() -> None:
    source = """
import pytest
pytestmark = [pytest.mark.requirement("A-1", "A-2"), pytest.mark.root]
CASES = [pytest.param(1, marks=pytest.mark.requirement("A-3"))]
@pytest.mark.requirement("A-4")
class TestAll:
    @pytest.mark.requirement("A-5")
    async def test_it(self): ...
other("B-1")
"""
    assert {name for name, _ in named_in(source, "example.py")} == {f"A-{n}" for n in range(1, 6)}
