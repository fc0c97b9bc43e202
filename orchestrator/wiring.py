"""The joints between rooms that do not know each other: supervision's word becomes the proxy's and the engine's.

Above: `daemon`.  Below: engine, `tool_plane`, `others`, supervision, `rehearsal.redact`, settings.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import anyio
from anyio.abc import TaskGroup

from orchestrator.access.key import Purpose, key_for, load_key
from orchestrator.domain.compatibility import Surface, compare
from orchestrator.domain.errors import RequestFailedError, StartError
from orchestrator.domain.lifecycle import Backoff
from orchestrator.domain.ports import Link
from orchestrator.domain.protocol import Era, Place
from orchestrator.domain.rollouts import events as ev
from orchestrator.engine.driver import Driver
from orchestrator.in_force import InForce
from orchestrator.others import Others
from orchestrator.proxy.answers import Answers
from orchestrator.proxy.dispatch import Dispatcher
from orchestrator.proxy.link import WorkerLink
from orchestrator.proxy.lists import Lists
from orchestrator.proxy.restoring import restore
from orchestrator.rehearsal.redact import Lines, Redactor, known_secrets
from orchestrator.settings import Paths, Settings
from orchestrator.supervision.care import Care, KeeperOwner
from orchestrator.supervision.fleet import Fleet
from orchestrator.supervision.process import Grace
from orchestrator.supervision.readiness import learn
from orchestrator.supervision.stderr import Hiding
from orchestrator.supervision.warden import MARK
from orchestrator.telemetry.logging import get_logger
from orchestrator.tool_plane import ToolPlane

log = get_logger("daemon")

SHOWN = 10
"""Differences a refusal names."""

CALM = 1.0
"""Seconds between two readings of a worker's lists: some workers say `list_changed` whenever a list is read."""

Spawn = Callable[[Callable[..., Coroutine[Any, Any, None]], Any], None]
"""How to run a coroutine function with one argument in the background."""


class Wiring:
    """Hears from keepers and links; fits `supervision.care.KeeperOwner`."""

    def __init__(self, dispatcher: Dispatcher, answers: Answers, lists: Lists, spawn: Spawn) -> None:
        """Build the joint; `driver` is set once it exists."""
        self.driver: Driver | None = None
        self.lists = lists
        self._surfaces: dict[Place, Surface] = {}
        self._reading: set[WorkerLink] = set()
        self._again: set[WorkerLink] = set()
        self._dispatcher = dispatcher
        self._spawn = spawn
        answers.on_list_changed = self._list_changed

    def ready(self, generation: int, link: Link) -> None:
        """Take a ready worker into service, then tell the engine; a candidate that breaks clients is turned away."""
        assert isinstance(link, WorkerLink)  # noqa: S101 - the daemon's link factory makes no other
        refusal = self._refusal(generation, link)
        if refusal:
            log.warning("candidate would break clients", generation=generation, reason=refusal)
            self._post(ev.GenerationFailed(generation, refusal))
            return
        if not self._dispatcher.isolated and link.era is Era.HANDSHAKE:
            for session in list(self._dispatcher.sessions.values()):
                restore(link, session)  # before the calls that wait for it
        self._dispatcher.attach(link)
        self._learned(link)
        log.info("worker ready", generation=generation, server=link.handshake.get("serverInfo"))
        self._post(ev.GenerationReady(generation))

    def suspended(self, link: Link) -> None:
        """Send a worker nothing more."""
        assert isinstance(link, WorkerLink)  # noqa: S101 - likewise
        self._dispatcher.suspend(link)

    def lost(self, link: Link, reason: str) -> None:
        """Account for a lost worker's calls."""
        assert isinstance(link, WorkerLink)  # noqa: S101 - likewise
        self._dispatcher.detach(link, reason)

    def down(self, generation: int, reason: str) -> None:
        """Tell the engine that a worker is being started again; its calls wait."""
        self._post(ev.GenerationDown(generation, reason))

    def failed(self, generation: int, reason: str) -> None:
        """Fail the calls that would wait in vain, and tell the engine."""
        self._dispatcher.give_up(generation, reason)
        self._post(ev.GenerationFailed(generation, reason))

    def _post(self, event: ev.Event) -> None:
        if self.driver is not None:
            self.driver.post(event)

    def _refusal(self, generation: int, link: WorkerLink) -> str:
        """Say what clients of the active generation would miss behind this candidate, "" when nothing or allowed."""
        state = self.driver.state if self.driver is not None else None
        if state is None or state.candidate != generation or state.allow_breaking:
            return ""
        active = state.table.active
        surface = self._surfaces.get(Place(active, link.era)) if active is not None else None
        if surface is None:
            return ""
        changes = compare(surface, link.surface())
        if not changes.breaking:
            return ""
        also = f"; additive: {', '.join(changes.additive[:SHOWN])}" if changes.additive else ""
        return (
            f"it would break clients of generation {active} (pass --allow-breaking if that is meant): "
            f"{', '.join(changes.breaking[:SHOWN])}{also}"
        )

    def _learned(self, link: WorkerLink) -> None:
        """Note what a worker shows; the surface outlives it, for a candidate that comes while it is started again."""
        if self.driver is not None:
            kept = {*self.driver.state.generations, link.generation}
            self._surfaces = {place: shown for place, shown in self._surfaces.items() if place.generation in kept}
        if link.session is None:  # what one session is shown is no word on the generation
            self._surfaces[Place(link.generation, link.era)] = link.surface()
        self.lists.learned(link)

    def _list_changed(self, link: WorkerLink, _kind: str) -> None:
        """Read a worker's lists again: one reader at a time, once more if it said so meanwhile."""
        if link in self._reading:
            self._again.add(link)
            return
        self._reading.add(link)
        self._spawn(self._learn_again, link)

    async def _learn_again(self, link: WorkerLink) -> None:
        try:
            more = True
            while more:
                self._again.discard(link)
                await learn(link)
                self._learned(link)
                await anyio.sleep(CALM)
                more = link in self._again
        except (StartError, RequestFailedError) as error:
            log.info("lists not read again", generation=link.generation, reason=str(error))
        finally:
            self._reading.discard(link)
            self._again.discard(link)


def open_fleet(
    tasks: TaskGroup, care: Care, plane: ToolPlane, here: InForce, *, owner: KeeperOwner, inherited: Mapping[str, str]
) -> Fleet:
    """Return who runs workers; the tool plane learns whom to tell of one that it suspects.

    Args:
        tasks: where they are looked after.
        care: how.
        plane: has the ends of their pipes.
        here: their places, the daemon's mark, the time.
        owner: is told what becomes of them.
        inherited: the environment that they inherit.
    """
    fleet = Fleet(
        tasks,
        care,
        contract={MARK: here.environment[MARK], **told_of(here.settings(), here.paths)},
        environment=inherited,
        copies=here.paths.generations,
        link_factory=plane.link,
        owner=owner,
        clock=here.clock,
        hiding=hiding_of(here),
    )
    plane.dispatcher.on_suspect = fleet.suspect
    return fleet


def hiding_of(here: InForce) -> Hiding:
    """Return who takes secrets and personal data out of what workers write to stderr, while `log.redact` says so.

    Raises:
        SettingsError: the key of the hashes cannot be used.
    """
    key = key_for(Purpose.LOG, load_key(here.settings().access.key_file, here.paths.state_dir))

    def hiding(environment: Mapping[str, str]) -> Callable[[str], str]:
        lines = Lines(Redactor(key, known_secrets(environment)))
        return lambda line: lines.text(line) if here.settings().log.redact else line

    return hiding


def others_of(settings: Settings, plane: ToolPlane, fleet: Fleet) -> Others:
    """Return who has workers started beside a generation's own."""
    warm, idle = settings.worker.session_warm, settings.worker.session_idle
    return Others(plane.dispatcher, fleet, plane.lists, plane.link, warm=warm, idle=idle)


def care_of(settings: Settings) -> Care:
    """Return how processes are looked after."""
    worker, restart = settings.worker, settings.restart
    return Care(
        start_timeout=worker.start_timeout,
        drain_timeout=settings.drain_timeout,
        ping_timeout=settings.health.ping_timeout,
        after_deadlines=settings.health.after_deadlines,
        starts=worker.session_starts,
        strict_fingerprint=worker.strict_fingerprint,
        stderr_line_bytes=settings.limits.stderr_line_bytes,
        grace=Grace(worker.stop_grace.close_stdin, worker.stop_grace.terminate),
        backoff=Backoff(
            initial=restart.initial,
            factor=restart.factor,
            cap=restart.cap,
            jitter=restart.jitter,
            intensity=restart.intensity,
            period=restart.period,
            stable_after=restart.stable_after,
        ),
    )


def told_of(settings: Settings, paths: Paths) -> dict[str, str]:
    """Return what every serving worker is told of its places; the directory of its state is made."""
    state = settings.worker.state or paths.worker_state
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    told = {"SWITCHOVER_WORKER_STATE": state, "SWITCHOVER_FLAGS": paths.flags, "SWITCHOVER_ANALYTICS": paths.analytics}
    return {name: str(path) for name, path in told.items()}
