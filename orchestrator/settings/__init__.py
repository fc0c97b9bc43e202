"""TOML file, environment and command line -> one frozen value; and where the daemon's files are.

Above: `daemon`, the CLI and every room that takes its section.  Below: `domain` for the error.

Only `paths` is loaded at once, for it is all that `switchover connect` needs, and every client starts one; the rest
brings pydantic and comes when it is asked for (PEP 562).
"""

import importlib
from typing import TYPE_CHECKING, Any

from orchestrator.settings.paths import SUN_PATH, Paths, locate

if TYPE_CHECKING:
    from orchestrator.settings.declare import CONTRACT
    from orchestrator.settings.doors import Access, Control, Http, Sockets
    from orchestrator.settings.flags import Flags, Notify
    from orchestrator.settings.loading import load
    from orchestrator.settings.mirror import Mirror
    from orchestrator.settings.model import Health, Limits, Log, Replay, Restart, Settings, Stop, StopGrace, Worker
    from orchestrator.settings.reload import RELOADABLE, changed
    from orchestrator.settings.rollout import Rollout
    from orchestrator.settings.samples import Routing, Samples
    from orchestrator.settings.upgrade import Upgrade

_HOMES = {
    "declare": ("CONTRACT",),
    "doors": ("Access", "Control", "Http", "Sockets"),
    "flags": ("Flags", "Notify"),
    "loading": ("load",),
    "mirror": ("Mirror",),
    "model": ("Health", "Limits", "Log", "Replay", "Restart", "Settings", "Stop", "StopGrace", "Worker"),
    "reload": ("RELOADABLE", "changed"),
    "rollout": ("Rollout",),
    "samples": ("Routing", "Samples"),
    "upgrade": ("Upgrade",),
}
"""The names each module provides; no module may be called like one of them, as it would take its place."""

_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "CONTRACT",
    "RELOADABLE",
    "SUN_PATH",
    "Access",
    "Control",
    "Flags",
    "Health",
    "Http",
    "Limits",
    "Log",
    "Mirror",
    "Notify",
    "Paths",
    "Replay",
    "Restart",
    "Rollout",
    "Routing",
    "Samples",
    "Settings",
    "Sockets",
    "Stop",
    "StopGrace",
    "Upgrade",
    "Worker",
    "changed",
    "load",
    "locate",
]

if not TYPE_CHECKING:  # or a checker would believe in every name

    def __getattr__(name: str) -> Any:
        """Load what is asked for."""
        if name not in _HOME_OF:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(importlib.import_module(f"{__name__}.{_HOME_OF[name]}"), name)
