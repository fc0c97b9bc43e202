"""Bounds of the tool plane, and what they allow.

Above: `dispatch` and `intake` keep to them, `tool_plane` makes them of the settings.  Below: nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

ALL: Final = "*"
"""Stands for every tool in a list of tools."""


@dataclass(slots=True)
class Limits:
    """Bounds of the tool plane; replaced on reload.

    Attributes:
        call_timeout: seconds from a call's acceptance to its answer.
        calls_per_session: calls one session may have unanswered.
        sessions: clients connected at once.
        replay_idempotent: whether `idempotentHint` tools, too, are sent again when their worker dies.
        by_call: tools whose calls are assigned one by one, not by their session; `*` stands for all.
    """

    call_timeout: float = 300.0
    calls_per_session: int = 256
    sessions: int = 1024
    replay_idempotent: bool = False
    by_call: frozenset[str] = frozenset()
