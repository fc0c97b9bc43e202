"""A Prometheus server is asked over HTTP, and whatever it answers, the daemon goes on."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from orchestrator.domain.evidence.samples import Origin, Pair, Sample
from orchestrator.domain.routing import Lane, RoutingTable
from orchestrator.sampling import PrometheusPoller
from orchestrator.sampling.prometheus import plainly

TABLE = RoutingTable(revision=1, active=1, canary=2, weight=50)
NOW = 1_700_000_000.0


class Kept:
    """A sink that keeps what it is told."""

    def __init__(self) -> None:
        self.samples: list[Sample] = []

    def sample(self, sample: Sample) -> None:
        self.samples.append(sample)

    def pair(self, pair: Pair) -> None:
        raise AssertionError(pair)

    def take(self) -> list[tuple[int, Lane, dict[str, float]]]:
        """Return whose samples there were and what they say."""
        samples, self.samples = self.samples, []
        assert all((sample.origin, sample.at, sample.treated) == (Origin.PROMETHEUS, NOW, None) for sample in samples)
        return [(sample.generation, sample.lane, dict(sample.metrics)) for sample in samples]


class Server:
    """Answers instant queries as it is told to, in the form that Prometheus documents.

    Attributes:
        body: what it answers.
        status: with which HTTP status.
        asked: the queries so far.
    """

    def __init__(self) -> None:
        self.body = b""
        self.status = 200
        self.asked: list[str] = []
        self.address = ""

    def vector(self, *series: tuple[dict[str, str], str]) -> None:
        """Answer with an instant vector."""
        found = [{"metric": labels, "value": [1700000000.123, value]} for labels, value in series]
        self.success("vector", found)

    def success(self, kind: str, result: Any) -> None:
        self.status, self.body = 200, json.dumps(
            {"status": "success", "data": {"resultType": kind, "result": result}}
        ).encode()  # fmt: skip

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer every request of a connection."""
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                method, target, _ = head.split(b" ", 2)
                url = urlsplit(target.decode())
                assert (method, url.path) == (b"GET", "/api/v1/query")
                self.asked += parse_qs(url.query)["query"]
                writer.write(
                    b"HTTP/1.1 %d Said\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
                    % (self.status, len(self.body), self.body)
                )
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def asking(queries: dict[str, str]) -> AsyncIterator[tuple[Server, PrometheusPoller, Kept]]:
    """Run a server, and a poller that asks it."""
    server, kept = Server(), Kept()
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.address = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    poller = PrometheusPoller(kept, lambda: TABLE, lambda: NOW, queries)
    try:
        async with asyncio.timeout(60):
            yield server, poller, kept
    finally:
        await poller.close()
        listener.close()
        await listener.wait_closed()


@pytest.mark.requirement("SAMPLE-15")
async def test_a_series_is_of_the_version_it_is_labelled_with_and_of_both_without() -> None:
    async with asking({"errors": 'rate(errors{job="a b"}[5m])'}) as (server, poller, kept):
        server.vector(({"generation": "2", "job": "w"}, "0.25"), ({"lane": "active"}, "1e-3"))
        await poller.round(server.address)
        assert kept.take() == [(2, Lane.CANARY, {"errors": 0.25}), (1, Lane.ACTIVE, {"errors": 0.001})]
        server.vector(({"job": "whole"}, "7"))
        await poller.round(server.address)
        assert kept.take() == [(1, Lane.ACTIVE, {"errors": 7.0}), (2, Lane.CANARY, {"errors": 7.0})]
        server.success("scalar", [1700000000, "3"])
        await poller.round(server.address)
        assert [metrics for _, _, metrics in kept.take()] == [{"errors": 3.0}] * 2
        assert server.asked == ['rate(errors{job="a b"}[5m])'] * 3
        assert not poller.failures


@pytest.mark.requirement("SAMPLE-15")
async def test_what_is_no_number_of_a_version_in_service_is_left_out() -> None:
    async with asking({"m": "m"}) as (server, poller, kept):
        server.vector(({"generation": "9"}, "1"), ({"generation": "1"}, "NaN"), ({"generation": "2"}, "2"))
        await poller.round(server.address)
        assert kept.take() == [(2, Lane.CANARY, {"m": 2.0})]
        assert not poller.failures


@pytest.mark.requirement("SAMPLE-15")
@pytest.mark.parametrize(
    ("status", "body", "why"),
    [
        (200, b'{"status":"success","data":{"resultType":"vector","result":[]}}', "no finite number"),
        (
            200,
            b'{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"NaN"]}]}}',
            "no finite number",
        ),
        (200, b'{"status":"success","data":{"resultType":"matrix","result":[]}}', "the query gives a matrix"),
        (
            400,
            b'{"status":"error","errorType":"bad_data","error":"parse error: unexpected"}',
            "it says: parse error: unexpected",
        ),
        (503, b"<html>gone</html>", "it answered 503 Said"),
        (200, b"[1", "this is no answer of a Prometheus: Expected"),
        (
            200,
            b'{"status":"success","data":{"resultType":"vector","result":[{"value":[1,"x"]}]}}',
            "'x' in its answer is no number",
        ),
        (200, b" " * (1 << 20) + b"{}", "longer than 1048576 bytes"),
    ],
    ids=["empty", "NaN", "matrix", "error", "no JSON", "cut", "no number", "long"],
)
async def test_an_answer_without_a_number_is_counted_and_said_once(
    status: int, body: bytes, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async with asking({"m": "m"}) as (server, poller, kept):
        server.status, server.body = status, body
        for _ in range(3):
            await poller.round(server.address)
        assert kept.take() == []
        assert poller.failures == {"m": 3}
        said = capsys.readouterr().err
        assert said.count("Prometheus gave nothing") == 1
        assert why in said
        (words,) = poller.unanswered
        assert words.startswith("Prometheus gave nothing for m: ")
        assert why in words


@pytest.mark.requirement("SAMPLE-15")
async def test_a_server_that_is_gone_is_asked_again_and_one_metric_does_not_cost_the_others() -> None:
    async with asking({"bad": "m", "m": "m"}) as (server, poller, kept):
        await poller.round("http://127.0.0.1:1")
        assert poller.failures == {"bad": 1, "m": 1}
        assert len(poller.unanswered) == 2
        assert all("it cannot be reached" in one for one in poller.unanswered)
        server.vector(({}, "1"))
        await poller.round(server.address)
        assert len(kept.take()) == 4
        assert poller.unanswered == []
        await poller.round("http://127.0.0.1:1")
        poller.queries = {"other": "m"}
        assert poller.unanswered == []  # what failed for one plan says nothing of the next


@pytest.mark.requirement("SAMPLE-15")
@pytest.mark.parametrize(
    ("error", "words"),
    [
        (TimeoutError(), "no answer within 5 s"),
        (httpx.ReadTimeout(""), "no answer within 5 s"),
        (httpx.RemoteProtocolError("peer closed"), "it hung up (peer closed)"),
        (httpx.ReadError(""), "it hung up"),
        (ValueError("it says: no"), "it says: no"),
    ],
)
def test_what_went_wrong_is_told_without_the_names_of_classes(error: Exception, words: str) -> None:
    assert plainly(error) == words


@pytest.mark.requirement("SAMPLE-15")
async def test_it_asks_while_there_is_something_to_ask_and_somebody_who_is_asked() -> None:
    async with asking({}) as (server, poller, _):
        server.vector(({}, "1"))
        address: str | None = None
        rounds, news = 0, asyncio.Event()

        def every() -> float:
            nonlocal rounds
            rounds += 1
            news.set()
            return 0.001

        running = asyncio.create_task(poller.run(lambda: address, every))
        for queries, answered in (({}, None), ({"m": "m"}, None), ({}, server.address), ({"m": "m"}, server.address)):
            poller.queries, address = queries, answered
            enough = rounds + 3  # one may be under way, one is whole
            while rounds < enough:
                news.clear()
                await news.wait()
            assert bool(server.asked) == bool(queries and answered)
            assert any("set samples.prometheus_url" in one for one in poller.unanswered) == bool(
                queries and not answered
            )
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
