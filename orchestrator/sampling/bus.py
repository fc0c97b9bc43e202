"""Passes every sample to everybody who wants it.

Above: the tap, the patrol and the pollers tell it.  Below: its sinks (the store, the guard), which stay unknown to each
other; one that fails misses that sample and costs nobody else anything.
"""

from __future__ import annotations

from collections.abc import Callable

from orchestrator.domain.evidence.samples import Pair, Sample, SampleSink
from orchestrator.telemetry.logging import get_logger

log = get_logger("samples")


class SampleBus:
    """Tells its sinks, in the order in which they came; fits `domain.evidence.samples.SampleSink`.

    Attributes:
        missed: samples and pairs that a sink failed on.
        eager: sinks that want every call at any time.
        on_change: called when sinks have come or gone.
    """

    __slots__ = ("_failing", "_sinks", "eager", "missed", "on_change")

    def __init__(self) -> None:
        self.missed = 0
        self.eager = 0
        self.on_change: Callable[[], None] = lambda: None
        self._sinks: tuple[SampleSink, ...] = ()
        self._failing: set[int] = set()

    def attach(self, sink: SampleSink, *, idle: bool = True) -> Callable[[], None]:
        """Tell `sink`, too, from now on.

        Args:
            sink: is told.
            idle: whether it wants every call also while no rollout is under way; otherwise it is told of some then.

        Returns:
            What ends it.
        """
        self._change((*self._sinks, sink), idle)

        def detach() -> None:
            left = tuple(one for one in self._sinks if one is not sink)
            if len(left) < len(self._sinks):
                self._change(left, -idle)

        return detach

    def _change(self, sinks: tuple[SampleSink, ...], eager: int) -> None:
        self._sinks = sinks
        self.eager += eager
        self.on_change()

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
