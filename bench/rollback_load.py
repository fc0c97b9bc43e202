"""The load under which rollbacks are measured: as many callers as make the calls that are wanted, in that situation.

Each caller waits for its answer before it calls again, so their number decides the rate, and what a call takes beside a
canary that has half of them, with a guard that looks and a journal that writes, decides how many there have to be.
Below `bench.rollback`; above `bench.load`.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from bench.daemon import Daemon
from bench.processes import LOAD_CORE, ROOT, on_core

RATE = 5000
"""Calls a second that are wanted while versions are rolled back."""
HEADROOM = 1.2
"""Times as many are aimed at while the canary is well: once it is bad, each call is weighed and told in more words, and
starting a worker, telling how a rollout stands and rolling it back cost calls, too."""
SLACK = 1.1
"""Times that many are not too many."""
CALLERS, MOST_CALLERS = 80, 400
CALL_MS, SPREAD_MS = 8, 12
"""A call takes from 8 to 20 ms, each caller's always the same: callers with one delay soon call in step, and where all
wait at a time no call comes after the proof."""
TRIES, TRY = 4, 1.5
"""How often, and for how many seconds, it is tried how many callers there have to be."""
WARM_UP = 0.3


def enough_callers(daemon: Daemon) -> int:
    """Return how many callers make the calls that are wanted as things stand."""
    callers = CALLERS
    for _ in range(TRIES):
        done = subprocess.run(
            load_of(daemon, callers, TRY, WARM_UP), stdout=subprocess.PIPE, text=True, timeout=60, check=True
        )
        rate = json.loads(done.stdout.splitlines()[-1])["rate"]
        if RATE * HEADROOM <= rate <= RATE * HEADROOM * SLACK:
            break
        callers = enough(callers, rate)
    return callers


def enough(callers: int, rate: float) -> int:
    """Return how many callers to try next.

    Args:
        callers: those that were tried.
        rate: calls a second that they made.
    """
    return min(MOST_CALLERS, round(callers * RATE * HEADROOM / rate))


def load_of(daemon: Daemon, callers: int, seconds: float, warm_up: float = 0.0) -> tuple[str, ...]:
    """Return the command of the load."""
    command = [sys.executable, str(ROOT / "bench" / "load.py"), "--unix", str(daemon.tools), "--warmup", str(warm_up)]
    command += ["--connections", str(callers), "--seconds", str(seconds)]
    command += ["--delay-ms", str(CALL_MS), "--spread-ms", str(SPREAD_MS)]
    return on_core(LOAD_CORE, command)


@contextlib.contextmanager
def under_load(daemon: Daemon, callers: int, rows: Path, seconds: float) -> Iterator[None]:
    """Have callers call meanwhile; afterwards every call was answered exactly once."""
    command = (*load_of(daemon, callers, seconds), "--timeline", str(rows))
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as load:
        if load.stdout is None or load.stdout.readline() != "go\n":
            raise SystemExit(f"rollback: the load did not begin: {load.communicate(timeout=60)[1][-1000:]}")
        yield
        errors = load.communicate(timeout=seconds + 60)[1]
    if load.returncode != 0:
        raise SystemExit(f"rollback: a call was lost, doubled or wrong:\n{errors[-1500:]}")
