"""The flags service: the one door through which flags are changed and asked, for the API, the engine and timers alike.

A change is decided by `domain.flags.apply`, written in one transaction, published to every page, pushed to every reader
and told to every listener, in this order; all changes go one after the other.  What moves to safety (a reset, the kill
switch) takes effect even when it cannot be written: it is said, and written as soon as that is possible.

Above: `api`, `daemon`.  Below: `book` (store), `publisher` (pages), `readers` (acknowledgements), `domain`.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from switchover_kit.decision import Decision

from orchestrator.domain.flags.change import Change, FlagRefusedError, Reset, SetValue, Target
from orchestrator.domain.flags.declaration import Registry
from orchestrator.domain.flags.document import document, payload
from orchestrator.domain.flags.flags import FlagSet, apply, chosen, declared, parse, resets, values_of
from orchestrator.domain.flags.report import Finding
from orchestrator.domain.flags.values import Value, show
from orchestrator.domain.ports import Clock
from orchestrator.flags.book import Book
from orchestrator.flags.deciding import Deciding
from orchestrator.flags.exchange import exported, imported
from orchestrator.flags.news import News
from orchestrator.flags.notices import Notices
from orchestrator.flags.past import Past
from orchestrator.flags.publisher import LIVE, Publisher
from orchestrator.flags.readers import Readers
from orchestrator.flags.reason import Reason
from orchestrator.flags.told import Applied, AsOf, Changed, FlagsStatus, FlagView, Remembered, WorkerSeen
from orchestrator.flags.turns import Turns
from orchestrator.flags.views import findings_of, views_of

VIEW: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
"""Names of pinned views: they become file names."""


class FlagsService:
    """Live flags.  Every method is to be called on the event loop.

    Attributes:
        readers: the processes that say what they have applied.
        notices: what others were told of changes, or could not be.
        since: when looking at the flags' use began, seconds since the Unix epoch.
    """

    def __init__(
        self,
        book: Book,
        publisher: Publisher,
        clock: Clock,
        workers: Callable[[], Iterable[WorkerSeen]] = tuple,
    ) -> None:
        """Build the service; `start` brings it to life.

        Args:
            book: what is declared and stored.
            publisher: writes the pages.
            clock: for records and for conditions on the time.
            workers: the daemon's own worker processes, to name those that never connected.
        """
        self._book = book
        self._past = Past(book)
        self.notices = Notices(book.store, clock)
        self._publisher = publisher
        self._clock = clock
        self._workers = workers
        self._news = News()
        self._deciding = Deciding()
        self._turns = Turns()
        self._changes = 0
        self._published = -1
        self.since = clock.wall()
        self.readers = Readers(clock.wall, self._known)

    def _known(self) -> Collection[str]:
        return self.registry.declarations.keys()

    # --- what there is --------------------------------------------------------------------------

    @property
    def registry(self) -> Registry:
        """What is declared."""
        return self._book.registry

    @property
    def flags(self) -> FlagSet:
        """What is in force."""
        return self._book.flags

    @property
    def version(self) -> int:
        """The flags version in force."""
        return self._book.flags.version

    @property
    def trouble(self) -> str | None:
        """What is not as it should be, in words, None in health."""
        said = (self._book.trouble, self._publisher.trouble, self.readers.trouble)
        return "; ".join(filter(None, said)) or None

    def values(self) -> dict[str, Value]:
        """Return every declared flag's value, targeting left aside."""
        return values_of(self.registry, self.flags)

    def view(self, key: str) -> FlagView:
        """Return everything about one flag.

        Raises:
            UnknownFlagError: there is no such flag; the message names the nearest.
        """
        if key not in self.registry.invalid:
            declared(self.registry, key)
        return views_of([key], self._book, self.readers)[0]

    def views(self) -> list[FlagView]:
        """Return everything about every flag, in the order in which they are declared, invalid ones last."""
        return views_of([*self.registry.declarations, *self.registry.invalid], self._book, self.readers)

    def decide(self, key: str, subject_key: str | None = None, attributes: Mapping[str, Any] | None = None) -> Decision:
        """Return what a flag answers for a subject now; step `missing` and value None when there is no such flag."""
        return self._deciding.decide(key, subject_key, attributes, self._clock.wall())

    def explain(
        self, key: str, subject_key: str | None = None, attributes: Mapping[str, Any] | None = None
    ) -> Decision:
        """Return the same, with the subject's bucket in the detail where a percentage took part."""
        return self._deciding.explain(key, subject_key, attributes, self._clock.wall())

    def parse(self, texts: Mapping[str, str]) -> dict[str, Value]:
        """Return the values that texts mean, such as `{"MO_ENGINE": "1"}` as somebody typed them.

        Raises:
            FlagRefusedError: a key is not declared, or a text means no value of its flag.
        """
        return parse(self.registry, texts)

    def findings(self, stale_after: float, expires_within: float) -> list[Finding]:
        """Return what somebody should look at: invalid, undeclared, expired, expiring, unread and settled flags.

        Args:
            stale_after: seconds unread or at one value after which a flag is stale.
            expires_within: seconds before its expiry from which a flag is named.
        """
        now, since = self._clock.wall(), self.since
        return findings_of(
            self._book, self.readers, since=since, now=now, stale_after=stale_after, expires_within=expires_within
        )

    def status(self) -> FlagsStatus:
        """Return the flags in a few words."""
        late = tuple(self.readers.late(self.version))
        return FlagsStatus(self.version, len(self.readers.all()), late, self._changes, self.trouble)

    # --- changes --------------------------------------------------------------------------------

    async def set(
        self,
        values: Mapping[str, Any],
        *,
        actor: str,
        reason: str = "",
        cause: str = "person",
        expect_version: int | None = None,
    ) -> Changed:
        """Give flags values, all or none; their targeting stays.

        Args:
            values: typed values by key; `parse` makes them from text.
            actor: who asks.
            reason: why, in the actor's words.
            cause: what made it happen: `person`, `timer`, `rollback`, ...
            expect_version: refuse unless this is the flags version; None for whatever it is.

        Raises:
            FlagRefusedError: a flag is unknown (UnknownFlagError), a value not allowed, a prerequisite unmet, or the
                version another one (FlagsMovedError); nothing is done.
            FlagsNotWrittenError: it cannot be written down; nothing is done.
        """
        changes = [SetValue(key, value) for key, value in values.items()]
        return await self.change(changes, actor=actor, reason=reason, cause=cause, expect_version=expect_version)

    async def reset(
        self,
        keys: Iterable[str] | None = None,
        *,
        actor: str,
        reason: str = "",
        cause: str = "person",
        expect_version: int | None = None,
    ) -> Changed:
        """Bring flags (None: all) back to their safe values and take their targeting away.

        It takes effect even when it cannot be written down (`Changed.written` is False then).

        Raises:
            FlagRefusedError: a flag is unknown, is still needed by another one, or the version is another one.
        """
        changes = resets(self.registry, keys)
        return await self.change(changes, actor=actor, reason=reason, cause=cause, expect_version=expect_version)

    async def target(
        self,
        key: str,
        targeting: Mapping[str, Any] | None,
        *,
        actor: str,
        reason: str = "",
        cause: str = "person",
        expect_version: int | None = None,
        salt: str | None = None,
    ) -> Changed:
        """Give a flag another targeting, or none; its value stays.

        Args:
            key: the flag.
            targeting: as in the snapshot document: deny, allow, forced, rules, percentage; None takes it away.
            actor: who asks.
            reason: why.
            cause: what made it happen.
            expect_version: as for `set`.
            salt: another salt, which gives everybody another bucket; None keeps it.

        Raises:
            FlagRefusedError: the flag is unknown, or the targeting cannot be used.
            FlagsNotWrittenError: it cannot be written down; nothing is done.
        """
        change = Target(key, targeting, salt)
        return await self.change([change], actor=actor, reason=reason, cause=cause, expect_version=expect_version)

    async def change(
        self,
        changes: Sequence[Change],
        *,
        actor: str,
        reason: str = "",
        cause: str = "person",
        action: str = "",
        expect_version: int | None = None,
    ) -> Changed:
        """Make changes of any kind in one write; raises as `set` does."""
        named = action or ("flags reset" if changes and all(isinstance(one, Reset) for one in changes) else "flags set")
        why = Reason(actor, reason, cause, named)

        async def work() -> Changed:
            after = apply(self.registry, self.flags, changes, expect_version)
            return self._spread(await self._book.write(after, why))

        return await self._turns.take(work)

    async def import_(
        self, content: object, *, actor: str, reason: str = "", expect_version: int | None = None
    ) -> Changed:
        """Take over what `export` gave, all or nothing; flags it does not name stay as they are.

        Raises:
            FlagRefusedError: it is no export, or a flag of it is refused; nothing is done.
            FlagsNotWrittenError: it cannot be written down; nothing is done.
        """
        changes = imported(content)
        return await self.change(
            changes, actor=actor, reason=reason, action="flags imported", expect_version=expect_version
        )

    def export(self) -> dict[str, Any]:
        """Return what was set and targeted, as JSON for `import_`: `{"format", "flags_version", "flags"}`."""
        return exported(self.registry, self.flags)

    # --- memory ---------------------------------------------------------------------------------

    async def history(self, key: str | None = None, *, limit: int = 50, before: int | None = None) -> list[Remembered]:
        """Return up to `limit` changes of a flag (None: of all), newest first; `before` is a change's number.

        A flag that is no longer declared has its history still; raises as `Past.history` does.
        """
        return await self._past.history(key, limit, before)

    async def at(self, *, version: int | None = None, seconds: float | None = None) -> AsOf | None:
        """Return the flags as they stood at a version or at a time (seconds since the Unix epoch); see `Past.at`."""
        return await self._past.at(version, seconds)

    # --- who has it -----------------------------------------------------------------------------

    async def applied(self, version: int | None = None, timeout: float = 0.0) -> Applied:  # noqa: ASYNC109 - likewise
        """Return who has applied a version (None: the present one), waiting for the late at most `timeout` seconds."""
        wanted = self.version if version is None else version
        await self.readers.applied(wanted, timeout)
        late = tuple(self.readers.late(wanted))
        return Applied(wanted, tuple(self.readers.all()), late, tuple(self._silent()))

    def subscribe(self) -> AsyncIterator[Changed]:
        """Return every change from now on; it ends when the daemon stops, or for one that is far behind."""
        return self._news.subscribe()

    # --- views ----------------------------------------------------------------------------------

    async def pin(self, name: str, values: Mapping[str, Any] | None = None) -> Path:
        """Make a view that stays as it is: the flags of now, with some values in place of theirs.

        Args:
            name: of the view; one of this name is replaced.
            values: typed values by key; such a flag has no targeting in the view.

        Returns:
            The page's path, for `SWITCHOVER_FLAGS`.

        Raises:
            FlagRefusedError: the name or a value cannot be used.
            OSError: the page cannot be made.
        """
        if not VIEW.fullmatch(name) or name == LIVE:
            raise FlagRefusedError(
                f"a view cannot be called {show(name)}; allowed: up to 40 letters a-z, digits, - and _, but not {LIVE}"
            )
        pinned = chosen(self.registry, values or {})
        await self.unpin(name)
        path = self._publisher.publish(name, self.version, payload(document(self.registry, self.flags, pinned)))
        await self.readers.listen(name, path, self.version)
        return path

    async def unpin(self, name: str) -> bool:
        """Take a pinned view away, its readers serve safe values from then on; return whether there was one."""
        if name == LIVE or not self._publisher.withdraw(name):
            return False
        self.readers.end(name)
        return True

    # --- life -----------------------------------------------------------------------------------

    async def start(self) -> None:
        """Read what is stored, bring it in line with what is declared, and publish it."""
        self._publisher.sweep()
        await self._turns.take(self._begin)
        await self.readers.listen(LIVE, self._publisher.path(LIVE), self.version)

    async def reload(
        self, registry: Registry, *, actor: str = "daemon", reason: str = "the registry changed"
    ) -> Changed:
        """Take over another registry: new flags come with their defaults, those no longer declared are forgotten."""

        async def work() -> Changed:
            return self._spread(await self._book.take(registry, Reason(actor, reason, "registry", "flags declared")))

        return await self._turns.take(work)

    async def look(self) -> list[Changed]:
        """Take over what somebody changed in the table `settings` by hand, and make up for what failed before."""
        if self.readers.are_unheard:
            await self.readers.listen(LIVE, self._publisher.path(LIVE), self.version)

        async def work() -> list[Changed]:
            return [self._spread(changed) for changed in await self._book.look()]

        return await self._turns.take(work)

    def beat(self) -> None:
        """Say on every page that the daemon is alive; a page that could not be written is tried again."""
        self._publisher.beat()
        if self._publisher.trouble is not None:
            self._publish()

    async def close(self) -> None:
        """End in good order: pages are closed, readers serve safe values."""
        await self._turns.over()
        self._publisher.close()
        self.readers.close()
        self._news.close()

    async def _begin(self) -> None:
        await self._book.open(self._publisher.seen_before())
        self._publish()

    def _spread(self, changed: Changed) -> Changed:
        """Let everybody know of a change that was made."""
        if changed.version != self._published:
            self._publish()
        if changed.changes:
            self._changes += len(changed.changes)
            self._news.tell(changed)
        return changed

    def _publish(self) -> None:
        content = document(self.registry, self.flags)
        self._publisher.publish(LIVE, self.version, payload(content))
        self.readers.tell(LIVE, self.version)  # workers first: what follows takes nobody's time but ours
        self._deciding.take(content)
        self._published = self.version

    def _silent(self) -> Iterable[WorkerSeen]:
        heard = self.readers.sessions
        return (worker for worker in self._workers() if worker.pid not in heard)
