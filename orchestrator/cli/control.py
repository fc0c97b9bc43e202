"""Talks to the daemon: HTTP over `control.sock`, its errors turned into words and exit statuses."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from typing import Any

import click
import httpx

from orchestrator.cli.errors import NO_TEXT, FailedError, UnreachableError
from orchestrator.domain.errors import SettingsError
from orchestrator.settings import Paths, locate

PATIENCE = 600.0
"""Seconds a verb waits: a canary's start may take as long as `worker.start_timeout` allows."""


def paths_of(state_dir: Path | None) -> Paths:
    """Find the daemon's places."""
    try:
        return locate(state_dir, os.environ)
    except SettingsError as error:
        raise FailedError(str(error)) from error


def connect(paths: Paths, timeout: float) -> httpx.Client:
    """Return a client of the control socket, for `with`.

    Whether anybody listens is found out beforehand: httpcore leaves a socket that it could not connect for the garbage
    collector to close.

    Args:
        paths: the daemon's places.
        timeout: seconds the daemon may keep silent.

    Raises:
        httpx.ConnectError: nobody listens on the control socket, or it may not be used.
    """
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
        with connect(paths, timeout) as client:
            response = client.request(method, f"http://switchover{path}", content=content, headers=headers)
    except httpx.TransportError as error:
        raise UnreachableError(
            f"no daemon answers on {paths.control_socket} ({error}); start one with: switchover serve -- COMMAND"
        ) from error
    try:
        answer = response.json()
    except ValueError:
        raise FailedError(f"the daemon answered nonsense (HTTP {response.status_code})") from None
    if response.is_error:
        raise FailedError(str(answer.get("reason") or answer.get("detail") or f"HTTP {response.status_code}"))
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
