"""The flags' store: one suite, run against SQLite and its in-memory twin."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.domain import ports
from orchestrator.domain.flags.records import FlagRow, FlagWrite
from state.audit import AuditRow
from state.errors import CorruptStoreError, StorageFullError
from state.flag_entries import FlagRow as OwnRow
from state.flags import SqliteFlagStore
from state.memory import fail_on
from state.memory_flags import MemoryFlagStore
from state.store import OrchestratorStore

NOON = 1_800_000_000.0
KEEP = 4
"""Notices looked back on: few enough to prune in a test."""

Store = SqliteFlagStore | MemoryFlagStore


@dataclass
class World:
    """A store and what can only be seen beside it."""

    store: Store
    file: Path | None
    opened: OrchestratorStore | None

    async def settings(self) -> dict[str, str]:
        """Return the table as an older program reads it, on a connection of its own."""
        if isinstance(self.store, MemoryFlagStore):
            return self.store.settings
        assert self.file is not None
        with closing(sqlite3.connect(self.file)) as connection:
            return dict(connection.execute("SELECT key, val FROM settings").fetchall())

    async def audit(self) -> list[AuditRow]:
        """Return the audit, oldest first."""
        if isinstance(self.store, MemoryFlagStore):
            return self.store.audit
        assert self.opened is not None
        return list(await self.opened.audit.page(100))[::-1]

    async def edit(self, key: str, val: str | None) -> None:
        """Have somebody edit the table by hand; None takes the row away."""
        if isinstance(self.store, MemoryFlagStore):
            self.store.settings.pop(key, None)
            self.store.settings |= {} if val is None else {key: val}
            return
        assert self.file is not None
        with closing(sqlite3.connect(self.file)) as connection, connection:
            connection.execute("DELETE FROM settings WHERE key = ?", (key,))
            if val is not None:
                connection.execute("INSERT INTO settings VALUES (?, ?, 'by hand')", (key, val))


@pytest.fixture(params=["sqlite", "memory"])
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    if request.param == "memory":
        yield World(MemoryFlagStore(keep=KEEP), None, None)
        return
    path = tmp_path / "orchestrator.db"
    opened = await OrchestratorStore.open(path)
    opened.flags._keep = KEEP
    yield World(opened.flags, path, opened)
    await opened.close()


def fits_the_port(store: Store) -> ports.FlagStore:
    """Let mypy compare the twins with the interface."""
    port: ports.FlagStore = store
    return port


def row(key: str, value: Any, *, is_set: bool = True, targeting: Mapping[str, Any] | None = None) -> FlagRow:
    return FlagRow(key, json.dumps(value), is_set, json.dumps(targeting) if targeting else None, f"salt of {key}", 1)


def ask(*rows: FlagRow, at: float = NOON, destinations: Sequence[str] = (), **more: Any) -> FlagWrite:
    return FlagWrite(rows, "ann", at, "because", destinations=destinations, **more)


async def payloads(store: Store, **asked: Any) -> list[dict[str, Any]]:
    return [json.loads(notice.payload) for notice in await store.outbox_page(100, **asked)][::-1]


async def test_an_empty_store_has_no_flags_at_version_0(world: World) -> None:
    found = await fits_the_port(world.store).load()
    assert (found.version, found.at, list(found.rows), dict(found.strays)) == (0, 0.0, [], {})
    assert await world.store.history(limit=10) == []
    assert await world.store.at(seconds=NOON) == await world.store.at(version=0) == found
    assert await world.store.outbox_heads() == []


@pytest.mark.requirement("FLAG-45")
async def test_a_flag_of_a_write_may_have_a_reason_of_its_own_in_history_and_notices(world: World) -> None:
    rows = (row("MODE", "compact"), row("LIMIT", 3))
    await world.store.write(ask(*rows, destinations=["hook"], reasons={"MODE": "and MODE fell"}))
    whys = {"MODE": "and MODE fell", "LIMIT": "because"}
    assert {one.key: one.reason for one in await world.store.history(limit=10)} == whys
    assert {one["flag"]: one["reason"] for one in await payloads(world.store)} == whys
    (audit,) = await world.audit()
    assert audit.reason == "because"


@pytest.mark.requirement("FLAG-20")
async def test_a_write_stores_flag_audit_row_history_and_version_together(world: World) -> None:
    assert await world.store.write(ask(row("MODE", "compact"), revision=7)) == 1
    assert await world.store.write(ask(row("MODE", "verbose"), at=NOON + 5, cause="timer", action="flag flip")) == 2
    found = await world.store.load()
    assert (found.version, found.at, found.rows) == (
        2,
        NOON + 5,
        (OwnRow("MODE", '"verbose"', is_set=True, targeting=None, salt="salt of MODE", hash_version=1),),
    )
    first, second = await world.audit()
    assert (first.actor, first.action, first.reason, first.revision, first.at) == (
        "ann",
        "flags set",
        "because",
        7,
        NOON,
    )
    assert second.action == "flag flip"
    change = {"flag": "MODE", "from": "compact", "to": "verbose", "fields": ["value"]}
    assert second.detail == {"flags_version": 2, "cause": "timer", "changes": [change]}


@pytest.mark.requirement("FLAG-21")
@pytest.mark.parametrize(
    ("value", "text"),
    [("compact", "compact"), ("1", "1"), (1, "1"), (True, "true"), (0.5, "0.5"), ({"a": [1]}, '{"a": [1]}'), ("", "")],
)
async def test_settings_has_a_flag_as_plain_text(world: World, value: object, text: str) -> None:
    await world.store.write(ask(row("KEY", value)))
    assert await world.settings() == {"KEY": text}
    assert json.loads((await world.store.load()).rows[0].value) == value


@pytest.mark.requirement("FLAG-20")
async def test_a_write_that_expects_another_version_stores_nothing(world: World) -> None:
    await world.store.write(ask(row("A", 1)))
    before = await world.store.load()
    assert await world.store.write(ask(row("A", 2), expect_version=0, destinations=["hook"])) is None
    assert await world.store.write(ask(row("A", 2), expect_version=2)) is None
    assert await world.store.load() == before
    assert len(await world.audit()) == len(await world.store.history(limit=9)) == 1
    assert await world.store.outbox_heads() == []
    assert await world.store.write(ask(row("A", 2), expect_version=1)) == 2


@pytest.mark.requirement("FLAG-20")
async def test_of_many_who_decided_on_the_same_version_exactly_one_writes(world: World) -> None:
    asked = [ask(row("A", number), expect_version=0) for number in range(20)]
    answers = await asyncio.gather(*(world.store.write(one) for one in asked))
    assert sorted(answer for answer in answers if answer is not None) == [1]
    (found,) = (await world.store.load()).rows
    assert json.loads(found.value) == answers.index(1)


@pytest.mark.requirement("FLAG-22")
async def test_the_history_says_who_changed_what_when_why_and_from_what(world: World) -> None:
    await world.store.write(ask(row("A", 1), row("B", 1)))
    await world.store.write(ask(row("A", 1), row("B", 2, targeting={"deny": ["x"]}), at=NOON + 1, cause="rollback"))
    newest, *older = await world.store.history(limit=10)
    assert (newest.seq, newest.version, newest.key, newest.at) == (3, 2, "B", NOON + 1)
    assert (newest.actor, newest.reason, newest.cause) == ("ann", "because", "rollback")
    assert newest.before is not None
    assert newest.after is not None
    assert (newest.before.value, newest.after.value) == ("1", "2")
    assert (newest.before.targeting, newest.after.targeting) == (None, '{"deny": ["x"]}')
    assert [(one.key, one.before) for one in older] == [("B", None), ("A", None)]


@pytest.mark.requirement("FLAG-22")
async def test_the_history_is_read_page_by_page_for_one_flag_or_all(world: World) -> None:
    for number in range(5):
        await world.store.write(ask(row("A", number), row("B", number)))
    assert [one.seq for one in await world.store.history("A", limit=2)] == [9, 7]
    assert [one.seq for one in await world.store.history("A", limit=9, before=7)] == [5, 3, 1]
    assert [one.seq for one in await world.store.history(limit=3, before=4)] == [3, 2, 1]
    assert await world.store.history("C", limit=3) == []
    with pytest.raises(ValueError, match="ask for at least 1"):
        await world.store.history(limit=0)


@pytest.mark.requirement("FLAG-22")
async def test_flags_read_back_as_they_stood_at_a_version_and_at_a_time(world: World) -> None:
    a, b = row("A", 1), row("B", 1, targeting={"deny": ["x"]})
    await world.store.write(ask(a, b, at=NOON))
    await world.store.write(ask(row("A", 2), at=NOON + 10))
    await world.store.write(ask(at=NOON + 20, delete=["B"]))
    one, two, three = [await world.store.at(version=version) for version in (1, 2, 3)]
    assert one is not None
    assert two is not None
    assert three is not None
    assert [kept.value for kept in one.rows] == ["1", "1"]
    assert one.rows[1].targeting == b.targeting
    assert [kept.value for kept in two.rows] == ["2", "1"]
    assert [kept.key for kept in three.rows] == ["A"]
    times = {NOON - 1: None, NOON: one, NOON + 9: one, NOON + 10: two, NOON + 19: two, NOON + 1e9: three}
    for seconds, expected in times.items():
        found = await world.store.at(seconds=seconds)
        assert found == expected if expected else found is not None and found.version == 0
    assert await world.store.at(version=4) is None


@pytest.mark.parametrize(
    ("moment", "complaint"),
    [
        ({}, "name one moment"),
        ({"version": 1, "seconds": NOON}, "name one moment"),
        ({"version": -1}, "no flags version -1"),
        ({"seconds": float("nan")}, "nan is no time"),
    ],
)
async def test_an_impossible_moment_is_refused(world: World, moment: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        await world.store.at(**moment)


async def test_a_clock_set_back_makes_a_time_mean_the_newest_version_written_by_then(world: World) -> None:
    await world.store.write(ask(row("A", 1), at=NOON + 100))
    await world.store.write(ask(row("A", 2), at=NOON))
    found = await world.store.at(seconds=NOON + 200)
    assert found is not None
    assert found.version == 2


async def test_a_flag_that_is_forgotten_leaves_flags_and_settings_but_not_the_history(world: World) -> None:
    await world.store.write(ask(row("A", 1), row("B", 1)))
    assert await world.store.write(ask(delete=["A", "never was"])) == 2
    assert [found.key for found in (await world.store.load()).rows] == ["B"]
    assert await world.settings() == {"B": "1"}
    (change,) = await world.store.history(limit=1)
    assert (change.key, change.after) == ("A", None)


async def test_a_new_version_is_above_what_readers_saw_before(world: World) -> None:
    assert await world.store.write(ask(row("A", 1), above=41)) == 42
    assert await world.store.write(ask(row("A", 2), above=41)) == 43
    between = await world.store.at(version=40)
    assert between is not None
    assert (between.version, between.rows) == (0, ())


@pytest.mark.requirement("FLAG-23")
async def test_a_notice_without_a_change_waits_for_its_flags_changes_and_makes_no_version(world: World) -> None:
    await world.store.write(ask(row("A", 1), destinations=["one"]))
    await world.store.outbox_add("A", {"event": "flag.expiring", "flag": "A"}, ["one", "two"], NOON)
    assert (await world.store.load()).version == 1
    heads = await world.store.outbox_heads()
    assert [(one.destination, json.loads(one.payload)["event"]) for one in heads] == [
        ("one", "flag.changed"),
        ("two", "flag.expiring"),
    ]
    await world.store.outbox_mark(heads[0].seq, "delivered", attempts=1, due=NOON)
    (second, _) = await world.store.outbox_heads()
    assert json.loads(second.payload) == {"id": second.id, "event": "flag.expiring", "flag": "A"}
    with pytest.raises(ValueError, match="empty"):
        await world.store.outbox_add("", {}, ["one"], NOON)


@pytest.mark.requirement("FLAG-21")
async def test_settings_edited_by_hand_change_no_flag_and_are_named(world: World) -> None:
    await world.store.write(ask(row("A", "on"), row("B", "on")))
    await world.edit("A", "off")
    await world.edit("OLD", "1")
    found = await world.store.load()
    assert dict(found.strays) == {"A": "off", "OLD": "1"}
    assert [kept.value for kept in found.rows] == ['"on"', '"on"']
    await world.store.write(ask(row("A", "on"), delete=["OLD"]))
    assert await world.settings() == {"A": "on", "B": "on"}
    assert dict((await world.store.load()).strays) == {}


@pytest.mark.requirement("FLAG-71")
async def test_a_row_of_settings_that_is_taken_away_is_named_until_it_is_written_again(world: World) -> None:
    await world.store.write(ask(row("A", "on"), row("B", "on")))
    await world.edit("A", None)
    found = await world.store.load()
    assert (dict(found.strays), set(found.missing)) == ({}, {"A"})
    await world.store.write(ask(row("A", "on")))
    assert not (await world.store.load()).missing


@pytest.mark.requirement("FLAG-70")
async def test_when_each_flag_last_changed_is_one_question(world: World) -> None:
    assert await world.store.changed_at() == {}
    await world.store.write(ask(row("A", "on"), row("B", "on")))
    await world.store.write(ask(row("A", "off"), at=NOON + 5))
    await world.store.write(ask(row("A", "off"), at=NOON + 9))
    assert await world.store.changed_at() == {"A": NOON + 5, "B": NOON}


@pytest.mark.requirement("FLAG-21")
async def test_the_data_version_tells_edits_of_others_from_writes_of_ours(world: World) -> None:
    before = await world.store.data_version()
    await world.store.write(ask(row("A", "on")))
    assert await world.store.data_version() == before
    await world.edit("A", "off")
    after = await world.store.data_version()
    assert after != before
    await world.store.write(ask(row("A", "off")))
    assert await world.store.data_version() == after


@pytest.mark.parametrize(
    ("write", "complaint"),
    [
        (ask(row("A", 1), row("A", 2)), "'A' is named twice"),
        (ask(row("A", 1), delete=["A"]), "'A' is named twice"),
        (ask(row("", 1)), "non-empty"),
        (ask(replace(row("A", 1), value="on")), "the value of 'A' is no JSON text"),
        (ask(replace(row("A", 1), value="NaN")), "NaN is not allowed"),
        (ask(replace(row("A", 1), value='"\\ud800"')), "the value of 'A' is no JSON text"),
        (ask(replace(row("A", 1), value="[" * 100_000)), "the value of 'A' is no JSON text"),
        (ask(replace(row("A", 1), targeting="{")), "the targeting of 'A' is no JSON text"),
        (ask(replace(row("A", 1), salt="\ud800")), "the salt of 'A' is not valid Unicode"),
        (ask(row("A", 1), at=float("nan")), "has no date"),
        (ask(row("A", 1), at=1e18), "has no date"),
        (replace(ask(row("A", 1)), reason="\ud800"), "the reason is not valid Unicode"),
        (ask(row("A", 1), destinations=[""]), "non-empty"),
    ],
)
async def test_what_cannot_be_stored_is_refused_by_name(world: World, write: FlagWrite, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        await world.store.write(write)
    assert (await world.store.load()).version == 0


@pytest.mark.requirement("FLAG-23")
async def test_each_change_is_put_out_for_each_destination_in_its_own_transaction(world: World) -> None:
    await world.store.write(ask(row("A", "old"), row("B", 1)))
    asked = ask(row("A", "new"), row("B", 1), at=NOON + 0.5, destinations=["hook", "mail", "hook"], cause="timer")
    await world.store.write(asked)
    first, second = await payloads(world.store)
    assert first["id"] != second["id"]
    assert first == {
        "id": first["id"],
        "event": "flag.changed",
        "flag": "A",
        "from": "old",
        "to": "new",
        "version": 2,
        "at": "2027-01-15T08:00:00.500Z",
        "actor": "ann",
        "reason": "because",
        "cause": "timer",
        "diff": {"value": {"from": "old", "to": "new"}},
    }
    notices = await world.store.outbox_heads()
    assert [(one.destination, one.flag, one.id) for one in notices] == [
        ("hook", "A", first["id"]),
        ("mail", "A", second["id"]),
    ]
    assert [(one.state, one.attempts, one.due, one.created) for one in notices] == [
        ("pending", 0, NOON + 0.5, NOON + 0.5)
    ] * 2


@pytest.mark.requirement("FLAG-23")
async def test_a_notice_has_every_part_of_the_flag_that_is_different(world: World) -> None:
    await world.store.write(ask(row("A", value=False, is_set=False)))
    await world.store.write(ask(row("A", value=False, targeting={"deny": ["x"]}), destinations=["hook"]))
    await world.store.write(ask(delete=["A"], destinations=["hook"]))
    targeted, forgotten = await payloads(world.store)
    assert targeted["diff"] == {"set": {"from": False, "to": True}, "targeting": {"from": None, "to": {"deny": ["x"]}}}
    assert (targeted["from"], targeted["to"]) == (False, False)
    assert (forgotten["from"], forgotten["to"]) == (False, None)


@pytest.mark.requirement("FLAG-45")
async def test_what_a_flag_answers_beside_what_is_stored_is_history_and_changes_no_row(world: World) -> None:
    stored, safe, other = row("A", "on"), row("A", "off"), row("A", "other")
    await world.store.write(ask(stored))
    await world.store.write(ask(told={"A": (stored, safe)}, destinations=["hook"]))
    assert [one.plain() for one in (await world.store.load()).rows] == ["on"]
    stood = await world.store.at(version=2)
    assert stood is not None
    assert [one.value for one in stood.rows] == ['"off"']
    await world.store.write(ask(other, told={"A": (safe, stored)}, destinations=["hook"]))
    newest, middle, _ = await world.store.history("A", limit=9)
    sides = [(one.before and one.before.value, one.after and one.after.value) for one in (middle, newest)]
    assert sides == [('"on"', '"off"'), ('"off"', '"other"')]
    found = [(one["from"], one["to"], one["version"]) for one in await payloads(world.store)]
    assert found == [("on", "off", 2), ("off", "other", 3)]


@pytest.mark.requirement("FLAG-23")
async def test_the_next_notice_of_a_flag_shows_once_the_one_before_it_ended(world: World) -> None:
    for number in range(3):
        await world.store.write(ask(row("A", number), destinations=["hook"]))
    await world.store.write(ask(row("B", 1), destinations=["hook"]))
    assert [one.seq for one in await world.store.outbox_heads()] == [1, 4]
    await world.store.outbox_mark(1, "pending", attempts=1, due=NOON + 9, error="answered 500")
    head, other = await world.store.outbox_heads()
    assert (head.seq, head.attempts, head.due, head.error, other.seq) == (1, 1, NOON + 9, "answered 500", 4)
    await world.store.outbox_mark(1, "delivered", attempts=2, due=NOON + 10)
    await world.store.outbox_mark(2, "failed", attempts=1, due=NOON + 11, error="answered 404")
    assert [one.seq for one in await world.store.outbox_heads()] == [3, 4]
    await world.store.outbox_mark(1, "pending", attempts=0, due=NOON)
    assert [one.seq for one in await world.store.outbox_heads()] == [3, 4]
    assert [one.seq for one in await world.store.outbox_page(9, state="failed")] == [2]
    assert [one.seq for one in await world.store.outbox_page(2, before=4)] == [3, 2]


async def test_notices_that_ended_are_pruned_and_pending_ones_stay(world: World) -> None:
    for number in range(KEEP + 2):
        await world.store.write(ask(row("A", number), destinations=["hook"]))
    await world.store.outbox_mark(2, "delivered", attempts=1, due=NOON)
    await world.store.write(ask(row("A", "last"), destinations=["hook"]))
    assert [one.seq for one in await world.store.outbox_page(99)] == [7, 6, 5, 4, 3, 1]


@pytest.mark.requirement("FLAG-74")
async def test_failed_notices_are_pending_again_as_if_untried_and_others_stay(world: World) -> None:
    for value in range(3):
        await world.store.write(ask(row("A", value), destinations=["hook"]))
    (first, *_) = await world.store.outbox_heads()
    await world.store.outbox_mark(first.seq, "failed", attempts=7, due=NOON, error="answered 400")
    await world.store.outbox_mark(first.seq + 1, "delivered", attempts=1, due=NOON)
    assert [await world.store.outbox_again([first.seq + 1, 99], due=NOON + 5) for _ in range(2)] == [0, 0]
    assert await world.store.outbox_again([first.seq], due=NOON + 5) == 1
    (head,) = await world.store.outbox_heads()
    assert (head.seq, head.id, head.attempts, head.due, head.error) == (
        first.seq, first.id, 0, NOON + 5, "answered 400"
    )  # fmt: skip
    await world.store.outbox_mark(first.seq, "failed", attempts=1, due=NOON, error="again")
    assert await world.store.outbox_again(None, due=NOON) == 1
    assert [one.state for one in await world.store.outbox_page(9)] == ["pending", "delivered", "pending"]


async def test_an_unknown_state_of_a_notice_is_refused(world: World) -> None:
    with pytest.raises(ValueError, match="never 'done'; allowed: pending, delivered, failed"):
        await world.store.outbox_mark(1, "done", attempts=1, due=NOON)
    with pytest.raises(ValueError, match="never 'done'"):
        await world.store.outbox_page(1, state="done")
    with pytest.raises(ValueError, match="ask for at least 1"):
        await world.store.outbox_page(0)


async def test_flags_survive_closing_the_file(tmp_path: Path) -> None:
    path = tmp_path / "orchestrator.db"
    store = await OrchestratorStore.open(path)
    await store.flags.write(ask(row("A", 1, targeting={"deny": ["x"]}), destinations=["hook"]))
    before, heads = await store.flags.load(), await store.flags.outbox_heads()
    await store.close()
    store = await OrchestratorStore.open(path)
    assert (await store.flags.load(), await store.flags.outbox_heads()) == (before, heads)
    await store.close()


@pytest.mark.requirement("FLAG-20")
async def test_two_daemons_on_one_file_would_still_not_overwrite_each_other(tmp_path: Path) -> None:
    stores = [await OrchestratorStore.open(tmp_path / "orchestrator.db") for _ in range(2)]
    asked = [ask(row("A", number), expect_version=0) for number in range(2)]
    answers = await asyncio.gather(*(store.flags.write(one) for store, one in zip(stores, asked, strict=True)))
    assert sorted(answers, key=str) == [1, None]
    assert len(await stores[0].audit.page(9)) == 1
    for store in stores:
        await store.close()


async def test_a_full_disk_leaves_the_old_flag_with_its_history(tmp_path: Path) -> None:
    store = await OrchestratorStore.open(tmp_path / "orchestrator.db")
    await store.flags.write(ask(row("A", "old")))
    before = await store.flags.load()
    await store._writer.run(lambda connection: connection.execute("PRAGMA max_page_count = 1").fetchall())
    with pytest.raises(StorageFullError, match="free some space"):
        await store.flags.write(ask(row("A", "x" * 100_000)))
    assert await store.flags.load() == before
    assert len(await store.audit.page(9)) == len(await store.flags.history(limit=9)) == 1
    await store.close()


async def test_the_memory_twin_refuses_the_write_it_is_told_to() -> None:
    store = MemoryFlagStore(before_write=fail_on(2))
    await store.write(ask(row("A", 1)))
    with pytest.raises(StorageFullError, match="injected"):
        await store.write(ask(row("A", 2)))
    assert await store.write(ask(row("A", 2))) == 2


async def test_a_history_that_was_edited_into_nonsense_is_called_damaged(tmp_path: Path) -> None:
    path = tmp_path / "orchestrator.db"
    store = await OrchestratorStore.open(path)
    await store.flags.write(ask(row("A", 1)))
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("""UPDATE flag_changes SET after = '{"no": "flag"}'""")
    with pytest.raises(CorruptStoreError, match="a row of flag_changes is no flag"):
        await store.flags.history(limit=1)
    await store.close()


KEYS = st.sampled_from(["A", "B", "C"])
WRITES = st.lists(
    st.tuples(
        st.dictionaries(KEYS, st.integers(0, 2), max_size=3), st.frozensets(KEYS, max_size=1), st.integers(-1, 1)
    ),
    max_size=8,
)


@pytest.mark.requirement("FLAG-20", "FLAG-22")
@given(writes=WRITES)
@settings(max_examples=60, deadline=None, derandomize=True, database=None)
def test_every_history_of_writes_is_remembered_at_every_version(
    writes: list[tuple[dict[str, int], frozenset[str], int]],
) -> None:
    async def live(store: MemoryFlagStore) -> None:
        versions: list[dict[str, int]] = [{}]
        for put, delete, off in writes:
            asked = ask(*(row(key, value) for key, value in put.items()), delete=delete - put.keys())
            expected = len(versions) - 1 + off
            answer = await store.write(replace(asked, expect_version=expected))
            assert answer == (None if off else len(versions))
            if not off:
                kept = {key: value for key, value in versions[-1].items() if key not in asked.delete}
                versions.append(kept | put)
        for number, truth in enumerate(versions):
            found = await store.at(version=number)
            assert found is not None
            assert {kept.key: json.loads(kept.value) for kept in found.rows} == truth
            assert store.settings == {key: str(value) for key, value in versions[-1].items()}
        assert len(store.audit) == len(versions) - 1

    asyncio.run(live(MemoryFlagStore()))
