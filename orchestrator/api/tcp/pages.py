"""Web pages of other origins that may use OFREP over TCP, and what a browser has to be told for it (CORS).

A browser sends a page's request and hands the page the answer only where the server names the page's origin; before
one with a token it asks (preflight), without a token.  The rules are https://fetch.spec.whatwg.org/#http-cors-protocol.
Pages named in `control.allowed_origins` may evaluate flags and hear of changes; everything else of the control API
stays closed to them.  Above: `tcp`.  Below: nothing.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Final

Headers = Sequence[tuple[bytes, bytes]]

PLACE: Final = "/ofrep/"
"""What pages of other origins may use."""
KEPT: Final = b"600"
"""Seconds a browser may go by one answer to a preflight; what was taken from the list is closed by then."""
_NAMES: Final = re.compile(rb"[A-Za-z0-9!#$%&'*+.^_`|~-]+(?:[ \t]*,[ \t]*[A-Za-z0-9!#$%&'*+.^_`|~-]+)*")
_LONGEST: Final = 2000
"""Bytes of header names that a preflight may ask for."""


def is_listed(origin: bytes | None, origins: Collection[str]) -> bool:
    """Tell whether a request comes from a page that is listed."""
    return origin is not None and origin.decode("latin-1").lower() in origins


def is_preflight(method: str, headers: Headers) -> bool:
    """Tell whether a browser asks on its own behalf whether a page may send a request."""
    return method == "OPTIONS" and any(name == b"access-control-request-method" for name, _ in headers)


def agreement(origin: bytes, headers: Headers) -> list[tuple[bytes, bytes]]:
    """Return the headers that answer a preflight of a listed page.

    Any header may be sent: what counts is the token, which no header but `Authorization` carries.

    Args:
        origin: the page's.
        headers: of the preflight.
    """
    told = [
        (b"access-control-allow-origin", origin),
        (b"access-control-allow-methods", b"GET, POST"),
        (b"access-control-max-age", KEPT),
        (b"vary", b"Origin, Access-Control-Request-Headers"),
    ]
    wanted = b", ".join(value for name, value in headers if name == b"access-control-request-headers").strip()
    if len(wanted) <= _LONGEST and _NAMES.fullmatch(wanted):
        told.append((b"access-control-allow-headers", wanted))
    return told


def readable(origin: bytes) -> list[tuple[bytes, bytes]]:
    """Return the headers with which a browser hands an answer, and its tag, to a listed page."""
    return [
        (b"access-control-allow-origin", origin),
        (b"access-control-expose-headers", b"ETag"),
        (b"vary", b"Origin"),
    ]
