"""What a daemon that was killed had decided and not told yet: the notices of its last steps that are in no outbox.

A step is durable in the journal and its notice in the outbox, which are two files: whoever is killed in between has
taken the step and told nobody.  The next daemon reads its last steps again and puts out what is missing.  Above:
`daemon`.  Below: `state` through `storage`, `chronicle` for what a step's notice is.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

from orchestrator.chronicle import ABOUT, Tell, notice_of
from orchestrator.domain.flags.records import Notice
from orchestrator.domain.rollouts.record import Record, decode
from orchestrator.storage import Storage
from orchestrator.telemetry.logging import get_logger

log = get_logger("daemon")

STEPS: Final = 16
"""Steps that are read again: a notice is put out within moments of its step, so few can have followed."""
WITHIN: Final = 3600.0
"""Seconds after which a step is no news; whoever starts a daemon that was long gone reads the history."""
NOTICES: Final = 200
"""Newest notices among which those of the last steps are sought."""


async def tell_untold(storage: Storage, tell: Tell, now: float) -> None:
    """Put out what an earlier life did not; what is wrong with its files is said by others.

    Args:
        storage: its journal and its outbox.
        tell: puts a notice out.
        now: Unix seconds.
    """
    try:
        steps = [decode(one.record) for one in reversed(await storage.journal.tail(STEPS))]
        told = await storage.store.flags.outbox_page(NOTICES)
        for notice in untold(steps, told, now):
            await tell(ABOUT, notice)
            log.info("told of what an earlier life did", notice=notice["event"], rollout=notice["rollout"])
    except Exception as error:  # noqa: BLE001 - a notice must never keep a daemon from starting
        log.warning("what an earlier life did is not told", reason=str(error))


def untold(steps: Sequence[Record], told: Iterable[Notice], now: float) -> Iterator[dict[str, Any]]:
    """Yield the notices of steps that nobody was told of, oldest first.

    Args:
        steps: the newest records of the journal, oldest first; what led to the first of them is not known.
        told: the newest notices of the outbox.
        now: Unix seconds.
    """
    known = {_named(json.loads(one.payload)) for one in told if one.flag == ABOUT}
    for before, after in pairwise(steps):
        notice = notice_of(before.state.rollout, after.state.rollout)
        if notice is not None and now - after.at <= WITHIN and _named(notice) not in known:
            yield notice


def _named(notice: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return what makes a notice another one."""
    return notice.get("event"), notice.get("rollout"), notice.get("detail")
