"""Cursors of lists: each is good for the generation that gave it, and void once another one serves its client.

A cursor is the worker's own text and stays as it is; what is remembered is who gave it to whom.  Above: `intake` and
`answers`.  Below: `ledger`.
"""

from __future__ import annotations

import msgspec
from msgspec import UNSET, UnsetType

from orchestrator.proxy import codec
from orchestrator.proxy.ledger import Call

KNOWN = 10_000
"""Cursors that are remembered; the oldest are forgotten first, and what is forgotten is left to the worker."""


class _Asked(msgspec.Struct, gc=False):
    cursor: str | UnsetType = UNSET


class _Page(msgspec.Struct, gc=False):
    cursor: str | UnsetType = msgspec.field(default=UNSET, name="nextCursor")


class _Answer(msgspec.Struct, gc=False):
    result: _Page | UnsetType = UNSET


class Cursors:
    """Remembers which generation has given which cursor, by assignment key and list."""

    def __init__(self) -> None:
        self._givers: dict[tuple[str, str, str], int] = {}

    def giver(self, call: Call) -> int:
        """Return the generation that gave the cursor a request brings along; 0 where none is known."""
        params = codec.decode_message(b"".join((b'{"id":0', call.tail))).params
        try:
            cursor = msgspec.json.decode(params, type=_Asked).cursor if params is not UNSET else UNSET
        except msgspec.MsgspecError:
            return 0
        return 0 if cursor is UNSET else self._givers.get((call.key, call.method, cursor), 0)

    def given(self, line: bytes, call: Call) -> None:
        """Note the cursor of a page, if there are more."""
        if b'"nextCursor"' not in line:
            return
        try:
            result = msgspec.json.decode(line, type=_Answer).result
        except msgspec.MsgspecError:
            return
        if result is UNSET or result.cursor is UNSET:
            return
        known = call.key, call.method, result.cursor
        self._givers.pop(known, None)
        self._givers[known] = call.generation
        if len(self._givers) > KNOWN:
            del self._givers[next(iter(self._givers))]
