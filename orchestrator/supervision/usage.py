"""CPU and memory of a worker's whole process tree, by psutil."""

from __future__ import annotations

from collections.abc import Collection, Iterable
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
    return _summed(tree)


def usage_of_all(pids: Collection[int]) -> Usage:
    """Measure several trees together; the machine's processes are gone through once, however many trees there are."""
    if len(pids) == 1:
        return usage(*pids)
    children: dict[int, list[psutil.Process]] = {}
    tree: list[psutil.Process] = []
    for process in psutil.process_iter(["ppid"]):
        children.setdefault(process.info["ppid"], []).append(process)
        if process.pid in pids:
            tree.append(process)
    for process in tree:  # grows by the children of what it holds
        tree += [child for child in children.get(process.pid, ()) if child.pid not in pids]
    return _summed(tree)


def _summed(tree: Iterable[psutil.Process]) -> Usage:
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
