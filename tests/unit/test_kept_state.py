"""A state around a cut-over: kept whole, brought back once, and begun anew where a crash cut that short."""

from __future__ import annotations

import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from orchestrator.conducting import kept_state
from orchestrator.conducting.kept_state import AFTER, BEFORE, RESTORED, KeptState, prune
from orchestrator.domain.rollouts.state import Snapshot
from orchestrator.rehearsal.databases import DatabaseError

pytestmark = pytest.mark.requirement("EXCLUSIVE-3")

NOW = 1_800_000_000.0


def filled(root: Path) -> Path:
    """Make a worker's state: a database with a log of its own, a file in a folder, a link to it."""
    live = root / "live"
    (live / "notes").mkdir(parents=True)
    (live / "notes" / "one.txt").write_text("before")
    (live / "newest").symlink_to(live / "notes" / "one.txt")
    write(live, "before")
    return live


def write(live: Path, word: str) -> None:
    with closing(sqlite3.connect(live / "tasks.db")) as tasks, tasks:
        tasks.execute("PRAGMA journal_mode = WAL")
        tasks.execute("CREATE TABLE IF NOT EXISTS task (title)")
        tasks.execute("INSERT INTO task VALUES (?)", (word,))


def words(folder: Path) -> list[str]:
    with closing(sqlite3.connect(folder / "tasks.db")) as tasks:
        return [word for (word,) in tasks.execute("SELECT title FROM task")]


def changed(live: Path) -> None:
    """Do what a new version may do: write, add, remove."""
    write(live, "after")
    (live / "notes" / "two.txt").write_text("after")
    (live / "notes" / "one.txt").unlink()
    (live / "made").mkdir()


def is_as_before(live: Path) -> bool:
    names = sorted(str(one.relative_to(live)) for one in live.rglob("*") if not one.name.startswith("tasks.db-"))
    link = live / "newest"
    return (names, words(live), link.read_text(), link.readlink()) == (
        ["newest", "notes", "notes/one.txt", "tasks.db"],
        ["before"],
        "before",
        live / "notes" / "one.txt",
    )


def test_a_state_is_kept_and_brought_back_whole_and_what_was_written_since_is_kept_aside(tmp_path: Path) -> None:
    live, kept = filled(tmp_path), KeptState(tmp_path / "kept" / "r", tmp_path / "live")
    assert kept.take(NOW) == Snapshot(NOW, str(tmp_path / "kept" / "r" / "before"))
    kept.note_served(NOW + 1)
    changed(live)
    kept.set_aside(NOW + 2)
    kept.restore(NOW + 3)
    assert is_as_before(live)
    assert words(kept.folder / AFTER) == ["before", "after"]
    assert (kept.folder / AFTER / "notes" / "two.txt").read_text() == "after"
    assert json.loads((kept.folder / "restored.json").read_text())["at"] == NOW + 3


def test_a_state_is_brought_back_once_and_never_over_what_the_old_version_wrote_then(tmp_path: Path) -> None:
    live, kept = filled(tmp_path), KeptState(tmp_path / "kept", tmp_path / "live")
    kept.take(NOW)
    kept.restore(NOW)
    write(live, "by the old version")
    again = KeptState(tmp_path / "kept", live)
    again.set_aside(NOW)
    again.restore(NOW)
    assert words(live) == ["before", "by the old version"]
    assert not again.is_marked(AFTER)


def test_a_cut_that_is_begun_again_begins_with_the_state_as_it_was(tmp_path: Path) -> None:
    live = filled(tmp_path)
    first = KeptState(tmp_path / "kept", live).take(NOW)
    changed(live)  # a new version had begun to migrate it when the daemon was killed
    assert KeptState(tmp_path / "kept", live).take(NOW + 60) == first
    assert is_as_before(live)


def test_what_was_served_is_not_undone_by_a_cut_that_is_begun_again(tmp_path: Path) -> None:
    live, kept = filled(tmp_path), KeptState(tmp_path / "kept", tmp_path / "live")
    kept.take(NOW)
    kept.note_served(NOW)
    write(live, "after")
    kept.take(NOW + 60)
    assert words(live) == ["before", "after"]


def test_without_a_snapshot_nobody_has_touched_the_state_and_it_is_left_alone(tmp_path: Path) -> None:
    live, kept = filled(tmp_path), KeptState(tmp_path / "kept", tmp_path / "live")
    write(live, "more")
    kept.restore(NOW)
    assert (words(live), kept.is_marked(RESTORED)) == (["before", "more"], True)


def test_half_of_a_snapshot_is_none(tmp_path: Path) -> None:
    live, kept = filled(tmp_path), KeptState(tmp_path / "kept", tmp_path / "live")
    (kept.folder / BEFORE / "half").mkdir(parents=True)
    kept.take(NOW)
    assert not (kept.folder / BEFORE / "half").exists()
    changed(live)
    kept.restore(NOW)
    assert is_as_before(live)


class CutShortError(Exception):
    """The daemon is killed here."""


def test_killed_at_any_file_of_the_way_back_it_is_whole_when_it_is_begun_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    live, kept = filled(tmp_path), KeptState(tmp_path / "kept", tmp_path / "live")
    kept.take(NOW)
    copy = kept_state.cloning.copy_entry
    for last in range(4):
        changed(live) if last == 0 else (live / "made").mkdir(exist_ok=True)
        left = [last]

        def dies(one: Path, into: Path, source: Path, target: Path, left: list[int] = left) -> None:
            if not left[0]:
                raise CutShortError
            left[0] -= 1
            copy(one, into, source, target)

        monkeypatch.setattr(kept_state.cloning, "copy_entry", dies)
        with pytest.raises(CutShortError):
            kept.restore(NOW)
        assert not kept.is_marked(RESTORED)
    monkeypatch.setattr(kept_state.cloning, "copy_entry", copy)
    kept.restore(NOW)
    assert is_as_before(live)


def test_a_damaged_database_is_not_cut_over_and_can_be_kept_aside_all_the_same(tmp_path: Path) -> None:
    live, kept = filled(tmp_path), KeptState(tmp_path / "kept", tmp_path / "live")
    kept.take(NOW)
    with (live / "tasks.db").open("r+b") as file:
        file.seek(100)
        file.write(os.urandom(2000))
    with pytest.raises(DatabaseError):
        KeptState(tmp_path / "other", live).take(NOW)
    kept.set_aside(NOW)
    kept.restore(NOW)
    assert is_as_before(live)


@pytest.mark.requirement("EXCLUSIVE-5")
def test_the_oldest_states_go_and_the_present_one_stays(tmp_path: Path) -> None:
    for age, name in enumerate(["newest", "newer", "old", "oldest"]):
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, (NOW - age, NOW - age))
    assert prune(tmp_path, 1, but="oldest") == ["newer", "old"]
    assert sorted(one.name for one in tmp_path.iterdir()) == ["newest", "oldest"]
    assert prune(tmp_path / "absent", 1) == []


@pytest.mark.requirement("EXCLUSIVE-5")
def test_the_count_of_writes_outlives_the_daemon(tmp_path: Path) -> None:
    kept = KeptState(tmp_path, tmp_path / "live")
    assert kept.written() is None
    kept.written(7)
    assert KeptState(tmp_path, tmp_path / "live").written() == 7
    (tmp_path / "written.json").write_text("[]")
    assert kept.written() is None
