"""What this machine has left right now: processor cores and memory.

The edge of `choice`: it reads the kernel's own figures.  Above it stand the tools, which hand the value to `forecast`.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

MEMORY: Final = Path("/proc/meminfo")
_KIB_PER_GIB: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Resources:
    """What a machine has left.

    Attributes:
        cores: processor cores that a new process can have: those nobody used on average over the last minute, or its
            fair share of a busy machine.
        memory_gib: memory that can be had without swapping, GiB.
    """

    cores: float
    memory_gib: float


def available() -> Resources:
    """Read what is left; where the kernel does not say how much memory is free, none is taken to be."""
    cores = cores_left(len(os.sched_getaffinity(0)), os.getloadavg()[0])
    return Resources(cores=cores, memory_gib=memory_left(_text()))


def cores_left(cores: int, load: float) -> float:
    """Return how many cores a new process can have beside `load` others that run or want to."""
    return max(cores - load, cores / (load + 1))


def memory_left(meminfo: str) -> float:
    """Return the GiB that a /proc/meminfo says are available, 0 when it says nothing."""
    for line in meminfo.splitlines():
        name, _, rest = line.partition(":")
        amount = rest.split()
        if name == "MemAvailable" and amount and amount[0].isdigit():
            return int(amount[0]) / _KIB_PER_GIB
    return 0.0


def _text() -> str:
    try:
        return MEMORY.read_text()
    except OSError:
        return ""
