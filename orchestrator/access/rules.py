"""What the configuration says about access, as the room needs it.  Above: `service`, `gates`.  Below: `settings`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Self

from orchestrator.settings import Settings


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules; replaced whole on a reload.

    Attributes:
        development: whether a gate whose flag is missing is open.
        ttl: longest life of a token, in seconds.
        admin_claims: claims of older tokens that open every gate.
        tools: the gate of each tool that has one.
    """

    development: bool = False
    ttl: float = 3600.0
    admin_claims: tuple[str, ...] = ()
    tools: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Take them from the settings."""
        access = settings.access
        return cls(access.environment == "development", access.token_ttl, access.admin_claims, dict(access.tools))

    def renewed(self, settings: Settings) -> Self:
        """Return the rules after a reload; the environment is as the daemon was started in."""
        return replace(type(self).of(settings), development=self.development)
