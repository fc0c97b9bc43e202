"""A look, every hour, at what is remembered of the flags' use, and a reminder a day for each flag that expires.

What workers read is kept beside the flags, so that "nobody has read it for 30 days" outlives the daemon's restarts; so
is the day of each reminder.  Above: `daemon` runs it.  Below: `service`, the desired state for what is kept.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import anyio

from orchestrator.domain.flags.report import Finding, expiries
from orchestrator.domain.ports import Clock, DesiredState
from orchestrator.flags.service import FlagsService
from orchestrator.telemetry.logging import get_logger

log = get_logger("flags")

HOUR: Final = 3600.0
USE: Final = "flags/use"
"""Key of the desired state: when looking began, and when each flag was last read."""
REMINDED: Final = "flags/reminded"
"""Key of the desired state: the day on which each flag's owner was last reminded, in UTC."""

Tell = Callable[[Finding], Awaitable[None]]
"""Tells those who are to be told of a flag that expires."""


class Reminders:
    """Looks after flags that outlive their use."""

    def __init__(
        self, service: FlagsService, kept: DesiredState, clock: Clock, before: Callable[[], float], tell: Tell
    ) -> None:
        """Build it.

        Args:
            service: the flags.
            kept: remembers over restarts.
            clock: wall time.
            before: seconds before its expiry from which a flag's owner is reminded.
            tell: tells others; the log is told here.
        """
        self._service = service
        self._kept = kept
        self._clock = clock
        self._before = before
        self._tell = tell

    async def run(self) -> None:
        """Look now and every hour, for ever; what one look meets is logged."""
        await self._guarded(self.recall)
        while True:
            await self._guarded(self.look)
            await anyio.sleep(HOUR)

    async def recall(self) -> None:
        """Take over what was known of the flags' use before the daemon started."""
        use = await self._read(USE)
        read_at = use.get("read_at")
        since = use.get("since")
        if isinstance(read_at, dict):
            self._service.readers.remember({key: at for key, at in read_at.items() if isinstance(at, (int, float))})
        if isinstance(since, (int, float)):
            self._service.since = min(self._service.since, float(since))

    async def look(self) -> None:
        """Keep what is known of use, and remind of every flag that expires, once a day."""
        use = {"since": self._service.since, "read_at": dict(self._service.readers.read_at())}
        await self._kept.txn({USE: json.dumps(use)})
        now = self._clock.wall()
        today = dt.datetime.fromtimestamp(now, dt.UTC).date().isoformat()
        reminded = await self._read(REMINDED)
        due = [one for one in expiries(self._service.registry, now, self._before()) if reminded.get(one.key) != today]
        kept = {key: day for key, day in reminded.items() if key in self._service.registry.declarations}
        for finding in due:
            log.warning("flag expires", flag=finding.key, detail=finding.detail)
            await self._tell(finding)
            kept[finding.key] = today  # only now: one that could not be told is told with the next look, and it alone
            await self._kept.txn({REMINDED: json.dumps(kept)})

    async def _read(self, key: str) -> Mapping[str, Any]:
        entry = await self._kept.get(key)
        try:
            content = json.loads(entry.value) if entry is not None and entry.value is not None else {}
        except ValueError:
            content = {}
        return content if isinstance(content, dict) else {}

    async def _guarded(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except Exception as error:  # a full disk must not end the looking
            log.exception("look at the flags' use failed", reason=str(error))
