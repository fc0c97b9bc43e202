"""Which tests run when something changed."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workers.reference.suite.categories import Category, find_tests
from workers.reference.suite.imports import reached
from workers.reference.suite.selection import Selection, select

TREE = {
    "src/shop/__init__.py": "",
    "src/shop/prices.py": "TAX = 1.2\n",
    "src/shop/basket.py": "from .prices import TAX\n",
    "src/shop/mail.py": "import smtplib\n",
    "src/shop/page.py": "from shop import basket\nTEMPLATE = 'page.html'\n",
    "tests/unit/test_mail.py": "from shop.mail import *\ndef test_mail(): ...\n",
    "tests/integration/conftest.py": "import helpers\n",
    "tests/integration/helpers.py": "",
    "tests/integration/test_basket.py": "import shop.basket\ndef test_one(): ...\ndef test_two(): ...\n",
    "tests/integration/test_mail_out.py": "def test_out():\n    from shop import mail\n",
    "tests/e2e/test_page.py": "import pytest\nfrom shop.page import TEMPLATE\n"
    "@pytest.mark.critical\ndef test_smoke(): ...\ndef test_slow(): ...\n",
}
CLASSES = """
@pytest.mark.comprehensive
class TestAll:
    def test_x(self): ...
    @pytest.mark.standard
    def test_y(self): ...
    class TestIn:
        def test_z(self): ...
"""
SMOKE = "tests/e2e/test_page.py::test_smoke"
UNIT = "tests/unit/test_mail.py"
BASKET = "tests/integration/test_basket.py"
PAGE = "tests/e2e/test_page.py"
OUT = "tests/integration/test_mail_out.py"


def words(*changed: str, **more: str) -> set[str]:
    selection = select(TREE | more, frozenset(changed))
    assert selection.selective, selection.reason
    return set(selection.words)


@pytest.mark.requirement("REF-6")
def test_what_a_change_reaches_runs_and_what_is_critical() -> None:
    assert words("src/shop/prices.py") == {UNIT, BASKET, PAGE}, "the basket imports prices, the page the basket"
    assert words("src/shop/mail.py") == {UNIT, OUT, SMOKE}
    assert words("src/shop/basket.py") == {UNIT, BASKET, PAGE}


@pytest.mark.requirement("REF-6")
def test_a_change_that_reaches_nothing_leaves_the_critical_tests() -> None:
    assert words("README.md") == words() == {UNIT, SMOKE}


def test_what_was_chosen_is_counted_by_category() -> None:
    selection = select(TREE, frozenset({"src/shop/prices.py"}))
    assert selection.chosen == {Category.CRITICAL: 2, Category.STANDARD: 2, Category.COMPREHENSIVE: 1}
    assert selection.left_out == 1


@pytest.mark.requirement("REF-6")
def test_a_package_its_conftest_and_what_is_gone_reach_their_tests() -> None:
    assert {BASKET, PAGE, UNIT} <= words("src/shop/__init__.py"), "importing anything of a package runs it"
    assert {BASKET, OUT} <= words("tests/integration/helpers.py"), "by way of the conftest beside them"
    assert {BASKET} <= words("src/shop/gone.py", **{BASKET: "from shop.gone import it\ndef test_one(): ...\n"})


@pytest.mark.requirement("REF-6")
def test_a_file_that_is_not_python_reaches_whoever_names_it() -> None:
    assert words("src/shop/page.html") == {UNIT, PAGE}


@pytest.mark.requirement("REF-6")
@pytest.mark.parametrize(
    ("changed", "more", "configuration", "reason"),
    [
        ({"data/unknown.bin"}, {}, "", "no source names data/unknown.bin"),
        ({"pyproject.toml"}, {}, "", "pyproject.toml may change what every test does"),
        (None, {}, "", "nobody knows what changed"),
        (set(), {}, 'python_files = ["check_*.py"]', "configured to find other tests"),
        (set(), {"tests/test_broken.py": "def ("}, "", "tests/test_broken.py cannot be read as Python"),
    ],
)
def test_when_in_doubt_everything_runs_and_says_why(
    changed: set[str] | None, more: dict[str, str], configuration: str, reason: str
) -> None:
    selection = select(TREE | more, changed, configuration)
    assert (selection.selective, selection.words) == (False, ())
    assert reason in selection.reason


HIDDEN = (
    "import unittest\nclass Prices(unittest.TestCase):\n    def test_one(self): ...\n",
    "from contracts import Contract\nclass TestPrices(Contract): ...\n",
    "from contracts import *\n",
    "from contracts import test_price\n",
    "import contracts\ntest_price = contracts.made()\n",
    "import sys\nif sys.platform == 'linux':\n    pass\nelse:\n    def test_one(): ...\n",
    "import sys\nfor name in 'ab':\n    from contracts import test_price\n",
    "class TestOne:\n    def __init__(self): ...\n    def test_one(self): ...\n",
    "class TestOne:\n    __test__ = False\n    def test_one(self): ...\n",
)
"""Test files whose source does not list their tests, or lists what pytest does not take for one."""


@pytest.mark.requirement("REF-6")
@pytest.mark.parametrize("source", HIDDEN)
def test_a_file_whose_source_does_not_show_its_tests_runs_whole_or_not_at_all(source: str) -> None:
    here, critical = "tests/api/test_prices.py", "tests/unit/test_prices.py"
    assert here in words("src/shop/prices.py", **{here: f"import shop.prices\n{source}"})
    assert here not in words("src/shop/mail.py", **{here: source})
    assert critical in words("src/shop/mail.py", **{critical: source})


@pytest.mark.requirement("REF-6")
def test_helpers_of_a_test_file_hide_no_tests() -> None:
    source = "from typing import Protocol\nclass Twin(Protocol[int]): ...\ntest_data = [1]\ndef test_one(): ...\n"
    assert [test.name for test in find_tests("test_a.py", source) or ()] == ["test_one"]


def test_a_tree_that_is_too_large_runs_whole() -> None:
    assert select(None, frozenset()) == Selection(False, "the tree is too large to follow its imports")  # noqa: FBT003


@pytest.mark.parametrize(
    ("source", "reaches"),
    [
        ("import shop.prices as p", True),
        ("from shop import prices", True),
        ("def f():\n    import shop.prices", True),
        ("import importlib\nimportlib.import_module('shop.prices')", True),
        ("import importlib\nimportlib.import_module(input())", True),
        ("pytest_plugins = ['shop.prices']", True),
        ("import shop.mail", False),
        ("import prices", False),
        ("text = 'shop.prices'", False),
    ],
)
def test_every_way_to_import_is_followed(source: str, reaches: bool) -> None:  # noqa: FBT001
    found = reached(TREE | {"tests/test_new.py": source}, {"src/shop/prices.py"})
    assert ("tests/test_new.py" in found) is reaches


@pytest.mark.parametrize("source", ["def (", "\0", "(" * 500])
def test_a_file_that_cannot_be_parsed_is_reached_by_every_change(source: str) -> None:
    assert "odd.py" in reached(TREE | {"odd.py": source}, {"src/shop/mail.py"})


GRAPHS = st.dictionaries(st.integers(0, 9), st.frozensets(st.integers(0, 9), max_size=3), min_size=1)


@pytest.mark.requirement("REF-6")
@settings(max_examples=60, deadline=None)
@given(graph=GRAPHS, changed=st.integers(0, 9))
def test_reached_is_what_walking_every_path_finds(graph: dict[int, frozenset[int]], changed: int) -> None:
    sources = {
        f"m{number}.py": "".join(f"import m{target}\n" for target in targets) for number, targets in graph.items()
    }
    expected = {changed}
    while more := {number for number, targets in graph.items() if targets & expected} - expected:
        expected |= more
    assert reached(sources, {f"m{changed}.py"}) == {f"m{number}.py" for number in expected}


@pytest.mark.requirement("REF-6")
@pytest.mark.parametrize(
    ("path", "source", "expected"),
    [
        ("tests/unit/test_a.py", "def test_x(): ...", {"test_x": "critical"}),
        ("tests/integration/test_a.py", "def test_x(): ...", {"test_x": "standard"}),
        ("tests/e2e/unit/test_a.py", "def test_x(): ...", {"test_x": "critical"}),
        ("tests/performance/test_a.py", "async def test_x(): ...", {"test_x": "comprehensive"}),
        ("test_a.py", "def test_x(): ...", {"test_x": "standard"}),
        ("test_a.py", "pytestmark = [pytest.mark.critical]\ndef test_x(): ...", {"test_x": "critical"}),
        (
            "tests/unit/test_a.py",
            CLASSES,
            {
                "TestAll::test_x": "comprehensive",
                "TestAll::test_y": "standard",
                "TestAll::TestIn::test_z": "comprehensive",
            },
        ),
        (
            "test_a.py",
            "if True:\n    @pytest.mark.critical()\n    def test_x(): ...\ndef other(): ...",
            {"": "critical"},
        ),
        ("test_a.py", "@pytest.fixture\ndef test_base(): ...\ndef test_x(): ...", {"test_x": "standard"}),
    ],
)
def test_a_tests_category_is_its_marker_or_its_directory(path: str, source: str, expected: dict[str, str]) -> None:
    found = find_tests(path, source)
    assert found is not None
    assert {test.name: test.category.value for test in found} == expected
