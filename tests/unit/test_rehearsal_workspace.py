"""Copies that are kept stay as long as their run's artifacts."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.rehearsal import workspace
from orchestrator.rehearsal.artifacts import FOLDER

pytestmark = pytest.mark.requirement("REH-7")


def test_kept_copies_go_with_the_artifacts_of_their_run_and_others_at_once(tmp_path: Path) -> None:
    for run in ("kept", "killed"):
        (tmp_path / FOLDER / run).mkdir(parents=True)
        place = workspace.Workspace.make(tmp_path, run, workspace.Note("", ""))
        if run == "kept":
            workspace.keep(place)
    assert workspace.clear_leftovers(tmp_path) == ["killed"]
    assert (tmp_path / workspace.FOLDER / "kept").is_dir()
    (tmp_path / FOLDER / "kept").rmdir()
    assert workspace.clear_leftovers(tmp_path) == ["kept"]
    assert not (tmp_path / workspace.FOLDER).exists()
