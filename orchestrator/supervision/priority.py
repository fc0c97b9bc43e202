"""Low priority for what helps the daemon, so that whoever serves calls comes first.

Niceness alone may do nothing: where the kernel groups processes by session (autogroup, on by default in many kernels)
it counts only against others of the same session.  So a helper stays in the daemon's session, in a process group of
its own (see `helper`), and a program that has a session of its own gives it the niceness it was started with (see
`launch`).  Above: `orchestrator.mirroring`, `orchestrator.paritying`.  Below: the kernel.
"""

from __future__ import annotations

import contextlib
import os
from typing import Final

NICE: Final = 10
"""Added to the niceness: the weight of a tenth (`sched_prio_to_weight` of Linux: 110 against 1024), so that a machine
that is busy for long still leaves it that share of a core."""


def stand_back() -> None:
    """Take the processor only when nobody who serves calls wants it, or for that tenth."""
    os.nice(NICE)
    with contextlib.suppress(OSError):  # forbidden by a filter: niceness alone does most of it
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
