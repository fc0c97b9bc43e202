"""Who may speak to the door: the host it is called by, the page that calls, the token that is shown.

A browser can be made to send requests to a server on its own machine (DNS rebinding); the names it then sends as `Host`
and `Origin` give it away.  Above: `checks`.  Below: nothing; the values come from `doors`.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Self

from orchestrator.proxy.http.request import CACHED, host_name

LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class Access:
    """The rules.

    Attributes:
        hosts: names and addresses under which the door may be called.
        any_address: whether any literal address will do as `Host`: for a door on all interfaces.  No page can forge
            one, for rebinding takes a name.
        origins: pages that may call, as `scheme://host[:port]`; those of `hosts` may anyway.
        tokens: SHA-256 of each bearer token -> whose it is; without any, no token is asked for.
    """

    hosts: frozenset[str] = LOCAL_NAMES
    any_address: bool = False
    origins: frozenset[str] = frozenset()
    tokens: Mapping[bytes, str] = field(default_factory=dict)

    @classmethod
    def to(cls, address: str, *, hosts: Iterable[str], origins: Iterable[str], tokens: Iterable[str]) -> Self:
        """Make the rules of a door.

        Args:
            address: the address it is bound to.
            hosts: further names it is called by.
            origins: pages that may call.
            tokens: `TOKEN` or `SUBJECT:TOKEN` each.
        """
        everywhere = ipaddress.ip_address(address).is_unspecified
        return cls(
            hosts=LOCAL_NAMES | {address} | {host.lower() for host in hosts},
            any_address=everywhere,
            origins=frozenset(origin.lower().rstrip("/") for origin in origins),
            tokens=dict(_named(token) for token in tokens),
        )

    def allows_host(self, host: bytes) -> bool:
        """Tell whether the door may be called by this `Host`; the port does not matter."""
        name = host_name(host)
        if name is None:
            return False
        return name in self.hosts or (self.any_address and _is_address(name))

    def allows_origin(self, origin: bytes) -> bool:
        """Tell whether a page from this `Origin` may call."""
        text = origin.decode("latin-1").lower()
        if text in self.origins:
            return True
        scheme, _, host = text.partition("://")
        return scheme in {"http", "https"} and host_name(host.encode("latin-1")) in self.hosts

    def subject(self, authorization: bytes) -> str | None:
        """Return whose bearer token a request shows, "" where none is asked for, None for a wrong one or none."""
        if not self.tokens:
            return ""
        scheme, _, token = authorization.partition(b" ")
        if scheme.lower() != b"bearer":
            return None
        return self.tokens.get(hashlib.sha256(token.strip()).digest())


def is_loopback(address: str) -> bool:
    """Tell whether only this machine can reach an address."""
    found = ipaddress.ip_address(address)
    mapped = getattr(found, "ipv4_mapped", None)
    return (mapped or found).is_loopback


@lru_cache(CACHED)
def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _named(token: str) -> tuple[bytes, str]:
    """Split `SUBJECT:TOKEN`; a token without a subject stands for the beginning of its own digest."""
    subject, colon, secret = token.partition(":")
    if not colon:
        subject, secret = "", token
    digest = hashlib.sha256(secret.encode()).digest()
    return digest, subject or digest.hex()[:12]
