"""What one daemon is started with.

Above: `cli.serve` reads it together, `daemon` lives by it.  Below: settings, telemetry.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from orchestrator.settings import Paths, Settings
from orchestrator.telemetry.logging import LogSetup
from orchestrator.telemetry.sd_notify import Notify


@dataclass(frozen=True, slots=True)
class Options:
    """What `switchover serve` was started with.

    Attributes:
        settings: all settings, resolved.
        paths: where things are.
        load: reads the settings again, for a reload; raises SettingsError.
        environ: the daemon's environment, which workers inherit.
        activated: listening sockets handed over by systemd, by name.
        notifier: tells systemd.
        logs: the running log, whose level a reload may change.
        announce: prints a line for the person who started the daemon.
    """

    settings: Settings
    paths: Paths
    load: Callable[[], Settings]
    environ: Mapping[str, str]
    activated: Mapping[str, socket.socket]
    notifier: Notify
    logs: LogSetup
    announce: Callable[[str], None]
