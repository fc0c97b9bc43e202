"""The interfaces the shell must provide.  Each has a real implementation and an in-memory twin.

`state` fits the storage ports by structure and imports nothing from here; the proxy, supervision and the engine meet
only through these.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Collection, Mapping, Sequence
from typing import Any, Protocol

from switchover_kit.decision import Decision

from orchestrator.domain.access import Caller
from orchestrator.domain.evidence.look import Watch
from orchestrator.domain.flags.records import FlagChange, FlagWrite, Notice, StoredFlags
from orchestrator.domain.generation import Generation, Spec
from orchestrator.domain.plans.steps import Hold
from orchestrator.domain.protocol import Era
from orchestrator.domain.rollouts.state import Moved
from orchestrator.domain.routing import Lane, RoutingTable


class Clock(Protocol):
    """Time, as two numbers."""

    def monotonic(self) -> float:
        """Return seconds that never go back; only differences mean anything."""
        ...

    def wall(self) -> float:
        """Return seconds since the Unix epoch, for people and records."""
        ...


class Entry(Protocol):
    """One stored key of the desired state."""

    @property
    def key(self) -> str:
        """The key."""
        ...

    @property
    def value(self) -> str | None:
        """JSON text; None in a watch when the key was deleted."""
        ...

    @property
    def created(self) -> int:
        """Store revision at which the key was created."""
        ...

    @property
    def modified(self) -> int:
        """Store revision of the key's last change."""
        ...


class DesiredState(Protocol):
    """What should be true: routing, generations, who leads.  SQLite on one machine, etcd on many."""

    async def get(self, key: str) -> Entry | None:
        """Return a key's entry, None when it is absent."""
        ...

    async def range(self, prefix: str) -> Sequence[Entry]:
        """Return the entries whose key starts with `prefix`, in key order."""
        ...

    async def txn(
        self,
        put: Mapping[str, str],
        *,
        delete: Collection[str] = (),
        expect: Mapping[str, int] | None = None,
        expect_created: Mapping[str, int] | None = None,
    ) -> int | None:
        """Write all or nothing.

        Args:
            put: keys to set, JSON text each.
            delete: keys to remove.
            expect: key -> its `modified` revision, 0 for absent; any difference refuses the whole.
            expect_created: key -> its `created` revision, likewise.

        Returns:
            The store revision of the write, None when an expectation did not hold.
        """
        ...

    def watch(self, prefix: str, from_revision: int) -> AsyncIterator[Entry]:
        """Yield every change of keys under `prefix` after `from_revision`, in order, for ever."""
        ...

    async def lease(self, key: str, holder: str, ttl: float) -> int | None:
        """Take or renew `key` for `holder` for `ttl` seconds.

        Returns:
            The `created` revision while `holder` holds it, None when another does.
        """
        ...


class Journal(Protocol):
    """The rollout's memory: append only, durable when `append` returns.

    `append` raises an error (an OSError or the store's own StorageError) when the record is not durable.
    """

    async def append(self, record: str) -> int:
        """Store one JSON record and return its sequence number (1, 2, ...)."""
        ...

    async def last(self) -> str | None:
        """Return the newest record, None when there is none."""
        ...


class Router(Protocol):
    """Where the routing table takes effect."""

    def replace(self, table: RoutingTable) -> RoutingTable:
        """Route by `table` from now on and return the table it replaced; an older revision is ignored."""
        ...


class Fleet(Protocol):
    """The generations' processes."""

    def start(self, generation: Generation) -> None:
        """Have a serving process of `generation` run; does nothing when one runs or is being started."""
        ...

    def retire(self, number: int) -> None:
        """Drain generation `number` in the background, then stop it and remove its private copy."""
        ...


class Conductor(Protocol):
    """What a rollout wants done besides routing and processes.

    Nothing here waits: what takes time runs in the background and comes back as an event.  Everything may be asked for
    twice, and after a crash is.
    """

    def observe(self, watch: Watch | None, mirror: Lane | None) -> None:
        """Have the guard watch an epoch and read-only calls mirrored to a lane; None for neither.  Looks: `Looked`."""
        ...

    def rehearse(self, rollout: str, spec: Spec) -> None:
        """Have a rehearsal run; its end: `RehearsalEnded`."""
        ...

    def cancel_rehearsal(self, rollout: str) -> None:
        """End a rehearsal, if it runs."""
        ...

    def ask(self, rollout: str, hold: Hold | None) -> None:
        """Ask a hold's command or webhook until it agrees: `HoldAgreed`; None: ask none any more."""
        ...

    def move_flags(self, rollout: str, moved: Sequence[Moved]) -> None:
        """Have flags at these values for these shares of keys; where that cannot be: `FlagRefused`.

        Where everybody has a value already that half of the keys were to get: `FlagStands`.
        """
        ...

    def reset_flags(self, rollout: str, flags: Sequence[str]) -> None:
        """Bring flags back to their safe values in this order, however often that takes; then: `FlagsReset`."""
        ...

    def cut_over(self, rollout: str, old: int, new: int) -> None:
        """Have one generation hand the state over to another; calls wait: `CutOverDone` or `CutOverFailed`."""
        ...

    def cut_back(self, rollout: str, old: int, new: int, *, aside: bool) -> None:
        """Have the state as before the cut-over, the present one kept `aside`; calls wait: `CutBackDone`."""
        ...


class Link(Protocol):
    """The proxy's end of one worker's pipes, as supervision sees it.

    Attributes:
        generation: whose process this is.
        era: the wire era this process is locked to.
        handshake: the worker's `initialize` (or `server/discover`) result; supervision sets it when ready.
        last_heard: monotonic seconds of the last answer to a call.
    """

    generation: int
    era: Era
    handshake: dict[str, Any]
    last_heard: float

    @property
    def in_flight(self) -> int:
        """Number of calls sent and not answered."""
        ...

    def request(self, method: str, params: Mapping[str, Any] | None) -> Awaitable[Any]:
        """Ask the worker something in the daemon's own name.

        The awaitable raises RequestFailedError on an error answer and StartError when the worker is lost first.
        """
        ...

    def notify(self, method: str, params: Mapping[str, Any] | None = None) -> None:
        """Tell the worker something in the daemon's own name."""
        ...

    def learn(self, lists: dict[str, list[Any]]) -> None:
        """Note the lists the worker shows: `tools`, `resources` (templates included) and `prompts`."""
        ...

    async def drained(self) -> None:
        """Wait until no call is with this worker."""
        ...


class FlagOutbox(Protocol):
    """The notices of changed flags, each stored with its change and kept until it is delivered or given up."""

    async def outbox_heads(self) -> Sequence[Notice]:
        """Return the oldest pending notice of each destination and flag, oldest first."""
        ...

    async def outbox_mark(self, seq: int, state: str, *, attempts: int, due: float, error: str = "") -> None:
        """Note what became of a pending notice.

        Args:
            seq: its number; one that is no longer pending stays as it is.
            state: `pending` (to be tried again at `due`), `delivered` or `failed` (at `due`).
            attempts: tries so far.
            due: seconds since the Unix epoch.
            error: what the last try met, without secrets.
        """
        ...

    async def outbox_add(self, flag: str, told: Mapping[str, Any], destinations: Sequence[str], at: float) -> None:
        """Put out what comes with no change, such as a reminder.

        Args:
            flag: whose notice it is; it is delivered in order with those of its changes.
            told: the payload, JSON; each notice's `id` is added.
            destinations: who is told.
            at: seconds since the Unix epoch.
        """
        ...

    async def outbox_again(self, numbers: Collection[int] | None, *, due: float) -> int:
        """Make failed notices pending again, as if they had not been tried.

        Args:
            numbers: theirs, None for all that failed; those that did not fail stay as they are.
            due: when to try, seconds since the Unix epoch.

        Returns:
            How many there were.
        """
        ...

    async def outbox_page(self, limit: int, *, state: str | None = None, before: int | None = None) -> Sequence[Notice]:
        """Return up to `limit` notices, newest first; `before` is the last number of the page before."""
        ...


class FlagStore(FlagOutbox, Protocol):
    """The flags' memory: values, targeting, versions, history, and who is still to be told."""

    async def load(self) -> StoredFlags:
        """Return every flag at the present version."""
        ...

    async def write(self, write: FlagWrite) -> int | None:
        """Store rows, `settings`, history, audit row and notices in one transaction, durable on return.

        Returns:
            The new flags version, None when `expect_version` is not the present one; nothing is stored then.
        """
        ...

    async def data_version(self) -> int:
        """Return a number that is another one after somebody else, such as a person with a shell, wrote the file."""
        ...

    async def history(self, key: str | None = None, *, limit: int, before: int | None = None) -> Sequence[FlagChange]:
        """Return up to `limit` changes of a flag (None: of all), newest first; `before` is a change's number."""
        ...

    async def changed_at(self) -> Mapping[str, float]:
        """Return when each flag last changed, seconds since the Unix epoch."""
        ...

    async def at(self, *, version: int | None = None, seconds: float | None = None) -> StoredFlags | None:
        """Return the flags as they stood at a version or at a time (give one of the two).

        Args:
            version: a flags version; 0 is before the first write.
            seconds: since the Unix epoch; before the first write nothing stood.

        Returns:
            The flags, None when there is no such version yet.
        """
        ...


class Gates(Protocol):
    """The flags, as those need them who open or close something by them."""

    @property
    def version(self) -> int:
        """The flags version; every change makes another one."""
        ...

    def decide(self, key: str, subject_key: str | None, attributes: Mapping[str, Any] | None) -> Decision:
        """Return what a flag decides for a subject now; step `missing` when there is no such flag."""
        ...


class TokenReader(Protocol):
    """Who can tell a signed token from a text."""

    def caller(self, token: str) -> Caller | None:
        """Return whom a token speaks of, None when it was not signed here.

        Raises:
            TokenRefusedError: it was, and does not count any more.
        """
        ...


class Gatekeeper(Protocol):
    """Who knows the gates of tools."""

    def closed(self, tool: str, caller: Caller) -> str | None:
        """Return the gate that keeps a caller from a tool, None when it may use it."""
        ...

    def hidden(self, caller: Caller) -> frozenset[str]:
        """Return the tools a caller may not see."""
        ...
