"""What is not there is not rolled out: it is refused before anything begins, and quarantined for nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from control_story import StoryPlane, control_plane
from rollout_asked import ROLLOUT, begin, now

from orchestrator.domain.generation import Spec
from orchestrator.supervision.startable import unstartable

pytestmark = pytest.mark.requirement("VERB-1")

PATHS = {"PATH": "/usr/bin:/bin"}


def seeing(plane: StoryPlane) -> StoryPlane:
    """Have the verbs look at this machine, as a daemon's do."""
    plane.control.engine.desk.verbs._unstartable = lambda spec: unstartable(spec, PATHS)
    return plane


@pytest.mark.parametrize("force", [False, True])
async def test_a_program_that_is_not_there_is_refused_before_anything_begins(tmp_path: Path, *, force: bool) -> None:
    async with control_plane(tmp_path) as plane:
        missing = str(tmp_path / "prog")
        status, told = await begin(seeing(plane), tmp_path, command=[missing], force=force, force_plan=force)
        words = f"{missing!r} is not an executable file and not on PATH"
        assert (status, told["reason"]) == (409, f"the new version cannot be started, so nothing was begun: {words}")
        assert await now(plane) is None
        assert (await plane.ask("GET", "/v1/quarantine"))[1] == []
        assert plane.control.engine.driver.state.table.active == 1


async def test_a_program_that_went_away_after_its_rollout_is_not_tried_again(tmp_path: Path) -> None:
    program = tmp_path / "bin" / "prog"
    program.parent.mkdir()
    program.touch(mode=0o755)
    async with control_plane(tmp_path) as plane:
        status, told = await begin(seeing(plane), tmp_path, command=[str(program)])
        assert status == 200, told
        await plane.ask("POST", f"{ROLLOUT}/abort", {})
        program.unlink()
        status, told = await plane.ask("POST", f"{ROLLOUT}/retry", {"id": "r2"})
        assert (status, "cannot be started, so nothing was begun" in told["reason"]) == (409, True)
        program.touch(mode=0o755)
        assert (await plane.ask("POST", f"{ROLLOUT}/retry", {"id": "r2"}))[0] == 200


def test_what_is_on_the_version_s_own_path_or_may_still_be_built_from_its_source_is_left_to_the_start(
    tmp_path: Path,
) -> None:
    own, source = tmp_path / "bin", tmp_path / "source"
    own.mkdir()
    (own / "prog").touch(mode=0o755)
    assert "is not an executable file" in unstartable(Spec(("prog",), "/", {}), PATHS)
    assert unstartable(Spec(("prog",), "/", {"PATH": str(own)}), PATHS) == ""
    assert "does not exist" in unstartable(Spec(("sh",), str(source), {}), PATHS)
    assert unstartable(Spec((str(source / "made"),), "/", {}, source=str(source)), PATHS) == ""
    assert unstartable(Spec(("./made",), str(source), {}, source=str(source)), PATHS) == ""
    assert "is not an executable file" in unstartable(Spec(("/no/prog",), "/", {}, source=str(source)), PATHS)
