"""Puts a rollout's surroundings together in the daemon, and has them work.

Above: `daemon`.  Below: the rest of this room, and those it hands wishes to.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from anyio.abc import TaskGroup

from orchestrator.api.rollouts.desk import RolloutDesk
from orchestrator.api.rollouts.drill import Counters
from orchestrator.api.rollouts.past import Steps
from orchestrator.api.rollouts.verbs import RolloutVerbs
from orchestrator.api.verbs import Verbs
from orchestrator.conducting.conductor import Conducting
from orchestrator.conducting.cut_over import CutOver, Places
from orchestrator.conducting.equal_states import Compares, EqualStates
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
from orchestrator.in_force import InForce
from orchestrator.proxy.dispatch import Dispatcher
from orchestrator.proxy.holding import Holding
from orchestrator.proxy.sampling import Sampling
from orchestrator.rehearsal.artifacts import FOLDER as UPGRADES
from orchestrator.sampling.measuring import Measuring
from orchestrator.supervision.fleet import Fleet
from orchestrator.supervision.startable import unstartable
from orchestrator.tool_plane import ToolPlane


class Mirror(Protocol):
    """Who mirrors calls."""

    def set(self, target: Lane | None, share: float = 100.0) -> None:
        """Mirror a share of the calls that only read to whoever holds a lane, or (None) nothing."""
        ...


def open_conducting(
    tasks: TaskGroup,
    driver: Driver,
    here: InForce,
    plane: ToolPlane,
    fleet: Fleet,
    *,
    flags: FlagsService,
    samples: Measuring,
    harness: Harness,
    mirror: Mirror,
    compares: Compares,
    environ: Mapping[str, str],
) -> Conducting:
    """Return the conductor of a daemon, known to its driver; `start` has it work.

    Args:
        tasks: where everything runs.
        driver: the engine.
        here: how long a drain may take, where states are and how many of them are kept, the time.
        plane: tells calls apart by a flag on trial, and lets them wait during a cut-over.
        fleet: stops and starts processes in a cut-over.
        flags: changes flags.
        samples: tells of every call, and keeps looks.
        harness: runs rehearsals.
        mirror: mirrors calls.
        compares: compares the states of two versions.
        environ: the daemon's environment, for commands.
    """
    runs = here.paths.state_dir / UPGRADES
    moves = FlagMoves(flags, driver.post, here.state)
    conducting = Conducting(
        guard=_guard_of(driver, here.clock, moves, samples=samples, mirror=mirror, calls=plane.dispatcher.sampling),
        rehearsals=Rehearsals(tasks, harness, runs, driver.post, here.state),
        holds=Holds(
            tasks,
            driver.post,
            environ,
            states=EqualStates(compares, here.state, here.clock.wall),
            state=here.state,
            clock=here.clock,
        ),
        flags=moves,
        cut=_cut_of(driver, fleet, plane, here),
    )
    driver.executor.conductor = conducting
    driver.before_tick = conducting.guard.evaluate
    return conducting


def open_desk(
    conducting: Conducting,
    driver: Driver,
    here: InForce,
    dispatcher: Dispatcher,
    *,
    flags: FlagsService,
    samples: Measuring,
    verbs: Verbs,
    journal: Steps,
) -> RolloutDesk:
    """Return who takes in what people ask of rollouts.

    Args:
        conducting: knows what stands and what would be lost.
        driver: the engine.
        here: the section `rollout`, the daemon's places, the time.
        dispatcher: counts calls.
        flags: knows what is declared.
        samples: keeps looks.
        verbs: the other verbs.
        journal: the rollout's memory.
    """
    desk = RolloutDesk(
        driver,
        verbs,
        _verbs_of(conducting, driver, here, verbs, flags),
        registry=lambda: flags.registry,
        settings=lambda: here.settings().rollout,
        clock=here.clock,
        counters=Counters.of(dispatcher),
        journal=journal,
        looks=samples.keeping.store,
    )
    desk.latest = conducting.guard.latest
    desk.answered = conducting.holds.answered
    desk.rehearsed = lambda rollout: conducting.rehearsals.told(rollout.id, here.clock.wall())
    desk.unanswered = lambda: samples.prometheus.unanswered
    return desk


def _verbs_of(conducting: Conducting, driver: Driver, here: InForce, verbs: Verbs, flags: FlagsService) -> RolloutVerbs:
    """Return the verbs of rollouts, which refuse what cannot start and say what a way back would lose."""
    return RolloutVerbs(
        driver,
        verbs,
        registry=lambda: flags.registry,
        settings=lambda: here.settings().rollout,
        runs=here.paths.state_dir / UPGRADES,
        clock=here.clock,
        lost=conducting.cut.lost,
        stands=conducting.flags.stands,
        unstartable=lambda spec: unstartable(spec, here.environment),
    )


def _guard_of(
    driver: Driver, clock: Clock, moves: FlagMoves, *, samples: Measuring, mirror: Mirror, calls: Sampling
) -> GuardDesk:
    """Return the guard, which hears every sample and says what is mirrored, told apart and asked for."""
    guard = GuardDesk(driver, clock, samples.keeping.store, moves.trial)
    guard.on_trial = lambda has_it, share: calls.put_on_trial(has_it, share, clock.monotonic())
    guard.on_mirror = mirror.set
    guard.on_rollout = lambda rollout: _watch_samples(samples, rollout)
    samples.bus.attach(guard, idle=False)
    return guard


def _watch_samples(samples: Measuring, rollout: Rollout | None) -> None:
    """Have samples kept under a rollout's name, and its plan's queries asked; None for neither."""
    samples.keeping.rollout = rollout.id if rollout is not None else ""
    samples.prometheus.queries = _queries(rollout)


def _cut_of(driver: Driver, fleet: Fleet, plane: ToolPlane, here: InForce) -> CutOver:
    """Return who hands the worker's state over, by the settings of the moment."""
    places = Places.below(
        here.paths.state_dir,
        live=lambda: here.settings().worker.state or here.paths.worker_state,
        keep=lambda: here.settings().rollout.keep_snapshots,
        drain=lambda: here.settings().drain_timeout,
    )
    intake, writes = Holding(plane.dispatcher, plane.movement), Writes(plane.dispatcher)
    return CutOver(driver, fleet, intake, writes=writes, places=places, clock=here.clock)


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
