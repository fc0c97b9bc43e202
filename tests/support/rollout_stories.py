"""Versions that end well or badly, the plan they are tried by, and a daemon around the first of them.

Everything takes seconds, and only evidence ends what takes long.  Above: the rollouts of `tests/e2e`.  Below: `daemon`,
`flag_registry`, `version_worker`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from daemon import RunningDaemon
from flag_registry import declared
from waiting import WORKERS

WORKER: Final = "version_worker.py"
FLAGS = """
[flags.CACHE]
type = "enum"
values = ["off", "on"]
default = "off"
safe = "off"
prerequisites = [{ flag = "MODE", values = ["wsjf"] }]
"""
_PLAN = """
[rehearsal]
run = false

[[steps]]
weight = 50
pause = {pause}

[[steps]]
weight = 70
pause = {pause}

[bake]
health = 0.5
unlock = 1.0

[[flags]]
flag = "MODE"
to = "wsjf"
soak = {first}
min_stable = "0s"

[[flags]]
flag = "CACHE"
to = "on"
soak = {soak}
min_stable = "0s"

[[limits]]
metric = "error"
margin = 0.02
min_samples = 20
"""
LONG: Final = 100.0
"""Seconds of a part that only evidence ends."""
SAFE: Final = {"MODE": ("legacy", None), "CACHE": ("off", None)}
MOVED: Final = {"MODE": ("wsjf", None), "CACHE": ("on", None)}


@dataclass(frozen=True)
class Story:
    """A version, its plan, and how its rollout ends whatever happens to the daemon.

    Attributes:
        options: those of `version_worker`.
        pause: seconds that its steps stay.
        soak: seconds that its last flag's stage takes.
        phase: the last one.
        cause: kind, metric and flag of its cause.
        flags: the flags' values and targeting afterwards.
    """

    options: tuple[str, ...]
    pause: float
    soak: float
    phase: str
    cause: tuple[str, str, str]
    flags: dict[str, tuple[Any, Any]]

    @property
    def plan(self) -> str:
        """The plan it is tried by."""
        return plan(self.pause, self.soak)


GOOD = Story((), 0.5, 1.0, "done", ("done", "", ""), MOVED)
BAD = Story(("--errors", "0.06"), LONG, LONG, "rolled_back", ("regression", "error", ""), SAFE)
BAD_FLAG = Story(
    ("--errors", "0.3", "--with-flag", "CACHE=on"),
    0.5, LONG, "rolled_back", ("regression", "error", "CACHE"), SAFE,
)  # fmt: skip


def plan(pause: float | str, last: float, first: float = 1.0) -> str:
    """Return the plan: two steps, a bake, two flags.

    Args:
        pause: seconds that each step stays, or until when.
        last: seconds that the last flag's stage takes.
        first: likewise for the first flag.
    """
    written = pause if isinstance(pause, float) else f'"{pause}"'
    return _PLAN.format(pause=written, soak=last, first=first)


def version(story: Story, number: int) -> list[str]:
    """Return the command of a version; each number makes it another one."""
    return [sys.executable, str(WORKERS / WORKER), "--seed", str(number), *story.options]


@contextmanager
def serving(folder: Path) -> Iterator[RunningDaemon]:
    """Run the daemon around a first good version."""
    config = f'[flags]\nfile = "{declared(folder, FLAGS)}"\n'
    with RunningDaemon.start(version(GOOD, 0), config=config) as daemon:
        yield daemon
