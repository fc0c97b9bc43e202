"""The flags put together: registry file, store, pages, push socket, poll, and those who are told of changes.

Above: `daemon`.  Below: `flags`, `notify`, the store behind `storage`, the fleet for the workers there are.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from anyio.abc import TaskGroup

from orchestrator.domain.errors import SwitchoverError
from orchestrator.domain.flags.declaration import Registry
from orchestrator.domain.flags.flags import FlagSet, stored_flaws
from orchestrator.domain.flags.report import Finding
from orchestrator.domain.ports import Clock
from orchestrator.flags.book import Book
from orchestrator.flags.poll import beat, poll
from orchestrator.flags.publisher import Publisher
from orchestrator.flags.registry_file import Declared, read_registry
from orchestrator.flags.reminders import Reminders
from orchestrator.flags.service import FlagsService
from orchestrator.flags.told import WorkerSeen
from orchestrator.notify.notifier import Notifier
from orchestrator.notify.options import NotifyOptions
from orchestrator.settings import Paths, Settings
from orchestrator.storage import Storage
from orchestrator.supervision.fleet import Fleet
from orchestrator.supervision.keeper import Keeper
from orchestrator.telemetry.logging import get_logger

log = get_logger("daemon")


class Flagging:
    """The daemon's flags.

    Attributes:
        service: changes and reads them.
        notifier: tells others of changes.
    """

    def __init__(
        self, settings: Settings, paths: Paths, storage: Storage, clock: Clock, revision: Callable[[], int]
    ) -> None:
        """Put them together; nothing runs yet.

        Args:
            settings: their sections `flags` and `notify`.
            paths: where the page is.
            storage: holds the store.
            clock: for records and conditions on the time.
            revision: the routing table's, for the audit.

        Raises:
            SettingsError: the registry file cannot be read, or a destination cannot be used.
        """
        store = storage.store.flags
        declared = read_registry(settings.flags.file)
        _say(declared)
        self.notifier = Notifier(store, options_of(settings), clock)
        self._declared = declared.registry  # the newest that was read; the service may still be taking it over
        lost = storage.trouble is not None
        book = Book(declared.registry, store, clock, lambda: self.notifier.names, revision, lost=lost)
        self.fleet: Fleet | None = None
        self.service = FlagsService(book, Publisher(paths.flags.parent), clock, self._workers)
        self.service.notices.bell = self.notifier.wake
        self._poll, self._before = settings.flags.poll, settings.flags.remind_before
        self._store, self._clock = store, clock
        self._reminders = Reminders(self.service, storage.store.desired, clock, lambda: self._before, self._remind)

    async def start(self, tasks: TaskGroup, fleet: Fleet) -> None:
        """Publish the stored flags and keep them: heartbeat, poll, deliveries run in `tasks` from now on."""
        self.fleet = fleet
        await self.service.start()
        tasks.start_soon(beat, self.service)
        tasks.start_soon(poll, self.service, self._poll)
        tasks.start_soon(self.notifier.run)
        tasks.start_soon(self._wake)
        tasks.start_soon(self._reminders.run)

    def prepare(self, fresh: Settings, tasks: TaskGroup, actor: str) -> Callable[[], list[str]]:
        """Read what a reload would change and return how to take it over, which cannot fail any more.

        What it returns takes over and says what of the declarations is new, gone or different.

        Raises:
            SettingsError: the registry file or a destination cannot be used; everything stays as it is.
        """
        declared = read_registry(fresh.flags.file)
        told = options_of(fresh)
        told.check()

        def take_over() -> list[str]:
            _say(declared)
            news = list(_news(self._declared, declared.registry, self.service.flags))
            self._declared = declared.registry
            self._before = fresh.flags.remind_before
            try:
                self.notifier.reload(told)
            except SwitchoverError as error:  # the file of the secret was changed since it was checked
                log.error("those who are told of flags stay as they were", actor=actor, reason=str(error))  # noqa: TRY400
            tasks.start_soon(self._reload, declared, actor)
            return news

        return take_over

    async def close(self) -> None:
        """Let go of readers in good order: they serve safe values until there is a daemon again."""
        await self.service.close()

    async def _reload(self, declared: Declared, actor: str) -> None:
        try:
            await self.service.reload(declared.registry, actor=actor)
        except SwitchoverError as error:
            self._declared = self.service.registry
            log.error("registry not taken over, the old one stays", actor=actor, reason=str(error))  # noqa: TRY400

    async def _wake(self) -> None:
        """Have notices delivered as soon as there are any."""
        while True:  # a subscription ends for whoever is far behind; this one needs no single change
            async for _ in self.service.subscribe():
                self.notifier.wake()

    async def _remind(self, finding: Finding) -> None:
        """Have everybody told of a flag that expires."""
        told = {"event": "flag.expiring", "flag": finding.key, "kind": finding.kind, "detail": finding.detail}
        await self.tell(finding.key, told)

    async def tell(self, about: str, told: Mapping[str, Any]) -> None:
        """Have everybody told of what is no change of a flag.

        Args:
            about: what is told of one thing is told in order: a flag, or the name of something else.
            told: what: its `event`, and a sentence as `detail`; the time is added.

        Raises:
            ValueError: a part of it cannot be stored.
        """
        now = self._clock.wall()
        at = dt.datetime.fromtimestamp(now, dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        await self._store.outbox_add(about, {**told, "at": at}, self.notifier.names, now)
        self.notifier.wake()

    def _workers(self) -> Iterator[WorkerSeen]:
        """Yield the workers that are ready: those that are being started will read the newest page."""
        if self.fleet is not None:
            for keeper in (*self.fleet.keepers.values(), *self.fleet.others.values()):
                yield from _ready(keeper)


def _ready(keeper: Keeper) -> Iterator[WorkerSeen]:
    if keeper.process is not None and keeper.ready_at is not None:
        yield WorkerSeen(keeper.process.pid, keeper.generation.number)


def _say(declared: Declared) -> None:
    for problem in declared.problems:
        log.error("flag declared wrongly, it answers its safe value", problem=problem)


def options_of(settings: Settings) -> NotifyOptions:
    """Return who is told of changes, and how."""
    told = settings.notify
    return NotifyOptions(
        webhooks=told.webhooks,
        secret=told.secret,
        secret_file=told.secret_file,
        apprise=told.apprise,
        retry_initial=told.retry_initial,
        retry_cap=told.retry_cap,
        give_up_after=told.give_up_after,
    )


def _news(before: Registry, after: Registry, flags: FlagSet) -> Iterator[str]:
    """Say in a word each which declarations differ, and why flags cannot be used that could be before."""
    known = {*before.declarations, *before.invalid}
    flaws = {**stored_flaws(after, flags), **after.invalid}
    flaws_before = {**stored_flaws(before, flags), **before.invalid}
    for key in sorted({*known, *after.declarations, *after.invalid}):
        if key in flaws:
            if flaws_before.get(key) != flaws[key]:
                yield f"flag {after.fall_of(key, flaws[key])}"
        elif key in flaws_before and key in after.declarations:
            yield f"flag {key} can be used again"
        elif key not in after.declarations:
            yield f"flag {key} is gone"
        elif key not in known:
            yield f"flag {key} is new"
        elif before.declarations[key] != after.declarations[key]:
            yield f"flag {key} is declared anew"
