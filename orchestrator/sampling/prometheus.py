"""Puts a plan's queries to a Prometheus server, every few seconds, and makes samples of the answers.

The answer of an instant query is read as https://prometheus.io/docs/prometheus/latest/querying/api/ describes it.  A
series labelled `generation` or `lane` is about that one; one without is about the active generation and the canary
alike.  Whatever goes wrong is counted and logged once; the next round asks again.  Above: `measuring`.  Below: httpx,
loaded with the first query.
"""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import anyio
import msgspec

from orchestrator.domain.evidence.samples import Origin, Sample, SampleSink
from orchestrator.domain.routing import Lane, RoutingTable
from orchestrator.sampling.posted import Measured, samples_of
from orchestrator.telemetry.logging import get_logger

if TYPE_CHECKING:
    import httpx

log = get_logger("samples")

TIMEOUT: Final = 5.0
"""Seconds one query may take."""
BYTES: Final = 1 << 20
"""Longest answer read; an instant query about two versions has a few lines."""
SERIES: Final = 100
"""Series taken of one answer."""


class _Data(msgspec.Struct):
    kind: str = msgspec.field(name="resultType")
    result: Any = None


class _Answer(msgspec.Struct):
    status: str
    data: _Data | None = None
    error: str = ""


class _Series(msgspec.Struct):
    value: tuple[float, str]
    metric: dict[str, str] = {}


class PrometheusPoller:
    """Asks, and tells a sink.

    Attributes:
        queries: what is asked, PromQL by the name of the metric; replaced from outside.
        failures: rounds in which a metric gave nothing, by metric.
    """

    def __init__(
        self,
        sink: SampleSink,
        table: Callable[[], RoutingTable],
        now: Callable[[], float],
        queries: Mapping[str, str] | None = None,
    ) -> None:
        """Build it.

        Args:
            sink: is told.
            table: says who holds which lane.
            now: Unix seconds on the steady clock.
            queries: what is asked, PromQL by the name of the metric.
        """
        self.queries: Mapping[str, str] = dict(queries or {})
        self.failures: Counter[str] = Counter()
        self._sink = sink
        self._table = table
        self._now = now
        self._client: httpx.AsyncClient | None = None
        self._said: dict[str, str] = {}

    async def run(self, url: Callable[[], str | None], every: Callable[[], float]) -> None:
        """Ask for ever, `every()` seconds apart, while there is something to ask and `url()` says whom."""
        try:
            while True:
                await anyio.sleep(every())
                address = url()
                if address is not None and self.queries:
                    await self.round(address)
        finally:
            with anyio.CancelScope(shield=True):
                await self.close()

    async def close(self) -> None:
        """Close the connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def round(self, address: str) -> None:
        """Ask every query once; never raises."""
        for metric, query in dict(self.queries).items():
            try:
                told = self._samples(metric, await self._answer(address, query))
            except Exception as error:  # noqa: BLE001 - a server's answer may be anything
                self._failed(metric, f"{type(error).__name__}: {error}"[:300])
                continue
            if not told:
                self._failed(metric, "the answer has no finite number of a version in service")
                continue
            self._said.pop(metric, None)
            for sample in told:
                self._sink.sample(sample)

    def _samples(self, metric: str, body: bytes) -> list[Sample]:
        """Return the samples of an answer; a series about a version that is out of service counts for nothing."""
        told: list[Sample] = []
        for one in measured(metric, body):
            with suppress(ValueError):
                told += samples_of(one, self._table(), self._now(), Origin.PROMETHEUS)
        return told

    async def _answer(self, address: str, query: str) -> bytes:
        import httpx  # noqa: PLC0415 - with the first query: most daemons ask nobody

        if self._client is None:
            logging.getLogger("httpx").setLevel(logging.ERROR)  # it logs every request, address included
            self._client = httpx.AsyncClient(headers={"User-Agent": "switchover"}, follow_redirects=False)
        with anyio.fail_after(TIMEOUT):
            async with self._client.stream(
                "GET", f"{address}/api/v1/query", params={"query": query}, timeout=TIMEOUT
            ) as answer:
                body = bytearray()
                async for part in answer.aiter_bytes():
                    body += part
                    if len(body) > BYTES:
                        raise ValueError(f"the answer is longer than {BYTES} bytes")
                if not body.lstrip().startswith(b"{"):
                    answer.raise_for_status()
        return bytes(body)

    def _failed(self, metric: str, reason: str) -> None:
        self.failures[metric] += 1
        if self._said.get(metric) != reason:
            self._said[metric] = reason
            log.warning("Prometheus gave nothing for a metric", metric=metric, reason=reason)


def measured(metric: str, body: bytes) -> Iterator[Measured]:
    """Yield the finite numbers of an answer.

    Raises:
        ValueError: it is no answer to an instant query, or says that something was wrong.
    """
    answer = msgspec.json.decode(body, type=_Answer)
    if answer.status != "success" or answer.data is None:
        raise ValueError(answer.error or f"the server says {answer.status}")
    if answer.data.kind == "scalar":
        series = [_Series(msgspec.convert(answer.data.result, tuple[float, str]))]
    elif answer.data.kind == "vector":
        series = msgspec.convert(answer.data.result, list[_Series])
    else:
        raise ValueError(f"the query gives a {answer.data.kind}; ask for an instant vector or a scalar")
    for one in series[:SERIES]:
        number = float(one.value[1])
        if math.isfinite(number):
            yield Measured(metric, number, _generation(one.metric), _lane(one.metric))


def _generation(labels: Mapping[str, str]) -> int | None:
    text = labels.get("generation", "")
    return int(text) if text.isascii() and text.isdecimal() else None


def _lane(labels: Mapping[str, str]) -> Lane | None:
    text = labels.get("lane", "")
    return Lane(text) if text in set(Lane) else None
