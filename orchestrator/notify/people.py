"""Slack, mail, PagerDuty and the rest: whatever apprise reaches, with a text for people.

apprise is imported at the first try and called in a thread, because it blocks.  It says only whether it worked; what it
would log holds addresses, so it is kept quiet.  Above: `destinations`.  Below: apprise.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final

import anyio
import anyio.to_thread

from orchestrator.domain.flags.records import Notice
from orchestrator.notify.message import Message, message
from orchestrator.notify.schedule import Again, Delivered, Never, Outcome

TIMEOUT: Final = 60.0
"""Seconds a try may take: apprise bounds each read and write itself, a service may take several."""

THREADS: Final = 4
"""Tries through apprise at once, so that slow services do not take the threads others wait for."""

_QUIET: Final = ("apprise", "urllib3", "requests")
_limiter: Final = anyio.CapacityLimiter(THREADS)


class People:
    """One address of apprise's."""

    def __init__(self, address: str) -> None:
        self._address = address

    async def send(self, notice: Notice) -> Outcome:
        """Tell it once.

        A try that takes too long is left to end by itself, so somebody may then be told twice.
        """
        told = message(notice.payload)
        try:
            async with asyncio.timeout(TIMEOUT):
                return await anyio.to_thread.run_sync(
                    tell, self._address, told, abandon_on_cancel=True, limiter=_limiter
                )
        except TimeoutError:
            return Again(f"no answer within {TIMEOUT:g} s")


def tell(address: str, told: Message) -> Outcome:
    """Have apprise send a message; blocks."""
    import apprise  # noqa: PLC0415 - most daemons never need it

    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    # In memory: apprise would otherwise keep files in the home directory.
    asset = apprise.AppriseAsset(
        app_id="Switchover", app_desc="Flag changes", async_mode=False, storage_mode=apprise.PersistentStoreMode.MEMORY
    )
    sender = apprise.Apprise(asset=asset)
    if not sender.add(address):
        return Never("apprise does not understand the address; try it with the command `apprise -vv ADDRESS`")
    kind = apprise.NotifyType.WARNING if told.alarming else apprise.NotifyType.INFO
    taken = sender.notify(body=told.text, title=told.title, notify_type=kind, body_format=apprise.NotifyFormat.TEXT)
    return Delivered() if taken else Again("apprise could not deliver it; `apprise -vv ADDRESS` shows why")
