"""Puts together what `status`, `/metrics` and the kept summary say, from the rooms below."""

from __future__ import annotations

import os
from collections.abc import Callable

import msgspec
import psutil

from orchestrator.api.models import FlagsInForce, GenerationStatus, LateReader, Queue, ShadowDiffs, Status, SwitchStatus
from orchestrator.domain.ports import Clock
from orchestrator.domain.rollouts.rollout import State
from orchestrator.engine.driver import Driver
from orchestrator.flags.service import FlagsService
from orchestrator.proxy.dispatch import Dispatcher
from orchestrator.rehearsal.summary import SummaryError, read_summary
from orchestrator.settings import Paths
from orchestrator.supervision.fleet import Fleet
from orchestrator.supervision.keeper import Keeper
from orchestrator.supervision.usage import usage
from orchestrator.telemetry.measured import FlagCounts, MirrorCounts, ShadowCounts, Snapshot, StorageCounts
from orchestrator.telemetry.tally import Tally


class Report:
    """Reads the daemon's rooms; changes nothing."""

    def __init__(
        self,
        driver: Driver,
        dispatcher: Dispatcher,
        fleet: Fleet,
        clock: Clock,
        flags: FlagsService,
        *,
        version: str,
        paths: Paths,
    ) -> None:
        """Build a report over the rooms; `paths` has the log file, the tools socket and `analytics`."""
        self._driver = driver
        self._dispatcher = dispatcher
        self._fleet = fleet
        self._clock = clock
        self._flags = flags
        self._version = version
        self._paths = paths
        self.mirror: Callable[[], MirrorCounts] = MirrorCounts
        self.storage: Callable[[], StorageCounts] = StorageCounts
        self._restarts: dict[int, int] = {}
        self._switched: tuple[float, int] | None = None
        self._started = clock.monotonic()
        self._process = psutil.Process()

    def status(self, trouble: str | None) -> Status:
        """Say how everything stands."""
        state, dispatcher = self._driver.state, self._dispatcher
        lanes = {lane.value: number for lane, number in state.table.lanes().items()}
        with_workers = sum(link.in_flight for link in dispatcher.links.values())
        return Status(
            version=self._version,
            pid=os.getpid(),
            uptime=self._clock.monotonic() - self._started,
            revision=dispatcher.table.revision,
            phase=state.phase.value,
            weight=dispatcher.table.weight,
            kill_switch=dispatcher.table.kill_switch,
            lanes=lanes,
            generations=[self._generation(number, state) for number in sorted(self._numbers(state))],
            sessions=len(dispatcher.sessions),
            parked=sum(session.parked for session in dispatcher.sessions.values()),
            in_flight=len(dispatcher.ledger.open),
            waiting=max(0, len(dispatcher.ledger.open) - with_workers),
            last_switch=self._last_switch(),
            trouble=trouble or self._driver.trouble,
            unmet=list(dispatcher.unmet),
            flags=self._in_force(),
            queue=self._queue(),
            log_file=str(self._paths.log_file),
            tools_socket=str(self._paths.tools_socket),
            memory_bytes=self._process.memory_info().rss,
        )

    def metrics(self) -> Snapshot:
        """Return what the metrics are made of."""
        keepers, flags = self._fleet.keepers, self._flags.status()
        links = {number: keeper.link for number, keeper in keepers.items()}
        return Snapshot(
            table=self._dispatcher.table,
            tallies={number: tally for number, tally in self._dispatcher.tallies.items() if number},
            sessions=len(self._dispatcher.sessions),
            in_flight={number: link.in_flight if link is not None else 0 for number, link in links.items()},
            restarts=self._restarted(),
            up={number: link is not None for number, link in links.items()},
            uptime=self._clock.monotonic() - self._started,
            flags=FlagCounts(flags.version, flags.readers, len(flags.late), flags.changes),
            mirror=self.mirror(),
            storage=self.storage(),
            shadow=self._shadow(),
        )

    def _restarted(self) -> dict[int, int]:
        """Return how often workers were started again, also those of the generations retired last: it is a counter."""
        counted, keepers = self._dispatcher.tallies, self._fleet.keepers
        kept = {number: count for number, count in self._restarts.items() if number in counted}
        self._restarts = kept | {number: keeper.restarts for number, keeper in keepers.items()}
        return self._restarts

    def _queue(self) -> Queue:
        try:
            summary = read_summary(self._paths.analytics)
        except SummaryError as error:
            return Queue(shadow_diffs_error=str(error))
        return Queue(shadow_diffs=None if summary is None else ShadowDiffs(**msgspec.structs.asdict(summary)))

    def _shadow(self) -> ShadowCounts | None:
        found = self._queue().shadow_diffs
        return None if found is None else ShadowCounts(found.count, found.in_a_row)

    def _in_force(self) -> FlagsInForce:
        flags = self._flags.status()
        late = [LateReader(pid=one.pid, generation=one.generation, applied=one.applied) for one in flags.late]
        return FlagsInForce(version=flags.version, readers=flags.readers, late=late, trouble=flags.trouble)

    def _numbers(self, state: State) -> set[int]:
        return {*state.generations, *self._fleet.keepers}

    def stepped(self, before: State, after: State) -> None:
        """Note a movement of all traffic; other changes of the table are none.  And what will soon be retired."""
        self._restarted()
        if before.table.active is not None and before.table.active != after.table.active:
            self._switched = after.changed_at, after.table.revision

    def _last_switch(self) -> SwitchStatus | None:
        if self._switched is None:
            return None
        at, revision = self._switched
        longest = self._dispatcher.gap.longest
        gap = None if longest is None else round(longest * 1000, 3)
        return SwitchStatus(at=at, revision=revision, longest_gap_ms=gap)

    def _generation(self, number: int, state: State) -> GenerationStatus:
        keeper = self._fleet.keepers.get(number)
        generation = state.generations.get(number) or (keeper.generation if keeper is not None else None)
        if generation is None:
            raise AssertionError("a number comes from one of the two")
        lane = state.table.lane_of(number)
        status = GenerationStatus(
            number=number,
            lane=lane.value if lane is not None else None,
            standing=generation.standing.value,
            note=generation.note,
            command=list(generation.spec.command),
            cwd=generation.spec.cwd,
            fingerprint=generation.spec.fingerprint,
            fingerprint_changed=keeper.changed if keeper is not None else False,
        )
        counted = _counted(self._dispatcher.tallies.get(number))
        return status.model_copy(update={**counted, **self._running(keeper)})

    def _running(self, keeper: Keeper | None) -> dict[str, object]:
        """Return what is known of the process itself."""
        if keeper is None:
            return {}
        known: dict[str, object] = {"restarts": keeper.restarts}
        if keeper.process is not None:
            known["pid"] = keeper.process.pid
        others = [other for place, other in self._fleet.others.items() if place.generation == keeper.generation.number]
        trees = [usage(one.process.pid) for one in (keeper, *others) if one.process is not None]
        known |= {"others": len(others), "processes": sum(tree.processes for tree in trees)}
        known["memory_bytes"] = sum(tree.memory for tree in trees)
        known["cpu_seconds"] = round(sum(tree.cpu for tree in trees), 2)
        link = keeper.link
        if link is not None and keeper.ready_at is not None:
            info = link.handshake.get("serverInfo")
            info = info if isinstance(info, dict) else {}
            known["server"] = f"{info.get('name', '')} {info.get('version', '')}".strip()
            known["protocol"] = str(link.handshake.get("protocolVersion", ""))
            known["in_flight"] = link.in_flight
            known["uptime"] = self._clock.monotonic() - keeper.ready_at
        return known


def _counted(tally: Tally | None) -> dict[str, float | int | None]:
    if tally is None:
        return {}
    p50, p95 = tally.percentile(0.50), tally.percentile(0.95)
    return {
        "calls": tally.calls,
        "errors": tally.errors,
        "lost": tally.lost,
        "expired": tally.expired,
        "replayed": tally.replayed,
        "own": tally.own,
        "p50_ms": None if p50 is None else round(p50 * 1000, 3),
        "p95_ms": None if p95 is None else round(p95 * 1000, 3),
    }
