"""`switchover flags watch`: every change as it happens, until Ctrl-C."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import click
import httpx

from orchestrator.api.flags.models import ChangedShown
from orchestrator.cli.control import connect, paths_of
from orchestrator.cli.errors import FailedError, UnreachableError
from orchestrator.cli.flags.ask import understood
from orchestrator.cli.flags.show import step
from orchestrator.cli.group import json_option, state_dir_option
from orchestrator.settings import Paths
from orchestrator.telemetry.render import printable

SILENCE: Final = 60.0
"""Seconds without a sign of life after which the daemon is taken for gone; it gives one every 15."""
AGAIN: Final = 1.0
"""Seconds before connecting again."""


@click.command("watch")
@json_option
@state_dir_option
def command(*, as_json: bool, state_dir: Path | None) -> None:
    """Show every change of a flag as it happens; a daemon that is restarted meanwhile is waited for."""
    paths = paths_of(state_dir)
    last: dict[str, str] = {}
    met = said = False
    try:
        while True:
            try:
                for event in _events(paths, last):
                    met, said = True, False
                    _show(event, as_json=as_json)
            except httpx.TransportError as error:
                if not met:
                    raise _unreachable(paths, error) from error
            if not said:
                click.echo("the daemon has ended; looking for it again every second", err=True)
                said = True
            time.sleep(AGAIN)
    except KeyboardInterrupt:
        return


def _unreachable(paths: Paths, error: Exception) -> UnreachableError:
    return UnreachableError(
        f"no daemon answers on {paths.control_socket} ({error}); start one with: switchover serve -- COMMAND"
    )


def _events(paths: Paths, last: dict[str, str]) -> Iterator[dict[str, Any]]:
    """Yield the stream's events; `last` keeps the id of the newest one for the next connection."""
    headers = {"last-event-id": last["id"]} if last else {}
    with (
        connect(paths, SILENCE) as client,
        client.stream("GET", "http://switchover/events", headers=headers) as response,
    ):
        if response.is_error:
            raise FailedError(f"the daemon does not tell of changes (HTTP {response.status_code})")
        for line in response.iter_lines():
            if line.startswith("id: "):
                last["id"] = line.removeprefix("id: ")
            elif line.startswith("data: "):
                yield json.loads(line.removeprefix("data: "))


def _show(event: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(event))
    elif event.get("type") == "changed":
        for line in _lines(understood(ChangedShown, event)):
            click.echo(line)
    else:
        missed = ", changes were missed (see: switchover flags history)" if event.get("missed") else ""
        click.echo(f"flags version {event.get('version')}{missed}")


def _lines(changed: ChangedShown) -> Iterator[str]:
    moment = time.strftime("%H:%M:%S", time.localtime(changed.at))
    why = f" ({printable(changed.reason)})" if changed.reason else ""
    by = printable(changed.actor) + ("" if changed.cause == "person" else f", {printable(changed.cause)}")
    for change in changed.changes:
        yield f"{moment}  {changed.version}  {printable(change.key)}: {step(change)}  by {by}{why}"
