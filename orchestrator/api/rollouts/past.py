"""What happened, in words: lately from memory, earlier from the journal.

Above: `desk`.  Below: the journal behind `Steps`, `domain.rollouts.told` for the words.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any, Final, Protocol

import anyio

from orchestrator.api.rollouts.shown import HappenedShown, HistoryPage
from orchestrator.domain.errors import JournalError
from orchestrator.domain.rollouts import events as ev
from orchestrator.domain.rollouts.record import Record, decode
from orchestrator.domain.rollouts.state import Rollout, State
from orchestrator.domain.rollouts.told import told
from orchestrator.telemetry.logging import get_logger

log = get_logger("api")

LATELY: Final = 64
"""Happenings that are kept in memory for whoever follows."""
AT_ONCE: Final = 200
"""Records read at a time: a millisecond or so of the journal's thread, behind which a step waits."""
MOST_READ: Final = 5_000
"""Records one request looks through: most are looks, of which nothing is told."""
MILLI: Final = 1000
SAME_STEP: Final = 10.0
"""Seconds within which a step that was read is noted, too, where it is the same one."""


class Step(Protocol):
    """One record of the journal."""

    @property
    def seq(self) -> int:
        """Its number."""
        ...

    @property
    def record(self) -> str:
        """It, as JSON text."""
        ...


class Steps(Protocol):
    """The journal, as it is read for people."""

    async def page(self, limit: int, before: int | None = None) -> Sequence[Step]:
        """Return up to `limit` records, newest first; `before` is the number of the last one of the page before."""
        ...


class RolloutPast:
    """Remembers steps in words."""

    def __init__(self, journal: Steps) -> None:
        """Build it over the journal."""
        self._journal = journal
        self._lately: deque[HappenedShown] = deque(maxlen=LATELY)
        self._is_read = False
        self._read: dict[tuple[object, ...], float] = {}

    def noted(self, event: ev.Event, before: State, after: State, at: float) -> HappenedShown | None:
        """Take note of a step as it is taken; return it in words, None where there is nothing to tell."""
        words = told(before, after)
        if not words:
            return None
        happened = _happened(
            at,
            (before, after),
            words,
            actor=event.actor if isinstance(event, ev.Asked) else ev.SYSTEM,
            reason=event.reason if isinstance(event, ev.Asked) else "",
            last=self._lately[-1].n if self._lately else 0,
        )
        read = self._read.pop(_same(happened), None)
        if read is None or at - read > SAME_STEP:  # else it was written, and read, before it came here
            self._lately.append(happened)
        return happened

    async def lately(self, after: int, limit: int) -> list[HappenedShown]:
        """Return what happened after `after`, at most the `limit` newest, oldest first."""
        if not self._is_read:
            self._is_read = True
            await self._read_before()
        newer = [one for one in self._lately if one.n > after]
        return newer[-limit:]

    async def history(self, limit: int, before: int | None = None) -> HistoryPage:
        """Return what happened, newest first.

        Args:
            limit: how many at most; fewer come when many looks lie between, and `before` leads on.
            before: the number that the page before ended with, None for the newest.
        """
        found: list[HappenedShown] = []
        newer: tuple[int, Record] | None = None
        read, cursor = 0, before if before is None else before + 1  # the newer record of each pair comes along
        while read < MOST_READ:
            page = await self._journal.page(AT_ONCE, cursor)
            for seq, record in await anyio.to_thread.run_sync(_decoded, page):
                if newer is not None:
                    found += _told(record.state, newer)
                newer = seq, record
                if len(found) >= limit:
                    return HistoryPage(steps=found[:limit], before=seq)
            read += len(page)
            if len(page) < AT_ONCE:
                found += [] if newer is None or newer[0] != 1 else _told(State(), newer)
                return HistoryPage(steps=found[:limit], before=None)
            cursor = page[-1].seq
        return HistoryPage(steps=found, before=cursor)

    async def rollout(self, name: str) -> Rollout | None:
        """Return a rollout as it was last, None when the journal does not know it (any more)."""
        cursor: int | None = None
        while page := await self._journal.page(AT_ONCE, cursor):
            for _, record in await anyio.to_thread.run_sync(_decoded, page):
                rollout = record.state.rollout
                if rollout is not None and rollout.id == name:
                    return rollout
            cursor = page[-1].seq
        return None

    async def _read_before(self) -> None:
        """Fill up with what happened in the daemon's earlier lives."""
        try:
            page = await self.history(LATELY // 4)
        except Exception as error:  # noqa: BLE001 - the present is told all the same
            log.warning("what happened earlier cannot be read", reason=str(error))
            return
        noted = {_same(one): one for one in self._lately}  # of this life: told a moment later than it was written
        self._read = {same: one.at for one in page.steps if (same := _same(one)) not in noted}
        read: list[HappenedShown] = []
        for written in reversed(page.steps):
            one = noted.pop(_same(written), written)
            last = read[-1].n if read else 0
            read.append(one if one.n > last else one.model_copy(update={"n": last + 1}))
        self._lately = deque(sorted((*read, *noted.values()), key=lambda one: one.n), maxlen=LATELY)


def _same(one: HappenedShown) -> tuple[object, ...]:
    """Return what a step is known by, whether it was noted or read."""
    return one.revision, one.rollout, one.actor, tuple(one.words)


def _decoded(page: Sequence[Step]) -> list[tuple[int, Record]]:
    found = []
    for step in page:
        try:
            found.append((step.seq, decode(step.record)))
        except JournalError as error:
            log.warning("a record of the journal cannot be told", seq=step.seq, reason=str(error))
    return found


def _told(before: State, step: tuple[int, Record]) -> list[HappenedShown]:
    _, record = step
    words = told(before, record.state)
    if not words:
        return []
    event: dict[str, Any] = record.event
    actor, reason = str(event.get("actor", ev.SYSTEM)), str(event.get("reason", "") if "actor" in event else "")
    return [_happened(record.at, (before, record.state), words, actor=actor, reason=reason)]


def _happened(
    at: float, states: tuple[State, State], words: Sequence[str], *, actor: str, reason: str, last: int = 0
) -> HappenedShown:
    before, after = states
    rollout = after.rollout
    concerned = rollout is not None and (not rollout.is_over or rollout != before.rollout)
    return HappenedShown(
        n=max(last + 1, int(at * MILLI)),
        at=at,
        actor=actor,
        reason=reason,
        rollout=rollout.id if rollout is not None and concerned else "",
        revision=after.table.revision,
        words=list(words),
    )
