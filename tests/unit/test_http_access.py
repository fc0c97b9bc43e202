"""Who may call: DNS rebinding is refused by name, strangers for want of a token."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from orchestrator.domain.access import NOBODY, Caller
from orchestrator.proxy.http.access import Access, is_loopback

TOKEN = "a-token-of-many-letters"  # noqa: S105 - a test's


def access(
    address: str = "127.0.0.1", hosts: Iterable[str] = (), origins: Iterable[str] = (), tokens: Iterable[str] = ()
) -> Access:
    return Access.to(address, hosts=hosts, origins=origins, tokens=tokens)


@pytest.mark.requirement("HTTP-4")
@pytest.mark.parametrize("host", [b"localhost:3000", b"127.0.0.1", b"[::1]:9", b"LocalHost"])
def test_a_local_door_is_called_by_local_names_with_any_port(host: bytes) -> None:
    assert access().allows_host(host)


@pytest.mark.requirement("HTTP-4")
@pytest.mark.parametrize(
    "host", [b"evil.example", b"localhost.evil.example", b"127.0.0.1.evil.example", b"10.0.0.1", b"127.0.0.1@evil", b""]
)
def test_a_local_door_is_called_by_no_other_name(host: bytes) -> None:
    assert not access().allows_host(host)


@pytest.mark.requirement("HTTP-4")
def test_a_door_on_all_interfaces_is_called_by_any_address_and_by_configured_names() -> None:
    wide = access("0.0.0.0", hosts=["Tools.Example"])  # noqa: S104 - no socket is opened
    assert all(wide.allows_host(host) for host in (b"10.1.2.3:80", b"[fe80::1]", b"tools.example:443", b"localhost"))
    assert not wide.allows_host(b"evil.example")


@pytest.mark.requirement("HTTP-4")
def test_a_door_on_one_address_is_called_by_that_one() -> None:
    assert access("10.0.0.5").allows_host(b"10.0.0.5:80")
    assert not access("10.0.0.5").allows_host(b"10.0.0.6:80")


@pytest.mark.requirement("HTTP-4")
@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        (b"http://localhost:6274", True),
        (b"https://127.0.0.1", True),
        (b"http://[::1]:80", True),
        (b"HTTPS://App.Example", True),
        (b"https://app.example:8443", False),
        (b"http://app.example", False),
        (b"http://evil.example", False),
        (b"http://localhost.evil.example", False),
        (b"file://localhost", False),
        (b"null", False),
        (b"", False),
    ],
)
def test_pages_may_call_from_this_machine_and_from_configured_origins(origin: bytes, *, allowed: bool) -> None:
    assert access(origins=["https://app.example/"]).allows_origin(origin) is allowed


@pytest.mark.requirement("HTTP-4")
def test_a_page_on_some_address_may_not_call_a_door_on_all_interfaces() -> None:
    assert not access("::").allows_origin(b"http://6.6.6.6")


@pytest.mark.requirement("HTTP-4")
def test_a_token_tells_whose_it_is() -> None:
    known = access(tokens=[f"ann:{TOKEN}", "another-long-token"])
    assert known.caller(f"Bearer {TOKEN}".encode()) == Caller("ann", trusted=True)
    assert known.caller(f"bearer  {TOKEN}".encode()) == Caller("ann", trusted=True)
    nameless = known.caller(b"Bearer another-long-token")
    assert nameless is not None
    assert nameless.subject
    assert "token" not in nameless.subject


@pytest.mark.requirement("HTTP-4")
@pytest.mark.parametrize("shown", [b"", b"Bearer", b"Bearer wrong", b"Basic " + TOKEN.encode(), TOKEN.encode()])
def test_a_wrong_token_or_none_is_nobodys(shown: bytes) -> None:
    assert access(tokens=[TOKEN]).caller(shown) is None


def test_without_tokens_nobody_is_asked_for_one() -> None:
    assert access().caller(b"") == NOBODY


def test_the_tokens_themselves_are_not_kept() -> None:
    assert TOKEN not in repr(access(tokens=[TOKEN]))


@pytest.mark.parametrize(
    ("address", "local"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("::ffff:127.0.0.1", True), ("10.0.0.1", False)],
)
def test_loopback_is_what_only_this_machine_reaches(address: str, *, local: bool) -> None:
    assert is_loopback(address) is local
