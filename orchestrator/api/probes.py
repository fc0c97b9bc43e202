"""Whether the daemon is well: what `/healthz` and `/readyz` are answered, with and without the app.

Above: `app` and, until that is loaded, `late`.  Below: the daemon says what keeps it from serving.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, Protocol


class Probed(Protocol):
    """What a probe asks."""

    def unready(self) -> str | None:
        """Say why calls cannot be served now, None when they can."""
        ...


def health(_control: Probed) -> tuple[int, dict[str, str]]:
    """Return status and answer: that there is one shows that the loop runs."""
    return 200, {"status": "ok", "reason": ""}


def readiness(control: Probed) -> tuple[int, dict[str, str]]:
    """Return status and answer: 503 and why while calls cannot be served."""
    reason = control.unready()
    if reason is None:
        return 200, {"status": "ready", "reason": ""}
    return 503, {"status": "not ready", "reason": reason}


PROBES: Final[Mapping[str, Callable[[Probed], tuple[int, dict[str, str]]]]] = {"/healthz": health, "/readyz": readiness}
