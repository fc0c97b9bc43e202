"""Access put together: the key, tokens, and the gates of tools, over the daemon's flags.

Above: `daemon`.  Below: `access` decides, the flags room answers, the proxy and the doors ask.
"""

from __future__ import annotations

from orchestrator.access.gates import ToolGates
from orchestrator.access.judge import Judge
from orchestrator.access.key import load_key
from orchestrator.access.rules import Rules
from orchestrator.access.service import AccessService
from orchestrator.domain.ports import Clock
from orchestrator.flags.service import FlagsService
from orchestrator.proxy.gating import Gating
from orchestrator.settings import Paths, Settings


class Admission:
    """Who may do what.

    Attributes:
        access: makes tokens and reads them.
    """

    def __init__(self, settings: Settings, paths: Paths, flags: FlagsService, clock: Clock, gating: Gating) -> None:
        """Put it together.

        Args:
            settings: their section `access`.
            paths: where a made key is kept.
            flags: what gates are decided by.
            clock: when tokens end.
            gating: applies the gates of tools.

        Raises:
            SettingsError: the key cannot be used.
        """
        self._judge = Judge(flags, Rules.of(settings))
        self._flags = flags
        self._gating = gating
        self.access = AccessService(self._judge, load_key(settings.access.key_file, paths.state_dir), clock)
        self._apply()

    def reload(self, settings: Settings) -> None:
        """Take over what may change while running; it cannot fail."""
        self._judge.rules = self._judge.rules.renewed(settings)
        self.access.forget()
        self._apply()

    async def run(self) -> None:
        """Tell clients whose tools have changed with the flags, for ever."""
        while True:  # a subscription ends for whoever is far behind; this one needs no single change
            async for _ in self._flags.subscribe():
                self._gating.look()

    def _apply(self) -> None:
        """Gate tools while there are any with a gate; without, calls pay nothing."""
        self._gating.keeper = ToolGates(self._judge) if self._judge.rules.tools else None
        self._gating.look()
