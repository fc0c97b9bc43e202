"""All flags of one process at one moment: what each answers, and the trouble that makes all answer safe values.

Above it stands `flags`, which reads one and replaces it whole; below it the evaluator (`targeting`) and `forced`.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from time import time
from typing import Any, Final

from switchover_kit.clock_conditions import CLOCK_OPS
from switchover_kit.decision import Decide, Decision
from switchover_kit.document import Document, safe_value
from switchover_kit.forced import Forcing
from switchover_kit.targeting import Deciders
from switchover_kit.values import shown

MISSING: Final = object()
"""Stands among plain values for a flag that there is not."""
MOST_UNKNOWN: Final = 1000
"""Unknown keys that are remembered as such; whoever asks for ever new ones must not fill the memory."""
NOTHING: Final = Document(0, {})
"""The document of a process that has not read any."""

_STILL: Final = frozenset({"environment", "disable_new", "invalid", "missing"})
"""Steps that decide the same whether there is trouble or not."""


class Snapshot:
    """The flags of one document.  Nothing of it changes but what is worked out when it is first asked for.

    Attributes:
        document: the flags as they were read.
        trouble: why they answer their safe values, None while all is well.
        forced: values that this process's environment forces, by flag.
        ignored: sentences on variables that were meant to force a flag and cannot.
    """

    def __init__(self, document: Document, trouble: str | None, forcing: Forcing) -> None:
        """Take a document; nothing is compiled yet.

        Args:
            document: the flags.
            trouble: why they answer their safe values, None for none.
            forcing: the variables that may force flags.
        """
        self.document = document
        self.trouble = trouble
        self.forced, self.ignored = forcing.values(document.flags)

    @cached_property
    def _compiled(self) -> Deciders:
        return Deciders(self.document.flags, self.forced)

    def plain(self, keys: Iterable[str]) -> dict[str, Any]:
        """Return the plain values of those flags that there are, without taking them for read."""
        now = time()
        return {key: self.decider(key)(None, None, now).value for key in keys if key in self.document.flags}

    def decider(self, key: str) -> Decide:
        """Return what decides a flag here, made anew; `Asked` keeps it."""
        decide = self._compiled[key]
        if self.trouble is not None:
            decide = _safely(decide, self.document.flags.get(key), self.trouble)
        return decide if self.kind(key) != "object" else _copying(decide)

    def kind(self, key: str) -> Any:
        """Return a flag's type as the document says it, None for none."""
        raw = self.document.flags.get(key)
        return raw.get("type") if isinstance(raw, Mapping) else None

    def stands_still(self, key: str) -> bool:
        """Return whether a flag's plain value stays the same as long as the snapshot does.

        One that asks the clock, itself or by a prerequisite, does not.  Neither does an object: whoever read it may
        write into it.
        """
        waiting, met = [key], {key}
        while waiting:
            raw = self.document.flags.get(waiting.pop())
            if _asks_the_clock(raw):
                return False
            others = {one.get("flag") for one in _list(raw, "prerequisites") if isinstance(one, Mapping)}
            fresh = {other for other in others if isinstance(other, str)} - met
            met |= fresh
            waiting += fresh
        return bool(self.kind(key) != "object")


class Asked(dict[str, Decide]):
    """Each flag's decision function by its key, kept once it was asked for.

    The snapshot knows nothing of it: two that held each other would stay in memory until somebody cleans up.
    """

    __slots__ = ("_note", "_snapshot")

    def __init__(self, snapshot: Snapshot, note: Callable[[str], None]) -> None:
        """Keep nothing yet.

        Args:
            snapshot: the flags.
            note: told each flag's key when it is first read.
        """
        self._snapshot = snapshot
        self._note = note

    def __missing__(self, key: str) -> Decide:
        decide = self._snapshot.decider(key)
        if key in self._snapshot.document.flags:
            self._note(key)
            self[key] = decide
        return decide


class Values(dict[str, Any]):
    """Each flag's plain value by its key, MISSING for a flag that there is not; kept once read, where it stays."""

    __slots__ = ("_deciders", "_snapshot", "_unknown")

    def __init__(self, snapshot: Snapshot, deciders: Mapping[str, Decide]) -> None:
        """Keep nothing yet.

        Args:
            snapshot: the flags.
            deciders: what decides them.
        """
        self._snapshot = snapshot
        self._deciders = deciders
        self._unknown = 0

    def __missing__(self, key: str) -> Any:
        snapshot = self._snapshot
        value = self._deciders[key](None, None, time()).value
        if key not in snapshot.document.flags:
            value = MISSING
            self._unknown += 1
            if self._unknown > MOST_UNKNOWN:
                return value
        elif not snapshot.stands_still(key):
            return value
        self[key] = value
        return value


def _safely(decide: Decide, raw: object, trouble: str) -> Decide:
    """Return what decides a flag while there is trouble: the environment and the kill switch still do."""
    safe = safe_value(raw)
    sentence = f"{trouble[:1].upper()}{trouble[1:]}, so it answers its safe value {shown(safe)}."
    gone = Decision(safe, "gone", "UNKNOWN", sentence)

    def decide_safely(key: str | None, attributes: Mapping[str, Any] | None, now: float) -> Decision:
        decision = decide(key, attributes, now)
        return decision if decision.step in _STILL else gone

    return decide_safely


def _copying(decide: Decide) -> Decide:
    """Return the same decisions, each with a value of its own."""

    def decide_anew(key: str | None, attributes: Mapping[str, Any] | None, now: float) -> Decision:
        decision = decide(key, attributes, now)
        return decision._replace(value=copy.deepcopy(decision.value))

    return decide_anew


def _asks_the_clock(raw: object) -> bool:
    """Return whether a rule of a flag asks the clock."""
    targeting = raw.get("targeting") if isinstance(raw, Mapping) else None
    rules = (rule for rule in _list(targeting, "rules") if isinstance(rule, Mapping))
    return any(isinstance(one, Mapping) and one.get("op") in CLOCK_OPS for rule in rules for one in _list(rule, "when"))


def _list(raw: object, name: str) -> list[Any]:
    """Return a member that should be a list; the evaluator says what is wrong with one that is not."""
    member = raw.get(name) if isinstance(raw, Mapping) else None
    return member if isinstance(member, list) else []
