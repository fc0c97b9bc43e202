"""The safety net: a look, every half second, at whether somebody changed the stored flags by hand.

Changes made through the service need it not; they are pushed.  It also gives a change its second chance that took
effect and could not be written down, and it keeps the pages' heartbeat.

Above: `daemon` runs both.  Below: `service`.
"""

from __future__ import annotations

import anyio

from orchestrator.flags.service import FlagsService
from orchestrator.telemetry.logging import get_logger

log = get_logger("flags")

BEAT = 1.0
"""Seconds between two heartbeats; readers take three missed ones for the daemon's end."""


async def poll(service: FlagsService, interval: float) -> None:
    """Look every `interval` seconds, for ever."""
    while True:
        await anyio.sleep(interval)
        try:
            await service.look()
        except Exception as error:  # what one look meets must not end the looking
            log.exception("look at the stored flags failed", reason=str(error))


async def beat(service: FlagsService) -> None:
    """Keep the pages' heartbeat, for ever."""
    while True:
        service.beat()
        await anyio.sleep(BEAT)
