"""What this worker process was started for, read from the variables that Switchover sets.

Above it stands the worker's own start-up code, below it only `os.environ`.  Nothing here touches the file system: a
path is returned, and the worker creates what it needs.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

ROLE: Final = "SWITCHOVER_ROLE"
GENERATION: Final = "SWITCHOVER_GENERATION"
DRY_RUN: Final = "SWITCHOVER_DRY_RUN"
WORKER_STATE: Final = "SWITCHOVER_WORKER_STATE"
FLAGS: Final = "SWITCHOVER_FLAGS"

_MOST_DIGITS: Final = 18  # what surely fits a signed 64-bit integer, in which generations are stored


class ContractError(ValueError):
    """A SWITCHOVER_* variable says something that cannot be meant."""


class Role(StrEnum):
    """What a process was started for; fixed at spawn."""

    SERVING = "serving"
    """It takes calls; only such a process may hold a lane."""
    REHEARSAL = "rehearsal"
    """New code on a private snapshot, as a dry run, before any traffic."""
    CONTROL = "control"
    """Old code on the same snapshot, as a dry run: what a rehearsal is compared with."""


@dataclass(frozen=True)
class Environment:
    """What this process was started for.

    Attributes:
        role: what the process was started for.
        generation: number of the generation it belongs to; 0 when it runs without Switchover.
        dry_run: True when nothing may have an effect outside `state_dir`.
        state_dir: directory to keep state in: the live state, or a private snapshot that may be written.
        flags_path: this process's view of the feature flags, None when there is none.
    """

    role: Role
    generation: int
    dry_run: bool
    state_dir: Path
    flags_path: Path | None


def environment(state_dir: str | os.PathLike[str] = ".", *, environ: Mapping[str, str] | None = None) -> Environment:
    """Read the SWITCHOVER_* variables.

    Args:
        state_dir: where to keep state when no variable names a place, that is without Switchover.
        environ: the variables to read; the process's own when None.

    Returns:
        The parsed values.  Without Switchover: role serving, generation 0, no dry run, `state_dir`, no flags.

    Raises:
        ContractError: a variable is empty or nonsense, or two contradict each other; the message names the variable,
            what it holds and what it may hold.
    """
    variables = os.environ if environ is None else environ
    given = _path(variables, WORKER_STATE)
    read = Environment(
        role=_role(variables),
        generation=_generation(variables),
        dry_run=_dry_run(variables),
        state_dir=Path(state_dir) if given is None else given,
        flags_path=_path(variables, FLAGS),
    )
    if read.role is not Role.SERVING and not read.dry_run:
        raise ContractError(f"{ROLE} is '{read.role}', which is always a dry run, but {DRY_RUN} is not 1; set it to 1")
    if read.dry_run and given is None:
        # Falling back to the default directory here would let a dry run write to live state.
        raise ContractError(f"{DRY_RUN} is 1 but {WORKER_STATE} is not set; name a private directory for the dry run")
    return read


def _text(variables: Mapping[str, str], name: str) -> str | None:
    """Return a variable's text, None when it is not set."""
    text = variables.get(name)
    if text is not None and not text.strip():
        raise ContractError(f"{name} is set but empty; give it a value or unset it")
    return text


def _role(variables: Mapping[str, str]) -> Role:
    """Return the role, serving when none is given."""
    text = _text(variables, ROLE)
    if text is None:
        return Role.SERVING
    try:
        return Role(text)
    except ValueError:
        allowed = ", ".join(role.value for role in Role)
        raise ContractError(f"{ROLE} is {text!r}; it must be one of {allowed}") from None


def _generation(variables: Mapping[str, str]) -> int:
    """Return the generation's number, 0 when none is given."""
    text = _text(variables, GENERATION)
    if text is None:
        return 0
    # int() alone would also take "1_000", " 7 " and digits of other scripts, and it refuses long texts its own way.
    if not (text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS):
        raise ContractError(f"{GENERATION} is {text!r}; it must be a whole number, 1 or more (0: without Switchover)")
    return int(text)


def _dry_run(variables: Mapping[str, str]) -> bool:
    """Return whether this is a dry run, False when nothing is said."""
    text = _text(variables, DRY_RUN)
    if text not in {None, "0", "1"}:
        raise ContractError(f"{DRY_RUN} is {text!r}; it must be 0 or 1")
    return text == "1"


def _path(variables: Mapping[str, str], name: str) -> Path | None:
    """Return a variable's absolute path, None when it is not set."""
    text = _text(variables, name)
    if text is None:
        return None
    path = Path(text)
    if not path.is_absolute():
        raise ContractError(f"{name} is {text!r}; it must be an absolute path")
    return path
