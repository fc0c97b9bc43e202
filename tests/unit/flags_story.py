"""Flags for tests: declarations in a line each, and a service over a store in memory with real pages."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from switchover_kit.page import PageReader

from orchestrator.domain.flags.declaration import Declaration, Prerequisite, Registry, registry
from orchestrator.domain.flags.values import FlagType
from orchestrator.flags.book import Book
from orchestrator.flags.publisher import Publisher
from orchestrator.flags.service import FlagsService
from orchestrator.flags.told import WorkerSeen
from state.memory import BeforeWrite, let_through
from state.memory_flags import MemoryFlagStore

NOON = 1_800_000_000.0
DAY = 24 * 3600.0


def flag(key: str, *, needs: Sequence[str] = (), **members: Any) -> Declaration:
    """Declare an enum flag with the values off, on and other, off being default and safe; `needs` others to be on."""
    given: dict[str, Any] = {"type": FlagType.ENUM, "values": ("off", "on", "other"), "default": "off", "safe": "off"}
    wanted = tuple(Prerequisite(one, ("on",)) for one in needs)
    return Declaration(key=key, **{**given, "prerequisites": wanted, **members})


def switch(key: str = "DISABLE_NEW") -> Declaration:
    """Declare a kill switch."""
    return Declaration(key, FlagType.ENUM, ("0", "1"), "0", "0", on="1", kill_switch=True)


def declare(*declarations: Declaration) -> Registry:
    """Return a registry in which nothing is wrong."""
    made, flaws = registry(declarations)
    assert flaws == []
    return made


@dataclass
class StoryClock:
    """A clock that stands still until a test moves it."""

    now: float = NOON

    def monotonic(self) -> float:
        return self.now

    def wall(self) -> float:
        return self.now


@dataclass
class World:
    """A flags service and what is around it."""

    folder: Path
    registry: Registry
    before_write: BeforeWrite = let_through
    lost: bool = False
    clock: StoryClock = field(default_factory=StoryClock)
    workers: list[WorkerSeen] = field(default_factory=list)
    store: MemoryFlagStore = field(init=False)
    service: FlagsService = field(init=False)

    def __post_init__(self) -> None:
        self.store = MemoryFlagStore(before_write=self._write_begins)
        self.service = self.another()

    def _write_begins(self, number: int) -> None:
        self.before_write(number)

    def another(self) -> FlagsService:
        """Return a service on the same store and folder, as after a restart."""
        book = Book(self.registry, self.store, self.clock, lambda: ["hook"], lambda: 7, lost=self.lost)
        self.service = FlagsService(book, Publisher(self.folder / "flags"), self.clock, lambda: self.workers)
        return self.service

    def page(self, view: str = "live") -> dict[str, Any]:
        """Return what a view's page holds."""
        content = PageReader.open(self.folder / "flags" / view).read()
        document: dict[str, Any] = json.loads(content.payload)
        assert document["flags_version"] == content.version
        return document

    def shown(self, view: str = "live") -> dict[str, Any]:
        """Return the values a view's page holds."""
        return {key: entry.get("value") for key, entry in self.page(view)["flags"].items()}
