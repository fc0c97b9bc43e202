"""The writer thread: order, bounds, failures and endings, under asyncio's loop and uvloop's."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
import uvloop

from state.errors import CorruptStoreError, StorageError, StoreClosedError
from state.writer import Writer

BOUND = 60.0
"""Seconds that any wait here may take before the test fails."""

Run = Callable[[Coroutine[Any, Any, None]], None]


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def new_loop(request: pytest.FixtureRequest) -> Callable[[], asyncio.AbstractEventLoop]:
    factory: Callable[[], asyncio.AbstractEventLoop] = request.param
    return factory


@pytest.fixture
def run(new_loop: Callable[[], asyncio.AbstractEventLoop]) -> Run:
    def bounded(main: Coroutine[Any, Any, None]) -> None:
        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(asyncio.wait_for(main, BOUND))

    return bounded


class Gate:
    """Holds the thread inside a piece of work until the test lets it go on."""

    def __init__(self) -> None:
        self._reached = threading.Event()
        self._open = threading.Event()

    def __call__(self, _connection: sqlite3.Connection) -> str:
        self._reached.set()
        assert self._open.wait(BOUND)
        return "through"

    async def reached(self) -> None:
        assert await asyncio.to_thread(self._reached.wait, BOUND)

    def open(self) -> None:
        self._open.set()


def in_memory(_path: Path) -> sqlite3.Connection:
    return sqlite3.connect(":memory:", isolation_level=None)


async def opened(limit: int = 100) -> Writer:
    return await Writer.open(Path("test.db"), in_memory, limit=limit)


def writer_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "writer-test.db"]


def all_ended() -> bool:
    for thread in writer_threads():
        thread.join(BOUND)
    return not writer_threads()


async def turns(count: int = 10) -> None:
    """Let the loop go round, so that whatever can start has started."""
    for _ in range(count):
        await asyncio.sleep(0)


def noting(done: list[object], what: object) -> Callable[[sqlite3.Connection], None]:
    return lambda _: done.append(what)


async def refused(work: Awaitable[object]) -> bool:
    try:
        await work
    except StoreClosedError:
        return True
    return False


def test_work_is_carried_out_one_by_one_in_the_order_it_was_handed_over(run: Run) -> None:
    async def main() -> None:
        writer = await opened(limit=3)
        done = list[object]()
        await asyncio.gather(*(writer.run(noting(done, number)) for number in range(200)))
        assert done == list(range(200))
        await writer.close()

    run(main())


def test_the_loop_goes_on_while_the_thread_works(run: Run) -> None:
    async def main() -> None:
        writer, gate = await opened(), Gate()
        working = asyncio.create_task(writer.run(gate))
        await gate.reached()
        assert not working.done()
        gate.open()  # only a loop that was not blocked comes here
        assert await working == "through"
        await writer.close()

    run(main())


def test_no_more_work_than_the_limit_waits_in_the_queue(run: Run) -> None:
    async def main() -> None:
        writer, gate = await opened(limit=2), Gate()
        work = [asyncio.create_task(writer.run(gate)) for _ in range(5)]
        await gate.reached()
        await turns()
        assert writer._jobs.qsize() == 1  # and one is with the thread
        gate.open()
        assert await asyncio.gather(*work) == ["through"] * 5
        await writer.close()

    run(main())


def test_a_failure_goes_to_its_own_caller_and_the_next_work_is_done(run: Run) -> None:
    async def main() -> None:
        writer = await opened()
        failing = writer.run(lambda _: 1 // 0)
        counting = writer.run(lambda connection: connection.execute("SELECT 41 + 1").fetchone())
        outcomes = await asyncio.gather(failing, counting, return_exceptions=True)
        assert isinstance(outcomes[0], ZeroDivisionError)
        assert outcomes[1] == (42,)
        await writer.close()

    run(main())


def test_an_error_of_sqlite_comes_out_as_ours_with_its_reason(run: Run) -> None:
    async def main() -> None:
        writer = await opened()
        with pytest.raises(CorruptStoreError, match=r"test\.db: no such table: records") as caught:
            await writer.run(lambda connection: connection.execute("SELECT * FROM records").fetchall())
        assert isinstance(caught.value.__cause__, sqlite3.OperationalError)
        await writer.close()

    run(main())


def test_the_work_of_a_cancelled_caller_is_carried_out_all_the_same(run: Run) -> None:
    async def main() -> None:
        writer, gate, done = await opened(), Gate(), list[object]()
        blocking = asyncio.create_task(writer.run(gate))
        abandoned = asyncio.create_task(writer.run(noting(done, "abandoned")))
        await gate.reached()
        await turns()
        abandoned.cancel()
        gate.open()
        await blocking
        await writer.run(noting(done, "next"))
        assert abandoned.cancelled()
        assert done == ["abandoned", "next"]
        await writer.close()

    run(main())


def test_closing_finishes_what_was_handed_over_and_refuses_what_comes_after(run: Run) -> None:
    async def main() -> None:
        writer, gate = await opened(), Gate()
        work = [asyncio.create_task(writer.run(gate)) for _ in range(3)]
        await gate.reached()
        await turns()
        closing = asyncio.create_task(writer.close())
        await turns()
        assert await refused(writer.run(gate))
        gate.open()
        await closing
        assert [task.result() for task in work] == ["through"] * 3
        await writer.close()
        assert all_ended()

    run(main())


def test_whoever_waits_for_room_when_it_closes_is_refused(run: Run) -> None:
    async def main() -> None:
        writer, gate = await opened(limit=1), Gate()
        first = asyncio.create_task(writer.run(gate))
        late = [asyncio.create_task(refused(writer.run(gate))) for _ in range(3)]
        await gate.reached()
        await turns()
        writer.stop()
        gate.open()
        assert await first == "through"
        assert await asyncio.gather(*late) == [True] * 3
        await writer.close()

    run(main())


def test_a_database_that_cannot_be_opened_fails_the_opening_and_leaves_no_thread(run: Run) -> None:
    def broken(path: Path) -> sqlite3.Connection:
        raise StorageError(path, "broken")

    async def main() -> None:
        with pytest.raises(StorageError, match=r"test\.db: broken; look at"):
            await Writer.open(Path("test.db"), broken)
        assert all_ended()

    run(main())


def test_an_opening_that_is_cancelled_leaves_no_thread(run: Run) -> None:
    gate = Gate()

    def slowly(path: Path) -> sqlite3.Connection:
        connection = in_memory(path)
        gate(connection)
        return connection

    async def main() -> None:
        opening = asyncio.create_task(Writer.open(Path("test.db"), slowly))
        await gate.reached()
        opening.cancel()
        await asyncio.wait([opening])
        gate.open()
        assert opening.cancelled()
        assert all_ended()

    run(main())


def test_a_loop_that_is_closed_first_loses_the_outcome_and_nothing_else(
    new_loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    gate, done = Gate(), threading.Event()
    loop = new_loop()
    writer = loop.run_until_complete(opened())
    work = [loop.create_task(writer.run(piece)) for piece in (gate, lambda _: done.set())]
    loop.run_until_complete(gate.reached())
    for task in work:
        task.cancel()
    loop.run_until_complete(asyncio.wait(work))
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()
    gate.open()
    writer.stop()
    assert all_ended()
    assert done.is_set()
