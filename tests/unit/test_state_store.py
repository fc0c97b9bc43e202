"""orchestrator.db as a whole: what survives closing, how watches end, the audit."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import aclosing, closing
from pathlib import Path

import pytest

from state import database
from state.audit import AuditRow
from state.entries import StoredEntry
from state.errors import StorageError, StorageFullError, StoreClosedError
from state.memory import MemoryDesiredState, fail_on
from state.store import OrchestratorStore

BOUND = 60.0
"""Seconds that any wait here may take before the test fails."""


def wall() -> float:
    return 1_800_000_000.25


async def reopened(tmp_path: Path) -> OrchestratorStore:
    return await OrchestratorStore.open(tmp_path / "orchestrator.db", now=lambda: 0.0, wall=wall)


async def limit_pages(store: OrchestratorStore, pages: int) -> None:
    """Have SQLite itself refuse to grow the file, as it does when the disk is full; 1 means the present size."""
    await store._writer.run(lambda connection: connection.execute(f"PRAGMA max_page_count = {pages}").fetchall())


async def test_keys_revisions_and_changes_survive_closing(tmp_path: Path) -> None:
    store = await reopened(tmp_path)
    await store.desired.txn({"a": "1"})
    await store.desired.txn({"b": "1"}, delete=["a"])
    await store.close()
    store = await reopened(tmp_path)
    assert await store.desired.range("") == [StoredEntry("b", "1", 2, 2)]
    async with asyncio.timeout(BOUND), aclosing(store.desired.watch("", 0)) as watch:
        assert [(await anext(watch)).key for _ in range(3)] == ["a", "a", "b"]
    assert await store.desired.txn({"a": "1"}) == 3
    await store.close()


async def test_opening_ends_every_lease_because_its_holder_is_gone(tmp_path: Path) -> None:
    store = await reopened(tmp_path)
    await store.desired.lease("leader", "ann", 1e9)
    await store.desired.txn({"plain": "1"})
    await store.close()
    store = await reopened(tmp_path)
    assert [entry.key for entry in await store.desired.range("")] == ["plain"]
    assert await store.desired.lease("leader", "bob", 10) == 4
    await store.close()


async def test_closing_ends_a_waiting_watch_with_the_reason(tmp_path: Path) -> None:
    store = await reopened(tmp_path)
    async with asyncio.timeout(BOUND), aclosing(store.desired.watch("", 0)) as watch:
        waiting = asyncio.create_task(anext(watch))
        await store.desired.revision()
        await store.close()
        with pytest.raises(StoreClosedError, match=r"orchestrator\.db: the store is closed"):
            await waiting


@pytest.mark.requirement("STATE-5")
async def test_a_refused_transaction_changes_nothing_and_the_next_one_is_tried(tmp_path: Path) -> None:
    store = await reopened(tmp_path)
    await store.desired.txn({"a": "1"})
    await limit_pages(store, 1)
    with pytest.raises(StorageFullError, match="free some space"):
        await store.desired.txn({"a": "2", "big": "x" * 100_000})
    assert await store.desired.range("") == [StoredEntry("a", "1", 1, 1)]
    assert await store.desired.revision() == 1
    await limit_pages(store, 1_000_000)
    assert await store.desired.txn({"a": "2", "big": "x" * 100_000}) == 2
    await store.close()


async def test_a_file_that_another_program_keeps_locked_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_TIMEOUT", 0.0)
    store = await reopened(tmp_path)
    with closing(sqlite3.connect(tmp_path / "orchestrator.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageError, match=r"locked .*end the other program"):
            await store.desired.txn({"a": "1"})
        assert await store.desired.get("a") is None
        other.execute("ROLLBACK")
    assert await store.desired.txn({"a": "1"}) == 1
    await store.close()


async def test_the_memory_twin_refuses_the_write_it_is_told_to() -> None:
    desired = MemoryDesiredState(before_write=fail_on(2))
    await desired.txn({"a": "1"})
    with pytest.raises(StorageFullError, match="injected"):
        await desired.txn({"a": "2"})
    assert await desired.get("a") == StoredEntry("a", "1", 1, 1)
    assert await desired.txn({"a": "2"}) == 2


async def test_the_audit_says_who_did_what_when_and_why(tmp_path: Path) -> None:
    store = await reopened(tmp_path)
    assert await store.audit.append("ann", "switch", reason="faster", revision=7, detail={"to": 2}) == 1
    assert await store.audit.append("switchover", "restart", revision=7) == 2
    assert await store.audit.page(10) == [
        AuditRow(2, wall(), "switchover", "restart", "", 7, {}),
        AuditRow(1, wall(), "ann", "switch", "faster", 7, {"to": 2}),
    ]
    await store.close()


async def test_the_audit_is_read_page_by_page_newest_first(tmp_path: Path) -> None:
    store = await reopened(tmp_path)
    for number in range(7):
        await store.audit.append("ann", "weight", revision=number)
    pages, before = [], None
    while page := await store.audit.page(3, before):
        pages.append([row.seq for row in page])
        before = page[-1].seq
    assert pages == [[7, 6, 5], [4, 3, 2], [1]]
    with pytest.raises(ValueError, match="ask for at least 1"):
        await store.audit.page(0)
    await store.close()


async def test_a_detail_that_json_cannot_say_is_refused(tmp_path: Path) -> None:
    store = await reopened(tmp_path)
    with pytest.raises(ValueError, match="not JSON compliant"):
        await store.audit.append("ann", "weight", revision=1, detail={"share": float("nan")})
    assert await store.audit.page(1) == []
    await store.close()
