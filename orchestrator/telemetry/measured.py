"""What the metrics are made of, at one moment.

Above: `api.report` gathers it, `metrics` words it for Prometheus.  Below: `tally`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from orchestrator.domain.routing import RoutingTable
from orchestrator.telemetry.tally import Tally


@dataclass(frozen=True, slots=True)
class FlagCounts:
    """The flags in numbers.

    Attributes:
        version: the flags version.
        readers: processes that say which version they have applied.
        late: those that have not applied the newest.
        changes: changes of single flags since the daemon started.
    """

    version: int = 0
    readers: int = 0
    late: int = 0
    changes: int = 0


@dataclass(frozen=True, slots=True)
class MirrorCounts:
    """What mirroring gave.

    Attributes:
        results: pairs by tool and gravest class of difference.
        decisions: pairs with decisions, by both agents and whether any decision differs.
        dropped: calls not compared, by reason.
        sampled: calls chosen.
    """

    results: Mapping[tuple[str, str], int] = field(default_factory=dict)
    decisions: Mapping[tuple[str, str, bool], int] = field(default_factory=dict)
    dropped: Mapping[str, int] = field(default_factory=dict)
    sampled: int = 0


@dataclass(frozen=True, slots=True)
class ShadowCounts:
    """The newest shadow comparison in numbers.

    Attributes:
        differences: that somebody has to look at.
        in_a_row: rehearsals in a row, this one the last, that had such.
    """

    differences: int
    in_a_row: int


@dataclass(frozen=True, slots=True)
class StorageCounts:
    """What became of the daemon's own database files while they were open.

    Attributes:
        lost: files that cannot be used now: removed and not put back yet, or replaced.
        restored: how often a removed one was put back, by its name.
    """

    lost: Collection[str] = ()
    restored: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What the metrics are made of.

    Attributes:
        table: the routing table in force.
        tallies: counters by generation.
        sessions: connected clients.
        in_flight: calls with each generation's worker.
        restarts: how often each generation's worker was started again.
        up: whether each generation's worker is ready.
        uptime: seconds the daemon has run.
        flags: the flags.
        shadow: the newest shadow comparison, None while there was none.
        mirror: mirrored calls.
        storage: the daemon's own database files.
    """

    table: RoutingTable
    tallies: Mapping[int, Tally]
    sessions: int
    in_flight: Mapping[int, int] = field(default_factory=dict)
    restarts: Mapping[int, int] = field(default_factory=dict)
    up: Mapping[int, bool] = field(default_factory=dict)
    uptime: float = 0.0
    flags: FlagCounts = field(default_factory=FlagCounts)
    shadow: ShadowCounts | None = None
    mirror: MirrorCounts = field(default_factory=MirrorCounts)
    storage: StorageCounts = field(default_factory=StorageCounts)
