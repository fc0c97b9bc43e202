"""TOML file, environment and command line -> one frozen value; and where the daemon's files are.

Above: `daemon`, the CLI and every room that takes its section.  Below: `domain` for the error.
"""

from orchestrator.settings.declare import CONTRACT
from orchestrator.settings.doors import Access, Control, Http, Sockets
from orchestrator.settings.flags import Flags, Notify
from orchestrator.settings.load import load
from orchestrator.settings.model import Health, Limits, Log, Replay, Restart, Settings, Stop, StopGrace, Worker
from orchestrator.settings.paths import SUN_PATH, Paths, locate
from orchestrator.settings.reload import RELOADABLE, changed

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
    "Notify",
    "Paths",
    "Replay",
    "Restart",
    "Settings",
    "Sockets",
    "Stop",
    "StopGrace",
    "Worker",
    "changed",
    "load",
    "locate",
]
