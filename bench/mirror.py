"""What mirroring every call that only reads costs: the daemon's processor time a call, and the time of a reply.

    python bench/mirror.py [--quick] [--rounds N] [--seconds S]

The daemon serves one generation and has a second one beside it.  First the most it takes is measured, then a steady
half of that, in turn without mirroring and with every call mirrored: once with two versions whose answers are the same
bytes, once, more slowly, with answers that all differ, so that each pair goes to the process that compares.  Each ratio
is the median of the ratios within a round.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from bench.daemon import WORKER, Daemon, serve
from bench.figures import Report
from bench.processes import LOAD_CORE, ROOT, on_core

CASES = {"same": (), "differing": ("--stamped",)}
TARGETS = {"cpu_ratio": "<= 1.8", "p50_ratio": "<= 1.1", "mirrored_share": ">= 0.99"}
HALF = 0.5
MOST_DIFFERING = 2000.0
"""Calls a second up to which pairs that differ are all compared, with some room, on the core that the daemon uses."""
CANARY = ("chrt", "--idle", "0", *WORKER)
"""The second version, at the lowest priority: it shares a core with the first one and with the load, and what is to be
measured is the daemon."""
SETTLE = 0.5
"""Seconds after a load in which what is queued is mirrored and compared."""


def run(program: str, *arguments: str) -> dict[str, Any]:
    """Run a load in a process of its own and return its figures."""
    command = on_core(LOAD_CORE, (sys.executable, str(ROOT / "bench" / program), *arguments))
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode != 0:
        raise SystemExit(f"mirror: the load failed:\n{(done.stderr + done.stdout)[-1500:]}")
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def most(daemon: Daemon, seconds: float) -> float:
    """Return the calls a second that the daemon takes from fifty clients that call one by one."""
    shape = ("--connections", "50", "--outstanding", "1", "--seconds", str(seconds))
    rate: float = run("load.py", "--unix", str(daemon.tools), *shape)["rate"]
    return rate


def steady(daemon: Daemon, rate: float, seconds: float, extra: tuple[str, ...]) -> dict[str, float]:
    """Load the daemon at a steady rate; return what it used."""
    words = ("--unix", str(daemon.tools), "--rate", str(rate), "--seconds", str(seconds), "--pid", str(daemon.pid))
    figures = run("pace.py", *words, *extra)
    figures["cpu_us"] = next(iter(figures["cpu_us"].values()))
    return figures


def mirrored(daemon: Daemon, rate: float, seconds: float, extra: tuple[str, ...]) -> dict[str, float]:
    """Do so with every call mirrored; add how many of the calls were compared."""
    daemon.ask("POST", "/v1/mirror", {"on": True, "to": "canary"})
    before = daemon.ask("GET", "/v1/mirror")
    figures = steady(daemon, rate, seconds, extra)
    time.sleep(SETTLE)
    after = daemon.ask("GET", "/v1/mirror")
    daemon.ask("POST", "/v1/mirror", {"on": False})
    sampled = after["sampled"] - before["sampled"]
    if sampled < figures["calls"]:
        raise SystemExit(f"mirror: only {sampled} of {figures['calls']} calls were sampled")
    dropped = sum(after["dropped"].values()) - sum(before["dropped"].values())
    figures["share"] = 1 - dropped / sampled
    return figures


def measure(report: Report, daemon: Daemon, options: argparse.Namespace) -> None:
    """Measure both cases in turn and note medians and ratios."""
    rate = HALF * statistics.median(most(daemon, options.seconds / 2) for _ in range(3))
    report.note("half_load.calls_per_s", rate)
    rounds: dict[str, list[float]] = defaultdict(list)
    for _ in range(options.rounds):
        for name, extra in CASES.items():
            paced = min(rate, MOST_DIFFERING) if extra else rate
            plain = steady(daemon, paced, options.seconds, extra)
            with_mirror = mirrored(daemon, paced, options.seconds, extra)
            rounds[f"{name}.cpu_ratio"].append(with_mirror["cpu_us"] / plain["cpu_us"])
            rounds[f"{name}.p50_ratio"].append(with_mirror["p50_us"] / plain["p50_us"])
            rounds[f"{name}.mirrored_share"].append(with_mirror["share"])
            for figure in ("cpu_us", "p50_us", "p99_us"):
                rounds[f"{name}.plain.{figure}"].append(plain[figure])
                rounds[f"{name}.mirrored.{figure}"].append(with_mirror[figure])
    for figure, values in rounds.items():
        report.note(figure, statistics.median(values), TARGETS.get(figure.partition(".")[2]))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Measure what mirroring costs.")
    parser.add_argument("--quick", action="store_true", help="at most 45 s")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seconds", type=float, help="measured seconds of one load")
    options = parser.parse_args()
    options.rounds = options.rounds or (3 if options.quick else 9)
    options.seconds = options.seconds or (1.0 if options.quick else 3.0)
    report = Report("mirror", options.quick)
    with tempfile.TemporaryDirectory(prefix="sb-") as name, serve(Path(name)) as daemon:
        daemon.canary(CANARY)
        measure(report, daemon, options)
        status = daemon.ask("GET", "/v1/mirror")
        print(f"  dropped: {status['dropped']}, results: {[tool['results'] for tool in status['tools']]}")
    for figure, value in report.figures.items():
        print(f"  {figure:<44} {value:>12g}")
    report.print()


if __name__ == "__main__":
    main()
