"""The composition root: the only file that sees every room.

It opens what is remembered, wires proxy, supervision and engine together, listens, minds the signals, and takes it all
down in order.  Decisions are made below; here stands only who knows whom.
"""

from __future__ import annotations

import asyncio
import gc
import socket
import uuid
from collections.abc import Callable, Coroutine, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import anyio
from anyio.abc import TaskGroup

from orchestrator import VERSION
from orchestrator.access.service import AccessService
from orchestrator.admission import Admission
from orchestrator.api.drill import Counters
from orchestrator.api.models import Status
from orchestrator.api.report import Report
from orchestrator.api.rollout_desk import RolloutDesk
from orchestrator.api.verbs import Verbs
from orchestrator.chronicle import Chronicle, feed_watchdog
from orchestrator.conducting.opened import open_conducting
from orchestrator.conducting.opened import start as start_conducting
from orchestrator.domain.errors import SettingsError, SwitchoverError
from orchestrator.domain.ports import Clock
from orchestrator.domain.protocol import Era, Place
from orchestrator.domain.rollouts import events as ev
from orchestrator.domain.rollouts.rollout import State
from orchestrator.doors import Doors, OpenControl, OpenHttp, Signals, reload_doors, signals
from orchestrator.engine.driver import Driver
from orchestrator.engine.executor import Executor
from orchestrator.engine.recovery import reached, recover
from orchestrator.flagging import Flagging
from orchestrator.flags.service import FlagsService
from orchestrator.founding import begin, trouble_in_founding
from orchestrator.in_force import InForce, take_over
from orchestrator.mirroring.opened import LiveMirroring
from orchestrator.others import Others
from orchestrator.paritying.live import Parity
from orchestrator.proxy.answers import Answers
from orchestrator.proxy.dispatch import Dispatcher
from orchestrator.proxy.gating import Gating
from orchestrator.proxy.intake import Intake
from orchestrator.proxy.link import WorkerLink
from orchestrator.proxy.lists import Lists
from orchestrator.proxy.movement import Movement
from orchestrator.proxy.session import Session
from orchestrator.proxy.session_value import SessionValue
from orchestrator.proxy.socket_session import SocketSession
from orchestrator.rehearsal.artifacts import FOLDER as UPGRADES
from orchestrator.sampling import Measuring
from orchestrator.settings import Flags, Paths, Settings, changed
from orchestrator.storage import Storage, make_runtime_dir, open_storage
from orchestrator.supervision.fleet import Fleet
from orchestrator.supervision.private_copy import sweep
from orchestrator.supervision.warden import MARK, Warden
from orchestrator.telemetry.clock import SteadyClock, SystemClock
from orchestrator.telemetry.logging import LogSetup, get_logger
from orchestrator.telemetry.sd_notify import Notify
from orchestrator.upgrades import Upgrades
from orchestrator.wiring import Wiring, care_of, limits_of, told_of
from state.directory import StateDirectory

log = get_logger("daemon")

LINGER = 0.1
"""Seconds in which a stopping daemon still answers, with a refusal, what was on its way when the last call ended."""

LAST_SECONDS = 2.0
"""Kept back from `stop.timeout` for closing files and sockets after the workers are gone."""


@dataclass(frozen=True, slots=True)
class Options:
    """What `switchover serve` was started with.

    Attributes:
        settings: all settings, resolved.
        paths: where things are.
        load: reads the settings again, for a reload; raises SettingsError.
        environ: the daemon's environment, which workers inherit.
        activated: listening sockets handed over by systemd, by name.
        notifier: tells systemd.
        logs: the running log, whose level a reload may change.
        announce: prints a line for the person who started the daemon.
    """

    settings: Settings
    paths: Paths
    load: Callable[[], Settings]
    environ: Mapping[str, str]
    activated: Mapping[str, socket.socket]
    notifier: Notify
    logs: LogSetup
    announce: Callable[[str], None]


class Daemon:
    """One running daemon; fits `api.app.Control`."""

    def __init__(
        self, options: Options, tasks: TaskGroup, storage: Storage, *, state: State, mark: str, clock: Clock
    ) -> None:
        """Wire the rooms together; nothing runs yet."""
        settings, paths = options.settings, options.paths
        self._options = options
        self._tasks = tasks
        self._storage = storage
        self._settings = settings
        self._stop_asked = anyio.Event()
        self._hurry = anyio.Event()
        self._exit_reason: str | None = None
        self._said_ready = False
        self._http: OpenHttp | None = None
        self._control: OpenControl | None = None
        self.dispatcher = Dispatcher(asyncio.get_running_loop(), limits_of(settings), clock.monotonic)
        self._movement = Movement(self.dispatcher)
        gating = Gating(self.dispatcher, self._movement)
        self._intake = Intake(self.dispatcher, gating)
        self._answers = Answers(self.dispatcher, self._movement, gating)
        lists = Lists(self.dispatcher, self._movement)
        self._wiring = Wiring(self.dispatcher, self._answers, lists, self._in_background)
        self._care = care_of(settings)
        self.fleet = Fleet(
            tasks,
            self._care,
            contract={MARK: mark, **told_of(settings, paths)},
            environment=options.environ,
            copies=paths.generations,
            link_factory=self._link,
            owner=self._wiring,
            clock=clock,
        )
        self.dispatcher.on_suspect = self.fleet.suspect
        self.dispatcher.isolated = settings.worker.isolation == "session"
        warm, idle = settings.worker.session_warm, settings.worker.session_idle
        self._others = Others(self.dispatcher, self.fleet, self._wiring.lists, self._link, warm=warm, idle=idle)
        executor = Executor(self.dispatcher, self.fleet, storage.store.desired)
        self.driver = self._wiring.driver = Driver(state, storage.journal, executor, clock, self._stepped)
        self._flagging = Flagging(settings, paths, storage, clock, lambda: self.dispatcher.table.revision)
        self._admission = Admission(settings, paths, self._flagging.service, clock, gating)
        self.samples = Measuring(settings, paths, self.dispatcher, self.fleet, clock)
        self.verbs = Verbs(self.driver, settings.worker.source)
        here = InForce(lambda: self._settings, lambda: self.driver.state, paths, {**options.environ, MARK: mark}, clock)
        tell = self._flagging.tell
        self.upgrades = Upgrades(tasks, here, flags=self.flags, dispatcher=self.dispatcher, tell=tell)
        self.mirroring = LiveMirroring(tasks, self.dispatcher, here)
        self.parity = Parity(tasks, self.mirroring.mirror, here)
        self.conducting = open_conducting(
            tasks, self.driver, clock, environ=options.environ, flags=self.flags, harness=self.upgrades,
            samples=self.samples, mirror=self.mirroring, clean_for=self.parity.clean_for, dispatcher=self.dispatcher,
            movement=self._movement, fleet=self.fleet, settings=lambda: self._settings, paths=paths,
        )  # fmt: skip
        self.rollouts = RolloutDesk(
            self.driver, self.verbs, registry=lambda: self.flags.registry, settings=lambda: self._settings.rollout,
            runs=paths.state_dir / UPGRADES, counters=Counters.of(self.dispatcher), stands=self.conducting.flags.stands,
            clock=clock, journal=storage.journal, looks=self.samples.keeping.store, lost=self.conducting.cut.lost,
        )  # fmt: skip
        self.guard, self.rollouts.latest = self.conducting.guard, self.conducting.guard.latest
        places = {"log_file": paths.log_file, "tools_socket": paths.tools_socket, "analytics": paths.analytics}
        self._report = Report(
            self.driver, self.dispatcher, self.fleet, clock, self.flags, version=VERSION, places=places
        )
        self._report.mirror, self.mirroring.sink = self.mirroring.metrics, self.samples.bus
        self._chronicle = Chronicle(tasks, storage, options.notifier, paths.analytics, self.status)
        self._chronicle.notice = self._flagging.tell

    # --- one life -----------------------------------------------------------------------------

    async def run(self) -> int:
        """Serve until asked to stop; return the exit status."""
        self._tasks.start_soon(self.driver.run)
        self._tasks.start_soon(self._others.watch)
        await self._flagging.start(self._tasks, self.fleet)
        self._tasks.start_soon(self._admission.run)
        self.samples.start(self._tasks)
        await self.parity.resume()
        await start_conducting(self.conducting, self.driver, self._tasks)
        paths, sockets = self._options.paths, self._settings.sockets
        doors = Doors(paths, sockets, self._options.activated, self._admission.access)
        with signals(Signals(self._tasks, self, self._options.notifier, lambda: self._said_ready).handlers()):
            tool_plane = doors.tool_plane(self._session)
            http_plane = doors.http_plane(self._settings, self._intake, self.dispatcher)
            async with tool_plane, http_plane as self._http:
                await begin(self.driver, self.verbs, self._settings.worker, self._options.announce)
                async with doors.control_plane(self, self._settings) as self._control:
                    self._tasks.start_soon(self._see_to_founding)
                    self._tasks.start_soon(
                        feed_watchdog,
                        self._options.notifier,
                        lambda: self.unready() is None or self.dispatcher.stopping or self.dispatcher.held,
                        lambda: self._care.start_timeout,
                    )
                    await self._stop_asked.wait()
                    return await self._stop()

    async def _see_to_founding(self) -> None:
        """End the daemon when the worker it was started around never becomes ready."""
        trouble = await trouble_in_founding(self.driver)
        if trouble is not None:
            self._exit_reason = f"the worker did not start: {trouble}"
            self._stop_asked.set()

    def _say_ready(self) -> None:
        """Tell systemd and the log, once, when the active worker can be called."""
        if self._said_ready or self.unready() is not None:
            return
        self._said_ready = True
        gc.collect()
        gc.freeze()  # what lives now lives on: the collector need not look at it with every call
        self._options.notifier.ready()
        place = self._options.paths.tools_socket
        log.info("ready", generation=self.dispatcher.table.active, tools_socket=str(place))

    async def _stop(self) -> int:
        """Drain, stop the workers, and say how it went; `_hurry` cuts every wait short."""
        self._options.notifier.stopping()
        settings = self._settings
        grace = settings.worker.stop_grace
        drain = max(0.0, settings.stop.timeout - grace.close_stdin - grace.terminate - LAST_SECONDS)
        self.dispatcher.stopping = True
        self._movement.end_listeners()
        self.upgrades.stop()
        self.conducting.cut.stop()
        log.info("stopping", in_flight=len(self.dispatcher.ledger.open), drain=drain)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._on_hurry, tasks.cancel_scope)
            with anyio.move_on_after(0.0 if self._exit_reason else drain):
                await self.dispatcher.ledger.drained()
                await anyio.sleep(LINGER)
            self.dispatcher.abandon("the daemon stops")
            for session in list(self.dispatcher.sessions.values()):
                session.close()
            await self.fleet.stop(drain=0)
            tasks.cancel_scope.cancel()
        await self.upgrades.close(at_once=self._hurry.is_set())
        await self.parity.close()
        await self.mirroring.close()
        await self._flagging.close()
        await self.samples.close()
        if self._hurry.is_set():
            self.dispatcher.abandon("the daemon was stopped at once")
            await self.fleet.kill()
        if self._exit_reason:
            self._options.announce(self._exit_reason)
        log.info("stopped", at_once=self._hurry.is_set())
        return 1 if self._exit_reason or self._hurry.is_set() else 0

    async def _on_hurry(self, scope: anyio.CancelScope) -> None:
        await self._hurry.wait()
        scope.cancel()

    def _in_background(self, work: Callable[..., Coroutine[Any, Any, None]], argument: Any) -> None:
        self._tasks.start_soon(work, argument)

    # --- what others are given ----------------------------------------------------------------

    def _session(self) -> SocketSession:
        value = SessionValue(id=uuid.uuid4().hex[:12], opened=SystemClock().wall())
        limits = self._settings.limits
        return SocketSession(value, self._intake, self.dispatcher.turn, limits.line_bytes, limits.client_backlog_bytes)

    def _link(self, generation: int, on_eof: Callable[[], None], session: Session | None = None) -> WorkerLink:
        limits = self._settings.limits
        return WorkerLink(
            generation,
            self._answers,
            self.dispatcher.turn,
            line_bytes=limits.line_bytes,
            backlog_bytes=limits.worker_backlog_bytes,
            on_eof=on_eof,
            session=session,
        )

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
        return self._report.status("; ".join(filter(None, (self._storage.trouble, self.samples.trouble))) or None)

    def metrics(self) -> bytes:
        """Return the Prometheus text."""
        from orchestrator.telemetry.metrics import render  # noqa: PLC0415 - loaded when somebody asks; it takes a while

        return render(self._report.metrics())

    def unready(self) -> str | None:
        """Say why calls cannot be served now, None when they can."""
        if self.dispatcher.stopping:
            return "the daemon is stopping"
        active = self.dispatcher.table.active
        if active is None or all(Place(active, era) not in self.dispatcher.links for era in Era):
            return f"the worker of generation {active} is not ready"
        return None

    def request_stop(self, actor: str) -> None:
        """Begin to drain and stop; asked again, stop at once."""
        log.info("stop asked", actor=actor, again=self._stop_asked.is_set())
        (self._hurry if self._stop_asked.is_set() else self._stop_asked).set()

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
        take_over(self.dispatcher.limits, limits_of(fresh))
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
            self.dispatcher.forget(number)
            self._wiring.lists.forget(number)
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
