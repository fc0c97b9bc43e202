"""What mirroring every call that only reads costs: the daemon's processor time a call, and the time of a reply.

    python bench/mirror.py [--quick] [--rounds N] [--seconds S]

The daemon serves one generation and has a second one beside it.  Two cases: `same`, two versions whose answers are the
same bytes, and `differing`, answers that all differ and no two in the same way, so that each pair goes to the process
that compares.  What is measured in turn without mirroring and with every call mirrored, at two steady loads:

* half of what the mirrored set-up as a whole carries (the targets).  It does each call twice, and compares: callers,
  daemon, both workers and the process that compares share the machine's cores.  What it carries is found out in the
  same run, case by case: the highest rate, of a series that falls from what the daemon carries without mirroring, at
  which all calls are answered and 99 % of them are compared.
* half of what the daemon carries without mirroring (`at_plain_half`, no target).  On two cores that may be more than
  the mirrored set-up carries at all: then mirrored calls are dropped, which `mirrored_share` shows, and the time of a
  reply is the time of waiting for a core.

Each ratio is the median of the ratios within a round; every second round begins with the mirrored load.  What is done
after the last answer counts, too.  The processor time of the process that compares is no part of the daemon's:
`comparing_us` is it.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from bench.daemon import Daemon, serve
from bench.figures import Report
from bench.pace import Paced, TooMuchError, clients, drive
from bench.processes import LOAD_CORE, ROOT, behind, cpu_seconds, on_core, wait_until

CASES = {"same": False, "differing": True}
TARGETS = {"cpu_ratio": "<= 1.8", "p50_ratio": "<= 1.1", "mirrored_share": ">= 0.99"}
FIGURES = ("cpu_us", "p50_us", "p99_us")
HALF = 0.5
SHARE = 0.99
"""Share of the calls that have to be compared at a rate that is carried."""
CARRIED = 0.9
"""Share of the rate that has to be reached, the answers to the last calls included."""
STEP = 0.8
"""From one rate that is tried to the next one."""
LOWEST = 200.0
"""Calls a second below which nothing is tried."""
WARM = 0.3
"""Seconds of load before anything is measured."""
WORKER = on_core(LOAD_CORE, (sys.executable, "-S", "-I", str(ROOT / "bench" / "numbering_worker.py")))
CANARY = behind(WORKER)
"""The second version, at low priority: it shares a core with the first one and with the load, and what is to be
measured is the daemon."""
REST = 0.15
"""Seconds after a load that belong to it: what waits is mirrored and compared."""
SETTLE = 10.0
"""Seconds at most in which it has to be."""
COMPARES = b"orchestrator.mirroring.examine"


class Load:
    """Clients of one daemon and what they measure."""

    def __init__(self, daemon: Daemon, several: list[Paced], seconds: float) -> None:
        self.daemon = daemon
        self.clients = several
        self.seconds = seconds

    def plain(self, rate: float) -> dict[str, float]:
        """Load the daemon at a steady rate; return what it used."""
        before = cpu_seconds(self.daemon.pid)
        figures = drive(self.clients, rate, self.seconds)
        time.sleep(REST)
        figures["cpu_us"] = (cpu_seconds(self.daemon.pid) - before) / figures["calls"] * 1e6
        return figures

    def mirrored(self, rate: float) -> dict[str, float]:
        """Do so with every call mirrored; add how many of the calls were compared, and what comparing used."""
        self.daemon.ask("POST", "/v1/mirror", {"on": True, "to": "canary"})
        before, used = self.status(), comparing(self.daemon)
        try:
            figures = self.plain(rate)
            wait_until(self.settled, "the comparison of all pairs", SETTLE)
        finally:
            after = self.status()
            self.daemon.ask("POST", "/v1/mirror", {"on": False})
        sampled = after["sampled"] - before["sampled"]
        if sampled < figures["calls"]:
            raise SystemExit(f"mirror: only {sampled:g} of {figures['calls']:g} calls were sampled")
        dropped = sum(after["dropped"].values()) - sum(before["dropped"].values())
        figures["share"] = 1 - dropped / sampled
        figures["comparing_us"] = (comparing(self.daemon) - used) / sampled * 1e6
        return figures

    def status(self) -> dict[str, Any]:
        """Return how mirroring stands."""
        status: dict[str, Any] = self.daemon.ask("GET", "/v1/mirror")
        return status

    def settled(self) -> bool:
        """Tell whether nothing waits."""
        status = self.status()
        return not status["queued"] + status["in_flight"] + status["comparing"]

    def carried(self, rate: float) -> float:
        """Return the highest rate, of a series that falls from `rate`, that the mirrored set-up carries."""
        while rate > LOWEST:
            figures = self.mirrored(rate)
            if figures["share"] >= SHARE and figures["rate"] >= CARRIED * rate:
                return rate
            rate *= STEP
        raise SystemExit("mirror: nothing is carried; something is wrong, or the machine is not ours")

    def compared(self, rate: float, rounds: int) -> dict[str, float]:
        """Measure without and with mirroring in turn; return medians and ratios."""
        found: dict[str, list[float]] = defaultdict(list)
        for number in range(rounds):
            if number % 2:
                plain, doubled = self.plain(rate), self.mirrored(rate)
            else:
                doubled, plain = self.mirrored(rate), self.plain(rate)
            found["cpu_ratio"].append(doubled["cpu_us"] / plain["cpu_us"])
            found["p50_ratio"].append(doubled["p50_us"] / plain["p50_us"])
            found["mirrored_share"].append(doubled["share"])
            found["mirrored.comparing_us"].append(doubled["comparing_us"])
            for figure in FIGURES:
                found[f"plain.{figure}"].append(plain[figure])
                found[f"mirrored.{figure}"].append(doubled[figure])
        return {name: statistics.median(values) for name, values in found.items()}


def comparing(daemon: Daemon) -> float:
    """Return the processor seconds of the process that compares, 0 while there is none."""
    for children in Path(f"/proc/{daemon.pid}/task").glob("*/children"):
        for pid in children.read_text().split():
            if COMPARES in Path(f"/proc/{pid}/cmdline").read_bytes():
                return cpu_seconds(int(pid))
    return 0.0


def most(daemon: Daemon) -> float:
    """Return the calls a second that the daemon takes from fifty clients that call one by one."""
    shape = ("--unix", str(daemon.tools), "--connections", "50", "--outstanding", "1", "--seconds", "0.5")
    command = on_core(LOAD_CORE, (sys.executable, str(ROOT / "bench" / "load.py"), *shape))
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode != 0:
        raise SystemExit(f"mirror: the load failed:\n{(done.stderr + done.stdout)[-1500:]}")
    rate: float = json.loads(done.stdout.splitlines()[-1])["rate"]
    return rate


def measure(report: Report, load: Load, name: str, plainly: float, rounds: int) -> None:
    """Measure one case at both loads."""
    drive(load.clients, plainly / 4, WARM)
    load.mirrored(plainly / 4)
    rate = load.carried(plainly)
    report.note(f"{name}.carried_per_s", rate)
    for figure, value in load.compared(HALF * rate, rounds).items():
        report.note(f"{name}.{figure}", value, TARGETS.get(figure))
    try:
        found = load.compared(HALF * plainly, max(3, rounds // 3))
    except TooMuchError as error:
        print(f"  {name}: half of what is carried without mirroring is too much with it: {error}")
        return
    for figure, value in found.items():
        report.note(f"{name}.at_plain_half.{figure}", value)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Measure what mirroring costs.")
    parser.add_argument("--quick", action="store_true", help="about 45 s")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seconds", type=float, help="measured seconds of one load")
    options = parser.parse_args()
    options.rounds = options.rounds or (9 if options.quick else 25)
    options.seconds = options.seconds or (0.4 if options.quick else 1.0)
    report = Report("mirror", options.quick)
    with tempfile.TemporaryDirectory(prefix="sb-") as name, serve(Path(name)) as daemon:
        daemon.canary(CANARY)
        plainly = statistics.median(most(daemon) for _ in range(3))
        report.note("plain.calls_per_s", plainly)
        os.sched_setaffinity(0, {LOAD_CORE})
        for case, stamped in CASES.items():
            with clients(daemon.tools, stamped=stamped) as several:
                measure(report, Load(daemon, several, options.seconds), case, plainly, options.rounds)
        status = daemon.ask("GET", "/v1/mirror")
        print(f"  dropped: {status['dropped']}, results: {[tool['results'] for tool in status['tools']]}")
    for figure, value in report.figures.items():
        print(f"  {figure:<44} {value:>12g}")
    report.print()


if __name__ == "__main__":
    main()
