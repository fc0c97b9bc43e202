"""The text of a notice for people.

Above: `people`.  Below: nothing; the payload is what the store wrote with the change.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

LONGEST: Final = 200
"""Characters of a value that are shown; the history has the rest."""

EXPIRING: Final = "flag.expiring"
"""Event of a reminder: no change, only a sentence."""
DIFFERING: Final = "rehearsal.differing"
"""Event of several rehearsals in a row with differences: likewise."""
ROLLOUTS: Final = {
    "rollout.began": "A rollout has begun",
    "rollout.paused": "A rollout is paused",
    "rollout.rolled_back": "A rollout was rolled back",
    "rollout.stuck": "A rollout cannot go back, and calls wait",
    "rollout.done": "A rollout is done",
}
"""Events of rollouts, and their titles: likewise."""
ALARMING: Final = frozenset({"rollout.paused", "rollout.rolled_back", "rollout.stuck"})

BY: Final = {
    "person": "",
    "timer": " (by a timer)",
    "rollback": " (by a rollback)",
    "registry": " (the declaration changed)",
    "database": " (by hand, in the database)",
}
"""How a cause is said; other causes are shown by their name."""


@dataclass(frozen=True, slots=True)
class Message:
    """What people read.

    Attributes:
        title: one line.
        text: a few lines.
        alarming: whether it should look like a warning: a rollback.
    """

    title: str
    text: str
    alarming: bool


def message(payload: str) -> Message:
    """Word a notice.

    Args:
        payload: JSON text as the store wrote it.
    """
    told: dict[str, Any] = json.loads(payload)
    if told.get("event") == EXPIRING:
        return Message(f"Flag {told['flag']} expires", told["detail"], alarming=False)
    if told.get("event") == DIFFERING:
        return Message("Rehearsals go on differing", told["detail"], alarming=True)
    if title := ROLLOUTS.get(str(told.get("event"))):
        return Message(title, told["detail"], alarming=told["event"] in ALARMING)
    flag, cause = told["flag"], told["cause"]
    lines = [
        _headline(flag, told),
        f"Flags version {told['version']}, {told['at']}, by {told['actor']}{BY.get(cause, f' ({cause})')}.",
    ]
    if told["reason"]:
        lines.append(f"Reason: {_short(told['reason'])}")
    return Message(lines[0].rstrip("."), "\n".join(lines), alarming=cause == "rollback")


def _headline(flag: str, told: dict[str, Any]) -> str:
    if told["to"] is None:
        return f"Flag {flag} was removed."
    if told["from"] is None:
        return f"Flag {flag} is new: {_value(told['to'])}."
    if told["from"] != told["to"]:
        also = " and has a new targeting" if "targeting" in told["diff"] else ""
        return f"Flag {flag} went from {_value(told['from'])} to {_value(told['to'])}{also}."
    if "targeting" in told["diff"]:
        return f"Flag {flag} has a new targeting."
    return f"Flag {flag} was set to what it was, {_value(told['to'])}."


def _value(value: object) -> str:
    return _short(value if isinstance(value, str) else json.dumps(value))


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."
