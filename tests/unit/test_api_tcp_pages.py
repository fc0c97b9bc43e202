"""OFREP for web pages of other origins: those that are named may evaluate and hear of changes, and nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from control_story import control_plane

from orchestrator.api.tcp.access import control_access
from orchestrator.api.tcp.tcp import TcpDoor
from orchestrator.domain.errors import SettingsError
from orchestrator.settings import load

pytestmark = pytest.mark.requirement("FLAG-59")

TOKEN = "a-token-of-many-letters"  # noqa: S105 - a test's
OPERATOR = {"authorization": f"Bearer {TOKEN}"}
PAGE = "https://app.example"
BULK = "/ofrep/v1/evaluate/flags"
PREFLIGHT = {
    "access-control-request-method": "POST",
    "access-control-request-headers": "authorization,content-type,if-none-match",
}


@asynccontextmanager
async def browser(folder: Path, origins: str = PAGE) -> AsyncIterator[httpx.AsyncClient]:
    """Have a client that reaches a control plane over TCP as a browser does."""
    async with control_plane(folder) as plane:
        chosen = {"SWITCHOVER_CONTROL__TOKENS": f"ops:{TOKEN}", "SWITCHOVER_CONTROL__ALLOWED_ORIGINS": origins}
        access = control_access(load(None, chosen, {}), "127.0.0.1", plane.control.access)
        door = TcpDoor(plane.app, access, plane.control.access.admits)
        transport = httpx.ASGITransport(app=door, client=("10.0.0.9", 4711))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8081") as client:
            yield client


async def test_a_browser_may_send_what_the_page_wants_without_a_token_in_its_question(tmp_path: Path) -> None:
    async with browser(tmp_path, f"https://other.example {PAGE.upper()}/") as client:
        told = await client.options(BULK, headers={"origin": PAGE, **PREFLIGHT})
        assert (told.status_code, told.content) == (204, b"")
        assert told.headers["access-control-allow-origin"] == PAGE
        assert told.headers["access-control-allow-headers"] == PREFLIGHT["access-control-request-headers"]
        assert "POST" in told.headers["access-control-allow-methods"]
        assert "Origin" in told.headers["vary"]


async def test_the_page_reads_answers_their_tag_and_their_errors(tmp_path: Path) -> None:
    async with browser(tmp_path) as client:
        headers = {"origin": PAGE, **OPERATOR}
        first = await client.post(BULK, headers=headers, json={"context": {"targetingKey": "visitor"}})
        again = {**headers, "if-none-match": first.headers["etag"]}
        second = await client.post(BULK, headers=again, json={"context": {"targetingKey": "visitor"}})
        unknown = await client.post(f"{BULK}/NOT_THERE", headers=headers, json={})
        stranger = await client.post(BULK, headers={"origin": PAGE}, json={})
        assert [one.status_code for one in (first, second, unknown, stranger)] == [200, 304, 404, 401]
        for one in (first, second, unknown, stranger):
            assert one.headers["access-control-allow-origin"] == PAGE
            assert one.headers["access-control-expose-headers"] == "ETag"
            assert one.headers["vary"] == "Origin"


async def test_a_page_that_is_named_may_do_nothing_else(tmp_path: Path) -> None:
    async with browser(tmp_path) as client:
        for method, path in (("GET", "/v1/flags"), ("POST", "/v1/flags"), ("OPTIONS", "/v1/flags"), ("GET", "/events")):
            response = await client.request(method, path, headers={"origin": PAGE, **OPERATOR, **PREFLIGHT}, json={})
            assert (response.status_code, "/ofrep/" in response.json()["reason"]) == (403, True)
            assert "access-control-allow-origin" not in response.headers


@pytest.mark.parametrize("origin", ["https://evil.example", "null", f"{PAGE}.evil.example", "http://app.example"])
async def test_a_page_that_is_not_named_learns_nothing(tmp_path: Path, origin: str) -> None:
    async with browser(tmp_path) as client:
        asked = await client.options(BULK, headers={"origin": origin, **PREFLIGHT})
        sent = await client.post(BULK, headers={"origin": origin, **OPERATOR}, json={})
        for one in (asked, sent):
            assert (one.status_code, "control.allowed_origins" in one.json()["reason"]) == (403, True)
            assert "access-control-allow-origin" not in one.headers


async def test_without_pages_everything_is_as_it_was(tmp_path: Path) -> None:
    async with browser(tmp_path, "") as client:
        plain = await client.post(BULK, headers=OPERATOR, json={})
        assert (plain.status_code, "vary" in plain.headers) == (200, False)
        assert (await client.options(BULK, headers={"origin": PAGE, **PREFLIGHT})).status_code == 403


async def test_names_of_headers_that_are_none_are_not_repeated(tmp_path: Path) -> None:
    async with browser(tmp_path) as client:
        for names in ("a b", "x" * 3000, "", "a,,b"):
            wanted = {"access-control-request-method": "POST", "access-control-request-headers": names}
            told = await client.options(BULK, headers={"origin": PAGE, **wanted})
            assert (told.status_code, "access-control-allow-headers" in told.headers) == (204, False)


@pytest.mark.parametrize("written", ["*", "null", "app.example", "https://app.example/page", "https://*.example"])
def test_an_origin_that_cannot_be_one_is_refused_with_what_is_allowed(written: str) -> None:
    with pytest.raises(SettingsError, match=r"control\.allowed_origins.*SCHEME://HOST"):
        load(None, {"SWITCHOVER_CONTROL__ALLOWED_ORIGINS": written}, {})
