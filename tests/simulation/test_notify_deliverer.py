"""The outbox worked off in virtual time: order, back-off, giving up, restarts, and who waits for whom."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from structlog.testing import capture_logs
from virtual_time import EPOCH, VirtualClock, simulate

from orchestrator.domain.flags.records import FlagRow, FlagWrite, Notice
from orchestrator.notify.deliverer import Deliverer
from orchestrator.notify.schedule import AT_ONCE, Again, Delivered, Never, Outcome, Rules
from state.errors import StorageFullError
from state.memory import IN_MEMORY
from state.memory_flags import MemoryFlagStore

RULES = Rules(initial=1, cap=60, give_up_after=3600)


@dataclass
class Try:
    """One attempt as the destination saw it."""

    at: float
    flag: str
    to: int
    id: str


@dataclass
class Hook:
    """A destination that answers as it is told: the outcomes in turn, then success."""

    outcomes: list[Outcome | Exception] = field(default_factory=list)
    takes: float = 0.0
    tries: list[Try] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0

    async def send(self, notice: Notice) -> Outcome:
        told = json.loads(notice.payload)
        self.tries.append(Try(asyncio.get_running_loop().time(), notice.flag, told["to"], notice.id))
        outcome = self.outcomes.pop(0) if self.outcomes else Delivered()
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(self.takes)
        self.at_once -= 1
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    @property
    def seen(self) -> list[tuple[float, str, int]]:
        return [(round(one.at, 3), one.flag, one.to) for one in self.tries]


class Disk:
    """Whether the store can be written."""

    full = False

    def before_write(self, _number: int) -> None:
        if self.full:
            raise StorageFullError(IN_MEMORY, "the disk is full (injected)")


class World:
    """A store that outlives its deliverers, and destinations by name."""

    def __init__(self, **hooks: Hook) -> None:
        self.disk = Disk()
        self.store = MemoryFlagStore(before_write=self.disk.before_write)
        self.clock = VirtualClock()
        self.hooks = hooks
        self.rules = RULES
        self.deliverer: Deliverer | None = None

    async def flip(self, flag: str, to: int, names: Sequence[str] = ("hook",)) -> None:
        row = FlagRow(flag, str(to), is_set=True, targeting=None, salt="", hash_version=1)
        await self.store.write(FlagWrite([row], "ann", self.clock.wall(), destinations=names))
        if self.deliverer is not None:
            self.deliverer.wake()

    @asynccontextmanager
    async def delivering(self) -> AsyncIterator[Deliverer]:
        """Run a deliverer, with the larger half of each wait by chance, until the block's end."""
        self.deliverer = deliverer = Deliverer(self.store, self.clock, lambda: 1.0)
        deliverer.use(self.hooks, self.rules)
        running = asyncio.create_task(deliverer.run())
        try:
            yield deliverer
        finally:
            self.deliverer = None
            running.cancel()
            await asyncio.wait([running], timeout=1)
            assert running.cancelled()

    async def states(self) -> list[str]:
        return [notice.state for notice in await self.store.outbox_page(99)][::-1]


def story(tell: Callable[[], Awaitable[None]]) -> Callable[[], None]:
    """Make a test of a story in virtual time."""

    def test() -> None:
        async def run() -> None:
            await tell()

        simulate(run())

    test.__name__ = tell.__name__
    return test


@pytest.mark.requirement("FLAG-25")
@story
async def test_a_flags_changes_arrive_in_order_and_hold_up_neither_other_flags_nor_other_destinations() -> None:
    world = World(hook=Hook([Again("answered 500"), Delivered(), Again("answered 500")]), mail=Hook())
    await world.flip("A", 1, ["hook", "mail"])
    await world.flip("B", 1)
    await world.flip("A", 2, ["hook", "mail"])
    async with world.delivering():
        await asyncio.sleep(30)
    hook, mail = world.hooks["hook"], world.hooks["mail"]
    assert hook.seen == [(0, "A", 1), (0, "B", 1), (1, "A", 1), (3, "A", 1), (3, "A", 2)]
    assert mail.seen == [(0, "A", 1), (0, "A", 2)]
    assert set(await world.states()) == {"delivered"}


@pytest.mark.requirement("FLAG-26")
@story
async def test_a_dead_destination_is_tried_ever_more_rarely_and_given_up_loudly_after_the_age() -> None:
    world = World(hook=Hook([Again("answered 503")] * 1000))
    await world.flip("A", 1)
    with capture_logs() as logs:
        async with world.delivering() as deliverer:
            await asyncio.sleep(4000)
            assert deliverer.trouble == {"hook": "answered 503; given up after 3600 s"}
    times = [one.at for one in world.hooks["hook"].tries]
    assert [round(later - one, 3) for one, later in pairwise(times)][:8] == [
        1,
        2,
        4,
        8,
        16,
        32,
        60,
        60,
    ]
    assert 3600 <= times[-1] <= 3660
    (failed,) = await world.store.outbox_page(9, state="failed")
    assert (failed.attempts, failed.error) == (len(times), "answered 503; given up after 3600 s")
    (loud,) = [line for line in logs if line["log_level"] == "error"]
    assert (loud["destination"], loud["flag"], loud["id"], loud["tries"]) == ("hook", "A", failed.id, len(times))
    assert {line["log_level"] for line in logs} == {"warning", "error"}


@pytest.mark.requirement("FLAG-26")
@story
async def test_what_is_refused_for_good_is_given_up_at_once_and_the_next_change_goes_on() -> None:
    world = World(hook=Hook([Never("answered 404")]))
    async with world.delivering() as deliverer:
        await world.flip("A", 1)
        await asyncio.sleep(5)
        assert deliverer.trouble == {"hook": "answered 404"}
        await world.flip("A", 2)
        await asyncio.sleep(5)
        assert deliverer.trouble == {}
    assert world.hooks["hook"].seen == [(0, "A", 1), (5, "A", 2)]
    assert await world.states() == ["failed", "delivered"]


@pytest.mark.requirement("FLAG-26")
@story
async def test_retry_after_leaves_the_whole_destination_alone_for_that_long() -> None:
    world = World(hook=Hook([Again("answered 429", wait=100)]))
    async with world.delivering():
        await world.flip("A", 1)
        await asyncio.sleep(10)
        await world.flip("B", 1)
        await asyncio.sleep(200)
    assert world.hooks["hook"].seen == [(0, "A", 1), (100, "A", 1), (100, "B", 1)]


@pytest.mark.requirement("FLAG-25")
@story
async def test_a_destination_that_hangs_keeps_its_own_places_only() -> None:
    world = World(hook=Hook(takes=50), mail=Hook())
    async with world.delivering():
        for number in range(3 * AT_ONCE):
            await world.flip(f"F{number}", number, ["hook", "mail"])
        await asyncio.sleep(1)
        assert len(world.hooks["mail"].tries) == 3 * AT_ONCE
        await asyncio.sleep(200)
    assert len(world.hooks["hook"].tries) == 3 * AT_ONCE
    assert world.hooks["hook"].most_at_once == AT_ONCE


@pytest.mark.requirement("FLAG-25")
@story
async def test_a_restart_goes_on_where_the_outbox_stands_and_repeats_only_what_was_under_way_by_its_id() -> None:
    world = World(hook=Hook([Delivered(), Again("answered 500"), Delivered()], takes=1))
    for flag in ("A", "B", "C"):
        await world.flip(flag, 1)
        async with world.delivering():
            await asyncio.sleep(0.8 if flag == "C" else 1.5)
    async with world.delivering():
        await asyncio.sleep(60)
    tries = world.hooks["hook"].tries
    times: dict[str, list[str]] = {flag: [one.id for one in tries if one.flag == flag] for flag in "ABC"}
    assert [len(ids) for ids in times.values()] == [1, 3, 2]  # B: failed, then cut short once; C: cut short once
    assert all(len(set(ids)) == 1 for ids in times.values())
    assert len({ids[0] for ids in times.values()}) == 3
    assert set(await world.states()) == {"delivered"}


@pytest.mark.requirement("FLAG-25")
@story
async def test_what_was_delivered_but_cannot_be_noted_is_not_sent_again_while_the_daemon_lives() -> None:
    world = World(hook=Hook())
    await world.flip("A", 1)
    world.disk.full = True
    with capture_logs() as logs:
        async with world.delivering() as deliverer:
            await asyncio.sleep(100)
            assert "disk is full" in deliverer.trouble["outbox (write)"]
            assert len(world.hooks["hook"].tries) == 1
            world.disk.full = False
            await asyncio.sleep(10)
            assert deliverer.trouble == {}
    assert len(world.hooks["hook"].tries) == 1
    assert await world.states() == ["delivered"]
    assert len([line for line in logs if line["log_level"] == "error"]) == 1


@story
async def test_a_bell_that_rings_while_the_daemon_stops_does_not_keep_it_running() -> None:
    world = World(hook=Hook())
    async with world.delivering() as deliverer:
        await asyncio.sleep(1)
        deliverer.wake()


@story
async def test_a_destination_taken_out_of_the_configuration_is_waited_for_and_told_when_it_comes_back() -> None:
    world = World()
    await world.flip("A", 1)
    async with world.delivering() as deliverer:
        await asyncio.sleep(10)
        (pending,) = await world.store.outbox_heads()
        assert pending.error == "it is not among the configured destinations any more"
        hook = Hook()
        deliverer.use({"hook": hook}, RULES)
        await asyncio.sleep(20)
    assert [one.to for one in hook.tries] == [1]


@pytest.mark.requirement("FLAG-28")
@story
async def test_a_destinations_surprise_stops_nobody_and_its_text_is_not_logged() -> None:
    world = World(hook=Hook([ValueError("https://hooks.example.org/token")]), mail=Hook())
    await world.flip("A", 1, ["hook", "mail"])
    with capture_logs() as logs:
        async with world.delivering():
            await asyncio.sleep(10)
    assert len(world.hooks["hook"].tries) == 2
    assert len(world.hooks["mail"].tries) == 1
    (line,) = [line for line in logs if line["log_level"] == "warning"]
    assert line["reason"] == "unexpected ValueError"
    assert "token" not in str(logs)


@story
async def test_a_change_nobody_rang_for_is_found_and_a_clock_set_back_holds_nothing_up_for_ever() -> None:
    world = World(hook=Hook([Again("answered 500")]))
    async with world.delivering():
        await asyncio.sleep(1)
        row = FlagRow("A", "1", is_set=True, targeting=None, salt="", hash_version=1)
        await world.store.write(FlagWrite([row], "ann", EPOCH + 1, destinations=["hook"]))
        await asyncio.sleep(14.5)
        assert len(world.hooks["hook"].tries) == 1
        world.clock.ahead = -1e6
        await asyncio.sleep(30)
    assert len(world.hooks["hook"].tries) == 2
