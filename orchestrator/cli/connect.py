"""`switchover connect`: what an MCP client is configured with instead of its server."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from pathlib import Path
from typing import TextIO

import click

from orchestrator.bridge.relay import NoDaemonError, Relay
from orchestrator.cli.client_config import CLIENTS, rendered, start_of
from orchestrator.cli.errors import FailedError, UnreachableError
from orchestrator.cli.group import state_dir_option
from orchestrator.domain.errors import SettingsError
from orchestrator.settings.paths import locate

WAIT = 10.0
"""Seconds: a client may be started together with the daemon, at log-in."""


@click.command("connect")
@click.option(
    "--wait",
    type=click.FloatRange(min=0),
    default=WAIT,
    show_default=True,
    help="Seconds the daemon may take to be there at the start; one that goes away later is waited for without end.",
)
@click.option("--print-config", "client", type=click.Choice(list(CLIENTS)), help="Print a client's configuration.")
@click.option("--name", default="switchover", show_default=True, help="With --print-config: how the client calls it.")
@state_dir_option
def command(*, wait: float, client: str | None, name: str, state_dir: Path | None) -> None:
    """Be the MCP server that a client starts: join its stdin and stdout to the daemon.

    When the daemon restarts, the session goes on: read-only calls are sent again, others are answered `worker_lost`.
    """
    try:
        if client is None:
            sys.exit(_connect(locate(state_dir, os.environ).tools_socket, wait))
        start = start_of(state_dir, wait if wait != WAIT else None, os.environ, sys.argv[0])
        click.echo(rendered(client, name, start))
    except NoDaemonError as error:
        raise UnreachableError(str(error)) from error
    except SettingsError as error:
        raise FailedError(str(error)) from error


def _connect(path: Path, wait: float) -> int:
    streams: tuple[TextIO | None, ...] = (sys.stdin, sys.stdout)
    if None in streams:  # Python's word for a closed descriptor, which the next file to be opened would take
        raise FailedError("stdin and stdout have to be open: it is there that a client speaks")
    return asyncio.run(Relay(path, wait, _say).run())


def _say(text: str) -> None:
    with contextlib.suppress(OSError):  # nobody reads stderr, or it is full
        click.echo(f"switchover: {text}", err=True)
