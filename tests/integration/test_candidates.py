"""No candidate is a dud: what its description says is really to be seen, and only there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from candidate import main
from candidate_answers import Slow
from candidate_changes import BY_NAME, CHANGES, table
from candidates import CANDIDATES, Forks, Speaker
from mcp import Client
from mcp.server.mcpserver import MCPServer
from planted_looks import LOOKS, breaking

pytestmark = pytest.mark.requirement("INT-2")


@pytest.fixture(scope="module")
def unchanged(forks: Forks, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Speaker]:
    """The candidate without a change."""
    with forks.candidate("none", tmp_path_factory.mktemp("none")) as speaker:
        yield speaker


@pytest.mark.parametrize("change", LOOKS)
def test_a_planted_change_is_seen_where_its_description_says(
    change: str, forks: Forks, unchanged: Speaker, tmp_path: Path
) -> None:
    look = LOOKS[change]
    assert look.see(unchanged) == look.usual
    with forks.candidate(change, tmp_path / "state") as speaker:
        assert look.see(speaker) == look.planted
        broken = breaking(unchanged, speaker)
    assert broken == (("tool plan: argument reviewer is new and required",) if change == "required-argument" else ())


async def test_the_slow_candidate_takes_half_as_long_again_for_every_call() -> None:
    slept: list[float] = []
    times = iter(range(0, 1000, 4))
    planted: Any = BY_NAME["slow"].plant(None)  # type: ignore[arg-type]  # nothing is left to chance

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    assert isinstance(planted, Slow)
    server: Any = MCPServer("slow", middleware=[Slow(lambda: float(next(times)), sleep)])
    server.tool(name="echo")(lambda: "x")
    with anyio.fail_after(60):
        async with Client(server, mode="legacy") as client:
            for _ in range(3):
                assert not (await client.call_tool("echo", {})).is_error
    assert slept == [2.0, 2.0, 2.0], "half of the four seconds that the clock says a call took"


def test_every_change_but_none_has_a_look_of_its_own() -> None:
    assert {change.name for change in CHANGES} == {"none", "slow", "migrates", *LOOKS}
    assert len(CHANGES) == 12


def test_the_list_of_changes_is_the_table_of_the_readme(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list"]) == 0
    assert capsys.readouterr().out == f"{table()}\n"
    assert table() in (CANDIDATES / "README.md").read_text()
