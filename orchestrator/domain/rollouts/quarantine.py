"""The quarantine without a rollout: a person takes a version out of it.

A rollout puts versions in (`back`) and takes them out by force or by a retry (`begin`).  Above:
`rollout`.  Below: `state`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from orchestrator.domain.rollouts import events as ev
from orchestrator.domain.rollouts.outcome import Rejected
from orchestrator.domain.rollouts.state import State

SHOWN: Final = 12
"""Characters of a fingerprint that tell it from others."""


def release(state: State, event: ev.ReleaseAsked, _now: float) -> State | Rejected:
    """Take a version out of quarantine; nothing else changes."""
    asked, held = event.fingerprint, state.quarantine
    found = [asked] if asked in held else [one for one in held if asked and one.startswith(asked)]
    if not found:
        return Rejected(f"nothing in quarantine is {asked!r} or begins so; to see what is there: switchover quarantine")
    if len(found) > 1:
        shown = ", ".join(one[: max(SHOWN, len(asked) + 2)] for one in sorted(found))
        return Rejected(f"more than one fingerprint begins with {asked!r}: {shown}; give more of it")
    return replace(state, quarantine={name: one for name, one in held.items() if name != found[0]})
