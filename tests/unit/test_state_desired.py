"""The desired state: one suite, run against the SQLite store and its in-memory twin."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest

from orchestrator.domain import ports
from state.desired import SqliteDesiredState
from state.entries import StoredEntry
from state.errors import CompactedError
from state.memory import MemoryDesiredState
from state.store import OrchestratorStore
from state.watching import BATCH

pytestmark = pytest.mark.requirement("STATE-1")

BOUND = 60.0
"""Seconds that any wait here may take before the test fails."""

KEEP = 3 * BATCH
"""Revisions kept: enough that a watch reads several batches, few enough to prune in a test."""

Desired = SqliteDesiredState | MemoryDesiredState


class Clock:
    """Seconds that only the test moves."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["sqlite", "memory"])
async def desired(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> AsyncIterator[Desired]:
    if request.param == "memory":
        yield MemoryDesiredState(clock, keep=KEEP)
        return
    store = await OrchestratorStore.open(tmp_path / "orchestrator.db", now=clock, keep=KEEP)
    yield store.desired
    await store.close()


async def take(watch: AsyncGenerator[StoredEntry, None], count: int) -> list[StoredEntry]:
    """Return the first `count` changes of a watch and end it."""
    seen: list[StoredEntry] = []
    async with asyncio.timeout(BOUND), aclosing(watch):
        while len(seen) < count:
            seen.append(await anext(watch))
    return seen


def fits_the_port(desired: Desired) -> ports.DesiredState:
    """Let mypy compare the twins with the interface."""
    port: ports.DesiredState = desired
    return port


async def test_a_key_that_was_never_put_is_absent(desired: Desired) -> None:
    assert await fits_the_port(desired).get("routing") is None
    assert await desired.range("") == []
    assert await desired.revision() == 0


async def test_a_put_key_reads_back_with_the_revisions_of_its_life(desired: Desired) -> None:
    assert await desired.txn({"a": "1"}) == 1
    assert await desired.txn({"b": "1"}) == 2
    assert await desired.txn({"a": "2"}) == 3
    assert await desired.get("a") == StoredEntry("a", "2", created=1, modified=3)
    assert await desired.get("b") == StoredEntry("b", "1", created=2, modified=2)


async def test_a_key_deleted_and_put_again_is_created_anew(desired: Desired) -> None:
    await desired.txn({"a": "1"})
    assert await desired.txn({}, delete=["a"]) == 2
    assert await desired.get("a") is None
    await desired.txn({"a": "1"})
    assert await desired.get("a") == StoredEntry("a", "1", created=3, modified=3)


async def test_a_range_is_the_keys_under_the_prefix_in_key_order(desired: Desired) -> None:
    inside = ["gen/", "gen/1", "gen/10", "gen/2", "gen/\U0010ffff", "gen/é"]
    await desired.txn(dict.fromkeys([*inside, "gen", "gen0", "ge", "genf/1", "Gen/1"], "{}"))
    assert [entry.key for entry in await desired.range("gen/")] == sorted(inside)
    assert len(await desired.range("")) == len(inside) + 5
    assert await desired.range("gen/3") == []


async def test_a_transaction_whose_expectation_fails_writes_nothing_at_all(desired: Desired) -> None:
    await desired.txn({"a": "1"})
    assert await desired.txn({"a": "2", "b": "2"}, delete=["c"], expect={"a": 1, "c": 7}) is None
    assert await desired.range("") == [StoredEntry("a", "1", 1, 1)]
    assert await desired.revision() == 1


@pytest.mark.parametrize(
    ("expect", "expect_created", "written"),
    [
        ({"a": 2}, None, True),
        ({"a": 1}, None, False),
        ({"a": 0}, None, False),
        ({"absent": 0}, None, True),
        ({"absent": 2}, None, False),
        (None, {"a": 1}, True),
        (None, {"a": 2}, False),
        (None, {"absent": 0}, True),
        ({"a": 2}, {"a": 1}, True),
        ({"a": 2}, {"a": 2}, False),
    ],
)
async def test_expectations_compare_the_modified_and_the_created_revision(
    desired: Desired, expect: dict[str, int] | None, expect_created: dict[str, int] | None, *, written: bool
) -> None:
    await desired.txn({"a": "1"})
    await desired.txn({"a": "2"})
    revision = await desired.txn({"new": "1"}, expect=expect, expect_created=expect_created)
    assert revision == (3 if written else None)


async def test_a_transaction_with_nothing_to_write_leaves_the_revision(desired: Desired) -> None:
    await desired.txn({"a": "1"})
    assert await desired.txn({}, delete=["absent"], expect={"a": 1}) == 1
    assert await desired.txn({}, expect={"a": 2}) is None


async def test_of_many_who_compare_and_set_at_once_exactly_one_wins(desired: Desired) -> None:
    revisions = await asyncio.gather(*(desired.txn({"leader": str(n)}, expect={"leader": 0}) for n in range(20)))
    assert sorted(revision for revision in revisions if revision) == [1]
    entry = await desired.get("leader")
    assert entry == StoredEntry("leader", str(revisions.index(1)), 1, 1)


@pytest.mark.parametrize(
    ("put", "delete", "complaint"),
    [
        ({"a": "1"}, ["a"], "both put and deleted"),
        ({"": "1"}, [], "non-empty"),
        ({"a\0b": "1"}, [], "NUL"),
        ({}, [""], "non-empty"),
        ({"\ud800": "1"}, [], "not valid Unicode"),
        ({"a": "\ud800"}, [], "the value of 'a' is not valid Unicode"),
    ],
)
async def test_what_cannot_be_stored_is_refused_by_name(
    desired: Desired, put: dict[str, str], delete: list[str], complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint):
        await desired.txn(put, delete=delete)
    assert await desired.revision() == 0


async def test_a_mapping_edited_after_the_call_does_not_change_what_is_written(desired: Desired) -> None:
    put = {"a": "1"}
    writing = asyncio.create_task(desired.txn(put))
    await asyncio.sleep(0)
    put["a"] = "2"
    await writing
    assert await desired.get("a") == StoredEntry("a", "1", 1, 1)


async def test_a_watch_yields_what_came_before_and_then_what_comes(desired: Desired) -> None:
    await desired.txn({"a": "1", "z": "1"})
    await desired.txn({"b": "1"}, delete=["a"])
    async with asyncio.timeout(BOUND), aclosing(desired.watch("", 1)) as watch:
        past = [await anext(watch), await anext(watch)]
        coming = asyncio.create_task(take(watch, 2))
        await desired.revision()  # by now the watch has found nothing more and waits
        await desired.txn({"c": "1", "a": "2"})
        seen = [*past, *await coming]
    assert seen == [
        StoredEntry("a", None, created=1, modified=2),
        StoredEntry("b", "1", created=2, modified=2),
        StoredEntry("a", "2", created=3, modified=3),
        StoredEntry("c", "1", created=3, modified=3),
    ]


async def test_a_watch_yields_only_keys_under_its_prefix(desired: Desired) -> None:
    for number in range(5):
        await desired.txn({f"flags/{number}": "1", "routing": str(number)})
    assert [entry.key for entry in await take(desired.watch("flags/", 2), 3)] == ["flags/2", "flags/3", "flags/4"]


async def test_a_watch_from_far_back_reads_everything_in_order(desired: Desired) -> None:
    total = 2 * BATCH + 7
    await asyncio.gather(*(desired.txn({"k": str(number), f"l/{number}": "1"}) for number in range(total)))
    seen = await take(desired.watch("k", 0), total)
    assert [(entry.value, entry.modified) for entry in seen] == [(str(number), number + 1) for number in range(total)]


async def test_watching_from_the_revision_before_a_range_misses_nothing(desired: Desired) -> None:
    await desired.txn({"a": "1"})
    revision = await desired.revision()
    await desired.txn({"a": "2"})
    assert [entry.value for entry in await desired.range("a")] == ["2"]
    assert [entry.value for entry in await take(desired.watch("a", revision), 1)] == ["2"]


async def test_a_watch_from_a_pruned_revision_is_refused_and_says_from_where(desired: Desired) -> None:
    for number in range(KEEP + 3):
        await desired.txn({"k": str(number)})
    with pytest.raises(CompactedError, match=r"after revision 2 .* kept are those from 4; read the keys anew"):
        await take(desired.watch("", 2), 1)
    assert [entry.modified for entry in await take(desired.watch("", 3), 1)] == [4]


async def test_a_watch_that_reads_too_slowly_is_told_instead_of_missing_changes(desired: Desired) -> None:
    await desired.txn({"k": "first"})
    async with asyncio.timeout(BOUND), aclosing(desired.watch("", 0)) as watch:
        assert (await anext(watch)).value == "first"
        for number in range(KEEP + 2):
            await desired.txn({"k": str(number)})
        with pytest.raises(CompactedError):
            await anext(watch)


async def test_a_watch_sees_the_change_of_a_caller_who_went_away(desired: Desired) -> None:
    writing = asyncio.create_task(desired.txn({"a": "1"}))
    await asyncio.sleep(0)
    writing.cancel()
    assert await take(desired.watch("", 0), 1) == [StoredEntry("a", "1", 1, 1)]


async def test_a_lease_is_one_holders_until_it_lapses(desired: Desired, clock: Clock) -> None:
    assert await desired.lease("leader", "ann", 10) == 1
    assert await desired.lease("leader", "bob", 10) is None
    clock.seconds += 9
    assert await desired.lease("leader", "ann", 10) == 1
    clock.seconds += 9
    assert await desired.lease("leader", "bob", 10) is None
    clock.seconds += 1
    assert await desired.lease("leader", "bob", 10) == 3
    assert await desired.lease("leader", "ann", 10) is None


async def test_renewing_a_lease_changes_no_revision(desired: Desired) -> None:
    await desired.lease("leader", "ann", 10)
    await desired.lease("leader", "ann", 10)
    assert await desired.get("leader") == StoredEntry("leader", '"ann"', 1, 1)
    assert await desired.revision() == 1


async def test_a_lapsed_lease_reads_as_absent_before_anybody_writes(desired: Desired, clock: Clock) -> None:
    await desired.lease("leader", "ann", 10)
    clock.seconds += 10
    assert await desired.get("leader") is None
    assert await desired.range("") == []


async def test_a_transaction_guarded_by_a_lapsed_lease_is_refused(desired: Desired, clock: Clock) -> None:
    held = await desired.lease("leader", "ann", 10)
    assert held is not None
    assert await desired.txn({"routing": "1"}, expect_created={"leader": held}) == 2
    clock.seconds += 10
    assert await desired.txn({"routing": "2"}, expect_created={"leader": held}) is None
    await desired.lease("leader", "ann", 10)
    assert await desired.txn({"routing": "2"}, expect_created={"leader": held}) is None


async def test_a_watch_sees_a_lease_end_before_the_next_one_begins(desired: Desired, clock: Clock) -> None:
    await desired.lease("leader", "ann", 10)
    await desired.lease("other", "ann", 10)
    clock.seconds += 10
    await desired.lease("leader", "bob", 10)
    assert await take(desired.watch("", 2), 3) == [
        StoredEntry("leader", None, 1, 3),
        StoredEntry("other", None, 2, 3),
        StoredEntry("leader", '"bob"', 4, 4),
    ]


async def test_deleting_a_leased_key_gives_it_up(desired: Desired) -> None:
    await desired.lease("leader", "ann", 10)
    await desired.txn({}, delete=["leader"])
    assert await desired.lease("leader", "bob", 10) == 3


async def test_putting_a_leased_key_keeps_it_leased(desired: Desired, clock: Clock) -> None:
    await desired.lease("leader", "ann", 10)
    await desired.txn({"leader": '"ann at work"'})
    assert await desired.lease("leader", "ann", 10) == 1
    assert await desired.get("leader") == StoredEntry("leader", '"ann at work"', 1, 2)
    clock.seconds += 10
    assert await desired.get("leader") is None


async def test_a_plain_key_cannot_be_leased(desired: Desired) -> None:
    await desired.txn({"leader": "1"})
    assert await desired.lease("leader", "ann", 10) is None
    assert await desired.get("leader") == StoredEntry("leader", "1", 1, 1)


@pytest.mark.parametrize("ttl", [0.0, -1.0, float("nan")])
async def test_a_lease_without_duration_is_refused(desired: Desired, ttl: float) -> None:
    with pytest.raises(ValueError, match="give a positive number of seconds"):
        await desired.lease("leader", "ann", ttl)
