"""How processes are looked after, and whom their keepers deal with.

Above: `keeper` works by it, `fleet` hands it out.  Below: `domain`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import anyio

from orchestrator.domain.lifecycle import Backoff
from orchestrator.domain.ports import Clock, Link
from orchestrator.supervision.process import Grace
from orchestrator.supervision.stderr import Hiding


@dataclass(slots=True)
class Care:
    """How processes are looked after; one object for all keepers, its fields replaced on reload.

    Attributes:
        start_timeout: seconds from spawn to the answered handshake.
        drain_timeout: seconds a retiring worker may take over the calls it has.
        ping_timeout: seconds in which a worker under suspicion must answer a ping.
        after_deadlines: expired calls with no answer between them before a ping decides.
        strict_fingerprint: refuse to start files that changed since the generation was made.
        stderr_line_bytes: longest piece of stderr in one log line.
        starts: processes of single sessions that may be starting at once.
        grace: the steps of stopping.
        backoff: when to start again.
    """

    start_timeout: float = 30.0
    drain_timeout: float = 300.0
    ping_timeout: float = 5.0
    after_deadlines: int = 1
    strict_fingerprint: bool = False
    stderr_line_bytes: int = 1 << 16
    starts: int = 4
    grace: Grace = field(default_factory=Grace)
    backoff: Backoff = field(default_factory=Backoff)


class KeeperOwner(Protocol):
    """Who is told how a generation's process fares (the daemon)."""

    def ready(self, generation: int, link: Link) -> None:
        """Its process answered the handshake."""
        ...

    def suspended(self, link: Link) -> None:
        """Its process is ending: nothing more may be sent."""
        ...

    def lost(self, link: Link, reason: str) -> None:
        """Its process is gone and has said all it will say."""
        ...

    def down(self, generation: int, reason: str) -> None:
        """It will be started again."""
        ...

    def failed(self, generation: int, reason: str) -> None:
        """It never became ready, or is in a crash loop."""
        ...


LinkFactory = Callable[[int, Callable[[], None]], Any]
"""(generation, called at the end of stdout) -> a link that is also the protocol of the worker's stdout."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What one keeper works with and whom it tells.

    Attributes:
        care: bounds and times.
        environment: the complete environment of its process.
        copies: directory of the private copies.
        link_factory: makes the proxy's end of the pipes.
        owner: is told what happens.
        clock: monotonic time for the back-off.
        hello: the `initialize` parameters of the one client it serves; None for the daemon's own.
        starts: bounds how many processes are being started at once; None for no bound.
        error_lines: counts the lines at level ERROR or above that its process writes to stderr, by generation.
        hiding: has taken out of those lines what may not be told.
    """

    care: Care
    environment: Mapping[str, str]
    copies: Path
    link_factory: LinkFactory
    owner: KeeperOwner
    clock: Clock
    hello: dict[str, Any] | None = None
    starts: anyio.Semaphore | None = None
    error_lines: Counter[int] = field(default_factory=Counter)
    hiding: Hiding = lambda _environment: str
