"""The clock on the disk: what is followed, and since when the states have been the same, across restarts.

Above: `live`.  Below: the file `parity/clock.json` in the state directory, replaced whole.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import msgspec

from orchestrator.domain.generation import Spec
from orchestrator.parity.clean import Clean

FOLDER: Final = "parity"
CLOCK: Final = "clock.json"


class ClockError(Exception):
    """What was followed cannot be read; the message says where and why."""


class Followed(msgspec.Struct, kw_only=True):
    """What is followed.

    Attributes:
        spec: the new code.
        generation: the number it is told.
        begun: when it was asked for, Unix seconds.
        copied: when the copy was made, 0 while it is not.
        last: number of the last write call that was over.
        clean: the clock.
    """

    spec: Spec
    generation: int
    begun: float
    copied: float = 0.0
    last: int = 0
    clean: Clean = Clean()


def load(state_dir: Path) -> Followed | None:
    """Return what was followed when the daemon last stopped; None for nothing.

    Raises:
        ClockError: it cannot be read.
    """
    path = state_dir / FOLDER / CLOCK
    try:
        return msgspec.json.decode(path.read_bytes(), type=Followed)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError) as error:
        raise ClockError(f"the clock of parity cannot be read ({path}: {error}), so parity is off") from error


def keep(state_dir: Path, followed: Followed) -> None:
    """Write it down.

    Raises:
        OSError: it cannot be written.
    """
    folder = state_dir / FOLDER
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    partial = folder / f".{CLOCK}.{os.getpid()}"
    with partial.open("wb") as file:
        file.write(msgspec.json.encode(followed))
        file.flush()
        os.fsync(file.fileno())
    partial.replace(folder / CLOCK)
