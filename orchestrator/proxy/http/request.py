"""One HTTP request as a value, and what its headers say.  Above: `checks`, `door`.  Below: `connection` fills it in."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

from orchestrator.domain.access import NOBODY, Caller

SPACES = b" \t"
CACHED = 256
"""Different header values whose reading is remembered; clients send the same few again and again."""


@dataclass(slots=True, eq=False)
class Request:
    """What one client sent.

    Attributes:
        method: HTTP method, as written.
        target: what stands between method and version.
        headers: values by lower-case name, without the spaces around them; of a repeated one the first.
        repeated: lower-case names that came more than once; `accept` does not count, its values are joined.
        body: the content.
        http10: whether the client speaks HTTP/1.0, which has no chunks.
        limit: the most bytes its body may have.
        caller: who sent it, as the bearer token tells; nobody without tokens.
        extra: header lines that its answer carries.
    """

    method: bytes = b""
    target: bytes = b""
    headers: dict[bytes, bytes] = field(default_factory=dict)
    repeated: set[bytes] = field(default_factory=set)
    body: bytes = b""
    http10: bool = False
    limit: int = 0
    caller: Caller = NOBODY
    extra: bytes = b""

    def add(self, name: bytes, value: bytes) -> None:
        """Take in a header line."""
        name = name.lower()
        value = value.strip(SPACES)
        headers = self.headers
        if name not in headers:
            headers[name] = value
        elif name == b"accept":
            headers[name] += b"," + value
        else:
            self.repeated.add(name)

    @property
    def subject(self) -> str:
        """The caller's name, "" where nobody is known."""
        return self.caller.subject

    @property
    def path(self) -> bytes:
        """The target without query, also of one in absolute form."""
        target = self.target
        if not target.startswith(b"/"):
            _, found, rest = target.partition(b"://")
            target = b"/" + rest.partition(b"/")[2] if found else target
        return target.partition(b"?")[0]

    @property
    def declared(self) -> int:
        """The length of the body in bytes as the client declared it, 0 where it did not."""
        value = self.headers.get(b"content-length", b"")
        return int(value) if value.isdigit() else 0


@lru_cache(CACHED)
def is_json(content_type: bytes) -> bool:
    """Tell whether a `Content-Type` is JSON; parameters such as a charset do not matter."""
    return content_type.partition(b";")[0].strip(SPACES).lower() == b"application/json"


@lru_cache(CACHED)
def accepts(accept: bytes) -> tuple[bool, bool]:
    """Tell whether an `Accept` takes JSON, and whether it takes a stream of events; `q=0` is a no."""
    taken = set()
    for part in accept.lower().split(b","):
        kind, *parameters = (word.strip(SPACES) for word in part.split(b";"))
        if not any(_nought(parameter) for parameter in parameters):
            taken.add(kind)
    whatever = b"*/*" in taken
    return (
        whatever or b"application/json" in taken or b"application/*" in taken,
        whatever or b"text/event-stream" in taken or b"text/*" in taken,
    )


def _nought(parameter: bytes) -> bool:
    name, _, value = parameter.partition(b"=")
    return name.strip(SPACES) == b"q" and value.strip(SPACES).rstrip(b"0") in {b"", b"0", b"0."}


@lru_cache(CACHED)
def host_name(host: bytes) -> str | None:
    """Return the name in a `Host` without port and brackets, lower case; None for what is no host."""
    text = host.decode("latin-1").lower()
    if text.startswith("["):
        name, bracket, port = text[1:].partition("]")
        port = port.removeprefix(":") if port.startswith(":") else port and "?"
    else:
        name, _, port = text.partition(":")
        bracket = "]"
    if not name or not bracket or (port and not port.isdigit()) or any(letter in name for letter in "/@ \\?#"):
        return None
    return name.removesuffix(".")
