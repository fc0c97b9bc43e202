"""Flags that have outlived their use: pure functions of values and `now`.

Above: `orchestrator.flags` reports and reminds.  Below: `declaration`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from orchestrator.domain.flags.declaration import Registry
from orchestrator.domain.words import counted

DAY: Final = 24 * 3600.0

Kind = Literal["expired", "expiring", "unread", "settled", "invalid", "undeclared"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing somebody should look at.

    Attributes:
        key: the flag.
        kind: `expired`, `expiring`, `unread` (nobody reads it), `settled` (at one value for long), `invalid` (cannot be
            used as declared or stored) or `undeclared` (stored, and no longer declared).
        detail: a sentence for people.
    """

    key: str
    kind: Kind
    detail: str


@dataclass(frozen=True, slots=True)
class Use:
    """What is known of a flag's use.

    Attributes:
        read_at: when a worker was last known to read it, seconds since the Unix epoch; None for never.
        changed_at: when its value or targeting last changed; None for never.
    """

    read_at: float | None = None
    changed_at: float | None = None


def expiries(registry: Registry, now: float, before: float) -> Iterator[Finding]:
    """Yield the flags that have expired, or will within `before` seconds.  A flag expires as its day begins, in UTC."""
    for key, declaration in registry.declarations.items():
        if declaration.expires is None:
            continue
        ends = dt.datetime.combine(declaration.expires, dt.time(), dt.UTC).timestamp()
        asked = f"; {declaration.owner or 'somebody'} is asked to remove it, or to move the day"
        if now >= ends:
            past = int((now - ends) // DAY)
            since = f"{counted(past, 'day')} ago" if past else "today"
            yield Finding(key, "expired", f"{key} expired {since}, on {declaration.expires}{asked}")
        elif now >= ends - before:
            days = int((ends - now) // DAY) + 1
            when = f"in {counted(days, 'day')}"
            yield Finding(key, "expiring", f"{key} expires {when}, on {declaration.expires}{asked}")


def stale(registry: Registry, uses: Mapping[str, Use], since: float, now: float, after: float) -> Iterator[Finding]:
    """Yield the flags that nobody reads, and those that have been at one value for long.

    Args:
        registry: what is declared; kill switches are meant to stay where they are and are left out.
        uses: what is known of each flag.
        since: when looking began; a flag that was never read or changed counts from then.
        now: seconds since the Unix epoch.
        after: seconds after which a flag is stale.
    """
    for key, declaration in registry.declarations.items():
        if declaration.kill_switch:
            continue
        use = uses.get(key, Use())
        unread = now - (since if use.read_at is None else max(since, use.read_at))
        if unread >= after:
            last = "since this was first looked at" if use.read_at is None else "any more"
            yield Finding(
                key, "unread", f"no worker has read {key} for {_days(unread)} {last}; remove it if nobody needs it"
            )
        settled = now - (since if use.changed_at is None else use.changed_at)
        if settled >= after:
            yield Finding(
                key,
                "settled",
                f"{key} has been at one value for {_days(settled)}; make that the code and remove the flag",
            )


def _days(seconds: float) -> str:
    days = int(seconds // DAY)
    return counted(days, "day") if days else "less than a day"
