"""CPU and memory of a worker's whole process tree, by psutil."""

from __future__ import annotations

from dataclasses import dataclass

import psutil


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process tree uses.

    Attributes:
        processes: how many processes it has.
        memory: resident bytes, shared pages counted in each process.
        cpu: CPU seconds used so far by the processes that live now.
    """

    processes: int
    memory: int
    cpu: float


def usage(pid: int) -> Usage:
    """Measure the tree below and including `pid`; all zero when it is gone."""
    try:
        root = psutil.Process(pid)
        tree = [root, *root.children(recursive=True)]
    except psutil.Error:
        return Usage(0, 0, 0.0)
    processes, memory, cpu = 0, 0, 0.0
    for process in tree:
        try:
            with process.oneshot():
                times = process.cpu_times()
                memory += process.memory_info().rss
        except psutil.Error:
            continue
        processes += 1
        cpu += times.user + times.system
    return Usage(processes, memory, cpu)
