"""What an agent is told about a task before it begins, cut to the limits of the prompt mode.

Pure.  Above it stands the `context` tool, below it `tasks`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from workers.reference.tasks import Task


class PromptMode(StrEnum):
    """How much an agent is told; the flag PROMPT_MODE says which."""

    COMPACT = "compact"
    VERBOSE = "verbose"


@dataclass(frozen=True, slots=True)
class PromptLimits:
    """How much there may be.

    Attributes:
        entry: characters of one entry, the mark of a cut included.
        history: pieces of history, the newest ones.
        files: references to files, the most important ones.
    """

    entry: int
    history: int
    files: int


LIMITS: Final = {
    PromptMode.COMPACT: PromptLimits(entry=120, history=5, files=3),
    PromptMode.VERBOSE: PromptLimits(entry=220, history=6, files=5),
}
"""The limits of each mode, as the flag's description gives them."""

CUT: Final = "…"


@dataclass(frozen=True, slots=True)
class Happening:
    """One piece of a task's history.

    Attributes:
        at: when, with time zone.
        text: what, for people.
    """

    at: datetime
    text: str


@dataclass(frozen=True, slots=True)
class Assembled:
    """A task's context.

    Attributes:
        mode: the mode it was cut for.
        entries: what is told, one line each, none longer than the mode's limit.
        history: the newest pieces of history, oldest first, likewise cut.
        files: the most important files.
        left_out: how many pieces of history and files were left out.
        cut: how many entries were shortened.
    """

    mode: PromptMode
    entries: tuple[str, ...]
    history: tuple[str, ...]
    files: tuple[str, ...]
    left_out: int
    cut: int

    @property
    def text(self) -> str:
        """All of it as one prompt header."""
        parts = [*self.entries, *(f"- {line}" for line in self.history)]
        return "\n".join([*parts, *([f"Files: {', '.join(self.files)}"] if self.files else [])])


def assemble(task: Task, needs: Sequence[Task], history: Sequence[Happening], mode: PromptMode) -> Assembled:
    """Put a task's context together.

    Args:
        task: what it is about.
        needs: the tasks it depends on.
        history: what happened to it; what happened at one moment stays in order.
        mode: how much is told.
    """
    limits = LIMITS[mode]
    told = [_head(task), *_details(task, mode), *(f"After task {it.id} ({it.status}): {it.title}" for it in needs)]
    newest = sorted(history, key=lambda happening: happening.at)[-limits.history :]
    lines = [_line(happening, mode) for happening in newest]
    files = task.files[: limits.files]
    longer = sum(len(_one_line(text)) > limits.entry for text in (*told, *lines, *files))
    return Assembled(
        mode=mode,
        entries=tuple(shortened(text, limits.entry) for text in told),
        history=tuple(shortened(text, limits.entry) for text in lines),
        files=tuple(shortened(path, limits.entry) for path in files),
        left_out=len(history) - len(newest) + len(task.files) - len(files),
        cut=longer,
    )


def shortened(text: str, limit: int) -> str:
    """Return a text on one line, cut to `limit` characters with a mark where it was cut."""
    line = _one_line(text)
    return line if len(line) <= limit else line[: limit - len(CUT)].rstrip() + CUT


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _head(task: Task) -> str:
    return f"Task {task.id} ({task.status}, attempt {task.attempt}): {task.title}"


def _details(task: Task, mode: PromptMode) -> list[str]:
    """Return the details: in compact mode one entry of them, else one for each paragraph."""
    paragraphs = [part for part in task.details.split("\n\n") if part.strip()]
    return paragraphs if mode is PromptMode.VERBOSE else paragraphs[:1]


def _line(happening: Happening, mode: PromptMode) -> str:
    when = happening.at.isoformat(timespec="seconds") if mode is PromptMode.VERBOSE else f"{happening.at:%m-%d %H:%M}"
    return f"{when} {happening.text}"
