"""The settings of the doors: where clients and people come in, and who may.

Above: `model`.  Below: `declare`.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from orchestrator.settings.declare import (
    GIB,
    KIB,
    MIB,
    SHORTEST_TOKEN,
    Directory,
    Listen,
    Mode,
    Section,
    Text,
    Texts,
    Tokens,
    seconds,
    setting,
)


def host_and_port(listen: str | None) -> tuple[str, int]:
    """Split HOST:PORT, the host without its brackets; "" and 0 for None."""
    host, _, port = (listen or "").rpartition(":")
    return host.strip("[]"), int(port or 0)


def is_local(listen: str | None) -> bool:
    """Tell whether only this machine can reach an address; of names only `localhost` is known to be its own."""
    host = host_and_port(listen)[0]
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _origins(texts: tuple[str, ...]) -> tuple[str, ...]:
    for text in texts:
        if not re.fullmatch(r"(?i:https?)://[^/?#@*\s]+/?", text):
            raise ValueError(f"{text[:60]!r} is no origin: name each page's by itself, without a path and without *")
    return texts


Origins = Annotated[Texts, AfterValidator(_origins)]


def _token_file(who: str) -> Any:
    return setting(
        None,
        f"File of bearer tokens that {who} have to show, one a line: `TOKEN`, or `SUBJECT:TOKEN` to say whose it is.",
        reloadable=True,
    )


def _tokens() -> Any:
    return setting(
        (),
        "Bearer tokens likewise; for the environment, as more people read a configuration than a file of secrets.",
        reloadable=True,
        allowed=f"list of texts of at least {SHORTEST_TOKEN} characters without spaces",
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
    token_file: Directory | None = _token_file("clients")
    tokens: Tokens = _tokens()
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
        return host_and_port(self.listen)

    @property
    def local(self) -> bool:
        """Whether only this machine can reach `listen`."""
        return is_local(self.listen)


class Control(Section):
    """The control API over TCP, beside `control.sock`; it is closed unless `listen` is set."""

    listen: Listen | None = setting(
        None,
        "Address to listen on. Every caller needs a token, and no verb that carries a command is served here.",
        allowed='HOST:PORT, such as "127.0.0.1:8081"; port 0 takes any free one',
    )
    token_file: Directory | None = _token_file("callers")
    tokens: Tokens = _tokens()
    allowed_hosts: Texts = setting(
        (),
        "Further names callers call this machine by; any other one is refused.",
        reloadable=True,
        allowed="list of texts",
    )
    allowed_origins: Origins = setting(
        (),
        "Web pages of other origins that may evaluate flags and hear of changes (OFREP), and nothing else.",
        reloadable=True,
        allowed="list of SCHEME://HOST[:PORT], such as `https://app.example`",
    )

    @property
    def place(self) -> tuple[str, int]:
        """Host, without brackets, and port of `listen`; "" and 0 without it."""
        return host_and_port(self.listen)


class Access(Section):
    """Who may use which tool, and the tokens that say so."""

    environment: Literal["production", "development"] = setting(
        "production", "`development` opens gates whose flag is missing, and says so loudly in the log."
    )
    tools: dict[Text, Text] = Field(
        default_factory=dict,
        description="Gates: the flag that has to be open for a caller to see and call a tool.",
        json_schema_extra={"reloadable": True, "allowed": "table of tool name to flag"},
    )
    token_ttl: float = seconds(3600.0, "Longest life of a token made by `POST /v1/tokens`, in seconds.", least=1)
    key_file: Directory | None = setting(
        None, "File with the key tokens are signed with; without it `access.key` in the state directory, made once."
    )
    admin_claims: Texts = setting(
        (),
        "Claims of older tokens, such as `is_admin`, that open every gate when they are true.",
        reloadable=True,
        allowed="list of texts",
    )
