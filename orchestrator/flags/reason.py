"""Who changes flags and why, for all flags of a write and for each.

Above: `book`, `service`.  Below: `falls` for what a change of the registry does to flags.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final

from orchestrator.flags import falls


@dataclass(frozen=True, slots=True)
class Reason:
    """Who changes flags, and why.

    Attributes:
        actor: who asks.
        reason: why, in the actor's words.
        cause: what made it happen: `person`, `timer`, `rollback`, `registry`, `database`, ...
        action: what the audit calls it.
        whys: by flag that answers its safe value for it, in words that say so.
    """

    actor: str
    reason: str = ""
    cause: str = "person"
    action: str = "flags set"
    whys: Mapping[str, str] = field(default_factory=dict)

    @property
    def whole(self) -> str:
        """The reason, with what becomes of flags for it."""
        return falls.because(self.reason, self.whys.values())

    def of(self, keys: Collection[str]) -> dict[str, str]:
        """Return each flag's own reason, where that is not the whole one."""
        if not self.whys:
            return {}
        own = {key: falls.because(self.reason, [self.whys[key]] if key in self.whys else []) for key in keys}
        return {key: reason for key, reason in own.items() if reason != self.whole}


DECLARED: Final = Reason("daemon", "brought in line with what is declared", "registry", "flags declared")
LOST: Final = Reason(
    "daemon", "what was stored is lost, so every flag begins at its safe value", "database", "flags declared"
)
STORED: Final = Reason("daemon", "what is stored can be read again", "database")
