"""How browsers are lent, kept and closed, with twins that have no processes."""

from __future__ import annotations

from collections.abc import Callable

import anyio
import pytest

from workers.reference.hands.browsers import Browsers
from workers.reference.hands.errors import HandError

pytestmark = pytest.mark.requirement("HAND-5")


class Twin:
    """A browser without a process."""

    def __init__(self, *, sandboxed: bool) -> None:
        self.sandboxed = sandboxed
        self.alive = True
        self.closed = 0
        self.silent = False

    async def answers(self) -> bool:
        return self.alive and not self.silent

    async def close(self) -> None:
        await anyio.lowlevel.checkpoint()
        self.closed += 1
        self.alive = False


class Workshop:
    """Starts twins, and keeps them to be looked at."""

    def __init__(self) -> None:
        self.made: list[Twin] = []
        self.broken = False
        self.over = False

    async def launch(self, *, sandboxed: bool) -> Twin:
        await anyio.lowlevel.checkpoint()
        if self.broken:
            raise HandError("no browser today")
        self.made.append(Twin(sandboxed=sandboxed))
        return self.made[-1]

    async def aclose(self) -> None:
        self.over = True


class Bench:
    """Browsers with a flag and a clock to turn."""

    def __init__(self, *, pooled: bool, most: int = 2) -> None:
        self.pooled = pooled
        self.now = 0.0
        self.workshop = Workshop()
        self.browsers: Browsers[Twin] = Browsers(
            self.workshop, lambda: self.pooled, most, idle_seconds=60, now=lambda: self.now
        )

    async def use(self, act: Callable[[Twin], object] = lambda _: None) -> Twin:
        async with self.browsers.lent() as lent:
            act(lent.browser)
            return lent.browser


async def test_without_a_pool_each_operation_has_its_own_browser_that_ends_with_it() -> None:
    bench = Bench(pooled=False)
    one, two = await bench.use(), await bench.use()
    assert one is not two
    assert [(twin.sandboxed, twin.closed) for twin in (one, two)] == [(False, 1), (False, 1)]
    assert bench.browsers.tally().idle == 0
    await bench.browsers.aclose()
    assert bench.workshop.over


async def test_a_pool_uses_a_browser_again_until_it_was_idle_too_long() -> None:
    bench = Bench(pooled=True)
    assert await bench.use() is await bench.use()
    bench.now = 59
    await bench.browsers.tend()
    assert bench.browsers.tally().idle == 1
    bench.now = 61
    await bench.browsers.tend()
    assert (bench.browsers.tally().idle, bench.workshop.made[0].closed) == (0, 1)
    assert bench.workshop.made[0].sandboxed
    await bench.browsers.aclose()


@pytest.mark.parametrize("pooled", [False, True])
async def test_no_more_browsers_than_allowed_work_at_once_and_the_others_wait(pooled: bool) -> None:  # noqa: FBT001 - the mode under test
    bench = Bench(pooled=pooled)
    go, working = anyio.Event(), []

    async def work() -> None:
        async with bench.browsers.lent() as lent:
            working.append(lent.browser)
            await go.wait()

    with anyio.fail_after(60):
        async with anyio.create_task_group() as group:
            for _ in range(5):
                group.start_soon(work)
            await anyio.wait_all_tasks_blocked()
            assert (len(working), bench.browsers.tally().busy) == (2, 2)
            go.set()
    assert len(working) == 5
    assert len(bench.workshop.made) == (2 if pooled else 5)
    await bench.browsers.aclose()
    assert not any(twin.alive for twin in bench.workshop.made)


async def test_a_flag_turned_off_lets_the_operation_finish_and_then_closes_its_browser() -> None:
    bench = Bench(pooled=True)
    async with bench.browsers.lent() as lent:
        bench.pooled = False
        fresh = await bench.use()
        assert (fresh.sandboxed, lent.browser.alive) == (False, True)
    assert not lent.browser.alive
    assert bench.browsers.tally().idle == 0


async def test_a_flag_turned_off_closes_idle_browsers_soon_also_without_a_call() -> None:
    bench = Bench(pooled=True)
    twin = await bench.use()
    bench.pooled = False
    await bench.browsers.tend()
    assert not twin.alive


async def test_a_flag_turned_on_lets_a_fresh_browser_end_as_it_began() -> None:
    bench = Bench(pooled=False)
    async with bench.browsers.lent() as lent:
        bench.pooled = True
    assert not lent.browser.alive
    assert (await bench.use()).sandboxed
    await bench.browsers.aclose()


async def test_a_browser_that_died_is_counted_and_replaced() -> None:
    bench = Bench(pooled=True)

    def die(twin: Twin) -> None:
        twin.alive = False

    await bench.use(die)
    (await bench.use()).alive = False
    third = await bench.use()
    third.silent = True
    assert await bench.use() is not third
    tally = bench.browsers.tally()
    assert (tally.started, tally.lost, tally.idle) == (4, 3, 1)
    await bench.browsers.aclose()


async def test_a_pages_fault_keeps_the_browser_and_any_other_does_not() -> None:
    bench = Bench(pooled=True)

    def page(_: Twin) -> None:
        raise HandError("no such page")

    def defect(_: Twin) -> None:
        raise KeyError("x")

    with pytest.raises(HandError):
        await bench.use(page)
    assert bench.workshop.made[0].alive
    with pytest.raises(KeyError):
        await bench.use(defect)
    assert not bench.workshop.made[0].alive


async def test_a_cancelled_operation_gives_its_place_back_and_ends_its_browser() -> None:
    bench = Bench(pooled=True, most=1)
    with anyio.move_on_after(0.01):
        async with bench.browsers.lent():
            await anyio.sleep_forever()
    assert (bench.browsers.tally().busy, bench.workshop.made[0].alive) == (0, False)
    with anyio.fail_after(60):
        await bench.use()
    await bench.browsers.aclose()


async def test_a_browser_that_does_not_start_takes_no_place() -> None:
    bench = Bench(pooled=True, most=1)
    bench.workshop.broken = True
    for _ in range(3):
        with pytest.raises(HandError, match="no browser today"):
            await bench.use()
    bench.workshop.broken = False
    assert (await bench.use()).alive
    await bench.browsers.aclose()
