"""The command line as a whole: options every verb shares, and verbs loaded only when they are named.

A verb's libraries cost start-up time, so each verb's module is imported when it is used (or all of them for `--help`).
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from orchestrator import VERSION
from orchestrator.cli.errors import NO_TEXT, FailedError
from orchestrator.collector import lasting
from orchestrator.domain.words import is_text

VERBS = (
    "serve", "connect", "status", "tools", "call",
    "canary", "switch", "weight", "kill-switch",
    "upgrade", "promote", "pause", "resume", "abort", "retry", "rollback",
    "why", "history", "guide", "drill", "quarantine", "shadow", "mirror", "parity", "plans", "lint", "simulate",
    "samples", "flags", "notices", "token", "logs", "reload", "stop",
)  # fmt: skip


TYPED = "switchover.typed"
"""Of click's memory for a command line: all of its words."""


class Verbs(click.Group):
    """Finds a verb in its module, the command itself being called `command` there."""

    def __init__(self, *args: Any, homes: Mapping[str, str], **options: Any) -> None:
        """Build it; `homes` are the verbs' modules, in the order in which a person meets them."""
        super().__init__(*args, **options)
        self._homes = homes

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Note what was typed."""
        ctx.meta[TYPED] = tuple(args)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Carry a verb out; what was typed and cannot be sent is said, wherever that is found out."""
        try:
            return super().invoke(ctx)
        except UnicodeEncodeError as error:
            if any(not is_text(word) for word in ctx.meta.get(TYPED, ())):
                raise FailedError(NO_TEXT) from error
            raise

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the verbs in their order."""
        return list(self._homes)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - likewise
        """Import one verb."""
        home = self._homes.get(cmd_name)
        if home is None:
            return None
        if home not in sys.modules:
            with lasting():
                importlib.import_module(home)
        command: click.Command = sys.modules[home].command
        return command


@click.group(
    cls=Verbs,
    homes={verb: f"orchestrator.cli.{verb.replace('-', '_')}" for verb in VERBS},
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(VERSION, prog_name="switchover")
def switchover() -> None:
    """Upgrade a running tool server without its clients noticing.

    Exit status: 0 done, 1 refused or failed, 2 usage, 3 daemon not reachable.
    """


def state_dir_option(function: click.decorators.FC) -> click.decorators.FC:
    """Add `--state-dir`, by which a verb finds its daemon."""
    return click.option(
        "--state-dir",
        type=click.Path(path_type=Path, file_okay=False),
        help="The daemon's state directory; else $SWITCHOVER_STATE_DIR and so on, as for `serve`.",
    )(function)


def reason_option(function: click.decorators.FC) -> click.decorators.FC:
    """Add `--reason`, which goes into the audit."""
    return click.option("--reason", default="", help="Why, for the audit.")(function)


def json_option(function: click.decorators.FC) -> click.decorators.FC:
    """Add `--json`, which prints what the control API says."""
    return click.option("--json", "as_json", is_flag=True, help="Print what the control API says.")(function)
