"""When each notice is tried, and what becomes of it afterwards: pure decisions about values and `now`.

Above: `deliverer` carries them out.  Below: nothing but the domain's values.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final

from orchestrator.domain.flags.records import Notice

AT_ONCE: Final = 4
"""Notices of one destination under way at once: a burst of flags is told quickly, and nobody is flooded."""

Row = tuple[str, str]
"""A destination and a flag: what keeps its order."""


@dataclass(frozen=True, slots=True)
class Rules:
    """How often and how long a notice is tried.

    Attributes:
        initial: seconds before the second try; each further wait is twice as long.
        cap: longest wait in seconds.
        give_up_after: seconds after the change from which a failed try is the last one.
    """

    initial: float = 1.0
    cap: float = 300.0
    give_up_after: float = 86_400.0


@dataclass(frozen=True, slots=True)
class Delivered:
    """It was taken."""


@dataclass(frozen=True, slots=True)
class Again:
    """It was not taken, and may be later.

    Attributes:
        reason: what was met, without secrets.
        wait: seconds the destination asked to be left alone, None when it did not say.
    """

    reason: str
    wait: float | None = None


@dataclass(frozen=True, slots=True)
class Never:
    """It was refused, and would be again.

    Attributes:
        reason: what was met, without secrets.
    """

    reason: str


Outcome = Delivered | Again | Never


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do now, and when to look again.

    Attributes:
        due: notices to try now, oldest first.
        wake: seconds since the Unix epoch of the next one, None when nothing waits for a time.
    """

    due: tuple[Notice, ...]
    wake: float | None


@dataclass(frozen=True, slots=True)
class Mark:
    """What to note about a notice after a try; the arguments of `FlagOutbox.outbox_mark`."""

    state: str
    attempts: int
    due: float
    error: str


def plan(heads: Iterable[Notice], now: float, busy: Collection[Row], held: Mapping[str, float], rules: Rules) -> Plan:
    """Decide what is tried now: at most one notice a destination and flag, the oldest.

    Args:
        heads: pending notices.
        now: seconds since the Unix epoch.
        busy: rows with a try under way.
        held: destinations that asked to be left alone, until when.
        rules: bound how far off a try may be: one further off was set by a clock that has since been put back.
    """
    due: list[Notice] = []
    later: list[float] = []
    taken = set(busy)
    load = Counter(destination for destination, _ in taken)
    for notice in sorted(heads, key=lambda one: one.seq):
        row = (notice.destination, notice.flag)
        if row in taken:
            continue
        taken.add(row)  # also when it waits: what comes after it waits, too
        when = max(notice.due, held.get(notice.destination, 0.0))
        if now < when <= now + max(rules.cap, rules.give_up_after):
            later.append(when)
        elif load[notice.destination] < AT_ONCE:  # else the end of one under way brings it on
            load[notice.destination] += 1
            due.append(notice)
    return Plan(tuple(due), min(later, default=None))


def settle(notice: Notice, outcome: Outcome, now: float, rules: Rules, chance: float) -> Mark:
    """Decide what becomes of a notice after a try.

    Args:
        notice: as it was before the try.
        outcome: what the try met.
        now: seconds since the Unix epoch.
        rules: how often and how long.
        chance: a random number in [0, 1), so that many do not come back at once.
    """
    attempts = notice.attempts + 1
    if isinstance(outcome, Delivered):
        return Mark("delivered", attempts, now, "")
    if isinstance(outcome, Never):
        return Mark("failed", attempts, now, outcome.reason)
    if now - notice.created >= rules.give_up_after:
        return Mark("failed", attempts, now, f"{outcome.reason}; given up after {rules.give_up_after:g} s")
    wait = pause(attempts, rules, chance)
    if outcome.wait is not None:
        wait = min(max(wait, outcome.wait), rules.give_up_after)
    return Mark("pending", attempts, now + wait, outcome.reason)


def pause(attempts: int, rules: Rules, chance: float) -> float:
    """Return the seconds to wait after so many tries: exponential, half of it random.

    "Equal jitter" of https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/.
    """
    whole = min(rules.cap, rules.initial * 2.0 ** min(attempts - 1, 64))
    return whole * (0.5 + chance / 2)


REQUEST_TIMEOUT: Final = 408
TOO_MANY_REQUESTS: Final = 429


def judge(status: int, retry_after: str | None, now: float) -> Outcome:
    """Say what an HTTP answer means.

    Args:
        status: its status; 2xx is taken, 4xx refused for good, save 408 and 429 (RFC 9110, RFC 6585).
        retry_after: its Retry-After header.
        now: seconds since the Unix epoch.
    """
    kind = status // 100
    if kind == 2:  # noqa: PLR2004 - the class of success
        return Delivered()
    if kind == 4 and status not in (REQUEST_TIMEOUT, TOO_MANY_REQUESTS):  # noqa: PLR2004 - the class of client errors
        return Never(f"answered {status}")
    hint = "; webhooks follow no redirection, name the final address" if kind == 3 else ""  # noqa: PLR2004 - likewise
    return Again(f"answered {status}{hint}", seconds_asked(retry_after, now))


def seconds_asked(retry_after: str | None, now: float) -> float | None:
    """Read a Retry-After header: whole seconds or an HTTP date (RFC 9110, 10.2.3); None when it is neither."""
    text = (retry_after or "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:12])
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, TypeError):
        return None
    return max(0.0, (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() - now)
