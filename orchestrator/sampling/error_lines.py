"""Tells how many lines at level ERROR each version logged since the last look, none included.

Above: `measuring`.  Below: supervision, which reads the workers' stderr and counts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import anyio

from orchestrator.domain.evidence.samples import Origin, Sample, SampleSink
from orchestrator.domain.routing import RoutingTable

METRIC: Final = "error_logs"
"""Name of the metric; the preset `atlasforge` wants none."""


class ErrorLines:
    """Makes one sample of each generation that holds a lane, at each look."""

    def __init__(
        self,
        sink: SampleSink,
        counts: Callable[[], Mapping[int, int]],
        table: Callable[[], RoutingTable],
        now: Callable[[], float],
    ) -> None:
        """Build it.

        Args:
            sink: is told.
            counts: returns how many such lines each generation has logged so far.
            table: says who holds a lane.
            now: Unix seconds on the steady clock.
        """
        self._sink = sink
        self._counts = counts
        self._table = table
        self._now = now
        self._told: dict[int, int] = {}

    async def run(self, every: Callable[[], float]) -> None:
        """Look for ever, `every()` seconds apart."""
        while True:
            await anyio.sleep(every())
            self.look()

    def look(self) -> None:
        """Tell what is new; what a version logged before it had a lane is told once it has one."""
        counts = self._counts()
        for lane, generation in self._table().lanes().items():
            lines = counts.get(generation, 0)
            new, self._told[generation] = lines - self._told.get(generation, 0), lines
            metrics = {METRIC: float(new)}
            self._sink.sample(
                Sample(at=self._now(), generation=generation, lane=lane, origin=Origin.PROCESS, metrics=metrics)
            )
