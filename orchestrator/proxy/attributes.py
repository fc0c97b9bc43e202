"""What a call says of its subject besides its key: read only while the routing table asks for it.

A call keeps its attributes as they were written; the first who wants them reads them, once.  What cannot be used is
left out, counted and said once, and the call goes its way.  Above: `dispatch`.  Below: `ledger`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeAlias

import msgspec
from msgspec import Raw

from orchestrator.domain.protocol import ATTRIBUTES_META
from orchestrator.proxy.ledger import Call
from orchestrator.telemetry.logging import get_logger

log = get_logger("proxy")

LONGEST: Final = 4096
"""Bytes of one call's attributes that are read: they are read on the loop, and a subject needs no more."""

Attributes: TypeAlias = Mapping[str, Any]

NOTHING: Final[Attributes] = {}

_decode = msgspec.json.Decoder(dict[str, Any]).decode


class Reader:
    """Reads attributes.

    Attributes:
        rejected: calls of which some or all attributes were left out.
    """

    def __init__(self) -> None:
        self.rejected = 0

    def read(self, call: Call) -> Attributes | None:
        """Return what a call says of its subject, None when it says nothing."""
        written = call.attributes
        if isinstance(written, Raw):
            call.attributes = written = self._read(written)
        return written

    def _read(self, written: Raw) -> Attributes:
        size = len(memoryview(written))
        if size > LONGEST:
            return self._rejected(f"they are {size} bytes long, and {LONGEST} are read")
        try:
            members = _decode(written)
        except (msgspec.MsgspecError, RecursionError) as error:
            self._rejected(f"they are no JSON object: {error}")
            return NOTHING
        taken = {name: value for name, value in members.items() if not isinstance(value, dict | list)}
        if len(taken) < len(members):
            odd = next(name for name in members if name not in taken)
            self._rejected(f"{odd!r} is no text, number, true, false or null")
        return taken

    def _rejected(self, reason: str) -> Attributes:
        if not self.rejected:
            log.warning(
                "a call's attributes are ignored; further ones are not logged", member=ATTRIBUTES_META, reason=reason
            )
        self.rejected += 1
        return NOTHING
