"""Bytes to requests: httptools parses, this bounds what it may hold and says when a request is whole.

Above: `connection` feeds it.  Below: httptools; `request` is what comes out.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from enum import Enum, auto
from typing import NamedTuple

import httptools

from orchestrator.proxy.http.checks import too_long
from orchestrator.proxy.http.refusal import BAD_REQUEST, Refusal
from orchestrator.proxy.http.request import Request

HEAD_BYTES = 1 << 16
"""Bytes a request's head may take: several times what common servers allow, for headers mirror arguments."""


class Stage(Enum):
    """What is being read."""

    IDLE = auto()
    HEAD = auto()
    BODY = auto()
    DEAF = auto()


class Fate(Enum):
    """What becomes of the connection after an answer."""

    KEEP = auto()
    CLOSE = auto()
    CUT = auto()


class Arrival(NamedTuple):
    """A request that can be answered: whole, or refused before it was."""

    request: Request
    refusal: Refusal | None
    fate: Fate


class RequestReader:
    """Reads one connection.

    Attributes:
        arrived: requests to be answered, in order.
        stage: what is being read; a new connection owes a head.
    """

    def __init__(self, screen: Callable[[Request], Refusal | None], go_on: Callable[[], None]) -> None:
        """Build a reader.

        Args:
            screen: decides about a request's head; it fills in the request's `limit`.
            go_on: tells the client to send the body it has announced.
        """
        self.arrived: deque[Arrival] = deque()
        self.stage = Stage.HEAD
        self._screen = screen
        self._go_on = go_on
        self._parser = httptools.HttpRequestParser(self)
        self._request = Request()
        self._refusal: Refusal | None = None
        self._chunks: list[bytes] = []
        self._head_size = 0
        self._body_size = 0

    def feed(self, data: memoryview) -> None:
        """Take bytes in."""
        if self.stage is Stage.DEAF:
            return
        if self.stage is Stage.IDLE:
            self.stage = Stage.HEAD
        self._head_size += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._close_after_last()  # no other protocol is spoken here: the request is served as it is
        except httptools.HttpParserError as error:
            cause = error.__context__
            if isinstance(error, httptools.HttpParserCallbackError) and cause is not None:
                raise cause from None
            self.give_up(Refusal(BAD_REQUEST, f"not a request of HTTP/1.1: {error}"))
        if self.stage is Stage.HEAD and self._head_size > HEAD_BYTES:
            self.give_up(Refusal(431, f"the request's head is longer than {HEAD_BYTES} bytes"))

    def give_up(self, refusal: Refusal) -> None:
        """Read nothing more, and have the client told why; what it sent after a last request does not matter."""
        if self.stage is Stage.DEAF:
            return
        self.stage = Stage.DEAF
        self._chunks = []
        self.arrived.append(Arrival(self._request, refusal, Fate.CUT))

    def _close_after_last(self) -> None:
        self.stage = Stage.DEAF
        if self.arrived:
            self.arrived.append(self.arrived.pop()._replace(fate=Fate.CLOSE))

    # --- httptools' side ----------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._request = Request()
        self._refusal = None
        self._body_size = 0
        if self.stage is Stage.IDLE:
            self.stage = Stage.HEAD

    def on_url(self, url: bytes) -> None:
        """Take in the target, or a piece of it."""
        self._request.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take in a header line."""
        self._request.add(name, value)

    def on_headers_complete(self) -> None:
        """Decide about the request before its body is there."""
        request, parser = self._request, self._parser
        request.method = parser.get_method()
        request.http10 = parser.get_http_version() != "1.1"
        self._head_size = 0
        refusal = self._refusal = self._screen(request)
        if self.stage is not Stage.DEAF:
            self.stage = Stage.BODY
        expects = request.headers.get(b"expect", b"").lower() == b"100-continue"
        if refusal is not None and (expects or request.declared > request.limit):
            self.give_up(refusal)
        elif expects:
            self._go_on()

    def on_body(self, body: bytes) -> None:
        """Take in a piece of the body; a body nobody wants is not kept."""
        self._body_size += len(body)
        if self._body_size > self._request.limit:
            self.give_up(self._refusal or too_long(self._request.limit))
        elif self._refusal is None:
            self._chunks.append(body)

    def on_message_complete(self) -> None:
        """Have the request answered in its turn."""
        if self.stage is Stage.DEAF:
            return
        chunks, self._chunks = self._chunks, []
        self._request.body = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        request = self._request  # an answer to HEAD has no body by definition; ours is an error that has one
        keep = self._parser.should_keep_alive() and not request.http10 and request.method != b"HEAD"
        self.arrived.append(Arrival(request, self._refusal, Fate.KEEP if keep else Fate.CLOSE))
        self._head_size = 0
        self.stage = Stage.IDLE if keep else Stage.DEAF
