"""Random histories of the desired state, compared step by step with a model that is too simple to be wrong."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from state.desired import SqliteDesiredState
from state.entries import StoredEntry
from state.memory import MemoryDesiredState
from state.store import OrchestratorStore

BOUND = 60.0
"""Seconds that one history may take before the test fails."""

Desired = SqliteDesiredState | MemoryDesiredState
Opener = Callable[[Callable[[], float]], AbstractAsyncContextManager[Desired]]
KEYS = st.sampled_from(["a", "a/1", "a/2", "b"])


@dataclass(frozen=True)
class Txn:
    put: dict[str, str]
    delete: frozenset[str]
    right: frozenset[str]
    """Keys expected as they are."""
    wrong: frozenset[str]
    """Keys expected one revision off."""
    created: bool
    """Whether the created revision is expected, else the modified one."""


@dataclass(frozen=True)
class Lease:
    key: str
    holder: str
    ttl: int


@dataclass(frozen=True)
class Pass:
    seconds: int


Step = Txn | Lease | Pass
SOME_KEYS = st.frozensets(KEYS, max_size=2)
TXNS = st.builds(
    lambda put, delete, right, wrong, created: Txn(put, delete - put.keys(), right, wrong, created),
    st.dictionaries(KEYS, st.sampled_from(["1", "2"]), max_size=3),
    SOME_KEYS,
    SOME_KEYS,
    st.one_of(st.just(frozenset[str]()), SOME_KEYS),
    st.booleans(),
)
LEASES = st.builds(Lease, KEYS, st.sampled_from(["ann", "bob"]), st.integers(1, 3))
STEPS: st.SearchStrategy[list[Step]] = st.lists(st.one_of(TXNS, TXNS, LEASES, st.builds(Pass, st.integers(1, 2))))


@dataclass
class Model:
    """The whole truth in plain dictionaries; a state is copied, never patched."""

    now: int = 0
    keys: dict[str, StoredEntry] = field(default_factory=dict)
    leases: dict[str, tuple[str, int]] = field(default_factory=dict)
    log: list[StoredEntry] = field(default_factory=list)

    @property
    def revision(self) -> int:
        return self.log[-1].modified if self.log else 0

    def visible(self) -> list[StoredEntry]:
        lapsed = {key for key, (_, until) in self.leases.items() if until <= self.now}
        return [self.keys[key] for key in sorted(self.keys.keys() - lapsed)]

    def apply(self, put: dict[str, str], delete: frozenset[str]) -> int:
        """Write one revision's worth of changes, in key order."""
        revision = self.revision + 1
        for key in sorted(put.keys() | (delete & self.keys.keys())):
            old = self.keys.pop(key, None)
            entry = StoredEntry(key, put.get(key), old.created if old else revision, revision)
            self.log.append(entry)
            if entry.value is None:
                self.leases.pop(key, None)
            else:
                self.keys[key] = entry
        return self.revision

    def step(self, step: Step) -> int | None:
        if isinstance(step, Pass):
            self.now += step.seconds
            return None
        self.apply({}, frozenset(self.keys.keys() - {entry.key for entry in self.visible()}))
        if isinstance(step, Txn):
            return None if step.wrong else self.apply(step.put, step.delete)
        if step.key not in self.keys:
            self.apply({step.key: json.dumps(step.holder)}, frozenset())
        elif self.leases.get(step.key, ("", 0))[0] != step.holder:
            return None
        self.leases[step.key] = (step.holder, self.now + step.ttl)
        return self.keys[step.key].created

    def expectation(self, step: Txn) -> dict[str, int]:
        """Return the revisions a caller would expect, off by one where the step says so."""
        known = {entry.key: entry.created if step.created else entry.modified for entry in self.visible()}
        return {key: known.get(key, 0) + (key in step.wrong) for key in step.right | step.wrong}


@asynccontextmanager
async def in_sqlite(now: Callable[[], float]) -> AsyncIterator[Desired]:
    with tempfile.TemporaryDirectory() as directory:
        store = await OrchestratorStore.open(Path(directory) / "orchestrator.db", now=now)
        yield store.desired
        await store.close()


@asynccontextmanager
async def in_memory(now: Callable[[], float]) -> AsyncIterator[Desired]:
    yield MemoryDesiredState(now)


async def carry_out(desired: Desired, model: Model, step: Step) -> int | None:
    if isinstance(step, Lease):
        return await desired.lease(step.key, step.holder, step.ttl)
    if isinstance(step, Txn):
        expected = model.expectation(step)
        if step.created:
            return await desired.txn(step.put, delete=step.delete, expect_created=expected)
        return await desired.txn(step.put, delete=step.delete, expect=expected)
    return None


async def watched(desired: Desired, prefix: str, from_revision: int, count: int) -> list[StoredEntry]:
    async with aclosing(desired.watch(prefix, from_revision)) as watch:
        return [await anext(watch) for _ in range(count)]


async def live(desired: Desired, model: Model, steps: list[Step]) -> None:
    for step in steps:
        outcome = await carry_out(desired, model, step)
        assert outcome == model.step(step), step
        assert await desired.range("") == model.visible()
        assert await desired.revision() == model.revision
    for prefix in ("", "a/"):
        for start in range(model.revision + 1):
            due = [entry for entry in model.log if entry.modified > start and entry.key.startswith(prefix)]
            assert await watched(desired, prefix, start, len(due)) == due


@pytest.mark.requirement("STATE-1")
@pytest.mark.parametrize("opener", [in_sqlite, in_memory])
@given(steps=STEPS)
@settings(max_examples=60, deadline=None, derandomize=True, database=None)
def test_every_history_of_writes_leases_and_time_is_answered_as_the_model_does(
    opener: Opener, steps: list[Step]
) -> None:
    async def history() -> None:
        model = Model()
        async with asyncio.timeout(BOUND), opener(lambda: model.now) as desired:
            await live(desired, model, steps)

    asyncio.run(history())
