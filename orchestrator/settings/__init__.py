"""TOML file, environment and command line -> one frozen value; and where the daemon's files are.

Above: `daemon`, the CLI and every room that takes its section.  Below: `domain` for the error.
"""

from orchestrator.settings.load import load
from orchestrator.settings.model import (
    CONTRACT,
    Health,
    Http,
    Limits,
    Log,
    Replay,
    Restart,
    Settings,
    Sockets,
    Stop,
    StopGrace,
    Worker,
)
from orchestrator.settings.paths import SUN_PATH, Paths, locate
from orchestrator.settings.reload import RELOADABLE, changed

__all__ = [
    "CONTRACT",
    "RELOADABLE",
    "SUN_PATH",
    "Health",
    "Http",
    "Limits",
    "Log",
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
