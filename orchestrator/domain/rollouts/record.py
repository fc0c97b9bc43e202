"""A journal record: what happened, what it led to, and the whole state after it, as JSON text."""

from __future__ import annotations

from typing import Any

import msgspec

from orchestrator.domain.errors import JournalError
from orchestrator.domain.rollouts.commands import Command
from orchestrator.domain.rollouts.events import Event
from orchestrator.domain.rollouts.rollout import State

VERSION = 1
"""Format of a record; a record of a later version is refused rather than guessed at."""


class Record(msgspec.Struct, frozen=True):
    """One step that was taken.

    Attributes:
        at: wall time, Unix seconds.
        event: the event's name and fields.
        commands: names and fields of the commands it gave.
        state: the state after it.
        version: format of this record.
    """

    at: float
    event: dict[str, Any]
    commands: list[dict[str, Any]]
    state: State
    version: int = VERSION


class _Head(msgspec.Struct):
    version: int


def _named(value: Event | Command) -> dict[str, Any]:
    return {"name": type(value).__name__, **msgspec.to_builtins(value, str_keys=True)}


def encode(event: Event, state: State, commands: tuple[Command, ...], now: float) -> str:
    """Return the record of a step as JSON text."""
    record = Record(now, _named(event), [_named(command) for command in commands], state)
    return msgspec.json.encode(record).decode()


def decode(text: str) -> Record:
    """Read a record back.

    Raises:
        JournalError: the text is not a record of a version this program knows.
    """
    try:
        head = msgspec.json.decode(text, type=_Head)
        if head.version > VERSION:
            raise JournalError(f"the journal was written by a newer switchover (record version {head.version})")
        return msgspec.json.decode(text, type=Record)
    except msgspec.MsgspecError as error:
        raise JournalError(f"the newest journal record cannot be read: {error}") from error
