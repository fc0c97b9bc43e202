"""Every look of the preflight says whether it is well, and what to do where it is not."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from rehearsal_parts import repository

from orchestrator.domain.generation import Spec
from orchestrator.domain.rehearsal import Status
from orchestrator.rehearsal import preflight
from orchestrator.rehearsal.bounds import Means
from orchestrator.rehearsal.sandbox import Hold

MEND = "name it anew"

pytestmark = pytest.mark.requirement("REH-2")


@pytest.mark.parametrize(
    ("version", "bounds", "fit"),
    [
        ((3, 11, 7), ">=3.11, <4", True),
        ((3, 11), ">=3.11.1", False),
        ((3, 10, 9), ">=3.11", False),
        ((4,), ">=3.11, <4", False),
        ((20, 1), "20", True),
        ((18,), "20", False),
        ((20, 1, 5), "==20.1", True),
        ((20, 2), "!=20.1", True),
        ((20, 1, 9), "!=20.1", False),
        ((2, 0), "<=2", True),
    ],
)
def test_a_version_is_held_against_its_bounds_number_by_number(
    version: tuple[int, ...], bounds: str, *, fit: bool
) -> None:
    assert preflight.fits(version, bounds) is fit


def test_runtimes_are_asked_for_their_version(tmp_path: Path) -> None:
    for name, said in {"new": "new 22.3.1", "mute": "no idea"}.items():
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\necho '{said}'\n")
        program.chmod(0o755)
    wanted = {"new": ">=20", "mute": ">=1", "absent": ">=1"}
    checks = preflight.runtimes(wanted, str(tmp_path))
    assert [check.status for check in checks] == [Status.OK, Status.FAILED, Status.FAILED]
    assert "not on PATH" in checks[2].message
    (old,) = preflight.runtimes({"new": ">=23"}, str(tmp_path))
    assert old.status is Status.FAILED
    assert "22.3.1 does not fit >=23" in old.message


def test_a_work_tree_with_changes_fails_unless_that_is_allowed(tmp_path: Path) -> None:
    source = repository(tmp_path / "source", {"a": "1"})
    assert preflight.work_tree(source, allow_dirty=False).status is Status.OK
    (source / "b").write_text("2")
    found = preflight.work_tree(source, allow_dirty=False)
    assert found.status is Status.FAILED
    assert "1 file is not committed (b)" in found.message
    (source / "a").write_text("3")
    assert "2 files are not committed (a, b)" in preflight.work_tree(source, allow_dirty=False).message
    assert "--allow-dirty" in found.message
    assert preflight.work_tree(source, allow_dirty=True).status is Status.SKIPPED
    assert preflight.work_tree(None, allow_dirty=False).status is Status.SKIPPED
    assert preflight.work_tree(tmp_path, allow_dirty=False).status is Status.SKIPPED


def test_a_repository_that_git_cannot_read_is_not_taken_for_clean(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = repository(tmp_path / "source", {"a": "1"})
    monkeypatch.setenv("PATH", str(tmp_path))  # where no git is
    found = preflight.work_tree(source, allow_dirty=False)
    assert (found.status, "git is not installed" in found.message) == (Status.FAILED, True)
    assert preflight.work_tree(source, allow_dirty=True).status is Status.SKIPPED


def test_a_source_is_needed_to_build_in_and_must_be_there(tmp_path: Path) -> None:
    assert preflight.source(tmp_path, [("make",)]).status is Status.OK
    assert preflight.source(None, []).status is Status.OK
    assert "worker.source" in preflight.source(None, [("make",)]).message
    assert preflight.source(tmp_path / "nowhere", []).status is Status.FAILED


def test_a_program_or_working_directory_that_is_not_there_is_found_before_anything_is_built(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("#!/bin/sh\n")
    (tmp_path / "run").chmod(0o755)
    (tmp_path / "plain").touch()
    here, path = str(tmp_path), str(tmp_path)
    for word in ("run", "./run", f"{here}/run"):
        assert preflight.program("new", Spec((word,), here), path, MEND).status is Status.OK
    said = {"gone": "is not an executable", "./gone": "is not an executable", "./plain": "Permission denied"}
    for word, why in said.items():
        found = preflight.program("new", Spec((word,), here), path, MEND)
        assert (found.status, why in found.message) == (Status.FAILED, True)
    nowhere = preflight.program("old", Spec(("run",), f"{here}/nowhere"), path, MEND)
    assert (nowhere.status, "working directory" in nowhere.message) == (Status.FAILED, True)
    assert nowhere.message.endswith(f"; {MEND}")


def test_what_the_build_may_still_make_in_the_source_need_not_be_there(tmp_path: Path) -> None:
    source = str(tmp_path)
    assert (
        preflight.program("new", Spec((f"{source}/dist/server",), "/", source=source), None, MEND).status is Status.OK
    )
    assert preflight.program("new", Spec(("node",), f"{source}/dist", source=source), None, MEND).status is Status.OK


def test_space_is_held_against_what_will_be_copied(tmp_path: Path) -> None:
    assert preflight.space(tmp_path, 1000, 1000, 0).status is Status.OK
    assert "spare_bytes" not in preflight.space(tmp_path, 10**18, 0, 0).message  # there is nothing to lower
    free = shutil.disk_usage(tmp_path).free
    if not preflight.cloning.can_share(tmp_path):
        copies = preflight.kept_copies(5)
        assert copies == 22
        assert preflight.space(tmp_path, 0, free // 10, 0, copies).status is Status.FAILED
    full = preflight.space(tmp_path, 10**18, 0, 1)
    assert full.status is Status.FAILED
    assert "upgrade.spare_bytes" in full.message


def test_databases_are_examined_one_by_one(tmp_path: Path) -> None:
    assert preflight.health(tmp_path)[0].status is Status.SKIPPED
    for name in ("well.db", "ill.db"):
        with closing(sqlite3.connect(tmp_path / name)) as connection, connection:
            connection.execute("CREATE TABLE t (n)")
    with (tmp_path / "ill.db").open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 4096)
    ill, well = preflight.health(tmp_path)
    assert (ill.status, well.status) == (Status.FAILED, Status.OK)
    assert "ill.db is damaged" in ill.message


def test_a_sandbox_with_gaps_is_a_warning() -> None:
    whole = Hold(Means.BUBBLEWRAP, sees=True, landlock=7, words="bubblewrap")
    none = Hold(Means.NONE, sees=False, landlock=0, words="nothing")
    blind = Hold(Means.BUBBLEWRAP, sees=False, landlock=7, words="blind")
    old = Hold(Means.LANDLOCK, sees=True, landlock=3, words="old")
    assert preflight.dry_run(whole).status is Status.OK
    assert {preflight.dry_run(one).status for one in (none, blind, old)} == {Status.WARNING}
