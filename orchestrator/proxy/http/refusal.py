"""An answer in the door's own name: an HTTP status and the JSON-RPC error that says why.

Above: the checks make them, `connection` sends them.  Below: `wire`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import msgspec

from orchestrator.domain.errors import INVALID_PARAMS, INVALID_REQUEST, METHOD_NOT_FOUND, PARSE_ERROR
from orchestrator.domain.errors import UNSUPPORTED_VERSION as _UNSUPPORTED_VERSION

HEADER_MISMATCH: Final = -32020
"""MCP 2026-07-28: a header and the message it mirrors do not agree."""
MISSING_CAPABILITY: Final = -32021
"""MCP 2026-07-28: the server would need what the client did not offer."""
CANCELLED: Final = -32800
"""What ends the stream of a request that its client has cancelled, for over HTTP it has to end with something."""

BAD_REQUEST: Final = 400
NOT_FOUND: Final = 404
OK: Final = 200

STATUS: Final = {
    PARSE_ERROR: BAD_REQUEST,
    INVALID_REQUEST: BAD_REQUEST,
    INVALID_PARAMS: BAD_REQUEST,
    HEADER_MISMATCH: BAD_REQUEST,
    MISSING_CAPABILITY: BAD_REQUEST,
    _UNSUPPORTED_VERSION: BAD_REQUEST,
    METHOD_NOT_FOUND: NOT_FOUND,
}
"""The HTTP status of an error in the stateless era, by its JSON-RPC code; all others travel with 200."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """What is answered instead of a service.

    Attributes:
        status: HTTP status.
        reason: what was wrong and what to do.
        code: JSON-RPC error code.
        data: the error's `data`, None for none.
        client_id: the request's id as its client wrote it; empty where none can be named, then the answer has none.
        fields: further header lines, each with its CRLF.
    """

    status: int
    reason: str
    code: int = INVALID_REQUEST
    data: Any = None
    client_id: bytes = b""
    fields: bytes = b""

    @property
    def body(self) -> bytes:
        """The JSON-RPC error."""
        error: dict[str, Any] = {"code": self.code, "message": self.reason}
        if self.data is not None:
            error["data"] = self.data
        named = b'"id":%b,' % self.client_id if self.client_id else b""
        return b'{"jsonrpc":"2.0",%b"error":%b}' % (named, msgspec.json.encode(error))
