"""Tells which settings a running daemon may take over and which need a restart.

Above: `daemon` on SIGHUP.  Below: `keys`; the answer itself stands beside each setting in `model`.
"""

from __future__ import annotations

from typing import Final

from orchestrator.settings.keys import keys, value_of
from orchestrator.settings.model import Settings

RELOADABLE: Final = frozenset(name for name, key in keys().items() if key.reloadable)
"""Dotted keys whose new value a running daemon takes over."""


def changed(old: Settings, new: Settings) -> tuple[list[str], list[str]]:
    """Compare two settings.

    Returns:
        The dotted keys that differ and may change now, and those that differ and need a restart; each in the
        model's order.
    """
    different = [name for name in keys() if value_of(old, name) != value_of(new, name)]
    reloadable = [name for name in different if name in RELOADABLE]
    return reloadable, [name for name in different if name not in RELOADABLE]
