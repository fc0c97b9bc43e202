"""A daemon killed between any two effects of a cut-over, in the shell and on the disk: no write is lost, and never do
two versions run on one state."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from engine_world import FOUNDED, CrashError, Fuse, FusedJournal, Stores, spec

from orchestrator.conducting import cut_over, kept_state
from orchestrator.conducting.cut_over import CutOver, Places
from orchestrator.conducting.writes import Writes
from orchestrator.domain.generation import Generation
from orchestrator.domain.plans.plan import Bake, Plan, Rehearsal, StateUse
from orchestrator.domain.ports import Journal
from orchestrator.domain.rollouts import events as ev
from orchestrator.domain.rollouts.rollout import State
from orchestrator.domain.rollouts.state import Phase
from orchestrator.domain.rollouts.told import where
from orchestrator.engine.driver import Driver
from orchestrator.engine.executor import Executor
from orchestrator.engine.recovery import recover, resume
from orchestrator.proxy.holding import Holding

pytestmark = pytest.mark.requirement("EXCLUSIVE-3")

BOUND = 60.0
"""Seconds one life may take."""
ALONE = Plan(
    "alone",
    state=StateUse.EXCLUSIVE,
    rehearsal=Rehearsal(run=False),
    bake=Bake(health=1e9, unlock=1e9, mirror=False),
)
BEGIN = ev.UpgradeAsked(rollout="r", plan=ALONE, spec=spec("two"), actor="ann")
LOSE = ev.RollbackAsked(actor="ann", lose_writes=True, lost="1 call that may have written")


class World:
    """What outlives a kill: the stores, the worker's state, what is kept of it."""

    def __init__(self, root: Path) -> None:
        self.stores, self.live, self.snapshots = Stores(), root / "live", root / "snapshots"
        self.live.mkdir(parents=True)
        (self.live / "layout").write_text("1")

    def call(self, life: Life) -> None:
        """Have whoever serves write."""
        assert life.held is False
        (active,) = life.running
        assert active == life.driver.state.table.active
        with (self.live / "writes").open("a") as file:
            file.write(f"{active}\n")

    @property
    def writes(self) -> str:
        path = self.live / "writes"
        return path.read_text().replace("\n", "") if path.exists() else ""

    @property
    def layout(self) -> str:
        return (self.live / "layout").read_text()


class Life:
    """One life of a daemon whose workers are a file and a number; fits the fleet, the intake and the conductor."""

    def __init__(self, world: World, at: int = 0, *, breaks: bool = False) -> None:
        self.world, self.fuse, self.breaks = world, Fuse(at), breaks
        self.running: set[int] = set()
        self.held = self.breaks_old = False
        self.driver: Driver
        dispatcher: Any = SimpleNamespace(on_sent=[])
        self.writes = Writes(dispatcher)

    # --- the fleet ------------------------------------------------------------------------------

    def start(self, generation: Generation) -> None:
        self.fuse.burn(f"start {generation.number}")
        assert not self.running - {generation.number}, "two versions on one state"
        self.running.add(generation.number)
        asyncio.get_running_loop().call_soon(self._up, generation)

    def _up(self, generation: Generation) -> None:
        number, is_old = generation.number, generation.spec.fingerprint == "one"
        if not is_old:
            (self.world.live / "layout").write_text("2")
        if (is_old and (self.breaks_old or self.world.layout != "1")) or (self.breaks and not is_old):
            self.driver.post(ev.GenerationFailed(number, "it cannot"))
        else:
            self.driver.post(ev.GenerationReady(number))

    def retire(self, number: int) -> None:
        self.fuse.burn(f"retire {number}")
        self.running.discard(number)

    async def stop(self, _drain: float) -> None:
        self.fuse.burn("stop")
        self.running.clear()

    # --- the intake -----------------------------------------------------------------------------

    def hold(self) -> None:
        self.fuse.burn("hold")
        self.held = True

    def release(self, _parked: frozenset[int] = frozenset()) -> None:
        self.fuse.burn("release")
        self.held = False

    def park(self, _parked: frozenset[int]) -> None:
        """Know it."""

    # --- the life -------------------------------------------------------------------------------

    async def lives(self, tell: Callable[[Driver], Any], holds: Callable[[State], bool]) -> bool:
        """Tell a story until something holds; return whether it was killed before."""
        stores = self.world.stores
        state, journal = await recover(stores.journal, stores.desired), FusedJournal(stores.journal, self.fuse)
        conductor: Any = SimpleNamespace(
            observe=lambda *_: None,
            ask=lambda *_: None,
            cut_over=lambda *job: self.cut.over(*job),  # noqa: PLW0108 - it is made later
            cut_back=lambda *job, aside: self.cut.back(*job, aside=aside),
        )
        router: Any = SimpleNamespace(replace=lambda table: table)
        executor = Executor(router, self, stores.desired, conductor)
        self.driver = Driver(state, cast("Journal", journal), executor, stores.clock)
        places = Places(lambda: self.world.live, self.world.snapshots, lambda: 3, lambda: 1.0)
        self.cut = CutOver(
            self.driver, self, cast("Holding", self), writes=self.writes, places=places, clock=stores.clock
        )
        try:
            for order in resume(state):
                await executor.carry_out(order, state)
        except CrashError:
            return True
        work = [asyncio.ensure_future(one) for one in (self.driver.run(), self.cut.run(), self._story(tell, holds))]
        try:
            done, _ = await asyncio.wait(work, timeout=BOUND, return_when=asyncio.FIRST_COMPLETED)
            assert done, self.driver.state.rollout
            killed = [one.exception() for one in done]
            assert not [one for one in killed if one is not None and not isinstance(one, CrashError)], killed
            return any(killed)
        finally:
            for one in work:
                one.cancel()
            await asyncio.wait(work)

    async def _story(self, tell: Callable[[Driver], Any], holds: Callable[[State], bool]) -> None:
        await tell(self.driver)
        while not holds(self.driver.state) or self.held:  # noqa: ASYNC110 - what it waits for tells nobody
            await asyncio.sleep(0)


def baking(state: State) -> bool:
    return state.rollout is not None and state.rollout.phase is Phase.BAKING


def back(state: State) -> bool:
    return state.rollout is not None and state.rollout.phase is Phase.ROLLED_BACK


async def nothing(_driver: Driver) -> None:
    """Only live."""


async def serving(world: World) -> None:
    """Found the first version and have it write."""
    life = Life(world)

    async def found(driver: Driver) -> None:
        await driver.submit(FOUNDED)
        await driver.submit(ev.GenerationReady(1))

    assert not await life.lives(found, lambda state: state.table.active == 1)
    world.call(life)


async def goes_over(driver: Driver) -> None:
    """Begin, unless an earlier life did."""
    if driver.state.rollout is None:
        await driver.submit(ev.GenerationReady(1))
        await driver.submit(BEGIN)
    await driver.submit(ev.Tick())


async def goes_back(driver: Driver) -> None:
    """Roll back, unless an earlier life did."""
    if driver.state.phase is Phase.BAKING:
        await driver.submit(LOSE)


@pytest.fixture
def burning(monkeypatch: pytest.MonkeyPatch) -> Callable[[Life], None]:
    """Have a life die also before and after each mark on the disk, and with half of a state brought back."""
    mark, copy = kept_state.write_json, kept_state.cloning.copy_entry

    def of(life: Life) -> None:
        def marks(path: Path, content: Any) -> None:
            life.fuse.burn(f"mark {path.name}")
            mark(path, content)
            life.fuse.burn(f"marked {path.name}")

        def copies(one: Path, *places: Path) -> None:
            life.fuse.burn(f"copy {one.name}")
            copy(one, *places)

        monkeypatch.setattr(kept_state, "write_json", marks)
        monkeypatch.setattr(kept_state.cloning, "copy_entry", copies)

    return of


async def until_it_is_not_killed(
    world: World, burning: Callable[[Life], None], at: int, tell: Any, holds: Any, **how: Any
) -> tuple[Life, bool]:
    """Live one life that is killed at an effect, and one more; return that one, and whether the first was killed."""
    first = Life(world, at, **how)
    burning(first)
    if not await first.lives(tell, holds):
        return first, False
    second = Life(world, **how)
    burning(second)
    assert not await second.lives(tell, holds)
    return second, True


async def test_killed_anywhere_on_the_way_over_and_back_no_write_is_lost_but_what_a_person_gave_up(
    tmp_path: Path, burning: Callable[[Life], None]
) -> None:
    at, killed = 0, True
    while killed:
        at, world = at + 1, World(tmp_path / str(at))
        await serving(world)
        life, over = await until_it_is_not_killed(world, burning, at, goes_over, baking)
        assert (world.layout, world.writes, life.running) == ("2", "1", {2})
        world.call(life)
        life, returned = await until_it_is_not_killed(world, burning, at, goes_back, back)
        assert (world.layout, world.writes, life.running) == ("1", "1", {1})
        kept = world.snapshots / "r" / "after"
        assert ((kept / "layout").read_text(), (kept / "writes").read_text()) == ("2", "1\n2\n")
        world.call(life)
        killed = over or returned
    assert at > 20


async def test_killed_anywhere_while_a_version_does_not_start_the_old_one_serves_on_and_nothing_is_lost(
    tmp_path: Path, burning: Callable[[Life], None]
) -> None:
    at, killed = 0, True
    while killed:
        at, world = at + 1, World(tmp_path / str(at))
        await serving(world)
        life, killed = await until_it_is_not_killed(world, burning, at, goes_over, back, breaks=True)
        assert (world.layout, world.writes, life.running) == ("1", "1", {1})
        world.call(life)
    assert at > 20


async def test_a_person_may_give_a_cut_up_and_the_next_one_begins_anew(
    tmp_path: Path, burning: Callable[[Life], None]
) -> None:
    world = World(tmp_path)
    await serving(world)
    life = Life(world)
    burning(life)

    async def aborts(driver: Driver) -> None:
        await goes_over(driver)
        await driver.submit(ev.RollbackAsked(actor="ann"))

    assert not await life.lives(aborts, back)
    assert (world.layout, life.running, life.held) == ("1", {1}, False)
    world.call(life)
    again = Life(world)

    async def retries(driver: Driver) -> None:
        if driver.state.phase is Phase.STEADY:
            await driver.submit(ev.RetryAsked(rollout="r2", actor="ann"))
            await driver.submit(ev.Tick())

    assert not await again.lives(retries, baking)
    assert (world.layout, world.writes, again.running) == ("2", "11", {3})


async def test_a_state_that_cannot_be_kept_stays_with_the_old_version(tmp_path: Path) -> None:
    world = World(tmp_path)
    await serving(world)
    world.snapshots.write_text("no directory")
    life = Life(world)

    async def mends(driver: Driver) -> None:
        await goes_over(driver)
        while driver.state.phase is not Phase.ROLLING_BACK:  # noqa: ASYNC110 - likewise
            await asyncio.sleep(0)
        world.snapshots.unlink()

    assert not await life.lives(mends, back)
    rollout = life.driver.state.under_way
    assert rollout.cause is not None
    assert "the state could not be handed over" in rollout.cause.words
    assert (world.layout, life.running, life.driver.state.quarantine) == ("1", {1}, {})


@pytest.mark.requirement("EXCLUSIVE-6")
async def test_a_state_that_cannot_be_brought_back_is_said_and_tried_until_it_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path)
    await serving(world)
    assert not await Life(world).lives(goes_over, baking)
    copy = kept_state.cloning.copy_entry
    said: list[str] = []

    def full(*_: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    async def mends(driver: Driver) -> None:
        await goes_back(driver)
        while not driver.state.under_way.stuck:  # noqa: ASYNC110 - likewise
            await asyncio.sleep(0)
        said.append(where(driver.state.under_way))
        monkeypatch.setattr(kept_state.cloning, "copy_entry", copy)

    monkeypatch.setattr(cut_over, "AGAIN", 0.0)
    monkeypatch.setattr(kept_state.cloning, "copy_entry", full)
    life = Life(world)
    assert not await life.lives(mends, back)
    assert "has its state again, which does not succeed and is tried on: the state cannot be brought back" in said[0]
    assert "No space left on device" in said[0]
    assert (world.layout, life.running, life.driver.state.under_way.stuck) == ("1", {1}, "")


@pytest.mark.requirement("EXCLUSIVE-6")
async def test_an_old_version_that_does_not_come_up_on_its_state_is_said_until_it_does(tmp_path: Path) -> None:
    world = World(tmp_path)
    await serving(world)
    assert not await Life(world).lives(goes_over, baking)
    life = Life(world)
    life.breaks_old = True

    async def mends(driver: Driver) -> None:
        await goes_back(driver)
        while not driver.state.under_way.stuck:  # noqa: ASYNC110 - likewise
            await asyncio.sleep(0)
        assert driver.state.under_way.stuck == "generation 1 does not come up: it cannot"
        driver.post(ev.GenerationReady(1))

    assert not await life.lives(mends, back)
    assert (life.running, life.driver.state.under_way.stuck) == ({1}, "")


async def test_a_cut_that_cannot_be_written_down_is_given_up_and_not_begun_again_over_what_was_written(
    tmp_path: Path,
) -> None:
    world = World(tmp_path)
    await serving(world)
    life = Life(world)

    async def fills(driver: Driver) -> None:
        await goes_over(driver)
        world.stores.journal_disk.full = True

    assert not await life.lives(fills, back)
    assert (world.layout, life.running, life.held) == ("1", {1}, False)
    world.call(life)
    world.stores.journal_disk.full = False
    again = Life(world)
    await again.lives(nothing, lambda state: not again.held and bool(again.running) and state.phase is Phase.STEADY)
    assert (world.layout, world.writes, again.running) == ("1", "11", {1})
