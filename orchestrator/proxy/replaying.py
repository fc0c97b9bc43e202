"""Which calls may be sent once more after their worker died: those without effects.

Above: `dispatch`.  Below: `ledger` says what a call is, `link` what its tool's annotations say.
"""

from __future__ import annotations

from typing import Final

from orchestrator.domain.protocol import READ_ONLY_METHODS
from orchestrator.proxy import codec, listening
from orchestrator.proxy.ledger import MAX_ATTEMPTS, Call
from orchestrator.proxy.limits import Limits
from orchestrator.proxy.link import WorkerLink

TOOL_CALLS: Final = frozenset({codec.CALL, codec.OWN_CALL})


def replayable(call: Call, link: WorkerLink, limits: Limits) -> bool:
    """Say whether a call may go to another worker now that `link`, which had it, is gone."""
    if call.method == listening.LISTEN:
        return True
    if call.attempts >= MAX_ATTEMPTS or call.asked:
        return False
    if call.method not in TOOL_CALLS:
        return call.method in READ_ONLY_METHODS
    facts = link.tools.get(call.tool)
    if facts is None:
        return False
    return facts.read_only or (facts.idempotent and limits.replay_idempotent)
