"""Named questions to the flags that every registry ships with, so that no worker spells a key or a value twice.

Above it stands a worker's own code, below it `flags`.  Each question has one answer that is safe, and gives it where
there is no such flag, no daemon, or any value but the one that is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from switchover_kit.flags import Flags

SAFE: Final[Mapping[str, str]] = {
    "PROMPT_MODE": "compact",
    "SANDBOX_MODE": "none",
    "SCHEDULER_MODE": "legacy",
    "SELECTIVE_TESTS": "0",
    "DANGER_GATES": "0",
    "MO_ENGINE": "0",
}
"""The safe value of each flag that is asked here."""


class FeatureGates:
    """Answers yes or no, or a mode, from this process's flags as they are at the moment of asking."""

    def __init__(
        self, flags: Flags, subject_key: str | None = None, attributes: Mapping[str, Any] | None = None
    ) -> None:
        """Ask these flags.

        Args:
            flags: `switchover_kit.flags()`, or any other.
            subject_key: for whom is asked, such as a mission.
            attributes: what rules go by.  Without both each question is asked for the subject of the call under way
                (see `subject`), or for nobody in particular.
        """
        self._flags = flags
        self._subject_key = subject_key
        self._attributes = attributes

    def is_compact_prompt_mode(self) -> bool:
        """Return whether prompts are to be short: PROMPT_MODE is compact."""
        return self.get_prompt_mode() == "compact"

    def is_sandbox_pool_enabled(self) -> bool:
        """Return whether browser processes are used again: SANDBOX_MODE is pool."""
        return self.get_sandbox_mode() == "pool"

    def is_wsjf_scheduler_enabled(self) -> bool:
        """Return whether tasks are ordered by weighted shortest job first: SCHEDULER_MODE is wsjf."""
        return self.get_scheduler_mode() == "wsjf"

    def is_selective_testing_enabled(self) -> bool:
        """Return whether only critical tests run: SELECTIVE_TESTS is 1."""
        return self._value("SELECTIVE_TESTS") == "1"

    def is_danger_gates_enabled(self) -> bool:
        """Return whether commands are checked strictly: DANGER_GATES is 1."""
        return self._value("DANGER_GATES") == "1"

    def is_mo_engine_enabled(self) -> bool:
        """Return whether several objectives are weighed at once: MO_ENGINE is 1."""
        return self._value("MO_ENGINE") == "1"

    def get_prompt_mode(self) -> str:
        """Return PROMPT_MODE: compact or verbose."""
        return self._value("PROMPT_MODE")

    def get_sandbox_mode(self) -> str:
        """Return SANDBOX_MODE: none or pool."""
        return self._value("SANDBOX_MODE")

    def get_scheduler_mode(self) -> str:
        """Return SCHEDULER_MODE: legacy or wsjf."""
        return self._value("SCHEDULER_MODE")

    def get_snapshot(self) -> dict[str, str]:
        """Return the value of each of these flags by its key."""
        return {key: self._value(key) for key in SAFE}

    def _value(self, key: str) -> str:
        """Return a flag's value, the safe one where there is no text for it."""
        if self._subject_key is None and self._attributes is None:
            value = self._flags.value(key, SAFE[key])
        else:
            value = self._flags.value_for(key, self._subject_key, self._attributes, SAFE[key])
        return value if isinstance(value, str) else SAFE[key]
