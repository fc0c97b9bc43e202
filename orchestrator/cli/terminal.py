"""How verbs show things: colours only where they are wanted, and nothing on a terminal that does more than show itself.

What is shown may come from a worker.  Into a pipe it goes as it is; on a terminal control characters are escaped.
Above: the verbs.  Below: `telemetry.render` for the escaping.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TextIO

import click

from orchestrator.telemetry.render import BOLD, RESET, printable

RED: Final = "\x1b[31m"
YELLOW: Final = "\x1b[33m"
GREEN: Final = "\x1b[32m"

GAP: Final = "  "
"""Between two columns."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A text in a table and the style it has where there are colours."""

    text: str
    style: str = ""


def is_terminal(stream: TextIO, environ: Mapping[str, str] = os.environ) -> bool:
    """Return whether a person sits behind a stream, at a terminal that understands control sequences."""
    return stream.isatty() and environ.get("TERM") != "dumb"


def has_colours(stream: TextIO, environ: Mapping[str, str] = os.environ) -> bool:
    """Return whether colours are wanted: on a terminal, unless NO_COLOR (https://no-color.org) is set."""
    return is_terminal(stream, environ) and not environ.get("NO_COLOR")


def safe(text: str) -> str:
    """Return `text` with its lines kept and every other control character escaped."""
    return "\n".join(printable(line.removesuffix("\r").expandtabs()) for line in text.split("\n"))


def show(text: str, *, err: bool = False) -> None:
    """Print what somebody else wrote, made safe where a terminal would act on it.

    A character that the stream's encoding does not have is escaped, too: half of an answer would be worse.
    """
    stream = sys.stderr if err else sys.stdout
    shown = safe(text) if stream.isatty() else text
    # As bytes, because click would take colours out of a text that goes into a pipe.
    click.echo(shown.encode(stream.encoding or "utf-8", "backslashreplace"), err=err)


def paint(text: str, style: str, *, colour: bool) -> str:
    """Return `text` in a style, or as it is."""
    return f"{style}{text}{RESET}" if colour and style and text else text


def columns(rows: Sequence[Sequence[Cell]], *, numbers: frozenset[int] = frozenset(), colour: bool) -> list[str]:
    """Align rows into lines; the first row is the heading.

    Args:
        rows: cells, as many in each row.
        numbers: which columns are aligned to the right.
        colour: whether styles are used.
    """
    widths = [max(len(row[index].text) for row in rows) for index in range(len(rows[0]))]
    lines = []
    for row in rows:
        padded = (
            _pad(cell, width, right=index in numbers, colour=colour)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        lines.append(GAP.join(padded).rstrip())
    return lines


def heading(*names: str) -> list[Cell]:
    """Return a table's first row."""
    return [Cell(name.upper(), BOLD) for name in names]


def _pad(cell: Cell, width: int, *, right: bool, colour: bool) -> str:
    blank = " " * (width - len(cell.text))
    text = paint(cell.text, cell.style, colour=colour)
    return blank + text if right else text + blank
