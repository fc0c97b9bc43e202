"""Flags after bad ends: killed at any point of a write, read while being written, a damaged file."""

from __future__ import annotations

import asyncio
import shutil
import signal
import sqlite3
import sys
import threading
from contextlib import AsyncExitStack, closing
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from orchestrator.domain.flags.records import FlagRow, FlagWrite
from orchestrator.storage import open_storage
from state.database import transaction
from state.directory import StateDirectory
from state.store import OrchestratorStore

BOUND = 60.0
"""Seconds that any wait here may take before the test fails."""

KILLED_AT_EVERY_STATEMENT = """
import os, shutil, signal, sys
from pathlib import Path
from orchestrator.domain.flags.records import FlagRow, FlagWrite
from state import statements
from state.database import connect
from state.flag_entries import FlagWrite as Checked
from state.flags import SqliteFlagStore

base, folder = Path(sys.argv[1]), Path(sys.argv[2])
rows = [FlagRow(key, '"new"', True, None, "salt", 1) for key in ("A", "B")]
asked = Checked.checked(FlagWrite(rows, "ann", 2e9, destinations=["hook"], expect_version=1))

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def write(path, fatal):
    connection = connect(path, statements.migrations("orchestrator"))
    begun = 0
    def trace(statement):
        nonlocal begun
        begun += 1
        if begun == fatal:
            die()
    connection.set_trace_callback(trace)
    assert SqliteFlagStore(None)._write(asked, connection) == 2
    die() if begun + 1 == fatal else os._exit(0)

for fatal in range(1, 1000):
    path = folder / f"killed-{fatal:03}.db"
    shutil.copy(base, path)
    child = os.fork()
    if not child:
        write(path, fatal)
    ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    print(fatal, ended, flush=True)
    if ended == 0:
        break
"""


def ask(text: str, expect: int | None = None) -> FlagWrite:
    """Ask for both flags to be `text`, with one destination told."""
    rows = [FlagRow(key, f'"{text}"', is_set=True, targeting=None, salt="salt", hash_version=1) for key in ("A", "B")]
    return FlagWrite(rows, "ann", 1.8e9, destinations=["hook"], expect_version=expect)


async def version_found(path: Path) -> int:
    """Return the flags version of a file after making sure that all of it is of that version."""
    store = await OrchestratorStore.open(path)
    found, text = await store.flags.load(), {1: "old", 2: "new"}
    version = found.version
    assert {row.key: row.value for row in found.rows} == dict.fromkeys("AB", f'"{text[version]}"')
    assert found.strays == {}
    assert [row.detail["flags_version"] for row in await store.audit.page(9)] == list(range(version, 0, -1))
    history = await store.flags.history(limit=9)
    assert [change.version for change in history] == [number for number in range(version, 0, -1) for _ in "AB"]
    assert len(await store.flags.outbox_page(9)) == 2 * version
    assert await store.flags.write(ask("next", expect=version)) == version + 1
    await store.close()
    return version


async def base_and_wal(folder: Path) -> tuple[Path, bytes]:
    """Return a database at version 1, and the write-ahead log that would bring it to version 2."""
    running, base = folder / "running.db", folder / "base.db"
    store = await OrchestratorStore.open(running)
    await store.flags.write(ask("old"))
    await store._writer.run(lambda connection: connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall())
    shutil.copy(running, base)
    await store.flags.write(ask("new"))
    wal = running.with_name("running.db-wal").read_bytes()
    await store.close()
    return base, wal


@pytest.mark.requirement("FLAG-20")
async def test_kill_9_before_and_after_every_statement_leaves_the_old_or_the_new_flag_whole(tmp_path: Path) -> None:
    base, _ = await base_and_wal(tmp_path)
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", KILLED_AT_EVERY_STATEMENT, str(base), str(tmp_path), stdout=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(BOUND):
        said, _ = await child.communicate()
    ends = [int(line.split()[1]) for line in said.decode().splitlines()]
    assert set(ends[:-1]) == {-signal.SIGKILL}
    assert ends[-1] == 0
    found = [await version_found(tmp_path / f"killed-{number:03}.db") for number in range(1, len(ends) + 1)]
    assert found == [1] * (len(ends) - 2) + [2, 2]
    assert len(found) > 10


@pytest.mark.requirement("FLAG-20")
async def test_a_kill_9_between_any_two_bytes_of_the_commit_leaves_the_old_or_the_new_flag_whole(
    tmp_path: Path,
) -> None:
    base, wal = await base_and_wal(tmp_path)
    frame = 24 + 4096  # https://www.sqlite.org/fileformat2.html#walformat: the header is 32 bytes
    ends = range(32, len(wal) + 1, frame)
    cuts = sorted({0, 31, *ends, *(end - 1 for end in ends), *(end - frame // 2 for end in ends if end > frame)})
    path, found = tmp_path / "killed.db", {}
    for cut in cuts:
        shutil.copy(base, path)
        path.with_name("killed.db-wal").write_bytes(wal[:cut])
        found[cut] = await version_found(path)
    assert found == {cut: 2 if cut == len(wal) else 1 for cut in cuts}


def settings_of(reader: sqlite3.Connection) -> dict[str, str]:
    return dict(reader.execute("SELECT key, val FROM settings WHERE key IN ('A', 'B')").fetchall())


@pytest.mark.requirement("FLAG-21")
async def test_a_plain_select_beside_the_daemon_sees_whole_writes_and_waits_for_none(tmp_path: Path) -> None:
    path, begun, end = tmp_path / "orchestrator.db", threading.Event(), threading.Event()
    store = await OrchestratorStore.open(path)
    await store.flags.write(ask("0"))

    def halfway(connection: sqlite3.Connection) -> None:
        with transaction(connection):
            connection.execute("UPDATE settings SET val = 'half' WHERE key = 'A'")
            begun.set()
            assert end.wait(BOUND)

    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=0)) as reader:
        held = asyncio.create_task(store._writer.run(halfway))
        assert await asyncio.to_thread(begun.wait, BOUND)
        assert settings_of(reader) == {"A": "0", "B": "0"}
        end.set()
        await held
        for number in range(1, 40):
            writing = asyncio.create_task(store.flags.write(ask(str(number))))
            await asyncio.sleep(0)  # from here on the writer's thread is at it
            shown = settings_of(reader)
            assert shown in ({"A": "half", "B": "0"}, *(dict.fromkeys("AB", str(one)) for one in (number - 1, number)))
            await writing
            assert settings_of(reader) == dict.fromkeys("AB", str(number))
    await store.close()


@pytest.mark.requirement("FLAG-24")
async def test_flags_begin_from_nothing_after_a_damaged_file_and_it_is_said(tmp_path: Path) -> None:
    with StateDirectory.open(tmp_path) as directory:
        store = await OrchestratorStore.open(directory.orchestrator_db)
        await store.flags.write(ask("old"))
        await store.close()
        with directory.orchestrator_db.open("r+b") as file:
            file.write(b"\xff" * 4096)
        async with AsyncExitStack() as stack:
            with capture_logs() as logs:
                storage = await open_storage(directory, stack)
            assert storage.trouble == "orchestrator.db was damaged and set aside as orchestrator.db.corrupt-1"
            assert [line["event"] for line in logs if line["log_level"] == "error"] == ["damaged file set aside"]
            found = await storage.store.flags.load()
            assert (found.version, found.rows) == (0, ())
            assert await storage.store.flags.write(ask("new")) == 1
    assert (tmp_path / "orchestrator.db.corrupt-1").exists()
