"""Every setting: its meaning, default, unit and bounds, as one frozen model.

Above: `layers` and `loading` fill it, `keys` reads it to explain it, every room takes the section it needs.  Below:
`doors`, `flags`, `samples` and `upgrade` with the sections of those rooms, `declare` with how a setting is declared.
Whether a setting may change while the daemon runs stands beside it (`reloadable`), so that nobody has to remember a
second place.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from orchestrator.settings.declare import (
    GIB,
    KIB,
    MIB,
    Command,
    Directory,
    Section,
    Variables,
    seconds,
    setting,
)
from orchestrator.settings.doors import Access, Control, Http, Sockets
from orchestrator.settings.flags import Flags, Notify
from orchestrator.settings.mirror import Mirror
from orchestrator.settings.parity import Parity
from orchestrator.settings.rollout import Rollout
from orchestrator.settings.samples import Routing, Samples
from orchestrator.settings.upgrade import Upgrade


class StopGrace(Section):
    """How long a worker has at each step of being stopped, before the next one."""

    close_stdin: float = seconds(2.0, "Seconds between closing its stdin and SIGTERM.")
    terminate: float = seconds(5.0, "Seconds between SIGTERM and SIGKILL.")


class Worker(Section):
    """The process that serves the tools."""

    command: Command | None = setting(
        None,
        "Program and arguments of generation 1. Once a generation is stored, that one is started instead.",
        allowed='list of texts, such as ["python", "server.py"], or one text of shell words',
    )
    cwd: Directory | None = setting(None, "Working directory of generation 1; without it the daemon's own.")
    env: Variables = Field(
        default_factory=dict,
        description="Variables set on top of the daemon's own environment.",
        json_schema_extra={"reloadable": False, "allowed": "table of texts"},
    )
    source: Directory | None = setting(
        None, "Directory of the worker's code; each generation gets and runs a private copy of it."
    )
    isolation: Literal["shared", "session"] = setting(
        "shared",
        "`shared`: all sessions share one process of a generation. `session`: each session has a process of its own, "
        "which may ask its client for what it offers (sampling, elicitation, roots).",
    )
    session_starts: int = setting(
        4, "Processes of single sessions that may be starting at once (`isolation = session`).", ge=1, le=1000
    )
    session_warm: int = setting(
        16,
        "Processes of single sessions kept for the way back after a switch, in all; the oldest end first.",
        ge=0,
        le=10_000,
    )
    session_idle: float | None = seconds(
        None,
        "Seconds without a call after which a session's own process is stopped until its next call (`isolation = "
        "session`); without it, or with 0, never. What the process kept in memory is lost.",
        least=0.0,
    )
    strict_fingerprint: bool = setting(
        default=False,
        meaning="Refuse to start a stored generation whose files have changed, instead of flagging it.",
        reloadable=True,
    )
    start_timeout: float = seconds(30.0, "Seconds a worker has from its start until it answers the handshake.")
    drain_timeout: float | None = seconds(
        None,
        "Seconds calls in flight have to finish before their worker is stopped; at least `limits.call_timeout`, "
        "which it is when it is not set.",
    )
    stop_grace: StopGrace = Field(default_factory=StopGrace)
    state: Directory | None = setting(
        None, "Directory for the worker's own live state; without it `worker` in the state directory."
    )


class Limits(Section):
    """Bounds that keep one client or worker from costing the others anything."""

    call_timeout: float = seconds(300.0, "Seconds a call has until it is answered with `deadline_exceeded`.")
    line_bytes: int = setting(16 * MIB, "Longest message, in bytes, from either side.", ge=KIB, le=GIB)
    calls_per_session: int = setting(
        256, "Calls in flight of one session; more are answered with `overloaded`.", reloadable=True, ge=1, le=100_000
    )
    sessions: int = setting(
        1024, "Sessions open at the same time; further clients are refused.", reloadable=True, ge=1, le=1_000_000
    )
    client_backlog_bytes: int = setting(
        64 * MIB, "Bytes waiting for a client that does not read; above it the client is disconnected.", ge=KIB
    )
    worker_backlog_bytes: int = setting(
        8 * MIB, "Bytes waiting for a lagging worker; above it its clients are not read from.", ge=KIB
    )
    stderr_line_bytes: int = setting(
        64 * KIB, "Bytes of a worker's stderr in one log line; longer lines are logged in pieces.", ge=64, le=MIB
    )


class Restart(Section):
    """What happens when a worker dies."""

    initial: float = seconds(0.1, "Seconds before the first restart.")
    factor: float = setting(
        2.0, "Each further restart waits this many times longer.", reloadable=True, ge=1, le=10, allow_inf_nan=False
    )
    cap: float = seconds(30.0, "Longest wait before a restart, in seconds.")
    jitter: float = setting(
        0.2,
        "Fraction of a wait that is random, so that many daemons do not restart in step.",
        reloadable=True,
        ge=0,
        le=1,
        allow_inf_nan=False,
    )
    intensity: int = setting(
        5,
        "More deaths than this in a row, or within `period`, are a crash loop: calls are refused until a start holds.",
        reloadable=True,
        ge=1,
        le=1000,
    )
    period: float = seconds(60.0, "Seconds over which deaths are counted.")
    stable_after: float = seconds(30.0, "Seconds a worker has to live before its deaths and its wait are forgotten.")


class Health(Section):
    """How a worker that lives but does not answer is found."""

    ping_timeout: float = seconds(5.0, "Seconds a worker has to answer a ping before it is replaced.")
    after_deadlines: int = setting(
        1,
        "Calls that expire with no answer of any kind between them before a health ping decides.",
        reloadable=True,
        ge=1,
        le=1000,
    )


class Replay(Section):
    """What is sent once more when a worker dies; calls of `readOnlyHint` tools always are."""

    idempotent: bool = setting(
        default=False, meaning="Send calls of tools with `idempotentHint` once more, too.", reloadable=True
    )


class Log(Section):
    """What the daemon writes about itself, to stderr and to a file."""

    level: Literal["debug", "info", "warning", "error"] = setting("info", "Least level written.", reloadable=True)
    file: bool = setting(default=True, meaning="Write `switchover.jsonl` in the log directory as well.")
    file_bytes: int = setting(20 * MIB, "Size, in bytes, at which the file is rotated.", ge=4 * KIB, le=GIB * KIB)
    file_count: int = setting(5, "Files kept, the current one included.", ge=1, le=1000)
    format: Literal["auto", "json", "text"] = setting(
        "auto", "How lines look on stderr; `auto` is `text` on a terminal, else `json`. The file is always JSON."
    )
    redact: bool = setting(
        default=True,
        meaning="Put a keyed hash in the place of what looks secret or personal in what workers write to stderr.",
        reloadable=True,
    )


class Stop(Section):
    """How the daemon itself ends on SIGTERM or SIGINT."""

    timeout: float = seconds(30.0, "Seconds for calls in flight to finish and workers to stop.")


class Settings(Section):
    """All settings, resolved; made by `load`, replaced whole on reload."""

    worker: Worker = Field(default_factory=Worker)
    limits: Limits = Field(default_factory=Limits)
    restart: Restart = Field(default_factory=Restart)
    health: Health = Field(default_factory=Health)
    replay: Replay = Field(default_factory=Replay)
    sockets: Sockets = Field(default_factory=Sockets)
    http: Http = Field(default_factory=Http)
    control: Control = Field(default_factory=Control)
    access: Access = Field(default_factory=Access)
    flags: Flags = Field(default_factory=Flags)
    notify: Notify = Field(default_factory=Notify)
    upgrade: Upgrade = Field(default_factory=Upgrade)
    rollout: Rollout = Field(default_factory=Rollout)
    routing: Routing = Field(default_factory=Routing)
    samples: Samples = Field(default_factory=Samples)
    mirror: Mirror = Field(default_factory=Mirror)
    parity: Parity = Field(default_factory=Parity)
    log: Log = Field(default_factory=Log)
    stop: Stop = Field(default_factory=Stop)

    @property
    def drain_timeout(self) -> float:
        """Seconds calls in flight have to finish before their worker is stopped."""
        drain = self.worker.drain_timeout
        return self.limits.call_timeout if drain is None else drain
