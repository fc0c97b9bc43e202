"""Every setting: its meaning, default, unit and bounds, as one frozen model.

Above: `layers` and `load` fill it, `keys` reads it to explain it, every room takes the section it needs.  Below:
pydantic.  Whether a setting may change while the daemon runs stands beside it (`reloadable`), so that nobody has to
remember a second place.
"""

from __future__ import annotations

import ipaddress
import shlex
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, JsonValue

KIB: Final = 1024
MIB: Final = 1024 * KIB
GIB: Final = 1024 * MIB
WEEK: Final = 7 * 24 * 3600.0
"""The longest time anybody may set: beyond it a number was meant in another unit."""
BLINK: Final = 0.01
"""The shortest time: below it a loop turn on a busy machine takes longer than what it should bound."""

CONTRACT: Final = (
    "SWITCHOVER_ROLE",
    "SWITCHOVER_GENERATION",
    "SWITCHOVER_DRY_RUN",
    "SWITCHOVER_WORKER_STATE",
    "SWITCHOVER_FLAGS",
)
"""Variables the daemon itself sets for a worker; nobody else may."""


SHORTEST_TOKEN: Final = 16
"""Characters: 64 bits even in hexadecimal digits, which nobody guesses over a network."""

PathOrText = TypeVar("PathOrText", str, Path)


def _words(value: Any) -> Any:
    return shlex.split(value) if isinstance(value, str) else value


def _octal(value: Any) -> Any:
    try:
        return int(value, 8) if isinstance(value, str) else value
    except ValueError:
        raise ValueError("no octal number") from None


def _without_nul(value: PathOrText) -> PathOrText:  # the kernel's strings end at the first NUL
    if "\0" in str(value):
        raise ValueError("it holds a NUL character")
    return value


def _program(command: tuple[str, ...]) -> tuple[str, ...]:
    if not command or not command[0]:
        raise ValueError("no program is named")
    return command


def _variable(name: str) -> str:
    if not name or "=" in name:
        raise ValueError("a variable's name is not empty and has no '='")
    if name in CONTRACT:
        raise ValueError("the daemon sets this variable itself")
    return name


def _host_and_port(place: str) -> str:
    host, colon, port = place.rpartition(":")
    if not colon or not host or not port.isdecimal() or int(port) > 65535:  # noqa: PLR2004  # the highest port
        raise ValueError("no HOST:PORT")
    if ":" in host and not (host.startswith("[") and host.endswith("]")):
        raise ValueError("an IPv6 address stands in brackets")
    return place


def is_token(text: str) -> bool:
    """Tell whether a text can be a bearer token, with or without whose it is before it."""
    return text.isascii() and text.isprintable() and " " not in text and len(text.rpartition(":")[2]) >= SHORTEST_TOKEN


def _token(text: str) -> str:
    if not is_token(text):
        raise ValueError(f"a token has {SHORTEST_TOKEN} or more letters, digits or signs and no spaces")
    return text


def _reachable(mode: int) -> int:
    if mode & 0o600 != 0o600:  # noqa: PLR2004  # rw for the owner
        raise ValueError("the owner would have no access")
    return mode


Text = Annotated[str, AfterValidator(_without_nul)]
Directory = Annotated[Path, Field(strict=False), AfterValidator(_without_nul)]
Command = Annotated[tuple[Text, ...], Field(strict=False), BeforeValidator(_words), AfterValidator(_program)]
Variables = dict[Annotated[Text, AfterValidator(_variable)], Text]
Texts = Annotated[tuple[Text, ...], Field(strict=False), BeforeValidator(_words)]
Listen = Annotated[Text, AfterValidator(_host_and_port)]
Tokens = Annotated[tuple[Annotated[Text, AfterValidator(_token)], ...], Field(strict=False), BeforeValidator(_words)]
Mode = Annotated[int, BeforeValidator(_octal), AfterValidator(_reachable)]


def setting(default: Any, meaning: str, *, reloadable: bool = False, allowed: str = "", **bounds: Any) -> Any:
    """Declare one setting.

    Args:
        default: its value when nobody sets it.
        meaning: what it does, with its unit.
        reloadable: whether a running daemon takes a changed value over on SIGHUP.
        allowed: what may be written, where type and bounds do not say it well.
        bounds: constraints as `pydantic.Field` knows them.
    """
    extra: dict[str, JsonValue] = {"reloadable": reloadable, "allowed": allowed}
    return Field(default, description=meaning, json_schema_extra=extra, **bounds)


def seconds(default: float | None, meaning: str, *, reloadable: bool = True, least: float = BLINK) -> Any:
    """Declare a duration in seconds."""
    return setting(default, meaning, reloadable=reloadable, ge=least, le=WEEK, allow_inf_nan=False)


class Section(BaseModel):
    """Base of all sections: frozen, no unknown keys, no value of another type quietly converted."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


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


class Sockets(Section):
    """The socket clients connect to, `tools.sock`; `control.sock` is its owner's alone."""

    mode: Mode = setting(0o660, "Permission bits.", ge=0, le=0o777, allowed='permission bits: 0o660 or "0660"')
    group: Text | None = setting(None, "Group the socket belongs to; without it the daemon's own.", min_length=1)
    backlog: int = setting(128, "Connections that may wait to be accepted.", ge=1, le=65_535)


class Http(Section):
    """The door for MCP over HTTP, at `/mcp`; it is closed unless `listen` is set."""

    listen: Listen | None = setting(
        None,
        "Address to listen on. Beyond this machine (not 127.0.0.1, ::1 or localhost) tokens are required.",
        allowed='HOST:PORT, such as "127.0.0.1:8080" or "[::1]:8080"; port 0 takes any free one',
    )
    token_file: Directory | None = setting(
        None,
        "File of bearer tokens that clients have to show, one a line: `TOKEN`, or `SUBJECT:TOKEN` to say whose it is.",
        reloadable=True,
    )
    tokens: Tokens = setting(
        (),
        "Bearer tokens likewise; for the environment, as more people read a configuration than a file of secrets.",
        reloadable=True,
        allowed=f"list of texts of at least {SHORTEST_TOKEN} characters without spaces",
    )
    allowed_hosts: Texts = setting(
        (),
        "Further names clients call this machine by; a request for any other one is refused (DNS rebinding).",
        reloadable=True,
        allowed="list of texts",
    )
    allowed_origins: Texts = setting(
        (),
        "Web pages of other hosts that may call, such as `https://app.example`.",
        reloadable=True,
        allowed="list of texts",
    )
    connections: int = setting(
        1024, "Connections open at the same time; further ones are refused.", reloadable=True, ge=1, le=1_000_000
    )
    body_bytes: int = setting(
        4 * MIB,
        "Longest body of a request, in bytes; never more than `limits.line_bytes`.",
        reloadable=True,
        ge=KIB,
        le=GIB,
    )
    header_timeout: float = seconds(10.0, "Seconds a client has to send a request's head.")
    body_timeout: float = seconds(60.0, "Seconds a client has to send a request's body.")
    keepalive_timeout: float = seconds(120.0, "Seconds a connection may stay open without a request.")
    session_timeout: float = seconds(3600.0, "Seconds a session may last without a request or an open stream.")
    event_bytes: int = setting(
        MIB,
        "Bytes of sent events kept for each session, for clients that resume a stream; 0 keeps none.",
        reloadable=True,
        ge=0,
        le=GIB,
    )

    @property
    def place(self) -> tuple[str, int]:
        """Host, without brackets, and port of `listen`; "" and 0 without it."""
        host, _, port = (self.listen or "").rpartition(":")
        return host.strip("[]"), int(port or 0)

    @property
    def local(self) -> bool:
        """Whether only this machine can reach `listen`; of names only `localhost` is known to be its own."""
        host = self.place[0]
        try:
            return host == "localhost" or ipaddress.ip_address(host).is_loopback
        except ValueError:
            return False


class Log(Section):
    """What the daemon writes about itself, to stderr and to a file."""

    level: Literal["debug", "info", "warning", "error"] = setting("info", "Least level written.", reloadable=True)
    file: bool = setting(default=True, meaning="Write `switchover.jsonl` in the log directory as well.")
    file_bytes: int = setting(20 * MIB, "Size, in bytes, at which the file is rotated.", ge=4 * KIB, le=GIB * KIB)
    file_count: int = setting(5, "Files kept, the current one included.", ge=1, le=1000)
    format: Literal["auto", "json", "text"] = setting(
        "auto", "How lines look on stderr; `auto` is `text` on a terminal, else `json`. The file is always JSON."
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
    log: Log = Field(default_factory=Log)
    stop: Stop = Field(default_factory=Stop)

    @property
    def drain_timeout(self) -> float:
        """Seconds calls in flight have to finish before their worker is stopped."""
        drain = self.worker.drain_timeout
        return self.limits.call_timeout if drain is None else drain
