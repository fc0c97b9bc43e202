"""The settings as the door needs them: bounds, and who may call.

Above: `doors`, when the door opens and on each reload.  Below: `settings`, and the file of tokens.
"""

from __future__ import annotations

import socket
from pathlib import Path

from orchestrator.domain.errors import SettingsError
from orchestrator.domain.ports import TokenReader
from orchestrator.proxy.http.access import Access, is_loopback
from orchestrator.proxy.http.ports import Bounds
from orchestrator.settings import Settings
from orchestrator.settings.declare import SHORTEST_TOKEN, is_token
from orchestrator.telemetry.logging import get_logger

log = get_logger("http")


def bounds_of(settings: Settings) -> Bounds:
    """Return what clients may cost."""
    http = settings.http
    return Bounds(
        connections=http.connections,
        body_bytes=min(http.body_bytes, settings.limits.line_bytes),
        header_timeout=http.header_timeout,
        body_timeout=http.body_timeout,
        keepalive_timeout=http.keepalive_timeout,
        session_timeout=http.session_timeout,
        event_bytes=http.event_bytes,
        backlog_bytes=settings.limits.client_backlog_bytes,
    )


def access_of(settings: Settings, address: str, reader: TokenReader | None = None) -> Access:
    """Return who may call a door.

    Args:
        settings: names, pages and tokens.
        address: what the door is really bound to.
        reader: who knows signed tokens.

    Raises:
        SettingsError: the tokens cannot be read, or there are none and more than this machine could call.
    """
    http = settings.http
    tokens = [*http.tokens, *(tokens_in(http.token_file) if http.token_file is not None else ())]
    if not tokens and not is_loopback(address):
        raise SettingsError(f"anybody could call {address}: set http.token_file or http.tokens, or listen on 127.0.0.1")
    own = [http.place[0]] if http.listen else []
    return Access.to(
        address,
        hosts=[*http.allowed_hosts, *own, socket.gethostname()],
        origins=http.allowed_origins,
        tokens=tokens,
        reader=reader,
    )


def tokens_in(path: Path, setting: str = "http.token_file") -> list[str]:
    """Read a file of tokens, one a line; empty lines and those that begin with `#` do not count.

    Args:
        path: the file.
        setting: what names it, for the reason.

    Raises:
        SettingsError: it cannot be read, holds no token, or one that is none.
    """
    try:
        lines = [line.strip() for line in path.read_text(encoding="ascii").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"the tokens in {path} ({setting}) cannot be read: {error}") from error
    tokens = [line for line in lines if line and not line.startswith("#")]
    bad = next((number for number, line in enumerate(lines, 1) if line in tokens and not is_token(line)), None)
    if bad is not None:
        raise SettingsError(f"{path}:{bad}: a token has {SHORTEST_TOKEN} or more characters and no spaces")
    if not tokens:
        raise SettingsError(f"there is no token in {path} ({setting}); write one a line")
    if path.stat().st_mode & 0o044:
        log.warning("the file of tokens can be read by others than its owner", path=str(path))
    return tokens
