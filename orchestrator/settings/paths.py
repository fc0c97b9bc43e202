"""Where things are: the state directory, the runtime directory and what stands in them.

Above: `daemon` and every client verb find each other by this one rule.  Below: nothing is touched or made here.
"""

from __future__ import annotations

import os
import pwd
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from orchestrator.domain.errors import SettingsError

SUN_PATH: Final = 107
"""Bytes a Unix socket's path may have: sizeof(sockaddr_un.sun_path) less its final NUL (unix(7))."""


@dataclass(frozen=True, slots=True)
class Paths:
    """Absolute paths of one daemon.

    Attributes:
        state_dir: what outlives the daemon.
        runtime_dir: what lives as long as the daemon: its sockets.
        logs_dir: log files.
    """

    state_dir: Path
    runtime_dir: Path
    logs_dir: Path

    @property
    def tools_socket(self) -> Path:
        """Where clients speak MCP."""
        return self.runtime_dir / "tools.sock"

    @property
    def control_socket(self) -> Path:
        """Where the control plane speaks HTTP."""
        return self.runtime_dir / "control.sock"

    @property
    def flags(self) -> Path:
        """The page workers read their flags from; what is pushed to them comes by `flags_socket`."""
        return self.runtime_dir / "flags" / "live"

    @property
    def flags_socket(self) -> Path:
        """Where workers hear of changed flags: beside the page."""
        return self.runtime_dir / "flags" / "live.sock"

    @property
    def log_file(self) -> Path:
        """The current log file, JSON lines."""
        return self.logs_dir / "switchover.jsonl"

    @property
    def generations(self) -> Path:
        """Directory of the generations' private copies."""
        return self.state_dir / "generations"

    @property
    def analytics(self) -> Path:
        """Directory of what is kept for people and their tools."""
        return self.state_dir / "analytics"

    @property
    def worker_state(self) -> Path:
        """The worker's live state, unless `worker.state` names another place."""
        return self.state_dir / "worker"


def locate(state_dir: Path | None, environ: Mapping[str, str]) -> Paths:
    """Decide where one daemon's files are.

    State: `state_dir`, else `$SWITCHOVER_STATE_DIR`, else `$STATE_DIRECTORY`, else `$XDG_STATE_HOME/switchover`, else
    `~/.local/state/switchover`.  Runtime: `$RUNTIME_DIRECTORY`, else `run` in the state directory.  Logs:
    `$LOGS_DIRECTORY`, else `logs` in the state directory.  An empty variable counts as not set; of a list with colons,
    as systemd gives, the first counts.

    Raises:
        SettingsError: no home directory, or a path too long for a socket.
    """
    state = _state_dir(state_dir, environ).absolute()
    runtime = (_first(environ, "RUNTIME_DIRECTORY") or state / "run").absolute()
    logs = (_first(environ, "LOGS_DIRECTORY") or state / "logs").absolute()
    paths = Paths(state, runtime, logs)
    for path in (paths.tools_socket, paths.control_socket, paths.flags_socket):
        _check_socket_path(path)
    return paths


def _state_dir(given: Path | None, environ: Mapping[str, str]) -> Path:
    if given is not None:
        return given
    if named := environ.get("SWITCHOVER_STATE_DIR"):
        return Path(named)
    if named_by_systemd := _first(environ, "STATE_DIRECTORY"):
        return named_by_systemd
    xdg = Path(environ.get("XDG_STATE_HOME", ""))
    if xdg.is_absolute():  # a relative one is to be ignored, says the XDG base directory specification
        return xdg / "switchover"
    return _home(environ) / ".local" / "state" / "switchover"


def _first(environ: Mapping[str, str], variable: str) -> Path | None:
    first = next((part for part in environ.get(variable, "").split(":") if part), None)
    return Path(first) if first else None


def _home(environ: Mapping[str, str]) -> Path:
    if home := environ.get("HOME"):
        return Path(home)
    try:
        return Path(pwd.getpwuid(os.getuid()).pw_dir)
    except KeyError:
        raise SettingsError(
            f"no state directory: $HOME is not set and user {os.getuid()} has no home; name one with --state-dir"
        ) from None


def _check_socket_path(path: Path) -> None:
    length = len(os.fsencode(path))
    if length > SUN_PATH:
        raise SettingsError(
            f"socket path {path} has {length} bytes, the kernel takes at most {SUN_PATH}: "
            "choose a shorter --state-dir, or set RUNTIME_DIRECTORY to a short directory such as /run/switchover"
        )
