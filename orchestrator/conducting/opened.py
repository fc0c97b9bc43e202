"""Puts a rollout's surroundings together in the daemon, and has them work.

Above: `daemon`.  Below: the rest of this room, and those it hands wishes to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from anyio.abc import TaskGroup

from orchestrator.conducting.conductor import Conducting
from orchestrator.conducting.cut_over import CutOver, Places
from orchestrator.conducting.flag_moves import FlagMoves
from orchestrator.conducting.guard_desk import GuardDesk
from orchestrator.conducting.holds import Holds
from orchestrator.conducting.rehearsals import Harness, Rehearsals
from orchestrator.conducting.writes import Writes
from orchestrator.domain.plans.limits import Source
from orchestrator.domain.ports import Clock
from orchestrator.domain.rollouts.state import Rollout
from orchestrator.domain.routing import Lane
from orchestrator.engine.driver import Driver
from orchestrator.flags.service import FlagsService
from orchestrator.proxy.dispatch import Dispatcher
from orchestrator.proxy.holding import Holding
from orchestrator.proxy.movement import Movement
from orchestrator.rehearsal.artifacts import FOLDER as UPGRADES
from orchestrator.sampling.measuring import Measuring
from orchestrator.settings import Paths, Settings
from orchestrator.supervision.fleet import Fleet


class Mirror(Protocol):
    """Who mirrors calls."""

    def set(self, target: Lane | None, share: float = 100.0) -> None:
        """Mirror a share of the calls that only read to whoever holds a lane, or (None) nothing."""
        ...


def open_conducting(
    tasks: TaskGroup,
    driver: Driver,
    clock: Clock,
    *,
    flags: FlagsService,
    harness: Harness,
    samples: Measuring,
    mirror: Mirror,
    clean_for: Callable[[float], float],
    dispatcher: Dispatcher,
    movement: Movement,
    fleet: Fleet,
    settings: Callable[[], Settings],
    paths: Paths,
    environ: Mapping[str, str],
) -> Conducting:
    """Return the conductor of a daemon, known to its driver; `start` has it work.

    Args:
        tasks: where everything runs.
        driver: the engine.
        clock: of samples and deadlines.
        flags: changes flags.
        harness: runs rehearsals.
        samples: tells of every call, and keeps looks.
        mirror: mirrors calls.
        clean_for: returns for how many seconds the states of both versions have been the same at a Unix time.
        dispatcher: tells calls apart by a flag on trial, and lets them wait during a cut-over.
        movement: has listeners wait, too.
        fleet: stops and starts processes in a cut-over.
        settings: how long a drain may take, where the worker's state is, how much of it is kept.
        paths: where rehearsals and kept states are.
        environ: the daemon's environment, for commands.
    """
    moves = FlagMoves(flags, driver.post, lambda: driver.state)
    guard = GuardDesk(driver, clock, samples.keeping.store, moves.trial)
    guard.on_trial = lambda has_it, share: dispatcher.sampling.put_on_trial(has_it, share, clock.monotonic())
    guard.on_mirror = mirror.set

    def watching(rollout: Rollout | None) -> None:
        samples.keeping.rollout = rollout.id if rollout is not None else ""
        samples.prometheus.queries = _queries(rollout)

    guard.on_rollout = watching
    samples.bus.attach(guard, idle=False)
    rehearsals = Rehearsals(tasks, harness, paths.state_dir / UPGRADES, driver.post, lambda: driver.state)
    holds = Holds(tasks, driver.post, environ, clean=lambda: clean_for(clock.wall()))
    places = Places.below(
        paths.state_dir,
        live=lambda: settings().worker.state or paths.worker_state,
        keep=lambda: settings().rollout.keep_snapshots,
        drain=lambda: settings().drain_timeout,
    )
    cut = CutOver(driver, fleet, Holding(dispatcher, movement), writes=Writes(dispatcher), places=places, clock=clock)
    conducting = Conducting(guard, rehearsals, holds, moves, cut)
    driver.executor.conductor = conducting
    driver.before_tick = guard.evaluate
    return conducting


def _queries(rollout: Rollout | None) -> Mapping[str, str]:
    metrics = rollout.plan.metrics if rollout is not None else ()
    return {one.name: one.query for one in metrics if one.source is Source.PROMETHEUS}


async def start(conducting: Conducting, driver: Driver, tasks: TaskGroup) -> None:
    """Read what a killed daemon knew, and have everything work."""
    await conducting.guard.recover(driver.state.rollout)
    tasks.start_soon(conducting.flags.run)
    tasks.start_soon(conducting.flags.listen)
    tasks.start_soon(conducting.guard.run)
    tasks.start_soon(conducting.cut.run)
    tasks.start_soon(conducting.cut.count)
    tasks.start_soon(driver.timer.run)
