"""The pages for people: every link leads somewhere, and every page and verb can be found."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from orchestrator.cli.group import switchover

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = (ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted(DOCS.glob("*.md")))
OUTSIDE = re.compile(r"[a-z]+:")
"""How an address begins that is no file of ours."""


def prose(page: Path) -> str:
    """Return a page without its examples, which may hold brackets of their own."""
    return re.sub(r"^ *```.*?^ *```|`[^`\n]*`", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)


def links(page: Path) -> Iterator[tuple[str, str]]:
    """Yield file and anchor of every link to a file of ours."""
    for address in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if not OUTSIDE.match(address):
            file, _, anchor = address.partition("#")
            yield file, anchor


def anchors(page: Path) -> set[str]:
    """Return a page's anchors as GitHub makes them of its headings."""
    without_examples = re.sub(r"^ *```.*?^ *```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ +(.+?) *$", without_examples, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.requirement("README-2")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_of_a_page_leads_to_a_file_and_a_heading_that_exist(page: Path) -> None:
    for file, anchor in links(page):
        target = (page.parent / file).resolve() if file else page
        assert target.exists(), f"{page.name} links to {file}, which is not there"
        assert not anchor or anchor in anchors(target), (
            f"{page.name} links to {file}#{anchor}, which has no such heading"
        )


@pytest.mark.requirement("README-2")
def test_every_page_is_in_the_list_of_pages() -> None:
    listed = {file for file, _ in links(DOCS / "README.md")}
    assert {page.name for page in DOCS.glob("*.md")} - listed == {"README.md"}


@pytest.mark.requirement("README-2")
def test_every_verb_is_told_on_some_page() -> None:
    told = "\n".join(page.read_text() for page in PAGES)
    assert [
        verb for verb in switchover.list_commands(click.Context(switchover)) if f"switchover {verb}" not in told
    ] == []
