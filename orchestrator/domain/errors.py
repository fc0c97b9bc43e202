"""Every error the daemon itself reports, with its stable code.

The codes lie outside -32768..-32000, the range that JSON-RPC 2.0 and MCP reserve, so a client can tell the daemon's
word from its server's.  The class docstring is the error's first sentence.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603
UNSUPPORTED_VERSION = -32022
"""MCP 2026-07-28: the peer does not speak the protocol version that a request names."""


class Code(IntEnum):
    """What the daemon answers on `tools.sock` in its own name (JSON-RPC `error.code`)."""

    WORKER_LOST = -31010
    NO_WORKER = -31011
    DEADLINE_EXCEEDED = -31012
    OVERLOADED = -31013
    REFUSED = -31014


class SwitchoverError(Exception):
    """Something the operator can mend: the message says what was wrong and what to do."""


class SettingsError(SwitchoverError):
    """A setting cannot be used."""


class StateError(SwitchoverError):
    """The state directory cannot be used."""


class JournalError(StateError):
    """The journal cannot be read or written; routing stays as it is and automation stops."""


class StartError(SwitchoverError):
    """A worker could not be started or never became ready."""


class NoServerError(StartError):
    """A program speaks, but not as an MCP server does."""


class RequestFailedError(SwitchoverError):
    """A worker answered one of the daemon's own requests with an error.

    Attributes:
        error: the JSON-RPC error as the worker gave it.
        code: its code.
    """

    def __init__(self, error: dict[str, Any]) -> None:
        code = error.get("code")
        self.error = error
        self.code = code if isinstance(code, int) else INTERNAL_ERROR
        super().__init__(f"the worker answered: {error.get('message', '')} ({self.code})")
