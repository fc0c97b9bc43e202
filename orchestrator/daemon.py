"""The composition root: the only file that sees every room.

It opens what is remembered, wires proxy, supervision and engine together, listens, minds the signals, and takes it all
down in order.  Decisions are made below; here stands only who knows whom.
"""

from __future__ import annotations

import gc
import uuid
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from typing import Any

import anyio
from anyio.abc import TaskGroup

from orchestrator import VERSION
from orchestrator.access.service import AccessService
from orchestrator.admission import Admission
from orchestrator.api.models import Status
from orchestrator.api.report import Report
from orchestrator.api.rollouts.desk import RolloutDesk
from orchestrator.api.verbs import Verbs
from orchestrator.chronicle import Chronicle, feed_watchdog
from orchestrator.conducting.conductor import Conducting
from orchestrator.conducting.opened import open_conducting, open_desk
from orchestrator.conducting.opened import start as start_conducting
from orchestrator.domain.errors import SettingsError, SwitchoverError
from orchestrator.domain.ports import Clock
from orchestrator.domain.rollouts import events as ev
from orchestrator.domain.rollouts.rollout import State
from orchestrator.doors import Doors, OpenControl, OpenHttp, Signals, reload_doors, signals
from orchestrator.ending import Ending
from orchestrator.engine.driver import Driver
from orchestrator.engine.executor import Executor
from orchestrator.engine.recovery import reached, recover
from orchestrator.flagging import Flagging
from orchestrator.flags.service import FlagsService
from orchestrator.founding import begin, trouble_in_founding
from orchestrator.in_force import InForce, take_over
from orchestrator.mirroring.opened import LiveMirroring
from orchestrator.options import Options
from orchestrator.paritying.live import Parity
from orchestrator.sampling import Measuring
from orchestrator.settings import Flags, changed
from orchestrator.storage import Storage, make_runtime_dir, open_storage
from orchestrator.supervision.private_copy import sweep
from orchestrator.supervision.warden import MARK, Warden
from orchestrator.telemetry.clock import SteadyClock
from orchestrator.telemetry.logging import get_logger
from orchestrator.telemetry.measured import StorageCounts
from orchestrator.tool_plane import ToolPlane
from orchestrator.untold import tell_untold
from orchestrator.upgrades import Upgrades
from orchestrator.wiring import Wiring, care_of, open_fleet, others_of
from state.directory import StateDirectory

log = get_logger("daemon")


class Daemon:
    """One running daemon; fits `api.app.Control`."""

    def __init__(
        self, options: Options, tasks: TaskGroup, storage: Storage, *, state: State, mark: str, clock: Clock
    ) -> None:
        """Wire the rooms together; nothing runs yet."""
        settings, paths = options.settings, options.paths
        self._options, self._tasks, self._storage, self._clock = options, tasks, storage, clock
        self._settings = settings
        self._ending = Ending()
        self._said_ready = False
        self._http: OpenHttp | None = None
        self._control: OpenControl | None = None
        environment = {**options.environ, MARK: mark}
        here = InForce(lambda: self._settings, lambda: self.driver.state, paths, environment, clock)
        self._plane = plane = ToolPlane(settings, clock)
        self.dispatcher = plane.dispatcher
        self._wiring = Wiring(plane.dispatcher, plane.answers, plane.lists, self._in_background)
        self._care = care_of(settings)
        self.fleet = open_fleet(tasks, self._care, plane, here, owner=self._wiring, inherited=options.environ)
        self._others = others_of(settings, plane, self.fleet)
        executor = Executor(self.dispatcher, self.fleet, storage.store.desired)
        self.driver = self._wiring.driver = Driver(state, storage.journal, executor, clock, self._stepped)
        self.verbs = Verbs(self.driver, settings.worker.source)
        self._flagging = Flagging(settings, paths, storage, clock, lambda: self.dispatcher.table.revision)
        self._admission = Admission(settings, paths, self.flags, clock, plane.gating)
        self.samples = Measuring(settings, paths, self.dispatcher, self.fleet, clock)
        self.mirroring = LiveMirroring(tasks, self.dispatcher, here)
        self.parity = Parity(tasks, self.mirroring.mirror, here)
        tell = self._flagging.tell
        self.upgrades = Upgrades(tasks, here, flags=self.flags, dispatcher=self.dispatcher, tell=tell)
        plane.own.is_own = self.upgrades.runs
        self.conducting, self.rollouts = self._rollouts_of(here)
        self.guard, self.mirroring.sink = self.conducting.guard, self.samples.bus
        self.mirroring.wants_pairs = self.samples.wants_pairs
        self._report = Report(self.driver, self.dispatcher, self.fleet, clock, self.flags, version=VERSION, paths=paths)
        self._report.mirror = self.mirroring.metrics
        self._report.storage = lambda: StorageCounts(storage.lost, storage.restored)
        self._chronicle = Chronicle(tasks, storage, options.notifier, paths.analytics, self.status)
        self._chronicle.notice = tell

    def _rollouts_of(self, here: InForce) -> tuple[Conducting, RolloutDesk]:
        """Return who has a rollout's wishes seen to, and who takes in what people ask of one."""
        conducting = open_conducting(
            self._tasks, self.driver, here, self._plane, self.fleet, flags=self.flags, samples=self.samples,
            harness=self.upgrades, mirror=self.mirroring, compares=self.parity,
            environ=self._options.environ,
        )  # fmt: skip
        desk = open_desk(
            conducting, self.driver, here, self.dispatcher, flags=self.flags, samples=self.samples, verbs=self.verbs,
            journal=self._storage.journal,
        )  # fmt: skip
        return conducting, desk

    # --- one life -----------------------------------------------------------------------------

    async def run(self) -> int:
        """Serve until asked to stop; return the exit status."""
        await tell_untold(self._storage, self._flagging.tell, self._clock.wall())
        self._tasks.start_soon(self.driver.run)
        self._tasks.start_soon(self._others.watch)
        self._tasks.start_soon(self._storage.watch)
        await self._flagging.start(self._tasks, self.fleet)
        self._tasks.start_soon(self._admission.run)
        self.samples.start(self._tasks)
        await self.parity.resume()
        await start_conducting(self.conducting, self.driver, self._tasks)
        paths, sockets = self._options.paths, self._settings.sockets
        doors = Doors(paths, sockets, self._options.activated, self._admission.access)
        with signals(Signals(self._tasks, self, self._options.notifier, lambda: self._said_ready).handlers()):
            tool_plane = doors.tool_plane(self._plane.session)
            http_plane = doors.http_plane(self._settings, self._plane.intake, self.dispatcher)
            async with tool_plane, http_plane as self._http:
                await begin(self.driver, self.verbs, self._settings.worker, self._options.announce)
                async with doors.control_plane(self, self._settings) as self._control:
                    self._tasks.start_soon(self._see_to_founding)
                    watchdog = self._options.notifier, self._is_well, lambda: self._care.start_timeout
                    self._tasks.start_soon(feed_watchdog, *watchdog)
                    await self._ending.asked()
                    return await self._stop()

    async def _see_to_founding(self) -> None:
        """End the daemon when the worker it was started around never becomes ready."""
        trouble = await trouble_in_founding(self.driver)
        if trouble is not None:
            self._ending.fail(f"the worker did not start: {trouble}")

    def _is_well(self) -> bool:
        """Say whether calls are served, or by right are not."""
        return self.unready() is None or self.dispatcher.stopping or self.dispatcher.held

    def _say_ready(self) -> None:
        """Tell systemd and the log, once, when the active worker can be called."""
        if self._said_ready or self.unready() is not None:
            return
        self._said_ready = True
        gc.collect()
        gc.freeze()  # what was made of all that was loaded lives on, too: the collector need not look at it again
        self._options.notifier.ready()
        place = self._options.paths.tools_socket
        log.info("ready", generation=self.dispatcher.table.active, tools_socket=str(place))

    async def _stop(self) -> int:
        """Drain, stop the workers, and say how it went."""
        self._options.notifier.stopping()
        self.dispatcher.stopping = True
        self._plane.movement.end_listeners()
        self.upgrades.stop()
        self.conducting.cut.stop()
        await self._ending.drain(self.dispatcher, self.fleet, self._settings)
        await self.upgrades.close(at_once=self._ending.is_at_once)
        await self.parity.close()
        await self.mirroring.close()
        await self._flagging.close()
        await self.samples.close()
        if self._ending.is_at_once:
            self.dispatcher.abandon("the daemon was stopped at once")
            await self.fleet.kill()
        if self._ending.trouble:
            self._options.announce(self._ending.trouble)
        log.info("stopped", at_once=self._ending.is_at_once)
        return self._ending.status

    def _in_background(self, work: Callable[..., Coroutine[Any, Any, None]], argument: Any) -> None:
        self._tasks.start_soon(work, argument)

    # --- what the control API asks ------------------------------------------------------------

    @property
    def flags(self) -> FlagsService:
        """The flags."""
        return self._flagging.service

    @property
    def access(self) -> AccessService:
        """Who makes tokens, and reads them."""
        return self._admission.access

    @property
    def flag_settings(self) -> Flags:
        """What the configuration says about them."""
        return self._settings.flags

    def status(self) -> Status:
        """Say how things stand."""
        storage = self._storage
        trouble = "; ".join(filter(None, (storage.trouble, *storage.lost.values(), self.samples.trouble)))
        return self._report.status(trouble or None)

    def metrics(self) -> bytes:
        """Return the Prometheus text."""
        from orchestrator.telemetry.metrics import render  # noqa: PLC0415 - loaded when somebody asks; it takes a while

        return render(self._report.metrics())

    def unready(self) -> str | None:
        """Say why calls cannot be served now, None when they can."""
        return self._plane.unready()

    def request_stop(self, actor: str) -> None:
        """Begin to drain and stop; asked again, stop at once."""
        self._ending.ask(actor)

    def reload(self, actor: str) -> str:
        """Read the configuration again and take over what may change while running.

        Raises:
            SettingsError: it is bad; the old one stays in force.
        """
        try:
            fresh = self._options.load()
            take_flags = self._flagging.prepare(fresh, self._tasks, actor)
            reload_doors(self._http, self._control, settings=fresh)
        except SettingsError as error:
            log.error("configuration not reloaded, the old one stays", actor=actor, reason=str(error))  # noqa: TRY400
            raise
        taken, _ = changed(self._settings, fresh)
        _, later = changed(self._options.settings, fresh)
        self._plane.reload(fresh)
        take_over(self._care, care_of(fresh))
        self._others.idle = fresh.worker.session_idle
        taken = [*taken, *take_flags()]
        self._admission.reload(fresh)
        self.samples.reload(fresh)
        self._options.logs.set_level(fresh.log.level)
        self._settings = fresh
        self.mirroring.reload()
        log.info("configuration reloaded", actor=actor, changed=taken, needs_restart=later)
        told = f"changed: {', '.join(taken) or 'nothing'}"
        return f"{told}; in force only after a restart: {', '.join(later)}" if later else told

    def _stepped(self, event: ev.Event, before: State, after: State) -> None:
        for number in before.generations.keys() - after.generations.keys():
            self._plane.forget(number)
        self._report.stepped(before, after)
        self._chronicle.stepped(event, before, after, self.rollouts.stepped(event, before, after))
        self._say_ready()


async def serve(options: Options) -> int:
    """Run one daemon from taking the state directory to letting it go; return the exit status.

    Raises:
        StorageError: the state directory cannot be used, or another daemon owns it.
        StartError: there is nothing to serve, or a socket is taken.
    """
    async with AsyncExitStack() as stack:
        directory = stack.enter_context(StateDirectory.open(options.paths.state_dir))
        make_runtime_dir(options.paths)
        storage = await open_storage(directory, stack)
        mark = uuid.uuid4().hex
        warden = Warden(mark)
        stack.callback(warden.goodbye)
        state = await recover(storage.journal, storage.store.desired)
        clock = SteadyClock(await reached(storage.journal))
        sweep(options.paths.generations, state.generations)
        failure: SwitchoverError | None = None
        status = 1
        async with anyio.create_task_group() as tasks:
            try:
                status = await Daemon(options, tasks, storage, state=state, mark=mark, clock=clock).run()
            except SwitchoverError as error:  # said as one sentence, not as a group of errors
                failure = error
            finally:
                tasks.cancel_scope.cancel()
        if failure is not None:
            raise failure
    return status
