"""A request of the stateless era against its headers: what is refused, in which order, with which code."""

from __future__ import annotations

import json
from typing import Any

import pytest

from orchestrator.proxy.http.envelope import params_of, refuse, status_of
from orchestrator.proxy.http.refusal import Refusal
from orchestrator.proxy.http.request import Request

VERSION = "io.modelcontextprotocol/protocolVersion"
CAPABILITIES = "io.modelcontextprotocol/clientCapabilities"
META = {VERSION: "2026-07-28", CAPABILITIES: {}}
WRAPPED = b"=?base64?Z3LDvMOfZQ==?="

pytestmark = pytest.mark.requirement("HTTP-5")


def judged(method: str = "tools/list", params: Any = None, meta: Any = META, **headers: bytes | None) -> Refusal | None:
    """Judge a request that is right but for what is given; a header given as None is left out."""
    given = {"mcp_protocol_version": b"2026-07-28", "mcp_method": method.encode(), **headers}
    kept = {name.replace("_", "-").encode(): value for name, value in given.items() if value is not None}
    full = {**(params or {}), "_meta": meta} if meta is not None else params
    body = json.dumps({"jsonrpc": "2.0", "id": 7, "method": method, "params": full}).encode()
    return refuse(Request(b"POST", b"/mcp", kept), method, b"7", params_of(body))


def code(refusal: Refusal | None) -> tuple[int, int]:
    assert refusal is not None
    assert refusal.body.startswith(b'{"jsonrpc":"2.0","id":7,"error":')
    return refusal.status, refusal.code


@pytest.mark.parametrize(
    ("method", "params", "name"),
    [
        ("tools/list", None, None),
        ("tools/list", None, b"whatever"),
        ("tools/call", {"name": "echo"}, b"echo"),
        ("tools/call", {"name": "grüße"}, WRAPPED),
        ("prompts/get", {"name": "a b"}, b"a b"),
        ("resources/read", {"uri": "file:///x"}, b"file:///x"),
        ("tools/call", {}, None),
        ("tasks/get", {"taskId": "t"}, b"t"),
        ("tasks/get", {"taskId": "t"}, None),
        ("some/thing", {"name": "x"}, None),
    ],
)
def test_what_agrees_is_forwarded(method: str, params: Any, name: bytes | None) -> None:
    assert judged(method, params, mcp_name=name) is None


@pytest.mark.parametrize("meta", [None, {}, {VERSION: "2026-07-28"}, {CAPABILITIES: {}}, 5, []])
def test_a_request_without_its_envelope_is_told_first(meta: Any) -> None:
    assert code(judged(meta=meta, mcp_method=b"wrong", mcp_protocol_version=b"1")) == (400, -32602)


@pytest.mark.parametrize(
    ("method", "params", "headers"),
    [
        ("tools/list", None, {"mcp_protocol_version": b"2027-01-01"}),
        ("tools/list", None, {"mcp_method": None}),
        ("tools/list", None, {"mcp_method": b"Tools/List"}),
        ("tools/call", {"name": "echo"}, {}),
        ("tools/call", {"name": "echo"}, {"mcp_name": b"Echo"}),
        ("tools/call", {"name": "grüße"}, {"mcp_name": b"=?base64?Z3LDvMOfZQ?="}),
        ("tools/call", {"name": 5}, {"mcp_name": b"5"}),
        ("prompts/get", {"name": "p"}, {"mcp_name": b"q"}),
        ("resources/read", {"uri": "a:b"}, {"mcp_name": b"a:c"}),
        ("tasks/cancel", {"taskId": "t"}, {"mcp_name": b"u"}),
    ],
)
def test_a_header_that_says_something_else_is_a_mismatch(method: str, params: Any, headers: Any) -> None:
    assert code(judged(method, params, **headers)) == (400, -32020)


def test_a_header_that_comes_twice_is_a_mismatch_even_when_both_agree() -> None:
    one = Request(b"POST", b"/mcp", {b"mcp-protocol-version": b"2026-07-28", b"mcp-method": b"tools/list"})
    one.add(b"Mcp-Method", b"tools/list")
    body = json.dumps({"params": {"_meta": META}}).encode()
    assert code(refuse(one, "tools/list", b"7", params_of(body))) == (400, -32020)


def test_a_version_nobody_speaks_is_answered_with_those_that_are_spoken() -> None:
    refusal = judged(meta={VERSION: "2099-01-01", CAPABILITIES: {}}, mcp_protocol_version=b"2099-01-01")
    assert code(refusal) == (400, -32022)
    assert refusal is not None
    assert refusal.data == {"supported": ["2026-07-28"], "requested": "2099-01-01"}


def test_a_version_that_is_no_text_never_agrees_with_its_header() -> None:
    assert code(judged(meta={VERSION: 5, CAPABILITIES: {}})) == (400, -32020)


@pytest.mark.parametrize(
    "method", ["initialize", "ping", "logging/setLevel", "resources/subscribe", "resources/unsubscribe"]
)
def test_methods_of_the_other_era_do_not_exist(method: str) -> None:
    assert code(judged(method)) == (404, -32601)


@pytest.mark.parametrize(
    ("rest", "status"),
    [
        (b',"result":{}}', 200),
        (b',"result":{"error":{"code":-32601}}}', 200),
        (b',"error":{"code":-32601,"message":""}}', 404),
        (b',"error": {"message":"","code":-32602}}', 400),
        (b', "error":{"code":-32021}}', 400),
        (b',"error":{"code":-32603}}', 200),
        (b',"error":{"code":-31010}}', 200),
        (b',"error":{"code":"odd"}}', 200),
        (b',"other":1,"error":{"code":-32700}}', 400),
    ],
)
def test_an_answers_status_follows_its_error(rest: bytes, status: int) -> None:
    assert status_of(rest) == status
    assert status_of(memoryview(rest)) == status
