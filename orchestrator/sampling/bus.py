"""Passes every sample to everybody who wants it.

Above: the tap, the patrol and the pollers tell it.  Below: its sinks (the store, the guard), which stay unknown to each
other; one that fails misses that sample and costs nobody else anything.
"""

from __future__ import annotations

from collections.abc import Callable

from orchestrator.domain.samples import Pair, Sample, SampleSink
from orchestrator.telemetry.logging import get_logger

log = get_logger("samples")


class SampleBus:
    """Tells its sinks, in the order in which they came; fits `domain.samples.SampleSink`.

    Attributes:
        missed: samples and pairs that a sink failed on.
    """

    __slots__ = ("_failing", "_sinks", "missed")

    def __init__(self, *sinks: SampleSink) -> None:
        self.missed = 0
        self._sinks = sinks
        self._failing: set[int] = set()

    def attach(self, sink: SampleSink) -> Callable[[], None]:
        """Tell `sink`, too, from now on; the answer ends that."""
        self._sinks = (*self._sinks, sink)

        def detach() -> None:
            self._sinks = tuple(one for one in self._sinks if one is not sink)

        return detach

    def sample(self, sample: Sample) -> None:
        """Pass one on."""
        for sink in self._sinks:
            try:
                sink.sample(sample)
            except Exception as error:  # noqa: BLE001 - whatever it is, the others and the call go on
                self._failed(sink, error)

    def pair(self, pair: Pair) -> None:
        """Pass one on."""
        for sink in self._sinks:
            try:
                sink.pair(pair)
            except Exception as error:  # noqa: BLE001 - likewise
                self._failed(sink, error)

    def _failed(self, sink: SampleSink, error: Exception) -> None:
        self.missed += 1
        if id(sink) not in self._failing:
            self._failing.add(id(sink))
            log.error("a sample is lost to one who is told; more are only counted", to=repr(sink), exc_info=error)
