"""The notices of changed flags, as people ask for them: what could not be told and why, and telling it again.

Above: `service`, the API.  Below: the outbox behind `domain.ports.FlagOutbox`; who delivers is rung by `bell`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from orchestrator.domain.flags.records import Notice
from orchestrator.domain.ports import Clock, FlagOutbox
from orchestrator.flags.book import FlagsNotReadError, FlagsNotWrittenError
from orchestrator.telemetry.logging import get_logger

log = get_logger("flags")


def _nobody() -> None:
    """Ring nobody: without somebody who delivers, notices wait."""


class Notices:
    """Looks into the outbox.

    Attributes:
        bell: rings whoever delivers.
    """

    def __init__(self, outbox: FlagOutbox, clock: Clock) -> None:
        """Look into `outbox`; `clock` is for what is due at once."""
        self._outbox = outbox
        self._clock = clock
        self.bell: Callable[[], None] = _nobody

    async def page(self, limit: int, *, state: str | None = None, before: int | None = None) -> Sequence[Notice]:
        """Return up to `limit` notices, newest first.

        Args:
            limit: at least 1.
            state: only those that are `pending`, `delivered` or `failed`; None for all.
            before: only those with a smaller number.

        Raises:
            FlagsNotReadError: the outbox cannot be read.
        """
        try:
            return await self._outbox.outbox_page(limit, state=state, before=before)
        except Exception as error:
            raise FlagsNotReadError(f"the notices cannot be read: {error}") from error

    async def again(self, numbers: Collection[int] | None, *, actor: str, reason: str = "") -> int:
        """Have notices that were given up delivered again; return how many there were.

        Args:
            numbers: which; None for all that failed.  Those in another state stay as they are.
            actor: who asks.
            reason: why.

        Raises:
            FlagsNotWrittenError: the outbox cannot be written.
        """
        try:
            count = await self._outbox.outbox_again(numbers, due=self._clock.wall())
        except Exception as error:
            raise FlagsNotWrittenError(f"the notices cannot be put out again: {error}") from error
        log.info("notices put out again", count=count, actor=actor, reason=reason)
        self.bell()
        return count
