"""A generation: one version of the worker, durable, its number never reused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Standing(StrEnum):
    """What the daemon last knew of a generation's serving process."""

    STARTING = "starting"
    READY = "ready"
    DOWN = "down"
    PARKED = "parked"
    """It has no process and gets none: another generation works alone on the state both know."""


class Role(StrEnum):
    """What a process was started for; fixed at spawn.  Only `serving` may hold a lane."""

    SERVING = "serving"
    REHEARSAL = "rehearsal"
    CONTROL = "control"


@dataclass(frozen=True, slots=True)
class Spec:
    """How to start a generation's worker.

    Attributes:
        command: program and arguments.
        cwd: absolute working directory.
        env: variables set on top of the daemon's own environment.
        fingerprint: sha256 (hex) over the command and the files it names.
        source: directory that is copied into the generation's private copy, None when none is configured.
    """

    command: tuple[str, ...]
    cwd: str
    env: Mapping[str, str] = field(default_factory=dict)
    fingerprint: str = ""
    source: str | None = None


@dataclass(frozen=True, slots=True)
class Generation:
    """One numbered generation and its standing.

    Attributes:
        number: from 1 upwards, never reused.
        spec: how to start it.
        standing: what is known of its serving process.
        proven: True once it has been ready; a generation 1 that never was may be founded anew.
        note: why it is down, for people.
    """

    number: int
    spec: Spec
    standing: Standing = Standing.STARTING
    proven: bool = False
    note: str = ""
