"""Whoever is killed between a step and its notice has the next daemon tell it, once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from rollout_plans import PAUSE, REHEARSED, RESUME, TICK, Story, asked, plan, serving
from rollout_story import ready

from orchestrator.chronicle import ABOUT, notice_of
from orchestrator.domain.rollouts import events as ev
from orchestrator.domain.rollouts.record import encode
from orchestrator.storage import Storage
from orchestrator.untold import WITHIN, tell_untold
from state.journal import SqliteJournal
from state.store import OrchestratorStore

pytestmark = pytest.mark.requirement("VERB-13")

COURSE = (asked(plan(flags=())), REHEARSED, ready(2), TICK, PAUSE, RESUME)
TOLD = ["rollout.began", "rollout.paused"]


class Life:
    """A daemon's files, and a rollout whose steps are written there."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage
        self.story: Story = serving()

    async def steps(self, *events: ev.Event, told: bool) -> None:
        """Take steps, and tell of each; or be killed before that."""
        await self._write(ev.Tick())
        for event in events:
            before = self.story.state.rollout
            self.story.happen(event)
            await self._write(event)
            notice = notice_of(before, self.story.state.rollout)
            if notice is not None and told:
                await self.tell(ABOUT, notice)

    async def _write(self, event: ev.Event) -> None:
        await self.storage.journal.append(encode(event, self.story.state, (), self.story.now))

    async def tell(self, about: str, notice: Any) -> None:
        """Put a notice out."""
        await self.storage.store.flags.outbox_add(about, notice, ["a", "b"], self.story.now)

    async def reborn(self, later: float = 1.0) -> None:
        """Be the next daemon."""
        await tell_untold(self.storage, self.tell, self.story.now + later)

    async def told(self) -> list[str]:
        """Return what one destination gets, oldest first."""
        page = await self.storage.store.flags.outbox_page(100)
        return [event for one in reversed(page) if one.destination == "a" for event in TOLD if event in one.payload]


@asynccontextmanager
async def life(folder: Path) -> AsyncIterator[Life]:
    journal = await SqliteJournal.open(folder / "journal.db")
    store = await OrchestratorStore.open(folder / "orchestrator.db")
    try:
        yield Life(Storage(journal, store, None))
    finally:
        await store.close()
        await journal.close()


async def test_what_was_decided_and_not_told_is_told_once_by_the_next_daemon(tmp_path: Path) -> None:
    async with life(tmp_path) as one:
        await one.steps(*COURSE, told=False)
        await one.reborn()
        assert await one.told() == TOLD
        await one.reborn()
        assert await one.told() == TOLD


async def test_what_was_told_is_not_told_again_and_the_rest_comes_after_it(tmp_path: Path) -> None:
    async with life(tmp_path) as one:
        await one.steps(COURSE[0], told=True)
        await one.steps(*COURSE[1:], told=False)
        await one.reborn()
        assert await one.told() == TOLD


async def test_what_happened_long_ago_is_no_news(tmp_path: Path) -> None:
    async with life(tmp_path) as one:
        await one.steps(*COURSE, told=False)
        await one.reborn(WITHIN + 1000.0)
        assert await one.told() == []


async def test_a_journal_that_cannot_be_read_keeps_no_daemon_from_starting(tmp_path: Path) -> None:
    async with life(tmp_path) as one:
        await one.storage.journal.append("{}")
        await one.reborn()
        assert await one.told() == []
