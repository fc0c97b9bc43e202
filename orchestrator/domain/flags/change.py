"""What may be asked of a flag, and how a refusal is worded.

Above: `flags` applies changes.  Below: `values`, `errors`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from orchestrator.domain.errors import SwitchoverError
from orchestrator.domain.flags.values import Value


class FlagRefusedError(SwitchoverError):
    """A change of flags was refused; nothing of it was done.

    Attributes:
        flag: the flag it failed on, "" where it is no single one.
        value: the value that was asked for, None where it was not the value.
        allowed: what would have been allowed, in words; "" where nothing would.
    """

    def __init__(self, message: str, *, flag: str = "", value: object = None, allowed: str = "") -> None:
        super().__init__(message)
        self.flag = flag
        self.value = value
        self.allowed = allowed


class UnknownFlagError(FlagRefusedError):
    """There is no such flag."""


class FlagsMovedError(FlagRefusedError):
    """The flags version is not the one that the change was decided on."""

    def __init__(self, expected: int, present: int) -> None:
        super().__init__(
            f"the flags version is {present}, not {expected}: somebody changed a flag meanwhile; "
            "look at the flags again and ask again",
            value=expected,
            allowed=str(present),
        )
        self.present = present


@dataclass(frozen=True, slots=True)
class SetValue:
    """Give a flag a value; its targeting stays."""

    key: str
    value: Value


@dataclass(frozen=True, slots=True)
class Unset:
    """Take a flag's value away: it follows its declared default again; its targeting stays."""

    key: str


@dataclass(frozen=True, slots=True)
class Reset:
    """Bring a flag back to its safe value and take its targeting away: nobody gets anything else."""

    key: str


@dataclass(frozen=True, slots=True)
class Target:
    """Give a flag another targeting, or none; its value stays.

    Attributes:
        key: the flag.
        targeting: as it stands in the snapshot document; None takes it away.
        salt: another salt for its buckets; None keeps the one it has, so that everybody keeps their bucket.
    """

    key: str
    targeting: Mapping[str, Any] | None
    salt: str | None = None


Change: TypeAlias = SetValue | Unset | Reset | Target
