"""Fetching without a browser, and the guard through which a browser goes: bounded, judged at every hop."""

from __future__ import annotations

import asyncio
import ipaddress
from pathlib import Path
from typing import Any

import anyio
import pytest
from web_site import Site, answer, bomb, endless, html, redirect, silent, website

from workers.reference.hands.errors import HandError
from workers.reference.hands.fetch import fetch
from workers.reference.hands.guard import guarding
from workers.reference.hands.settings import HandSettings, Network
from workers.reference.tools.web import WebTools
from workers.reference.world import DryRunError, World

pytestmark = pytest.mark.requirement("HAND-4")

LOCAL: tuple[Network, ...] = (ipaddress.ip_network("127.0.0.1/32"),)
LIMIT = 60

PAGES = {
    "/": html("<title>Hello</title><p>one<p>two"),
    "/json": answer(b'{"a": 1}', Content_Type="application/json"),
    "/latin": answer("café".encode("latin-1"), Content_Type="text/plain; charset=latin-1"),
    "/odd": answer(b"caf\xff", Content_Type="text/plain; charset=no-such"),
    "/plain": answer(b"no type"),
    "/pdf": answer(b"%PDF", Content_Type="application/pdf"),
    "/two": redirect("/one"),
    "/one": redirect("/"),
    "/loop": redirect("/loop"),
    "/inward": redirect("http://10.0.0.1/secret"),
    "/metadata": redirect("http://169.254.169.254/latest"),
    "/v6": redirect("http://[::1]:1/"),
    "/file": redirect("file:///etc/passwd"),
    "/rubbish": redirect("http://[x/"),
    "/silent": silent,
    "/endless": endless,
    "/bomb": bomb(50_000_000),
    "/packed": bomb(1000),
    "/br": answer(b"x", Content_Type="text/plain", Content_Encoding="br"),
    "/torn": answer(b"not gzip", Content_Type="text/plain", Content_Encoding="gzip"),
    "/short": b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nx",
    "/noise": b"\x00\x01\x02 what?\r\n\r\n",
    "/gone": html("gone", "410 Gone"),
}


async def got(site: Site, path: str, seconds: float = LIMIT, **more: Any) -> Any:
    """Fetch a page of the site."""
    with anyio.fail_after(LIMIT):
        return await fetch(site.url(path), seconds, LOCAL, **more)


async def test_text_of_any_kind_is_fetched_with_its_charset_and_the_way_to_it() -> None:
    async with website(PAGES) as site:
        page = await got(site, "/two")
        assert (page.url, page.status, page.media_type) == (site.url("/"), 200, "text/html")
        assert page.redirects == (site.url("/two"), site.url("/one"))
        assert (await got(site, "/json")).text == '{"a": 1}'
        assert (await got(site, "/latin")).text == "café"
        assert (await got(site, "/odd")).text == "caf\ufffd"
        assert (await got(site, "/plain")).text == "no type"
        assert (await got(site, "/packed")).size == 1000
        assert (await got(site, "/gone")).status == 410
        assert (await got(site, "/missing#part")).status == 404


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("/pdf", "is application/pdf, not text"),
        ("/loop", "redirects more than 5 times, last to '/loop'"),
        ("/inward", "10.0.0.1 is 10.0.0.1, which is no public address"),
        ("/metadata", "169.254.169.254, which is no public address"),
        ("/v6", "::1, which is no public address"),
        ("/file", "is no web address"),
        ("/rubbish", "there is no host"),
        ("/silent", "did not answer in full within 0.3 s"),
        ("/endless", "is larger than 2097152 bytes"),
        ("/bomb", "is larger than 2097152 bytes once unpacked"),
        ("/br", "is packed as 'br', which was not asked for"),
        ("/torn", "is damaged"),
        ("/short", "cannot be fetched"),
        ("/noise", "cannot be fetched"),
    ],
)
async def test_what_cannot_be_fetched_is_said_within_bounds(path: str, problem: str) -> None:
    async with website(PAGES) as site:
        with pytest.raises(HandError) as error:
            await got(site, path, 0.3 if path == "/silent" else LIMIT)
        assert problem in str(error.value)


async def test_nothing_private_is_fetched_unless_the_operator_allows_it() -> None:
    async with website(PAGES) as site:
        for url in (site.url("/"), f"http://localhost:{site.port}/", f"http://127.1:{site.port}/", "http://[::1]:80/"):
            with pytest.raises(HandError, match="which is no public address; it can be allowed"):
                await fetch(url, 5, ())
        assert not site.asked


async def test_where_nobody_listens_or_there_is_no_host_is_said() -> None:
    with pytest.raises(HandError, match="cannot be fetched"):
        await fetch("http://127.0.0.1:9/", 5, LOCAL)
    with pytest.raises(HandError, match=r"there is no host 'no-such-host.invalid'; check the address"):
        await fetch("http://no-such-host.invalid/", 5, LOCAL)


async def test_a_dry_run_refuses_the_network_and_names_the_tool(tmp_path: Path) -> None:
    tools = WebTools(World(tmp_path, tmp_path, dry_run=True), lambda: False, HandSettings(networks=LOCAL))
    async with website(PAGES) as site:
        for call, name in (
            (tools.web_fetch(site.url("/")), "web_fetch"),
            (tools.screenshot(site.url("/")), "screenshot"),
        ):
            with pytest.raises(DryRunError, match=f"{name} is refused: this process is a dry run and the network"):
                await call
        assert not site.asked
    assert tools.status().started == 0


async def asked(port: int, request: str) -> bytes:
    """Send a request to a proxy and return all that comes back."""
    with anyio.fail_after(LIMIT):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(request.encode())
            return await reader.read()
        finally:
            writer.close()


async def test_the_guard_lets_through_what_may_be_reached_and_refuses_all_else() -> None:
    async with website(PAGES) as site, guarding(LOCAL) as guard:
        port = int(guard.url.rpartition(":")[2])
        there = await asked(port, f"GET {site.url('/json')} HTTP/1.1\r\nHost: x\r\nProxy-Authorization: y\r\n\r\n")
        assert there.endswith(b'{"a": 1}')
        tunnel = f"CONNECT 127.0.0.1:{site.port} HTTP/1.1\r\n\r\nGET /json HTTP/1.1\r\n\r\n"
        assert (await asked(port, tunnel)).startswith(b"HTTP/1.1 200 Connected\r\n\r\nHTTP/1.1 200 OK")
        for request in (
            "CONNECT 10.0.0.1:443 HTTP/1.1",
            "GET http://169.254.169.254/ HTTP/1.1",
            "CONNECT [::1]:22 HTTP/1.1",
        ):
            refusal = await asked(port, f"{request}\r\n\r\n")
            assert refusal.startswith(b"HTTP/1.1 502 Refused")
            assert b"no public address" in refusal
        assert set(guard.troubles) == {("10.0.0.1", 443), ("169.254.169.254", 80), ("::1", 22)}
        for request in ("GET / HTTP/1.1", "GET file:///etc/passwd HTTP/1.1", "CONNECT x:y:z HTTP/1.1"):
            assert (await asked(port, f"{request}\r\n\r\n")).startswith(b"HTTP/1.1 502 Refused")
        assert await asked(port, "rubbish\r\n\r\n") == b""


async def test_the_guard_forwards_one_request_a_connection_and_only_its_own_body() -> None:
    async with website(PAGES) as site, guarding(LOCAL) as guard:
        port = int(guard.url.rpartition(":")[2])
        second = "GET http://10.0.0.1/ HTTP/1.1\r\n\r\n"
        request = f"POST {site.url('/json')} HTTP/1.1\r\nContent-Length: 2\r\n\r\nok{second}"
        assert (await asked(port, request)).count(b"HTTP/1.1") == 1
        assert site.asked == {"/json": 1}


async def test_the_guard_stops_what_loads_without_end() -> None:
    async with website(PAGES) as site, guarding(LOCAL, most_bytes=100_000) as guard:
        port = int(guard.url.rpartition(":")[2])
        assert len(await asked(port, f"GET {site.url('/endless')} HTTP/1.1\r\n\r\n")) <= 100_000
        assert guard.exhausted
