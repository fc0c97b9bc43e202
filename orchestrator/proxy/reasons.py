"""The words in which calls are refused that no worker answers.

Above: `dispatch`.  Below: `ledger` says what became of a call.
"""

from __future__ import annotations

from orchestrator.proxy.ledger import MAX_ATTEMPTS, Call
from orchestrator.telemetry.logging import get_logger

log = get_logger("proxy")


def maker_gone(call: Call) -> str:
    """Say that the generation which alone could go on with a call is gone."""
    return f"what the request goes on with belongs to generation {call.pinned}, which is gone; begin again"


def cursor_void(call: Call) -> str:
    """Say that a list was begun with another generation."""
    return (
        f"the cursor is void: generation {call.pinned} gave it, and generation {call.generation} serves now; "
        "begin the list again, without a cursor"
    )


def worker_lost(call: Call, reason: str) -> str:
    """Say why a lost call is not sent again, where that is not plain."""
    if call.attempts < MAX_ATTEMPTS:
        return reason
    log.error("call blocked: two workers died with it", call=call.number, tool=call.tool)
    return f"two workers died with this call; it is not sent a third time ({reason})"


def too_late(call: Call, seconds: float) -> str:
    """Say what a call has waited for in vain."""
    if call.link is None:
        return f"no worker of generation {call.generation} became ready within {seconds:g} s"
    return f"generation {call.generation} did not answer within {seconds:g} s"
