"""Talks to the daemon: HTTP over `control.sock`, its errors turned into words and exit statuses.

One answer is fetched with the standard library: httpx takes as long to load as everything else that a verb needs, and
is left to the verbs that read a stream.
"""

from __future__ import annotations

import contextlib
import http
import http.client
import json
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import click

from orchestrator.cli.errors import NO_TEXT, FailedError, UnreachableError
from orchestrator.domain.errors import SettingsError
from orchestrator.settings import Paths, locate

if TYPE_CHECKING:
    import httpx

PATIENCE = 600.0
"""Seconds a verb waits: a canary's start may take as long as `worker.start_timeout` allows."""
ADDRESS: Final = "/?#[]@!$&'()*+,;=:%"
"""What stands in an address for itself, besides letters and digits (RFC 3986, section 2.2)."""


class _Connection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, place: Path, timeout: float) -> None:
        super().__init__("switchover", timeout=timeout)
        self._place = place

    def connect(self) -> None:
        """Connect to the socket."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._place))


def paths_of(state_dir: Path | None) -> Paths:
    """Find the daemon's places."""
    try:
        return locate(state_dir, os.environ)
    except SettingsError as error:
        raise FailedError(str(error)) from error


def connect(paths: Paths, timeout: float) -> httpx.Client:
    """Return a client of the control socket for what comes as a stream, for `with`.

    Whether anybody listens is found out beforehand: httpcore leaves a socket that it could not connect for the garbage
    collector to close.

    Args:
        paths: the daemon's places.
        timeout: seconds the daemon may keep silent.

    Raises:
        httpx.ConnectError: nobody listens on the control socket, or it may not be used.
    """
    import httpx  # noqa: PLC0415 - see the top: for streams alone

    with socket.socket(socket.AF_UNIX) as attempt:
        attempt.settimeout(timeout)
        try:
            attempt.connect(str(paths.control_socket))
        except OSError as error:
            raise httpx.ConnectError(str(error)) from error
    return httpx.Client(transport=httpx.HTTPTransport(uds=str(paths.control_socket)), timeout=timeout)


def ask(
    paths: Paths, method: str, path: str, body: dict[str, Any] | None = None, *, timeout: float = PATIENCE
) -> dict[str, Any]:
    """Make one request and return its JSON answer.

    Args:
        paths: the daemon's places.
        method: HTTP method.
        path: path of the control API.
        body: JSON body, if any.
        timeout: seconds the daemon may keep silent.

    Raises:
        UnreachableError: nobody listens on the control socket, or it may not be used.
        FailedError: the daemon refused; the message is its reason.  Or the body cannot be sent.
    """
    content, headers = (None, {}) if body is None else (_encoded(body), {"Content-Type": "application/json"})
    try:
        with contextlib.closing(_Connection(paths.control_socket, timeout)) as connection:
            connection.request(method, quote(path, safe=ADDRESS), content, headers)
            response = connection.getresponse()
            said = response.read()
    except (OSError, http.client.HTTPException) as error:
        why = str(error).strip()
        raise UnreachableError(
            f"no daemon answers on {paths.control_socket} ({why}); start one with: switchover serve -- COMMAND"
        ) from error
    try:
        answer = json.loads(said)
    except ValueError:
        raise FailedError(f"the daemon answered nonsense (HTTP {response.status})") from None
    if response.status >= http.HTTPStatus.BAD_REQUEST:
        raise FailedError(str(answer.get("reason") or answer.get("detail") or f"HTTP {response.status}"))
    return dict(answer)


def do(state_dir: Path | None, path: str, **body: Any) -> None:
    """Have a verb done and print what was done."""
    click.echo(ask(paths_of(state_dir), "POST", path, body)["message"])


def _encoded(body: dict[str, Any]) -> bytes:
    """Return a body as JSON; what people type may hold what JSON cannot."""
    try:
        return json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        raise FailedError(NO_TEXT) from None
    except (ValueError, RecursionError) as error:
        raise FailedError(
            f"what was typed cannot be sent as JSON, which has no NaN and no infinity: {error}"
        ) from error
