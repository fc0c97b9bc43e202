"""What of the control plane is served over TCP, and to whom: a pure table, closed by default.

A verb that carries a command, or starts, stops or reloads a process, is served on `control.sock` alone: whoever
reaches it there could start the command anyway.  Above: `tcp`.  Below: nothing.
"""

from __future__ import annotations

import re
from typing import Final

from orchestrator.domain.access import Caller

OPEN: Final = frozenset({"/healthz", "/readyz"})
"""Served without a token: load balancers ask, and the answer tells nothing."""
READING: Final = frozenset({"GET", "HEAD"})
EVALUATING: Final = re.compile(r"/ofrep/v1/evaluate/flags(/.*)?|/v1/flags/[^/]+/explain|/v1/tokens|/v1/samples")
"""What is posted and changes nothing but what is known: anybody with a token may."""
CHANGING: Final = re.compile(
    r"/v1/(switch|switch-back|weight|kill-switch|rollback|drill|notices/retry)"
    r"|/v1/rollout(/(promote|pause|resume|retry|abort))?|/guard/(rollback|evaluate|config)"
    r"|/v1/flags(/.*)?|/v1/quarantine/[^/]+"
)
"""What moves traffic, changes flags or tells of their changes again: with commands and addresses that are stored."""


def refused(method: str, path: str, caller: Caller) -> str | None:
    """Return why a request is not served over TCP, None when it is.

    Args:
        method: HTTP method.
        path: its path, decoded.
        caller: who asks.
    """
    if method in READING or EVALUATING.fullmatch(path):
        return None
    if not CHANGING.fullmatch(path):
        return f"{method} {path} is served on control.sock only: it may carry a command, or stop or reload a process"
    if not caller.trusted:
        return f"{caller.subject} may read and evaluate; to change something show a token of control.tokens"
    return None
