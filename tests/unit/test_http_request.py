"""What the headers of a request say, however they are spelt."""

from __future__ import annotations

import pytest

from orchestrator.proxy.http.request import Request, accepts, host_name, is_json


def request(*headers: tuple[bytes, bytes], target: bytes = b"/mcp") -> Request:
    made = Request(target=target)
    for name, value in headers:
        made.add(name, value)
    return made


@pytest.mark.parametrize(
    ("accept", "json", "events"),
    [
        (b"application/json, text/event-stream", True, True),
        (b"text/event-stream,application/json;q=0.9", True, True),
        (b"APPLICATION/JSON", True, False),
        (b"text/event-stream", False, True),
        (b"*/*", True, True),
        (b"application/*, text/*", True, True),
        (b"application/json;q=0, */*;q=0.1", True, True),
        (b"application/json;q=0, text/event-stream", False, True),
        (b"application/json; q = 0.000", False, False),
        (b"application/json;q=0.001", True, False),
        (b"text/html", False, False),
        (b"", False, False),
        (b",;,", False, False),
    ],
)
def test_an_accept_header_says_whether_json_and_events_are_taken(accept: bytes, *, json: bool, events: bool) -> None:
    assert accepts(accept) == (json, events)


@pytest.mark.parametrize("value", [b"application/json", b"Application/JSON ; charset=utf-8", b"application/json;"])
def test_json_is_json_with_any_parameters(value: bytes) -> None:
    assert is_json(value)


@pytest.mark.parametrize("value", [b"", b"text/plain", b"application/jsonp", b"application/x-www-form-urlencoded"])
def test_nothing_else_is_json(value: bytes) -> None:
    assert not is_json(value)


@pytest.mark.parametrize(
    ("host", "name"),
    [
        (b"localhost", "localhost"),
        (b"LOCALHOST:8080", "localhost"),
        (b"localhost.", "localhost"),
        (b"[::1]", "::1"),
        (b"[::1]:80", "::1"),
        (b"evil.example:80", "evil.example"),
        (b"", None),
        (b":80", None),
        (b"[::1", None),
        (b"[::1]x", None),
        (b"[]:80", None),
        (b"localhost:80:90", None),
        (b"localhost:x", None),
        (b"user@localhost", None),
        (b"localhost/evil", None),
    ],
)
def test_a_host_is_read_without_port_and_brackets(host: bytes, name: str | None) -> None:
    assert host_name(host) == name


def test_names_of_headers_have_no_case_and_values_no_spaces_around_them() -> None:
    made = request((b"MCP-Session-ID", b" \tabc \t"))
    assert made.headers == {b"mcp-session-id": b"abc"}


def test_a_header_that_comes_twice_is_noted_and_its_first_value_kept() -> None:
    made = request((b"Mcp-Name", b"a"), (b"mcp-name", b"a"), (b"Host", b"b"))
    assert made.headers[b"mcp-name"] == b"a"
    assert made.repeated == {b"mcp-name"}


def test_several_accept_headers_are_one_list() -> None:
    made = request((b"Accept", b"application/json"), (b"accept", b"text/event-stream"))
    assert accepts(made.headers[b"accept"]) == (True, True)
    assert not made.repeated


@pytest.mark.parametrize(
    ("target", "path"),
    [
        (b"/mcp", b"/mcp"),
        (b"/mcp?x=/y", b"/mcp"),
        (b"http://localhost:80/mcp?x", b"/mcp"),
        (b"http://localhost", b"/"),
        (b"*", b"*"),
        (b"/mcp/", b"/mcp/"),
    ],
)
def test_the_path_is_the_target_without_host_and_query(target: bytes, path: bytes) -> None:
    assert request(target=target).path == path


def test_a_length_that_is_no_number_counts_as_none() -> None:
    assert request((b"content-length", b"12")).declared == 12
    assert request((b"content-length", b"-1")).declared == 0
    assert request().declared == 0
