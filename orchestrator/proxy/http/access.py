"""Who may speak to the door: the host it is called by, the page that calls, the token that is shown.

A browser can be made to send requests to a server on its own machine (DNS rebinding); the names it then sends as `Host`
and `Origin` give it away.  Above: `checks`, the control plane's door.  Below: nothing; the values come from `doors`.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Self

from orchestrator.domain.access import NOBODY, Caller
from orchestrator.domain.ports import TokenReader
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
        reader: who knows signed tokens, which count beside these; None where there are none.
    """

    hosts: frozenset[str] = LOCAL_NAMES
    any_address: bool = False
    origins: frozenset[str] = frozenset()
    tokens: Mapping[bytes, str] = field(default_factory=dict)
    reader: TokenReader | None = None

    @classmethod
    def to(
        cls,
        address: str,
        *,
        hosts: Iterable[str],
        origins: Iterable[str],
        tokens: Iterable[str],
        reader: TokenReader | None = None,
    ) -> Self:
        """Make the rules of a door.

        Args:
            address: the address it is bound to.
            hosts: further names it is called by.
            origins: pages that may call.
            tokens: `TOKEN` or `SUBJECT:TOKEN` each.
            reader: who knows signed tokens.
        """
        everywhere = ipaddress.ip_address(address).is_unspecified
        return cls(
            hosts=LOCAL_NAMES | {address} | {host.lower() for host in hosts},
            any_address=everywhere,
            origins=frozenset(origin.lower().rstrip("/") for origin in origins),
            tokens=dict(_named(token) for token in tokens),
            reader=reader,
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

    def refused_page(self, host: bytes, origin: bytes | None, section: str) -> tuple[int, str] | None:
        """Refuse a request by the names it comes under.

        Args:
            host: its one `Host`.
            origin: its `Origin`, None without one.
            section: the settings' section in which names are allowed, for the reason.

        Returns:
            Status and reason, None when it may come in.
        """
        if not self.allows_host(host):
            name = host.decode("latin-1")
            return 421, f"this server is not called {name}; if it is, add the name to {section}.allowed_hosts"
        if origin is not None and not self.allows_origin(origin):
            page = origin.decode("latin-1")
            return 403, f"pages from {page} may not call this server; if they may, add it to {section}.allowed_origins"
        return None

    def caller(self, authorization: bytes) -> Caller | None:
        """Return who shows a bearer token, nobody where none is asked for, None for a wrong one or none.

        Raises:
            TokenRefusedError: it is a signed token of ours that does not count any more.
        """
        scheme, _, token = authorization.partition(b" ")
        if scheme.lower() == b"bearer":
            token = token.strip()
            subject = self.tokens.get(hashlib.sha256(token).digest())
            if subject is not None:
                return Caller(subject, trusted=True)
            known = self.reader.caller(token.decode("latin-1")) if self.reader is not None and _signed(token) else None
            if known is not None:
                return known
        return None if self.tokens else NOBODY


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


def _signed(token: bytes) -> bool:
    """Tell whether a token has the three parts of a signed one (RFC 7515, compact form)."""
    return token.count(b".") == 2  # noqa: PLR2004 - between three parts


def _named(token: str) -> tuple[bytes, str]:
    """Split `SUBJECT:TOKEN`; a token without a subject stands for the beginning of its own digest."""
    subject, colon, secret = token.partition(":")
    if not colon:
        subject, secret = "", token
    digest = hashlib.sha256(secret.encode()).digest()
    return digest, subject or digest.hex()[:12]
