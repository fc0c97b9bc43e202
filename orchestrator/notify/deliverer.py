"""Works the outbox off: in order for each destination and flag, again after a failure, never in anybody else's way.

At least once: a notice is noted as delivered after it was taken, so a daemon killed in between sends it once more,
under the same id.  Above: `notifier`.  Below: `schedule` decides, the destinations send, the outbox remembers.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, TypeVar

from orchestrator.domain.flags.records import Notice
from orchestrator.domain.ports import Clock, FlagOutbox
from orchestrator.notify.destinations import Destination
from orchestrator.notify.schedule import Again, Mark, Outcome, Row, Rules, plan, settle
from orchestrator.telemetry.logging import get_logger

log = get_logger("notify")

LOOK: Final = 15.0
"""Longest wait between two looks in seconds: what nobody rang for, and a clock that was set, is noticed by then."""

STORE_RETRY: Final = 5.0
"""Seconds before the outbox is tried again after it could not be read or written."""

T = TypeVar("T")


class Deliverer:
    """Runs until it is cancelled.

    Attributes:
        trouble: destinations whose last try failed, with what it met; the outbox itself as
            `outbox (read)` and `outbox (write)`.
    """

    def __init__(self, outbox: FlagOutbox, clock: Clock, chance: Callable[[], float]) -> None:
        """Build it without destinations; `use` gives it some.

        Args:
            outbox: what is to be told.
            clock: wall time.
            chance: random numbers in [0, 1).
        """
        self._outbox = outbox
        self._clock = clock
        self._chance = chance
        self._destinations: Mapping[str, Destination] = {}
        self._rules = Rules()
        self._rung = asyncio.Event()
        self._busy: set[Row] = set()
        self._held: dict[str, float] = {}
        self.trouble: dict[str, str] = {}

    def use(self, destinations: Mapping[str, Destination], rules: Rules) -> None:
        """Send to these from now on; tries under way end as they began."""
        self._destinations = destinations
        self._rules = rules
        self.trouble = {name: said for name, said in self.trouble.items() if name in destinations}
        self.wake()

    def wake(self) -> None:
        """Look at the outbox now; call it on the loop after a change."""
        self._rung.set()

    async def run(self) -> None:
        """Deliver for ever."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                self._rung.clear()  # before looking: what comes meanwhile rings again
                wake = await self._start_due(tasks)
                wait = LOOK if wake is None else min(LOOK, max(0.0, wake - self._clock.wall()))
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(wait):  # not wait_for: it loses a cancellation that meets the bell
                        await self._rung.wait()

    async def _start_due(self, tasks: asyncio.TaskGroup) -> float | None:
        """Begin every try that is due and return when the next one is."""
        heads = await self._persist("read", self._outbox.outbox_heads)
        decided = plan(heads, self._clock.wall(), self._busy, self._held, self._rules)
        for notice in decided.due:
            self._busy.add((notice.destination, notice.flag))
            tasks.create_task(self._try(notice))
        return decided.wake

    async def _try(self, notice: Notice) -> None:
        """Try a notice once and note what became of it; its row is busy until that is noted."""
        outcome = await self._send(notice)
        now = self._clock.wall()
        mark = settle(notice, outcome, now, self._rules, self._chance())
        if isinstance(outcome, Again) and outcome.wait:
            self._held[notice.destination] = min(now + outcome.wait, now + self._rules.give_up_after)
        self._say(notice, mark, now)
        await self._persist(
            "write",
            lambda: self._outbox.outbox_mark(
                notice.seq, mark.state, attempts=mark.attempts, due=mark.due, error=mark.error
            ),
        )
        self._busy.discard((notice.destination, notice.flag))
        self.wake()

    async def _send(self, notice: Notice) -> Outcome:
        destination = self._destinations.get(notice.destination)
        if destination is None:
            return Again("it is not among the configured destinations any more")
        try:
            return await destination.send(notice)
        except Exception as error:  # noqa: BLE001 - one destination's surprise is no reason to stop telling the others
            return Again(f"unexpected {type(error).__name__}")  # its text might hold the address

    def _say(self, notice: Notice, mark: Mark, now: float) -> None:
        facts = {"destination": notice.destination, "flag": notice.flag, "id": notice.id, "tries": mark.attempts}
        if mark.state == "delivered":
            self.trouble.pop(notice.destination, None)
            log.info("notice delivered", **facts)
            return
        self.trouble[notice.destination] = mark.error
        if mark.state == "failed":
            log.error("notice given up: its destination was not told of the change", reason=mark.error, **facts)
        else:
            log.warning("notice not delivered yet", reason=mark.error, again_in=round(mark.due - now, 1), **facts)

    async def _persist(self, what: str, work: Callable[[], Awaitable[T]]) -> T:
        """Read or write the outbox, again and again until it can be: nothing is sent that could not be noted."""
        name = f"outbox ({what})"
        while True:
            try:
                done = await work()
            except Exception as error:
                if name not in self.trouble:
                    log.exception("the outbox of notices cannot be used; trying again", what=what, every=STORE_RETRY)
                self.trouble[name] = str(error)
                await asyncio.sleep(STORE_RETRY)
            else:
                self.trouble.pop(name, None)
                return done
