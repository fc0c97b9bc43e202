"""Where a request may go: http and https only, and no private address unless the operator allows it.

A name is judged by the addresses it stands for at the moment of connecting, and the connection goes to the very address
that was judged, so that a name cannot change its mind in between (DNS rebinding).  Above it stand `fetch` and `guard`,
below it the resolver.
"""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import anyio

from workers.reference.hands.errors import HandError
from workers.reference.hands.settings import NETWORKS, Network

if TYPE_CHECKING:
    import httpx

MOST_CHARACTERS: Final = 2048
"""Length of an address; browsers and servers agree on little more."""

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_LAST_PORT: Final = 65_535
# RFC 6052: the last 32 bits are an IPv4 address, which a translator will reach.
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")


class ForbiddenAddressError(HandError):
    """The address is one that this worker must not reach; the message names it."""


@dataclass(frozen=True, slots=True)
class Target:
    """A place on the network.

    Attributes:
        url: the whole address, parsed.
        host: the name or the literal address, without brackets.
        port: where it listens.
    """

    url: httpx.URL
    host: str
    port: int


def target(text: str) -> Target:
    """Read an address.

    Raises:
        HandError: it is no http or https address, names a user, or holds what no address holds.
    """
    import httpx  # noqa: PLC0415 - a twentieth of the time to start, and few workers are asked for the web

    if len(text) > MOST_CHARACTERS:
        raise HandError(f"the address has {len(text)} characters; at most {MOST_CHARACTERS} are allowed")
    if not text.isprintable() or " " in text or "\\" in text:
        raise HandError(f"{text!r} is no address; write spaces and special characters as %20 and the like")
    try:
        url = httpx.URL(text)
    except (httpx.InvalidURL, ValueError) as error:
        raise HandError(f"{text!r} is no address: {error}") from None
    if url.scheme not in {"http", "https"}:
        raise HandError(f"{text!r} is no web address; it has to begin with http:// or https://")
    if url.userinfo:
        raise HandError("the address names a user or a password; give one without")
    if not url.host:
        raise HandError(f"{text!r} names no host; write it as https://example.org/page")
    if url.port is not None and not 1 <= url.port <= _LAST_PORT:
        raise HandError(f"{text!r} is no address: ports go from 1 to {_LAST_PORT}")
    return Target(url, url.raw_host.decode("ascii").strip("[]"), url.port or (443 if url.scheme == "https" else 80))


def is_allowed(address: Address, networks: tuple[Network, ...]) -> bool:
    """Tell whether an address may be reached: it is public, or in a network that the operator named."""
    if any(address in network for network in networks):
        return True
    inner = _inner(address)
    if inner is not None:
        return is_allowed(inner, networks) and not isinstance(inner, ipaddress.IPv6Address)
    return address.is_global and not address.is_multicast and not address.is_reserved


async def resolved(host: str, port: int, networks: tuple[Network, ...]) -> str:
    """Return the address to connect to.

    Args:
        host: a name or a literal address.
        port: where it listens.
        networks: private networks that may be reached.

    Raises:
        ForbiddenAddressError: one of the addresses it stands for may not be reached.
        HandError: the name stands for none.
    """
    try:
        found = await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise HandError(f"there is no host {host!r}; check the address") from None
    addresses = [str(entry[4][0]).partition("%")[0] for entry in found]
    for text in addresses:
        if not is_allowed(ipaddress.ip_address(text), networks):
            raise ForbiddenAddressError(
                f"{host} is {text}, which is no public address; it can be allowed with {NETWORKS}={text}"
            )
    if not addresses:
        raise HandError(f"there is no host {host!r}; check the address")
    return addresses[0]


def _inner(address: Address) -> Address | None:
    """Return the IPv4 address that an IPv6 address carries, None when it carries none."""
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    if address.teredo is not None:
        return address.teredo[1]
    return address.ipv4_mapped or address.sixtofour
