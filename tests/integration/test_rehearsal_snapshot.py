"""Snapshots and copies: consistent under writes, private to each process, whole or not there."""

from __future__ import annotations

import os
import socket
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from rehearsal_parts import repository

from orchestrator.domain.generation import Spec
from orchestrator.domain.rehearsal import Status
from orchestrator.rehearsal import cloning, code_copy, snapshot
from orchestrator.rehearsal.databases import DatabaseError, examine

ACCOUNTS, TRANSACTIONS, TOTAL = 50, 10_000, 5000
PATIENCE = 60.0

WRITER = """
import random, sqlite3, sys
connection = sqlite3.connect(sys.argv[1], timeout=60, isolation_level=None)
connection.execute("PRAGMA synchronous = OFF")
print("begun", flush=True)
rng = random.Random(1)
for number in range(int(sys.argv[2])):
    one, other = rng.sample(range(int(sys.argv[3])), 2)
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("UPDATE account SET balance = balance - 1 WHERE id = ?", (one,))
    connection.execute("UPDATE account SET balance = balance + 1 WHERE id = ?", (other,))
    connection.execute("INSERT INTO moved VALUES (?, ?, ?)", (number, one, other))
    connection.execute("UPDATE counted SET n = n + 1")
    connection.execute("COMMIT")
print("done", flush=True)
"""
WRITING = (sys.executable, "-S", "-c", WRITER)


def bank(path: Path, mode: str) -> None:
    """Make a database whose money stays the same whatever is moved."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(f"PRAGMA journal_mode = {mode}")
        connection.execute("CREATE TABLE account (id INTEGER PRIMARY KEY, balance INTEGER)")
        connection.execute("CREATE TABLE moved (number INTEGER PRIMARY KEY, one INTEGER, other INTEGER)")
        connection.execute("CREATE TABLE counted (n INTEGER)")
        connection.execute("INSERT INTO counted VALUES (0)")
        rows = [(number, TOTAL // ACCOUNTS) for number in range(ACCOUNTS)]
        connection.executemany("INSERT INTO account VALUES (?, ?)", rows)


def count_of(path: Path) -> int:
    """Check a copy's invariants; return how many transactions it holds."""
    with closing(sqlite3.connect(path)) as connection:
        (money,) = connection.execute("SELECT sum(balance) FROM account").fetchone()
        (moved, last) = connection.execute("SELECT count(*), coalesce(max(number), -1) FROM moved").fetchone()
        (counted,) = connection.execute("SELECT n FROM counted").fetchone()
    assert money == TOTAL
    assert moved == counted == last + 1
    return int(counted)


@pytest.mark.requirement("REH-5")
@pytest.mark.parametrize("mode", ["WAL", "DELETE"])
def test_a_database_under_ten_thousand_writes_is_copied_as_of_one_moment(tmp_path: Path, mode: str) -> None:
    state = tmp_path / "state"
    state.mkdir()
    bank(state / "bank.db", mode)
    counts = []
    with subprocess.Popen(
        [*WRITING, str(state / "bank.db"), str(TRANSACTIONS), str(ACCOUNTS)], stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "begun\n"
        guard = threading.Timer(PATIENCE, writer.kill)
        guard.start()
        while writer.poll() is None and len(counts) < 40:
            taken = snapshot.take(state, tmp_path / f"copy-{len(counts)}")
            assert (taken.databases, taken.files) == (1, 0)
            counts.append(count_of(taken.path / "bank.db"))
        assert writer.stdout.readline() == "done\n"
        guard.cancel()
    counts.append(count_of(snapshot.take(state, tmp_path / "last").path / "bank.db"))
    assert counts == sorted(counts)
    assert counts[-1] == TRANSACTIONS
    assert any(0 < count < TRANSACTIONS for count in counts), "some were taken while it wrote"


@pytest.mark.requirement("REH-5")
def test_a_directory_that_goes_while_a_state_is_copied_is_noted_and_fails_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "state" / "scratch").mkdir(parents=True)
    (tmp_path / "state" / "kept").mkdir()
    copy_entry = cloning.copy_entry

    def goes(one: Path, into: Path, source: Path, target: Path) -> None:
        if one.name == "scratch":
            one.rmdir()
        copy_entry(one, into, source, target)

    monkeypatch.setattr(cloning, "copy_entry", goes)
    taken = snapshot.take(tmp_path / "state", tmp_path / "copy")
    assert taken.vanished == ["scratch"]
    assert (tmp_path / "copy" / "kept").is_dir()


@pytest.mark.requirement("REH-5")
def test_what_is_in_the_write_ahead_log_is_in_the_copy_also_when_its_writer_was_killed(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    bank(state / "bank.db", "WAL")
    killed = WRITER.replace('print("done", flush=True)', "import os; os.kill(os.getpid(), 9)")
    words = [sys.executable, "-S", "-c", killed, str(state / "bank.db"), "100", str(ACCOUNTS)]
    subprocess.run(words, check=False, stdout=subprocess.DEVNULL)
    assert (state / "bank.db-wal").stat().st_size
    taken = snapshot.take(state, tmp_path / "copy")
    assert count_of(taken.path / "bank.db") == 100
    assert [path.name for path in taken.path.iterdir()] == ["bank.db"]


@pytest.mark.requirement("REH-5")
def test_a_damaged_database_is_named_and_not_copied(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    bank(state / "bank.db", "DELETE")
    with (state / "bank.db").open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 4096)
    assert examine(state / "bank.db", PATIENCE)
    with pytest.raises(DatabaseError, match=r"bank\.db"):
        snapshot.take(state, tmp_path / "copy")


@pytest.mark.requirement("REH-5")
def test_files_links_and_folders_are_copied_sockets_are_not_and_links_into_the_state_lead_into_the_copy(
    tmp_path: Path,
) -> None:
    state = tmp_path / "state"
    (state / "deep" / "er").mkdir(parents=True)
    (state / "deep" / "er" / "file").write_text("x")
    (state / "inner").symlink_to(state / "deep")
    (state / "outer").symlink_to("/usr")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(state / "sock"))
        taken = snapshot.take(state, tmp_path / "copy")
    assert taken.left_out == ["sock"]
    assert taken.check().status is Status.OK
    assert (taken.path / "inner").readlink() == taken.path / "deep"
    assert (taken.path / "outer").readlink() == Path("/usr")
    one, other = (snapshot.fresh(taken.path, tmp_path / name) for name in ("one", "other"))
    (one / "deep" / "er" / "file").write_text("changed")
    assert (one / "inner" / "er" / "file").read_text() == "changed"
    assert (other / "deep" / "er" / "file").read_text() == "x"
    assert (taken.path / "deep" / "er" / "file").read_text() == "x"


@pytest.mark.requirement("REH-5")
def test_a_file_that_changes_under_every_copy_is_taken_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = tmp_path / "state"
    state.mkdir()
    (state / "log").write_text("x")
    cloned = cloning.clone_file
    copies = 0

    def while_written(source: Path, target: Path) -> None:
        nonlocal copies
        copies += 1
        cloned(source, target)
        with source.open("a") as file:
            file.write("more")

    monkeypatch.setattr(cloning, "clone_file", while_written)
    taken = snapshot.take(state, tmp_path / "copy")
    assert taken.unsteady == ["log"]
    assert copies == snapshot.TRIES + 1
    assert taken.check().status is Status.WARNING


@pytest.mark.requirement("REH-5")
def test_a_state_that_is_not_there_yet_is_an_empty_snapshot(tmp_path: Path) -> None:
    taken = snapshot.take(tmp_path / "nowhere", tmp_path / "copy")
    assert list(taken.path.iterdir()) == []


def spec_of(source: Path, *command: str) -> Spec:
    return Spec(command, str(source), source=str(source))


def everything(_path: Path) -> bool:
    return False


@pytest.mark.requirement("REH-4")
def test_a_clean_repository_is_copied_as_git_has_it_and_forgotten_again(tmp_path: Path) -> None:
    source = repository(tmp_path / "source", {"server.py": "1", ".gitignore": "junk"})
    (source / "junk").write_text("not git's")
    (source / ".git" / "hooks" / "post-checkout").write_text("#!/bin/sh\ntouch ran\n")
    (source / ".git" / "hooks" / "post-checkout").chmod(0o755)
    spec = spec_of(source, "python", str(source / "server.py"))
    copied = code_copy.copy(source, tmp_path / "copy", spec, "auto", everything)
    assert copied.worktree
    assert sorted(os.listdir(copied.path)) == [".git", ".gitignore", "server.py"]  # noqa: PTH208 - names
    moved = code_copy.relocated(spec, copied.path)
    assert moved.command == ("python", str(copied.path / "server.py"))
    assert moved.cwd == str(copied.path)
    named = replace(
        spec, command=("run", f"--config={source}/c", "--at=/c"), env={"LIBS": f"/lib:{source}/lib", "N": ""}
    )
    moved = code_copy.relocated(named, copied.path)
    assert moved.command == ("run", f"--config={copied.path}/c", "--at=/c")
    assert moved.env == {"LIBS": f"/lib:{copied.path}/lib", "N": ""}
    code_copy.discard(source, copied.path)
    assert not copied.path.exists()
    assert code_copy.git(source, "worktree", "list")[1].count("\n") == 0


@pytest.mark.requirement("REH-4")
@pytest.mark.parametrize(
    ("prepare", "why"),
    [
        (lambda source: (source / "server.py").write_text("2"), "not committed"),
        (lambda source: (source / "ignored").write_text(""), "git does not have ignored"),
        (lambda source: (source / ".git").rename(source / "gone"), "no git repository"),
    ],
)
def test_where_a_work_tree_would_not_do_files_are_copied_without_caches(
    tmp_path: Path, prepare: object, why: str
) -> None:
    source = repository(tmp_path / "source", {"server.py": "1", ".gitignore": "ignored\n__pycache__\nlarge\n"})
    (source / "__pycache__").mkdir()
    (source / "large").write_text("x")
    prepare(source)  # type: ignore[operator]
    excluded = code_copy.excluder(["larg*"], source)
    copied = code_copy.copy(source, tmp_path / "copy", spec_of(source, "./ignored"), "auto", excluded)
    assert not copied.worktree
    assert why in copied.words
    assert (copied.path / "server.py").read_text() == (source / "server.py").read_text()
    assert not {"__pycache__", "large", ".git"} & set(os.listdir(copied.path))  # noqa: PTH208 - names
    if why == "not committed":
        with pytest.raises(code_copy.CopyError, match=r"upgrade\.copy_as"):
            code_copy.copy(source, tmp_path / "other", spec_of(source), "worktree", excluded)


@pytest.mark.requirement("REH-4")
def test_the_daemons_own_state_is_never_part_of_a_copy(tmp_path: Path) -> None:
    (tmp_path / "source" / ".run" / "deep").mkdir(parents=True)
    (tmp_path / "source" / "code").write_text("x")
    source = tmp_path / "source"
    excluded = code_copy.excluder([], source, [source / ".run"])
    copied = code_copy.copy(source, source / ".run" / "copy", spec_of(source), "copy", excluded)
    assert os.listdir(copied.path) == ["code"]  # noqa: PTH208 - names
    assert cloning.size_of(source, excluded) == 1
