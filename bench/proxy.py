"""What a call through the daemon costs, against no proxy, a byte relay and two other proxies.

    python bench/proxy.py [--quick] [--only NAME ...] [--shape NAME ...] [--rounds N] [--seconds S]

One run, rounds interleaved (every target once, then every target again), each figure the median of its rounds, each
ratio the median of the ratios within a round, so that a machine that slows down slows both sides.  The targets are
those the daemon was built to; they are held against the references as they come.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.daemon import switchover
from bench.figures import Report, table
from bench.processes import LOAD_CORE, ROOT, NotReadyError, on_core, wait_for_quiet
from bench.references import Target, direct, fastmcp, haproxy, mcp_proxy

OPENERS = {"direct": direct, "haproxy": haproxy, "switchover": switchover, "mcp-proxy": mcp_proxy, "fastmcp": fastmcp}
PEERS = ("mcp-proxy", "fastmcp")
"""Targets whose figures are so far from the others' that one short round tells enough in a quick run."""

PATIENCE = 2.0
"""Seconds to wait before a load for a machine that is busy otherwise."""


@dataclass(frozen=True)
class Shape:
    """How many clients call, how many calls each has outstanding, and how large they are."""

    name: str
    connections: int
    outstanding: int
    payload: int

    def arguments(self) -> tuple[str, ...]:
        """Return the load's arguments."""
        values = {"connections": self.connections, "outstanding": self.outstanding, "payload": self.payload}
        return tuple(word for name, value in values.items() for word in (f"--{name}", str(value)))


SHAPES = (
    Shape("one_at_a_time", 1, 1, 100),
    Shape("64_outstanding", 1, 64, 100),
    Shape("50_clients", 50, 1, 100),
    Shape("64_outstanding_10kB", 1, 64, 10_000),
    Shape("one_at_a_time_1MB", 1, 1, 1_000_000),
)
NOT_QUICK = ("64_outstanding_10kB",)
RATIOS: tuple[tuple[str, str, str | None], ...] = (
    ("64_outstanding", "direct", ">= 0.40"),
    ("64_outstanding", "haproxy", ">= 0.55"),
    ("one_at_a_time", "haproxy", ">= 0.80"),
    ("one_at_a_time_1MB", "haproxy", ">= 0.60"),
    ("64_outstanding", "mcp-proxy", ">= 40"),
    ("one_at_a_time", "direct", None),
    ("50_clients", "direct", None),
    ("50_clients", "haproxy", None),
    ("one_at_a_time_1MB", "direct", None),
    ("64_outstanding", "fastmcp", None),
)
"""Shape, reference, and what the daemon's rate has to be of the reference's."""

Rounds = dict[tuple[str, str], list[dict[str, float]]]
"""(shape, target) -> the figures of each round."""


def load(target: Target, shape: Shape, seconds: float, warmup: float) -> dict[str, float] | None:
    """Run the load once; None where this target cannot serve this shape."""
    reach = target.single if shape.connections == 1 else target.clients
    if reach is None:
        return None
    pid = () if target.pid is None else ("--pid", str(target.pid))
    times = ("--seconds", str(seconds), "--warmup", str(warmup))
    program = (sys.executable, str(ROOT / "bench" / "load.py"))
    command = on_core(LOAD_CORE, (*program, *shape.arguments(), *pid, *times, *reach))
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 90, check=False)
    if done.returncode != 0:
        raise SystemExit(f"proxy: the load on {target.name}, {shape.name}, failed:\n{done.stderr[-1500:]}")
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    used = list(answer.pop("cpu_us").values())
    if target.pid is not None or target.started_by_load:
        answer["cpu_us"] = used[0]
    return answer


def measure(targets: list[Target], shapes: list[Shape], options: argparse.Namespace) -> Rounds:
    """Run all rounds."""
    rounds: Rounds = defaultdict(list)
    for number in range(options.rounds):
        for shape in shapes:
            for target in targets:
                if options.quick and number and target.name in PEERS:
                    continue
                if not options.quick and not wait_for_quiet(PATIENCE):
                    print(f"  the machine is busy: {shape.name}, {target.name}, round {number + 1}")
                figures = load(target, shape, options.seconds, options.warmup)
                if figures is not None:
                    rounds[shape.name, target.name].append(figures)
    return rounds


def report(rounds: Rounds, *, quick: bool) -> Report:
    """Return the medians, and the daemon's rates against the references' of the same round."""
    result = Report("proxy", quick)
    for (shape, target), figures in rounds.items():
        for figure in ("rate", "p50_us", "p99_us", "cpu_us"):
            values = [each[figure] for each in figures if figure in each]
            if values:
                result.note(f"{shape}.{target}.{figure}", statistics.median(values))
    for shape, reference, target_ in RATIOS:
        ours, theirs = rounds.get((shape, "switchover"), []), rounds.get((shape, reference), [])
        ratios = [one["rate"] / other["rate"] for one, other in zip(ours, theirs, strict=False)]
        if ratios:
            result.note(f"{shape}.of_{reference}", statistics.median(ratios), target_)
        elif target_ is not None:
            result.targets[f"{shape}.of_{reference}"] = target_
    return result


def arguments() -> argparse.Namespace:
    """Return the command line."""
    parser = argparse.ArgumentParser(description="Measure the daemon against its references.")
    parser.add_argument("--quick", action="store_true", help="at most 45 s")
    parser.add_argument("--only", nargs="+", choices=OPENERS, default=list(OPENERS), help="targets to measure")
    parser.add_argument("--shape", nargs="+", choices=[shape.name for shape in SHAPES], help="shapes to measure")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seconds", type=float, help="measured seconds of one load")
    options = parser.parse_args()
    options.rounds = options.rounds or (3 if options.quick else 5)
    options.seconds = options.seconds or (0.4 if options.quick else 1.5)
    options.warmup = 0.1 if options.quick else 0.3
    return options


def main() -> None:
    """Measure and print."""
    options = arguments()
    start = time.monotonic()
    left_out = NOT_QUICK if options.quick and not options.shape else ()
    shapes = [s for s in SHAPES if s.name in (options.shape or [s.name]) and s.name not in left_out]
    with tempfile.TemporaryDirectory(prefix="sb-") as name, contextlib.ExitStack() as stack:
        targets = []
        for only in options.only:
            directory = Path(name) / only
            directory.mkdir()
            try:
                targets.append(stack.enter_context(OPENERS[only](directory)))
            except NotReadyError as error:
                print(f"  left out: {error}")
        rounds = measure(targets, shapes, options)
    print("\n".join(table(rounds, [shape.name for shape in shapes], [target.name for target in targets])))
    print(f"{options.rounds} rounds of {options.seconds:g} s, {time.monotonic() - start:.0f} s in all")
    report(rounds, quick=options.quick).print()


if __name__ == "__main__":
    main()
