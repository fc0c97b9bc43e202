"""Looks at the memory and processors of each serving generation's processes, every few seconds.

Above: `measuring`.  Below: `supervision.usage`, run in a thread: asking the kernel about a tree of processes takes
milliseconds.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import anyio

from orchestrator.domain.evidence.samples import Origin, Sample, SampleSink
from orchestrator.domain.routing import RoutingTable
from orchestrator.supervision.usage import Usage, usage_of_all
from orchestrator.telemetry.logging import get_logger

log = get_logger("samples")

Trees = Callable[[], Mapping[int, Sequence[int]]]
"""Returns the process ids at the root of each generation's trees."""


@dataclass(frozen=True, slots=True)
class _Last:
    at: float
    pids: tuple[int, ...]
    cpu: float


class Patrol:
    """Makes one sample of each generation that holds a lane, at each look."""

    def __init__(
        self,
        sink: SampleSink,
        trees: Trees,
        table: Callable[[], RoutingTable],
        now: Callable[[], float],
        measure: Callable[[Collection[int]], Usage] = usage_of_all,
    ) -> None:
        """Build it.

        Args:
            sink: is told.
            trees: says which processes there are.
            table: says who holds a lane.
            now: Unix seconds on the steady clock.
            measure: measures trees of processes together; called in a thread.
        """
        self._sink = sink
        self._trees = trees
        self._table = table
        self._now = now
        self._measure = measure
        self._last: dict[int, _Last] = {}

    async def run(self, every: Callable[[], float]) -> None:
        """Look for ever, `every()` seconds apart."""
        while True:
            await anyio.sleep(every())
            try:
                await self.look()
            except Exception:
                log.exception("the workers' processes could not be measured; the next look tries again")

    async def look(self) -> None:
        """Measure every generation that holds a lane."""
        trees, lanes = self._trees(), self._table().lanes()
        last, self._last = self._last, {}
        for lane, generation in lanes.items():
            pids = tuple(trees.get(generation, ()))
            if not pids:
                continue
            found = await anyio.to_thread.run_sync(self._measure, pids)
            if not found.processes:
                continue
            now = self._now()
            metrics = {"memory": float(found.memory), "processes": float(found.processes)}
            self._last[generation] = _Last(now, pids, found.cpu)
            percent = _percent(last.get(generation), self._last[generation])
            if percent is not None:
                metrics["cpu"] = percent
            self._sink.sample(Sample(at=now, generation=generation, lane=lane, origin=Origin.PROCESS, metrics=metrics))


def _percent(before: _Last | None, after: _Last) -> float | None:
    """Return the percent of one processor used between two looks.

    None at the first look, and when processes came or went: then the sums are not about the same.  A child that ended
    in between takes its seconds along, so the figure is never below what 0 means.
    """
    if before is None or before.pids != after.pids or after.at <= before.at:
        return None
    return max(0.0, (after.cpu - before.cpu) / (after.at - before.at) * 100.0)
