"""Prometheus text, made from the tallies when somebody asks: the hot path counts, it does not format."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from orchestrator.domain.routing import Lane
from orchestrator.telemetry.measured import FlagCounts, MirrorCounts, ShadowCounts, Snapshot, StorageCounts
from orchestrator.telemetry.tally import BUCKETS, Tally


def render(snapshot: Snapshot) -> bytes:
    """Return the exposition text of a snapshot."""
    registry = CollectorRegistry()
    registry.register(_Once(snapshot))
    return generate_latest(registry)


class _Once(Collector):
    """Gives one snapshot's metrics."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def collect(self) -> Iterator[Metric]:
        yield from _routing(self._snapshot)
        yield from _calls(self._snapshot.tallies)
        yield _selections(self._snapshot.tallies)
        yield from _workers(self._snapshot)
        yield from _flags(self._snapshot.flags)
        if self._snapshot.shadow is not None:
            yield from _shadow(self._snapshot.shadow)
        yield from _mirror(self._snapshot.mirror)
        yield from _storage(self._snapshot.storage)


def _routing(snapshot: Snapshot) -> Iterator[Metric]:
    table = snapshot.table
    yield GaugeMetricFamily("switchover_routing_revision", "Revision of the routing table.", table.revision)
    yield GaugeMetricFamily("switchover_canary_weight_percent", "Weight of the canary.", table.weight)
    yield GaugeMetricFamily("switchover_kill_switch", "1 while the kill switch is on.", int(table.kill_switch))
    yield GaugeMetricFamily("switchover_sessions", "Connected clients.", snapshot.sessions)
    yield GaugeMetricFamily("switchover_uptime_seconds", "Seconds since the daemon started.", snapshot.uptime)
    lanes = GaugeMetricFamily("switchover_lane_generation", "Generation in each lane.", labels=["lane"])
    for lane, generation in table.lanes().items():
        lanes.add_metric([lane.value], generation)
    yield lanes


def _calls(tallies: Mapping[int, Tally]) -> Iterator[Metric]:
    outcomes = CounterMetricFamily(
        "switchover_calls", "Answered calls by how they ended.", labels=["generation", "outcome"]
    )
    replays = CounterMetricFamily(
        "switchover_replays", "Calls sent once more after their worker died.", labels=["generation"]
    )
    durations = HistogramMetricFamily(
        "switchover_call_duration_seconds", "Time from acceptance to answer.", labels=["generation"]
    )
    for number, tally in tallies.items():
        generation = str(number)
        named = {"lost": tally.lost, "expired": tally.expired}
        named["error"] = max(0, tally.errors - tally.lost - tally.expired)
        named["ok"] = tally.calls - tally.errors
        for outcome, count in named.items():
            outcomes.add_metric([generation, outcome], count)
        replays.add_metric([generation], tally.replayed)
        durations.add_metric([generation], _cumulative(tally), tally.seconds)
    yield outcomes
    yield replays
    yield durations


def _selections(tallies: Mapping[int, Tally]) -> Metric:
    """Count the routing table's decisions by generation, lane and reason: `default`, `canary` or `kill_switch`.

    `planner` is what the guard API calls the version: `v2` is the one on trial, `v1` the other.
    """
    family = CounterMetricFamily(
        "switchover_selection",
        "Requests by whom the routing table chose and why.",
        labels=["generation", "lane", "planner", "reason"],
    )
    for number, tally in tallies.items():
        counts = Counter({(Lane.ACTIVE.value, "default"): tally.default})
        for (lane, kill_switch), count in tally.selected.items():
            reason = "kill_switch" if kill_switch else "canary" if lane is Lane.CANARY else "default"
            counts[lane.value, reason] += count
        for (held, reason), count in counts.items():
            if count:
                version = "v2" if held == Lane.CANARY.value else "v1"
                family.add_metric([str(number), held, version, reason], count)
    return family


def _cumulative(tally: Tally) -> list[tuple[str, float]]:
    total = 0
    buckets: list[tuple[str, float]] = []
    for bound, count in zip((*map(str, BUCKETS), "+Inf"), tally.buckets, strict=True):
        total += count
        buckets.append((bound, total))
    return buckets


def _workers(snapshot: Snapshot) -> Iterator[Metric]:
    up = GaugeMetricFamily("switchover_worker_up", "1 while the generation's worker is ready.", labels=["generation"])
    for number, is_up in snapshot.up.items():
        up.add_metric([str(number)], int(is_up))
    yield up
    in_flight = GaugeMetricFamily("switchover_calls_in_flight", "Calls not answered yet.", labels=["generation"])
    for number, count in snapshot.in_flight.items():
        in_flight.add_metric([str(number)], count)
    yield in_flight
    restarts = CounterMetricFamily("switchover_worker_restarts", "Restarts after deaths.", labels=["generation"])
    for number, count in snapshot.restarts.items():
        restarts.add_metric([str(number)], count)
    yield restarts


def _flags(flags: FlagCounts) -> Iterator[Metric]:
    yield GaugeMetricFamily("switchover_flags_version", "Flags version in force.", flags.version)
    yield GaugeMetricFamily("switchover_flag_readers", "Processes that acknowledge flags versions.", flags.readers)
    yield GaugeMetricFamily("switchover_flag_readers_late", "Those that have not applied the newest.", flags.late)
    yield CounterMetricFamily("switchover_flag_changes", "Changes of single flags.", flags.changes)


def _mirror(mirror: MirrorCounts) -> Iterator[Metric]:
    yield CounterMetricFamily("switchover_mirror_sampled", "Calls chosen to be mirrored.", mirror.sampled)
    mirrored = CounterMetricFamily(
        "switchover_mirrored", "Pairs of answers by their gravest class of difference.", labels=["tool", "result"]
    )
    for (tool, result), count in mirror.results.items():
        mirrored.add_metric([tool, result], count)
    yield mirrored
    decisions = CounterMetricFamily(
        "switchover_decision_diff",
        "Pairs with decisions, by the agents chosen and whether any decision differs.",
        labels=["agent_v1", "agent_v2", "changed"],
    )
    for (old, new, changed), count in mirror.decisions.items():
        decisions.add_metric([old, new, str(changed)], count)
    yield decisions
    dropped = CounterMetricFamily("switchover_mirror_dropped", "Chosen calls not compared.", labels=["reason"])
    for reason, count in mirror.dropped.items():
        dropped.add_metric([reason], count)
    yield dropped


def _shadow(shadow: ShadowCounts) -> Iterator[Metric]:
    yield GaugeMetricFamily(
        "switchover_shadow_differences", "Differences that the newest rehearsal found.", shadow.differences
    )
    yield GaugeMetricFamily(
        "switchover_shadow_differing_runs", "Rehearsals in a row, up to the newest, with differences.", shadow.in_a_row
    )


def _storage(counts: StorageCounts) -> Iterator[Metric]:
    lost = GaugeMetricFamily(
        "switchover_database_lost", "1 while an open database file is gone or replaced.", labels=["file"]
    )
    restored = CounterMetricFamily(
        "switchover_database_restored", "How often a removed database file was put back.", labels=["file"]
    )
    for name in sorted({*counts.lost, *counts.restored}):
        lost.add_metric([name], name in counts.lost)
        restored.add_metric([name], counts.restored.get(name, 0))
    yield lost
    yield restored
