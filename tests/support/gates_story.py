"""Flags and a clock as a test sets them, for those who open gates by flags."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from switchover_kit.decision import Decision


class StoryFlags:
    """Flags that are what a test says; fits `domain.ports.Gates`."""

    def __init__(self, **flags: object) -> None:
        self.version = 1
        self.flags: dict[str, object] = dict(flags)
        self.asked: list[tuple[str, str | None, dict[str, Any]]] = []

    def change(self, **flags: object) -> None:
        """Change flags; the version moves."""
        self.flags |= flags
        self.version += 1

    def decide(self, key: str, subject_key: str | None, attributes: Mapping[str, Any] | None) -> Decision:
        """Return the flag's value, or what a set of subjects or a predicate says."""
        self.asked.append((key, subject_key, dict(attributes or {})))
        if key not in self.flags:
            return Decision(None, "missing", "UNKNOWN", f"there is no flag {key}")
        value = self.flags[key]
        if isinstance(value, set):
            value = subject_key in value
        return Decision(value, "default", "STATIC", f"its value is {value}")


class StoryClock:
    """A clock that stands until a test moves it; fits `domain.ports.Clock`."""

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self.now = now

    def wall(self) -> float:
        """Return seconds since the Unix epoch."""
        return self.now

    def monotonic(self) -> float:
        """Return the same number."""
        return self.now
