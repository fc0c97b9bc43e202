"""The integrity survey of a worker: whether its tools do what they say, and leave whole what they must.

It asks every tool, over MCP, and looks into the state directory before and after.  Above: the integrity suite.  Below:
`integrity_calls`, and a `Speaker`.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from candidates import Json, Speaker
from integrity_calls import MISTAKES, Ask
from jsonschema import Draft202012Validator, FormatChecker
from switchover_kit import METRICS_KEY

FORMATS: Final = FormatChecker(formats=())
MOST_TRIES: Final = 5
"""How often a call is made that failed before it did anything; 6 % five times in a row is one in a million."""


@FORMATS.checks("date-time", raises=ValueError)
def _is_instant(text: object) -> bool:
    """RFC 3339, section 5.6: a time has its offset."""
    return not isinstance(text, str) or datetime.fromisoformat(text).tzinfo is not None


@dataclass(frozen=True, order=True)
class Finding:
    """Something a tool does that it must not.

    Attributes:
        tool: the tool, "store" for the store itself.
        kind: refused, schema, metrics, read-only, idempotent, bad-input or store.
        what: what was seen.
    """

    tool: str
    kind: str
    what: str


class Survey:
    """Asks one worker."""

    def __init__(
        self, speaker: Speaker, state: Path, *, more: Mapping[str, Json] | None = None, again: bool = False
    ) -> None:
        """Prepare.

        Args:
            speaker: speaks with the worker.
            state: the worker's state directory.
            more: arguments that a tool wants beyond those of the story, by tool.
            again: whether a call that failed before it did anything is made again.
        """
        self._speaker = speaker
        self._state = state
        self._more = more or {}
        self._tries = MOST_TRIES if again else 1
        self.tools = speaker.tools()
        self.findings: list[Finding] = []

    def tell(self, story: Iterable[Ask]) -> None:
        """Make calls that are to succeed, and see whether the tools' annotations and schemas are true."""
        for ask in story:
            hints = self.tools[ask.tool]["annotations"]
            before = contents(self._state)
            if not self._is_sound(ask):
                continue
            after = contents(self._state)
            if hints["readOnlyHint"] and after != before:
                self._note(ask.tool, "read-only", changed(before, after))
            if hints["idempotentHint"] and self._is_sound(ask) and contents(self._state) != after:
                self._note(ask.tool, "idempotent", changed(after, contents(self._state)))

    def mistake(self) -> None:
        """Make every mistake, and see whether each is told and leaves everything as it was."""
        before = contents(self._state)
        for ask in MISTAKES:
            result = self._call(ask)
            text = said(result)
            if not result.get("isError") or ask.says not in text:
                self._note(ask.tool, "bad-input", f"{ask.arguments}: {text[:200]}")
        if contents(self._state) != before:
            self._note("store", "bad-input", changed(before, contents(self._state)))

    def inspect(self) -> None:
        """Look whether the store is whole."""
        for trouble in store_troubles(self._state / "tasks.db"):
            self._note("store", "store", trouble)

    def _is_sound(self, ask: Ask) -> bool:
        """Make a call; tell whether it succeeded, and note what is wrong with its answer."""
        result = self._call(ask)
        if result.get("isError"):
            self._note(ask.tool, "refused", said(result))
            return False
        schema = Draft202012Validator(self.tools[ask.tool]["outputSchema"], format_checker=FORMATS)
        for error in schema.iter_errors(result["structuredContent"]):
            self._note(ask.tool, "schema", f"{error.json_path}: {error.message[:200]}")
        reported = result.get("_meta", {}).get(METRICS_KEY, {})
        if not reported.get("tokens", 0) > 0:
            self._note(ask.tool, "metrics", f"{reported}")
        return True

    def _call(self, ask: Ask) -> Json:
        arguments = {**ask.arguments, **self._more.get(ask.tool, {})}
        for _ in range(self._tries):
            result = self._speaker.call(ask.tool, arguments)
            if not result.get("isError") or said(result) != f"Error executing tool {ask.tool}":
                break
        return result

    def _note(self, tool: str, kind: str, what: str) -> None:
        self.findings.append(Finding(tool, kind, what))


def said(result: Json) -> str:
    """Return the text of a result."""
    return " ".join(block["text"] for block in result["content"] if block["type"] == "text")


def contents(state: Path) -> dict[str, Any]:
    """Return everything that is in the store and in the work tree, by table and by file."""
    with closing(sqlite3.connect(f"file:{state / 'tasks.db'}?mode=ro", uri=True)) as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        held: dict[str, Any] = {
            name: sorted(connection.execute(f'SELECT * FROM "{name}"'), key=repr)  # noqa: S608 - the schema's own names
            for name in tables
        }
    files = (path for path in (state / "work").rglob("*") if path.is_file())
    return held | {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def changed(before: Json, after: Json) -> str:
    """Return the names of what is not the same."""
    return ", ".join(sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name)))


def store_troubles(path: Path) -> list[str]:
    """Return what SQLite finds wrong with a file: damage, and rows that point to nothing."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        found = [str(row[0]) for row in connection.execute("PRAGMA quick_check") if row[0] != "ok"]
        return found + [
            f"{row[0]} row {row[1]}: no such {row[2]}" for row in connection.execute("PRAGMA foreign_key_check")
        ]
