"""`switchover serve`: run the daemon in the foreground."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import anyio
import click
import uvloop

from orchestrator.cli.errors import FailedError, MisconfiguredError
from orchestrator.cli.group import state_dir_option
from orchestrator.daemon import serve
from orchestrator.domain.errors import SettingsError, SwitchoverError
from orchestrator.options import Options
from orchestrator.proxy.allocator import keep_large_buffers
from orchestrator.settings import Settings, load, locate
from orchestrator.telemetry import logging
from orchestrator.telemetry.sd_notify import listen_fds, notifier
from state.errors import StorageError


@click.command("serve")
@click.option("--config", type=click.Path(path_type=Path, dir_okay=False), help="Configuration file (TOML).")
@click.option("--http", "listen", metavar="HOST:PORT", help="Serve MCP over HTTP, too, at http://HOST:PORT/mcp.")
@state_dir_option
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="[-- COMMAND...]")
def command(*, config: Path | None, listen: str | None, state_dir: Path | None, words: tuple[str, ...]) -> None:
    """Run the daemon around COMMAND, the worker of the first generation.

    Once generations are stored, the one that was active is started again and COMMAND only founds the first.
    """
    try:
        sys.exit(_serve(config, listen, state_dir, words))
    except SettingsError as error:
        raise MisconfiguredError(str(error)) from error
    except (SwitchoverError, StorageError) as error:
        raise FailedError(str(error)) from error


def _serve(config: Path | None, listen: str | None, state_dir: Path | None, words: tuple[str, ...]) -> int:
    environ = dict(os.environ)
    flags = {"worker.command": list(words) or None, "http.listen": listen}

    def read() -> Settings:
        return load(config, environ, flags)

    keep_large_buffers()
    settings = read()
    paths = locate(state_dir, environ)
    logs = logging.configure(settings.log, paths.log_file, sys.stderr)
    options = Options(
        settings=settings,
        paths=paths,
        load=read,
        environ=environ,
        activated=listen_fds(environ, os.getpid()),
        notifier=notifier(environ, os.getpid()),
        logs=logs,
        announce=lambda text: click.echo(f"switchover: {text}", err=True),
    )
    try:
        return anyio.run(serve, options, backend_options={"loop_factory": uvloop.new_event_loop})
    finally:
        logs.close()
