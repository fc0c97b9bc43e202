"""The flags as they are declared, in force and stored, and how the three are kept together.

What is written is always the difference between the rows that should be stored and those that are; so a write that
failed is made good by the next one.  Above: `service`, which calls one method at a time.  Below: the store behind
`domain.ports.FlagStore`, `adoption` for what somebody changed by hand, `rows` for what is stored.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from orchestrator.domain.errors import SwitchoverError
from orchestrator.domain.flags.change import Reset
from orchestrator.domain.flags.declaration import Registry
from orchestrator.domain.flags.flags import FlagSet, FlagState, apply, is_safe_move, safe_values, stored_flaws
from orchestrator.domain.flags.records import FlagRow, FlagWrite, StoredFlags
from orchestrator.domain.ports import Clock, FlagStore
from orchestrator.flags import falls
from orchestrator.flags.adoption import Adopted, adopt
from orchestrator.flags.reason import DECLARED, LOST, STORED, Reason
from orchestrator.flags.rows import copied, differences, flags_of, redeclared, rows_for
from orchestrator.flags.told import Changed, Difference
from orchestrator.telemetry.logging import get_logger

log = get_logger("flags")

BY_HAND: Final = "changed by hand in the table settings"


class FlagsNotWrittenError(SwitchoverError):
    """A change of flags could not be written down, so nothing of it was done."""


class FlagsNotReadError(SwitchoverError):
    """What the flags were cannot be read."""


@dataclass(frozen=True, slots=True)
class Owed:
    """A change that took effect and could not be written down.

    Attributes:
        why: who made it, and why.
        at: when, seconds since the Unix epoch.
        keys: the flags it changed.
    """

    why: Reason
    at: float
    keys: tuple[str, ...]


class Book:
    """Registry, flags and store.

    Attributes:
        registry: what is declared.
        flags: what is in force.
        changed_at: when each flag last changed, seconds since the Unix epoch.
        undeclared: rows of `settings` that no declared flag has: key to text.
        store: what is remembered.
    """

    def __init__(
        self,
        registry: Registry,
        store: FlagStore,
        clock: Clock,
        destinations: Callable[[], Sequence[str]] = tuple,
        revision: Callable[[], int] = int,
        *,
        lost: bool = False,
    ) -> None:
        """Build the book; `open` reads it.

        Args:
            registry: what is declared.
            store: what is remembered.
            clock: for records.
            destinations: names of those who are sent a notice of each change.
            revision: the routing table's, for the audit.
            lost: whether what was stored had to be set aside; flags begin at their safe values then, not at their
                defaults, for a default may be what somebody has just gone back from.
        """
        self.registry = registry
        self.flags = FlagSet()
        self.changed_at: dict[str, float] = {}
        self.undeclared: dict[str, str] = {}
        self.store = store
        self._clock = clock
        self._destinations = destinations
        self._revision = revision
        self._lost = lost
        self._owed: list[Owed] = []
        self._judged: tuple[Registry, FlagSet, Mapping[str, str]] | None = None
        self._is_open = False
        self._kept: dict[str, FlagRow] = {}
        self._fallen: dict[str, FlagRow] = {}
        self._mark: int | None = None
        self._unwritten: str | None = None
        self._unread: str | None = None

    @property
    def trouble(self) -> str | None:
        """What keeps flags from being stored or read, None in health."""
        return "; ".join(filter(None, (self._unwritten, self._unread))) or None

    @property
    def flaws(self) -> Mapping[str, str]:
        """What is wrong with stored flags, by key; judged once for all flags as they stand."""
        if self._judged is None or self._judged[0] is not self.registry or self._judged[1] is not self.flags:
            self._judged = (self.registry, self.flags, stored_flaws(self.registry, self.flags))
        return self._judged[2]

    # --- what was -----------------------------------------------------------------------------

    async def open(self, above: int) -> None:
        """Read what is stored and bring it in line with what is declared.

        A store that cannot be read is said and read with a later look; the flags have their safe values until then.

        Args:
            above: the newest flags version that readers have seen; the flags' own is no older.
        """
        self.flags = FlagSet(above)
        stored = await self._load()
        if stored is None:
            states = {key: FlagState(safe, salt=key) for key, safe in safe_values(self.registry).items()}
            self.flags = FlagSet(above + 1, states)
            return
        self._is_open = True
        self._kept = {row.key: copied(row) for row in stored.rows}
        self.flags = replace(flags_of(stored), version=max(stored.version, above))
        why = DECLARED
        if not stored.version and (self._lost or above):
            why = LOST
            log.error("stored flags lost", reason=why.reason)
            self.flags = replace(
                apply(self.registry, self.flags, map(Reset, self.registry.declarations)), version=above
            )
        await self._look_back(stored.version)
        await self._adopt(stored)
        await self._settle(why, quiet=not stored.version, always=stored.version < above)

    # --- what is to be ------------------------------------------------------------------------

    async def write(self, after: FlagSet, why: Reason, rewrite: Collection[str] = ()) -> Changed:
        """Put flags into force and write them down.

        Args:
            after: as `domain.flags.apply` gave them; the same ones change nothing.
            why: who, and why.
            rewrite: flags whose stored row is written again although it is the same.

        Raises:
            FlagsNotWrittenError: they cannot be written and do not only move to safety; nothing is done.
        """
        found = tuple(differences(self.registry, self.flags, after))
        if not found and not rewrite:
            return self._changed(why, ())
        try:
            version = await self._put(self.registry, after, why, only={*(one.key for one in found), *rewrite})
        except FlagsNotWrittenError:
            if not found or not is_safe_move(self.registry, self.flags, after):
                raise
            version = self.flags.version + 1
            self._owed.append(Owed(why, self._clock.wall(), tuple(one.key for one in found)))
            log.error("flags are safe and not written down", actor=why.actor, version=version, reason=self._unwritten)  # noqa: TRY400
        return self._in_force(replace(after, version=version), why, found)

    async def take(self, registry: Registry, why: Reason) -> Changed:
        """Take over another registry: new flags get their rows, those no longer declared are forgotten.

        Raises:
            FlagsNotWrittenError: it cannot be written; the old registry stays.
        """
        found = tuple(redeclared(self.registry, registry, self.flags))
        if registry == self.registry:
            return self._changed(why, ())
        known = {*registry.declarations, *registry.invalid}
        after = FlagSet(self.flags.version, {key: one for key, one in self.flags.states.items() if key in known})
        known_falls = set(self._fallen)
        if news := falls.fallen(registry, after, self._kept).keys() - known_falls:
            why = replace(why, whys=falls.whys(registry, after, news))
        version = await self._put(registry, after, why)
        self.registry = registry
        return self._in_force(replace(after, version=version), why, found)

    async def look(self) -> list[Changed]:
        """Write what is still owed, and take over what somebody changed by hand since the last look."""
        if not self._is_open:
            before = self.flags
            await self.open(before.version)
            return [self._changed(STORED, tuple(differences(self.registry, before, self.flags)))]
        told = await self._catch_up() if self._unwritten else []
        try:
            mark = await self.store.data_version()
        except Exception as error:  # noqa: BLE001 - OSError or the store's own; whatever it is, the daemon goes on
            self._cannot_read(error)
            return [one for one in told if one is not None]
        if mark != self._mark and (stored := await self._load()) is not None:
            self._mark = mark
            told += await self._adopt(stored)
        return [one for one in told if one is not None]

    async def _catch_up(self) -> list[Changed | None]:
        """Write what took effect and is not written down yet, each under the name and time of whoever did it."""
        told: list[Changed | None] = []
        while self._owed:
            owed = self._owed[0]
            lacking = {row.key for row in self._lacking(self.registry, self.flags)[0]}
            if keys := lacking.intersection(owed.keys):
                try:
                    version = await self._put(self.registry, self.flags, owed.why, only=keys, at=owed.at)
                except FlagsNotWrittenError:
                    return told
                told.append(self._in_force(replace(self.flags, version=version), owed.why, ()))
            self._owed.pop(0)
        return [*told, await self._settle(DECLARED)]

    # --- how ----------------------------------------------------------------------------------

    async def _adopt(self, stored: StoredFlags) -> list[Changed]:
        """Take over rows of `settings` that others wrote, as far as they may be; put the other rows right again."""
        found = adopt(self.registry, self.flags, stored.strays, stored.missing)
        self.undeclared = found.undeclared
        told = []
        try:
            if found.taken:
                why = Reason("database", BY_HAND, "database", "flags set")
                told.append(await self.write(found.flags, why, rewrite=found.taken))
            if found.refused:
                told.append(await self._refuse(found))
        except FlagsNotWrittenError:
            self._mark = None  # looked at again when writing works
        return told

    async def _refuse(self, found: Adopted) -> Changed:
        for key, why in found.refused.items():
            log.error("edit of the table settings refused", flag=key, reason=why)
        said = f"{BY_HAND}: {'; '.join(found.refused.values())}"
        return await self.write(
            self.flags, Reason("database", said, "database", "flag edit refused"), rewrite=found.refused
        )

    async def _settle(self, why: Reason, *, quiet: bool = False, always: bool = False) -> Changed | None:
        """Write what should be stored and is not; return None when there is nothing, or it cannot be written yet."""
        rows, gone = self._lacking(self.registry, self.flags)
        now = falls.fallen(self.registry, self.flags, self._kept)
        if news := now.keys() - self._fallen.keys():
            why = replace(why, whys=falls.whys(self.registry, self.flags, news))
        if not rows and not gone and not always and now == self._fallen:
            self._unwritten = None
            return None
        try:
            version = await self._put(self.registry, self.flags, why, quiet=quiet)
        except FlagsNotWrittenError:
            return None
        known = {*self.registry.declarations, *self.registry.invalid}
        states = {key: state for key, state in self.flags.states.items() if key in known}
        return self._in_force(FlagSet(version, states), why, ())

    async def _put(
        self,
        registry: Registry,
        after: FlagSet,
        why: Reason,
        *,
        only: Collection[str] | None = None,
        quiet: bool = False,
        at: float | None = None,
    ) -> int:
        """Write the rows that differ from what is stored; return the new version."""
        rows, gone = self._lacking(registry, after, only)
        before = falls.Before(self._kept, self._fallen)
        written = {row.key: row for row in rows} | dict.fromkeys(gone)
        now = falls.after_write(registry, after, before, written, only)
        told = falls.told(before, now, written)
        write = FlagWrite(
            rows,
            actor=why.actor,
            at=self._clock.wall() if at is None else at,
            reason=why.whole,
            cause=why.cause,
            action=why.action,
            delete=gone,
            above=self.flags.version,
            revision=self._revision(),
            destinations=() if quiet else tuple(self._destinations()),
            told=told,
            reasons=why.of({*written, *told}),
        )
        try:
            version = await self.store.write(write)
        except Exception as error:
            self._unwritten = f"flags cannot be written down: {error}"
            raise FlagsNotWrittenError(f"{self._unwritten}; nothing was changed") from error
        assert version is not None  # noqa: S101 - no version was expected, so none can be wrong
        self._kept |= {row.key: row for row in rows}
        for key in gone:
            del self._kept[key]
        self._fallen = now
        if self._unwritten and not self._lacking(registry, after)[0]:
            self._unwritten = None
        return version

    def _lacking(
        self, registry: Registry, after: FlagSet, only: Collection[str] | None = None
    ) -> tuple[list[FlagRow], list[str]]:
        """Return the rows that should be stored and are not, and the keys that should not be; or just these rows."""
        if only is not None:
            return rows_for(registry, after, only), []
        wanted = rows_for(registry, after, registry.declarations)
        known = {*registry.declarations, *registry.invalid}
        return [row for row in wanted if self._kept.get(row.key) != row], [
            key for key in self._kept if key not in known
        ]

    def _in_force(self, flags: FlagSet, why: Reason, found: tuple[Difference, ...]) -> Changed:
        self.flags = flags
        told = self._changed(why, found)
        self.changed_at |= {one.key: told.at for one in found}
        if found:
            log.info(
                "flags changed",
                version=told.version,
                actor=why.actor,
                reason=why.whole,
                cause=why.cause,
                changes={one.key: [one.before, one.after] for one in found},
            )
        return told

    def _changed(self, why: Reason, found: tuple[Difference, ...]) -> Changed:
        written = self._unwritten is None
        return Changed(self.flags.version, found, self._clock.wall(), why.actor, why.whole, why.cause, written)

    async def _load(self) -> StoredFlags | None:
        try:
            stored = await self.store.load()
        except Exception as error:  # noqa: BLE001 - OSError or the store's own; whatever it is, the daemon goes on
            self._cannot_read(error)
            return None
        self._unread = None
        return stored

    async def _look_back(self, version: int) -> None:
        """Find out when each flag last changed, and which answered something else than is stored of them."""
        try:
            found = await self.store.changed_at()
            last = await self.store.at(version=version)
        except Exception as error:  # noqa: BLE001 - OSError or the store's own; whatever it is, the daemon goes on
            self._cannot_read(error)
        else:
            self.changed_at = {key: at for key, at in found.items() if key in self._kept}
            rows = () if last is None else (copied(row) for row in last.rows)
            self._fallen = {row.key: row for row in rows if self._kept.get(row.key, row) != row}

    def _cannot_read(self, error: Exception) -> None:
        trouble = f"the stored flags cannot be read: {error}"
        if trouble != self._unread:
            log.error("stored flags not read", reason=str(error))
        self._unread = trouble
