"""`switchover samples`: what the calls of each generation told; `samples export` writes them to a file."""

from __future__ import annotations

import datetime as dt
import os
import re
import sys
import time
from pathlib import Path
from typing import BinaryIO, Final
from urllib.parse import urlencode

import click
import httpx

from orchestrator.api.sample_models import GenerationKept, Kept
from orchestrator.cli.control import PATIENCE, connect, paths_of
from orchestrator.cli.errors import FailedError, UnreachableError
from orchestrator.cli.flags.ask import fetch, show_json, understood
from orchestrator.cli.flags.show import table
from orchestrator.cli.group import json_option, state_dir_option
from orchestrator.cli.status_view import NONE
from orchestrator.cli.terminal import RED, Cell
from orchestrator.domain.plans.limits import MIB
from orchestrator.settings import Paths
from orchestrator.telemetry.render import BOLD

UNITS: Final = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
AGO: Final = re.compile(r"([0-9]{1,9})([smhd])")


class Moment(click.ParamType[float]):
    """A point in time: so long ago (`90s`, `15m`, `2h`, `7d`), or an ISO 8601 date or time, local unless it says."""

    name = "TIME"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return Unix seconds."""
        if isinstance(value, float):
            return value
        text = str(value)
        if (ago := AGO.fullmatch(text)) is not None:
            return max(0.0, time.time() - int(ago[1]) * UNITS[ago[2]])
        try:
            moment = dt.datetime.fromisoformat(text).timestamp()
        except (ValueError, OverflowError):
            moment = -1.0
        if moment < 0:
            self.fail(f"{text!r} is no time; write 2h, 7d, 2026-11-21 or 2026-11-21T10:00+01:00", param, ctx)
        return moment


@click.group("samples", invoke_without_command=True)
@click.option("--since", type=Moment(), default=0.0, help="Only samples since then: 2h, 7d, 2026-11-21T10:00.")
@json_option
@state_dir_option
@click.pass_context
def command(ctx: click.Context, *, since: float, as_json: bool, state_dir: Path | None) -> None:
    """Show what the stored samples of each generation say; `export` writes them to a file."""
    if ctx.invoked_subcommand is not None:
        return
    answer = fetch(state_dir, "GET", f"/v1/samples?{urlencode({'since': since})}")
    if as_json:
        show_json(answer)
        return
    kept = understood(Kept, answer)
    if kept.generations:
        names = ("generation", "calls", "failed", "p50", "p95", "tokens", "memory")
        table([_row(one) for one in kept.generations], *names)
    else:
        click.echo("no samples")
    click.echo(_counts(kept))


@command.command("export")
@click.option("--since", type=Moment(), default=None, help="Only samples since then: 2h, 7d, 2026-11-21T10:00.")
@click.option("--until", type=Moment(), default=None, help="Only samples before then.")
@click.option("--rollout", default="", metavar="ID", help="Only samples told while this rollout was under way.")
@click.option(
    "-o", "--output", "file", required=True, type=click.Path(path_type=Path, allow_dash=True, dir_okay=False),
    help="Where to; - is standard output.",
)  # fmt: skip
@state_dir_option
def export(*, since: float | None, until: float | None, rollout: str, file: Path, state_dir: Path | None) -> None:
    """Write the stored samples as lines of JSON, for `simulate` and other programs; keys are digests."""
    asked = {"since": since, "until": until, "rollout": rollout or None}
    query = urlencode({name: value for name, value in asked.items() if value is not None})
    paths = paths_of(state_dir)
    if str(file) == "-":
        _fetch(paths, query, sys.stdout.buffer)
        return
    try:
        lines = _fetch_into(file, paths, query)
    except OSError as error:
        raise FailedError(f"cannot write {file}: {error.strerror or error}") from error
    click.echo(f"{max(0, lines - 1)} samples and pairs in {file}")


def _fetch_into(file: Path, paths: Paths, query: str) -> int:
    """Write what the daemon exports into a file, whole or not at all; return how many lines that is.

    A pipe or a device is written to as it is, and the file that a link leads to is what is replaced, not the link.

    Raises:
        OSError: it cannot be written.
    """
    if file.exists() and not file.is_file():
        with file.open("wb") as out:
            return _fetch(paths, query, out)
    whole = file.resolve()
    partial = whole.with_name(f".{whole.name}.{os.getpid()}")
    try:
        with partial.open("wb") as out:
            lines = _fetch(paths, query, out)
        partial.replace(whole)
    finally:
        partial.unlink(missing_ok=True)
    return lines


def _fetch(paths: Paths, query: str, out: BinaryIO) -> int:
    """Write what the daemon exports and return how many lines that is.

    Raises:
        UnreachableError: nobody listens on the control socket, or it broke off in between.
        FailedError: the daemon refused.
    """
    lines = 0
    try:
        with (
            connect(paths, PATIENCE) as client,
            client.stream("GET", f"http://switchover/v1/samples/export?{query}") as response,
        ):
            if response.is_error:
                response.read()
                raise FailedError(str(response.json().get("reason", f"HTTP {response.status_code}")))
            for part in response.iter_bytes():
                lines += part.count(b"\n")
                out.write(part)
    except httpx.TransportError as error:
        raise UnreachableError(
            f"no daemon answers on {paths.control_socket} ({error}); start one with: switchover serve -- COMMAND"
        ) from error
    return lines


def _row(one: GenerationKept) -> list[Cell]:
    share = f"{one.failed / one.calls:.1%}".replace("%", " %") if one.calls else NONE
    return [
        Cell(str(one.generation), BOLD),
        Cell(str(one.calls)),
        Cell(share, RED if one.failed else ""),
        Cell(_number(one.p50_ms, "ms")),
        Cell(_number(one.p95_ms, "ms")),
        Cell(_number(one.tokens, "")),
        Cell(_number(None if one.memory_bytes is None else one.memory_bytes / MIB, "MiB")),
    ]


def _number(value: float | None, unit: str) -> str:
    return NONE if value is None else f"{value:.1f} {unit}".rstrip()


def _counts(kept: Kept) -> str:
    told = f"since the daemon started: {kept.stored} stored"
    if kept.passed:
        told += f", {kept.passed} only counted (nothing was on trial)"
    if kept.dropped:
        told += f", {kept.dropped} dropped"
    if kept.rejected:
        told += f", {kept.rejected} reported metrics were no numbers"
    return f"{told}\n{kept.trouble}" if kept.trouble else told
