"""Which status a request gets for its head alone, each as the specification names it."""

from __future__ import annotations

import pytest

from orchestrator.domain.protocol import HANDSHAKE_VERSIONS, Era
from orchestrator.proxy.http.access import Access
from orchestrator.proxy.http.checks import era_of, preflight, refuse_version, screen
from orchestrator.proxy.http.refusal import Refusal
from orchestrator.proxy.http.request import Request

LIMIT = 1000
GOOD = {
    b"host": b"localhost",
    b"content-type": b"application/json",
    b"accept": b"application/json, text/event-stream",
    b"content-length": b"10",
}
TOKENS = Access.to("127.0.0.1", hosts=(), origins=(), tokens=["ann:a-token-of-many-letters"])


def request(method: bytes = b"POST", target: bytes = b"/mcp", **headers: bytes | None) -> Request:
    """Return a good request; a header given as None is left out."""
    given = {name.replace("_", "-").encode(): value for name, value in headers.items()}
    kept = {name: value for name, value in {**GOOD, **given}.items() if value is not None}
    return Request(method, target, kept)


def refused(one: Request, access: Access | None = None) -> Refusal:
    refusal = screen(one, access or Access(), LIMIT)
    assert refusal is not None
    return refusal


@pytest.mark.requirement("HTTP-1")
@pytest.mark.parametrize("method", [b"POST", b"GET", b"DELETE"])
def test_the_three_methods_are_served(method: bytes) -> None:
    assert screen(request(method), Access(), LIMIT) is None


@pytest.mark.requirement("HTTP-3")
@pytest.mark.parametrize(
    ("status", "one"),
    [
        (404, request(target=b"/")),
        (404, request(target=b"/mcp/")),
        (404, request(target=b"/.well-known/oauth-protected-resource")),
        (400, request(host=None)),
        (421, request(host=b"evil.example")),
        (403, request(origin=b"http://evil.example")),
        (405, request(b"PUT")),
        (405, request(b"HEAD")),
        (405, request(b"OPTIONS")),
        (413, request(content_length=b"1001")),
        (415, request(content_type=None)),
        (415, request(content_type=b"text/plain")),
        (406, request(accept=None)),
        (406, request(accept=b"application/json")),
        (406, request(accept=b"text/event-stream")),
        (406, request(b"GET", accept=b"application/json")),
    ],
)
def test_a_head_that_is_wrong_has_its_status_and_says_why(status: int, one: Request) -> None:
    refusal = refused(one)
    assert refusal.status == status
    assert len(refusal.reason) > 20
    assert b'"id"' not in refusal.body


@pytest.mark.requirement("HTTP-3")
def test_two_hosts_are_as_bad_as_none() -> None:
    one = request()
    one.add(b"Host", b"localhost")
    assert refused(one).status == 400


@pytest.mark.requirement("HTTP-4")
def test_without_the_token_nothing_is_said_but_how_to_show_one() -> None:
    refusal = refused(request(), TOKENS)
    assert refusal.status == 401
    assert refusal.fields.startswith(b"WWW-Authenticate: Bearer")


@pytest.mark.requirement("HTTP-4")
def test_a_token_makes_known_who_calls() -> None:
    one = request(authorization=b"Bearer a-token-of-many-letters")
    assert screen(one, TOKENS, LIMIT) is None
    assert one.subject == "ann"


@pytest.mark.requirement("HTTP-4")
def test_a_browser_asks_what_it_may_send_without_a_token() -> None:
    one = request(b"OPTIONS", origin=b"http://localhost:6274", content_type=None, accept=b"*/*")
    assert preflight(one)
    assert screen(one, TOKENS, LIMIT) is None


@pytest.mark.requirement("HTTP-4")
def test_a_strangers_page_is_told_nothing_when_it_asks() -> None:
    assert refused(request(b"OPTIONS", origin=b"http://evil.example"), TOKENS).status == 403


@pytest.mark.parametrize(
    ("version", "era"),
    [
        (None, Era.HANDSHAKE),
        *((version.encode(), Era.HANDSHAKE) for version in HANDSHAKE_VERSIONS),
        (b"2026-07-28", Era.STATELESS),
        (b"1999-01-01", Era.STATELESS),
        (b"", Era.STATELESS),
    ],
)
def test_the_version_header_tells_the_era(version: bytes | None, era: Era) -> None:
    assert era_of(request(mcp_protocol_version=version)) is era


@pytest.mark.requirement("HTTP-3", "HTTP-5")
def test_the_stateless_era_has_only_post_and_a_bad_version_is_bad_everywhere() -> None:
    assert refuse_version(request(b"GET")) is None
    assert refuse_version(request(b"GET", mcp_protocol_version=b"2025-11-25")) is None
    gone = refuse_version(request(b"GET", mcp_protocol_version=b"2026-07-28"))
    assert gone is not None
    assert (gone.status, gone.fields) == (405, b"Allow: POST\r\n")
    bad = refuse_version(request(b"DELETE", mcp_protocol_version=b"1999"))
    assert bad is not None
    assert (bad.status, bad.code, bad.data["requested"]) == (400, -32022, "1999")
