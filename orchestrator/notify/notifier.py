"""What the daemon holds of this room: who is told, and the task that tells them.

Above: `daemon`.  Below: `deliverer` and `destinations`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping

from orchestrator.domain.ports import Clock, FlagOutbox
from orchestrator.notify.deliverer import Deliverer
from orchestrator.notify.destinations import destinations_of
from orchestrator.notify.options import NotifyOptions
from orchestrator.notify.webhook import HttpClient


class Notifier:
    """Tells the configured destinations of every change of flags.

    Attributes:
        names: the destinations; a `FlagWrite` names them, so that each gets a notice.
    """

    def __init__(
        self,
        outbox: FlagOutbox,
        options: NotifyOptions,
        clock: Clock,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """Build it.

        Args:
            outbox: what is to be told.
            options: who is told, and how often it is tried.
            clock: wall time.
            chance: random numbers in [0, 1).

        Raises:
            SettingsError: an address or the secret cannot be used.
        """
        self._outbox = outbox
        self._clock = clock
        self._client = HttpClient()
        self._deliverer = Deliverer(outbox, clock, chance)
        self.names: tuple[str, ...] = ()
        self.reload(options)

    @property
    def trouble(self) -> Mapping[str, str]:
        """Destinations whose last try failed, with what it met."""
        return dict(self._deliverer.trouble)

    def reload(self, options: NotifyOptions) -> None:
        """Tell these from now on.

        Raises:
            SettingsError: an address or the secret cannot be used; nothing is changed then.
        """
        destinations = destinations_of(options, self._client, self._clock)
        self.names = tuple(destinations)
        self._deliverer.use(destinations, options.rules)

    def wake(self) -> None:
        """Look at the outbox now; call it on the loop after a change of flags."""
        self._deliverer.wake()

    async def run(self) -> None:
        """Tell everybody for ever; what is under way when it is cancelled is told again by the next one."""
        try:
            await self._deliverer.run()
        finally:
            await self._client.close()
