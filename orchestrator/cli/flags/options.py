"""Options that several verbs of `flags` share."""

from __future__ import annotations

import click


def wait_options(function: click.decorators.FC) -> click.decorators.FC:
    """Add `--wait` and `--timeout`."""
    function = click.option("--timeout", type=float, metavar="SECONDS", help="How long to wait; else `flags.wait`.")(
        function
    )
    return click.option(
        "--wait", is_flag=True, help="Return once every worker has acknowledged; exit 1 and name those that did not."
    )(function)


def expect_option(function: click.decorators.FC) -> click.decorators.FC:
    """Add `--expect-version`."""
    return click.option(
        "--expect-version", type=int, metavar="N", help="Refuse unless the flags version is N: nobody was faster."
    )(function)


def attribute_option(function: click.decorators.FC) -> click.decorators.FC:
    """Add `--attribute`."""
    return click.option(
        "--attribute",
        "words",
        multiple=True,
        metavar="NAME=VALUE",
        help='What rules look at; may be repeated.  42 is a number, true a bool, "42" in quotes a text.',
    )(function)
