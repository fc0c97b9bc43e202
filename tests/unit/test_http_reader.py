"""Bytes to requests: the same however they are cut, bounded however long, and never an exception."""

from __future__ import annotations

import httptools
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.proxy.http.reader import HEAD_BYTES, Fate, RequestReader, Stage
from orchestrator.proxy.http.refusal import Refusal
from orchestrator.proxy.http.request import Request

LIMIT = 2000
ONE = b"POST /mcp?a=b HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = b"POST /mcp HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;ext=1\r\nlo\r\n0\r\n\r\n"
BARE = b"GET /mcp HTTP/1.1\r\nHost: localhost\r\n\r\n"


class Reading:
    """A reader and what came of it."""

    def __init__(self, refusal: Refusal | None = None) -> None:
        self.refusal = refusal
        self.told_to_go_on = 0
        self.reader = RequestReader(self.screen, self.go_on)

    def screen(self, request: Request) -> Refusal | None:
        request.limit = LIMIT
        return self.refusal

    def go_on(self) -> None:
        self.told_to_go_on += 1

    def feed(self, *pieces: bytes) -> Reading:
        for piece in pieces:
            self.reader.feed(memoryview(piece))
        return self

    @property
    def statuses(self) -> list[int]:
        return [0 if each.refusal is None else each.refusal.status for each in self.reader.arrived]


def summary(reading: Reading) -> list[tuple[bytes, bytes, bytes, Fate]]:
    return [(each.request.method, each.request.target, each.request.body, each.fate) for each in reading.reader.arrived]


@pytest.mark.requirement("HTTP-1")
@given(st.lists(st.sampled_from([ONE, CHUNKED, BARE]), min_size=1, max_size=4), st.lists(st.integers(1, 300)))
def test_requests_are_the_same_however_their_bytes_are_cut(requests: list[bytes], sizes: list[int]) -> None:
    data = b"".join(requests)
    whole, cut = Reading().feed(data), Reading()
    start = 0
    for size in sizes:
        cut.feed(data[start : start + size])
        start += size
    cut.feed(data[start:])
    assert summary(cut) == summary(whole)
    assert len(summary(whole)) == len(requests)


def test_a_body_comes_whole_with_its_length_or_in_chunks() -> None:
    assert [body for _, _, body, _ in summary(Reading().feed(ONE, CHUNKED))] == [b"hello", b"hello"]


@pytest.mark.requirement("HTTP-3")
@given(st.binary(max_size=400))
def test_any_bytes_are_read_or_refused_and_raise_nothing(data: bytes) -> None:
    assert set(Reading().feed(data, data).statuses) <= {0, 400}
    assert set(Reading().feed(ONE[:20] + data).statuses) <= {0, 400, 413}


@pytest.mark.requirement("HTTP-3")
def test_what_is_not_http_is_refused_once_and_nothing_is_read_after_it() -> None:
    reading = Reading().feed(b"\x16\x03\x01\x02\x00", ONE, ONE)
    assert reading.statuses == [400]
    assert reading.reader.arrived[0].fate is Fate.CUT
    assert reading.reader.stage is Stage.DEAF


@pytest.mark.requirement("HTTP-3")
def test_a_head_without_an_end_is_refused() -> None:
    assert Reading().feed(b"GET /mcp HTTP/1.1\r\nX: " + b"x" * HEAD_BYTES).statuses == [431]


@pytest.mark.requirement("HTTP-3")
def test_a_body_that_is_declared_too_long_is_refused_unread() -> None:
    reading = Reading(Refusal(413, "too long"))
    assert reading.feed(b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\nhel" % (LIMIT + 1)).statuses == [413]
    assert reading.reader.arrived[0].fate is Fate.CUT


@pytest.mark.requirement("HTTP-3")
def test_a_body_in_chunks_is_refused_as_soon_as_it_is_too_long() -> None:
    head, _, _ = CHUNKED.partition(b"3\r\n")
    reading = Reading().feed(head, b"400\r\n" + b"x" * 1024 + b"\r\n")
    assert reading.statuses == []
    assert reading.feed(b"400\r\n" + b"x" * 1024 + b"\r\n0\r\n\r\n").statuses == [413]


def test_a_request_that_is_refused_for_its_head_is_read_to_its_end_and_the_connection_lives() -> None:
    reading = Reading(Refusal(415, "no")).feed(ONE, BARE)
    assert reading.statuses == [415, 415]
    assert {each.fate for each in reading.reader.arrived} == {Fate.KEEP}
    assert reading.reader.arrived[0].request.body == b""


def test_a_client_that_asks_whether_to_send_the_body_is_told_to_or_why_not() -> None:
    asking = b"POST / HTTP/1.1\r\nExpect: 100-Continue\r\nContent-Length: 5\r\n\r\n"
    reading = Reading().feed(asking)
    assert reading.told_to_go_on == 1
    assert summary(reading.feed(b"hello"))[0][2] == b"hello"
    refused = Reading(Refusal(415, "no")).feed(asking)
    assert (refused.told_to_go_on, refused.statuses) == (0, [415])


@pytest.mark.parametrize(
    "one",
    [
        b"GET /mcp HTTP/1.0\r\nHost: x\r\n\r\n",
        b"GET /mcp HTTP/1.1\r\nConnection: close\r\n\r\n",
        b"HEAD /mcp HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /mcp HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
        b"POST /mcp HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 2\r\n\r\nhi",
        b"CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
)
def test_some_requests_are_the_last_on_their_connection(one: bytes) -> None:
    reading = Reading().feed(one)
    assert [each.fate for each in reading.reader.arrived] == [Fate.CLOSE]
    assert len(reading.feed(ONE).reader.arrived) == 1


@pytest.mark.parametrize(
    "smuggled",
    [
        b"POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"POST / HTTP/1.1\r\nContent-Length: -5\r\n\r\nhello",
        b"POST / HTTP/1.1\r\nContent-Length : 5\r\n\r\nhello",
        b"GET / HTTP/1.1\r\nX: a\r\n folded\r\n\r\n",
    ],
)
@pytest.mark.requirement("HTTP-3")
def test_a_request_that_two_readers_could_read_differently_is_refused(smuggled: bytes) -> None:
    assert Reading().feed(smuggled).statuses == [400]


def test_a_mistake_of_ours_is_not_taken_for_the_clients() -> None:
    def broken(_request: Request) -> Refusal | None:
        raise ZeroDivisionError

    reader = RequestReader(broken, lambda: None)
    with pytest.raises(ZeroDivisionError):
        reader.feed(memoryview(ONE))
    assert issubclass(httptools.HttpParserCallbackError, httptools.HttpParserError)
