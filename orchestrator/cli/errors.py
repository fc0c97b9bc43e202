"""How a verb fails: a reason on stderr and an exit status."""

from __future__ import annotations

from typing import Any

import click

UNREACHABLE = 3
"""Exit status when no daemon answers."""

NO_TEXT = "what was typed is not UTF-8, or holds half a character; give it text that is whole"


class FailedError(click.ClickException):
    """A verb was refused or failed; exit status 1."""

    def show(self, file: Any = None) -> None:  # noqa: ARG002 - click's signature
        """Print the reason to stderr."""
        click.echo(f"switchover: {self.message}", err=True)


class MisconfiguredError(FailedError):
    """The configuration cannot be used; exit status 2, for which systemd does not try again."""

    exit_code = 2


class UnreachableError(FailedError):
    """No daemon answers; exit status 3."""

    exit_code = UNREACHABLE
