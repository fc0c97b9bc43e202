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
from http import HTTPStatus
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
LONGEST: Final = 300
"""Characters of a reason; a server may say whatever it likes."""

NOBODY: Final = "nobody is asked; set samples.prometheus_url, and then: switchover reload"


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
        self.failures: Counter[str] = Counter()
        self._queries: Mapping[str, str] = dict(queries or {})
        self._sink = sink
        self._table = table
        self._now = now
        self._client: httpx.AsyncClient | None = None
        self._said: dict[str, str] = {}

    @property
    def queries(self) -> Mapping[str, str]:
        """What is asked, PromQL by the name of the metric; replaced from outside."""
        return self._queries

    @queries.setter
    def queries(self, queries: Mapping[str, str]) -> None:
        if queries != self._queries:  # the same are set again with every part of a plan
            self._queries, self._said = queries, {}

    @property
    def unanswered(self) -> list[str]:
        """What gave nothing when it was asked for last, and why, in words."""
        return [f"Prometheus gave nothing for {metric}: {reason}" for metric, reason in self._said.items()]

    async def run(self, url: Callable[[], str | None], every: Callable[[], float]) -> None:
        """Ask for ever, `every()` seconds apart, while there is something to ask; say so where `url()` names nobody."""
        try:
            while True:
                await anyio.sleep(every())
                address = url()
                if address is not None:
                    await self.round(address)
                else:
                    for metric in self._queries:
                        self._failed(metric, NOBODY)
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
        queries = self._queries
        for metric, query in queries.items():
            told, reason = await self._asked(address, metric, query)
            if queries is not self._queries:  # the rollout that wanted to know is over
                return
            if not told:
                self._failed(metric, reason)
                continue
            self._said.pop(metric, None)
            for sample in told:
                self._sink.sample(sample)

    async def _asked(self, address: str, metric: str, query: str) -> tuple[list[Sample], str]:
        """Return the samples of an answer, and why there are none."""
        try:
            told = self._samples(metric, await self._answer(address, query))
        except Exception as error:  # noqa: BLE001 - a server's answer may be anything
            return [], plainly(error)[:LONGEST]
        return told, "the answer has no finite number of a version in service"

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
                if answer.status_code != HTTPStatus.OK and not body.lstrip().startswith(b"{"):
                    raise ValueError(f"it answered {answer.status_code} {answer.reason_phrase}".rstrip())
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
        raise ValueError(f"it says: {answer.error or answer.status}")
    if answer.data.kind == "scalar":
        series = [_Series(msgspec.convert(answer.data.result, tuple[float, str]))]
    elif answer.data.kind == "vector":
        series = msgspec.convert(answer.data.result, list[_Series])
    else:
        raise ValueError(f"the query gives a {answer.data.kind}; ask for an instant vector or a scalar")
    for one in series[:SERIES]:
        number = _number(one.value[1])
        if math.isfinite(number):
            yield Measured(metric, number, _generation(one.metric), _lane(one.metric))


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{text!r} in its answer is no number") from None


def plainly(error: Exception) -> str:
    """Say for people why there was no answer that can be used."""
    import httpx  # noqa: PLC0415 - loaded by then

    if isinstance(error, TimeoutError | httpx.TimeoutException):
        return f"no answer within {TIMEOUT:g} s"
    if isinstance(error, httpx.ConnectError):
        return f"it cannot be reached ({error})"
    if isinstance(error, msgspec.MsgspecError):
        return f"this is no answer of a Prometheus: {error}"
    if isinstance(error, httpx.NetworkError | httpx.RemoteProtocolError):
        return f"it hung up ({error})" if str(error) else "it hung up"
    return str(error) or type(error).__name__


def _generation(labels: Mapping[str, str]) -> int | None:
    text = labels.get("generation", "")
    return int(text) if text.isascii() and text.isdecimal() else None


def _lane(labels: Mapping[str, str]) -> Lane | None:
    text = labels.get("lane", "")
    return Lane(text) if text in set(Lane) else None
