"""The feature flags, as the worker asks for them: one question a flag, answered anew at every call.

Above it stand the tools, which have named the subject of the call; below it `switchover_kit`'s feature gates, of which
it knows only the questions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from workers.reference.choice.engine import Engine
from workers.reference.context import PromptMode
from workers.reference.scheduling import Scheduler


class Gates(Protocol):
    """What the worker asks of the kit's feature gates; each answer is the flag's value at that moment."""

    def is_compact_prompt_mode(self) -> bool:
        """Return whether PROMPT_MODE is compact."""
        ...

    def is_wsjf_scheduler_enabled(self) -> bool:
        """Return whether SCHEDULER_MODE is wsjf."""
        ...

    def is_selective_testing_enabled(self) -> bool:
        """Return whether SELECTIVE_TESTS is 1."""
        ...

    def is_danger_gates_enabled(self) -> bool:
        """Return whether DANGER_GATES is 1."""
        ...

    def is_sandbox_pool_enabled(self) -> bool:
        """Return whether SANDBOX_MODE is pool."""
        ...

    def is_mo_engine_enabled(self) -> bool:
        """Return whether MO_ENGINE is 1."""
        ...

    def get_snapshot(self) -> Mapping[str, Any]:
        """Return every flag's value by its name."""
        ...


class Modes:
    """How the worker works right now, for the subject of the call under way."""

    def __init__(self, gates: Gates) -> None:
        """Keep what answers."""
        self._gates = gates

    @property
    def prompt(self) -> PromptMode:
        """How much an agent is told."""
        return PromptMode.COMPACT if self._gates.is_compact_prompt_mode() else PromptMode.VERBOSE

    @property
    def scheduler(self) -> Scheduler:
        """How the next task is found."""
        return Scheduler.WSJF if self._gates.is_wsjf_scheduler_enabled() else Scheduler.LEGACY

    @property
    def selective_tests(self) -> bool:
        """Whether only some tests are run."""
        return self._gates.is_selective_testing_enabled()

    @property
    def engine(self) -> Engine:
        """How an option is picked."""
        return Engine.MULTI if self._gates.is_mo_engine_enabled() else Engine.SINGLE

    @property
    def strict_commands(self) -> bool:
        """Whether commands are gated strictly."""
        return self._gates.is_danger_gates_enabled()

    @property
    def pooled_browsers(self) -> bool:
        """Whether browsers are used again."""
        return self._gates.is_sandbox_pool_enabled()

    def snapshot(self) -> dict[str, str]:
        """Return every flag's value as text, by its name."""
        return {name: str(value) for name, value in sorted(self._gates.get_snapshot().items())}
