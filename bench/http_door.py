"""What a call over HTTP costs, against the official SDK's own server and four proxies; and what memory they take.

    python bench/http_door.py [--quick] [--only NAME ...] [--rounds N] [--seconds S]

One run, rounds interleaved as in `bench/proxy.py`.  The ratio is to the fastest of the others in the same round.  The
memory is that of each server with everything it has started: at rest, with 50 sessions open, and what calls of 1 MB
leave behind.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.figures import Report, table
from bench.http_targets import OPENERS, HttpTarget
from bench.http_wire import TIMEOUT, open_session
from bench.processes import LOAD_CORE, ROOT, NotReadyError, on_core, wait_for_quiet
from bench.proxy import PATIENCE, SHAPES, Rounds, Shape

OURS = "switchover"
SESSIONS = 50
MEGABYTE = next(shape for shape in SHAPES if shape.payload >= 1_000_000)
MEASURED = [shape for shape in SHAPES if shape.payload < 1000 or shape is MEGABYTE]
TARGETS = {
    "64_outstanding.of_best_peer": ">= 2",
    "one_at_a_time.of_best_peer": None,
    "50_clients.of_best_peer": None,
    f"{MEGABYTE.name}.of_best_peer": None,
    "memory.switchover.sessions_mb": "<= 10",
    "memory.switchover.growth_1MB_mb": "<= 20",
}
"""What the daemon has to reach: its rate of the best peer's, MiB that 50 sessions add and that 1 MB calls leave."""
GROWTH_SECONDS = 2.0
"""Seconds of 1 MB calls before the memory is looked at again."""


def load(target: HttpTarget, shape: Shape, seconds: float, warmup: float) -> dict[str, float] | None:
    """Run the load once; None where this server does not answer such calls, as with bodies it finds too long."""
    program = (sys.executable, str(ROOT / "bench" / "load.py"), "--http", str(target.port), "--pid", str(target.pid))
    times = ("--seconds", str(seconds), "--warmup", str(warmup))
    command = on_core(LOAD_CORE, (*program, *shape.arguments(), *times))
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 90, check=False)
    if done.returncode != 0:
        if target.name == OURS:
            raise SystemExit(f"http_door: the load on the daemon, {shape.name}, failed:\n{done.stderr[-1500:]}")
        print(f"  {target.name} does not serve {shape.name}: {done.stderr.strip().splitlines()[-1][:150]}")
        return None
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    answer["cpu_us"] = next(iter(answer["cpu_us"].values()))
    return answer


def measure(targets: list[HttpTarget], options: argparse.Namespace) -> Rounds:
    """Run all rounds; a shape that a server has refused once is not tried again."""
    rounds: Rounds = defaultdict(list)
    refused = set()
    for number in range(options.rounds):
        for shape in MEASURED:
            for target in targets:
                if (shape.name, target.name) in refused or (
                    options.quick and shape is MEGABYTE and target.name != OURS
                ):
                    continue
                if not options.quick and not wait_for_quiet(PATIENCE):
                    print(f"  the machine is busy: {shape.name}, {target.name}, round {number + 1}")
                figures = load(target, shape, options.seconds, options.warmup)
                if figures is None:
                    refused.add((shape.name, target.name))
                else:
                    rounds[shape.name, target.name].append(figures)
    return rounds


def memory(target: HttpTarget, seconds: float) -> dict[str, float]:
    """Return MiB at rest, added by `SESSIONS` sessions, and left behind by 1 MB calls."""
    open_session(target.port)
    rest = target.memory()
    sessions = [open_session(target.port) for _ in range(SESSIONS)]
    added = target.memory() - rest
    for session in sessions:
        end_session(target.port, session)
    before = target.memory()
    figures = {"rest_mb": rest, "sessions_mb": added}
    if load(target, MEGABYTE, seconds, 0.1) is not None:
        figures["growth_1MB_mb"] = target.memory() - before
    return figures


def end_session(port: int, session: bytes) -> None:
    """End a session; a server without sessions may refuse."""
    with socket.create_connection(("127.0.0.1", port), TIMEOUT) as client:
        client.sendall(b"DELETE /mcp HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n%bConnection: close\r\n\r\n" % (port, session))
        while client.recv(4096):
            pass


def report(rounds: Rounds, memories: dict[str, dict[str, float]], *, quick: bool) -> Report:
    """Return the medians, the daemon's rate of the best peer's in the same round, and the memory."""
    result = Report("http_door", quick)
    for (shape, target), figures in rounds.items():
        for figure in ("rate", "p50_us", "p99_us", "cpu_us"):
            result.note(f"{shape}.{target}.{figure}", statistics.median(each[figure] for each in figures))
    for shape in MEASURED:
        ours = [each["rate"] for each in rounds.get((shape.name, OURS), [])]
        peers = [figures for (name, target), figures in rounds.items() if name == shape.name and target != OURS]
        best = [
            max(each[number]["rate"] for each in peers if number < len(each)) for number in range(len(ours)) if peers
        ]
        name = f"{shape.name}.of_best_peer"
        if best:
            result.note(name, statistics.median(map(lambda one, other: one / other, ours, best)), TARGETS[name])
    for target, values in memories.items():
        for figure, value in values.items():
            name = f"memory.{target}.{figure}"
            result.note(name, value, TARGETS.get(name))
    return result


def memory_table(memories: dict[str, dict[str, float]]) -> Iterator[str]:
    """Yield one line a server: what it takes."""
    yield f"{'MiB':24} {'at rest':>10} {f'{SESSIONS} sessions':>12} {'1 MB calls':>12}"
    for name, values in memories.items():
        growth = values.get("growth_1MB_mb")
        grown = "" if growth is None else f"{growth:+.1f}"
        yield f"  {name:22} {values['rest_mb']:>10.1f} {values['sessions_mb']:>+12.1f} {grown:>12}"


def arguments() -> argparse.Namespace:
    """Return the command line."""
    parser = argparse.ArgumentParser(description="Measure the daemon's HTTP door against others.")
    parser.add_argument("--quick", action="store_true", help="at most 45 s")
    parser.add_argument("--only", nargs="+", choices=OPENERS, default=list(OPENERS), help="servers to measure")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seconds", type=float, help="measured seconds of one load")
    options = parser.parse_args()
    options.rounds = options.rounds or (1 if options.quick else 5)
    options.seconds = options.seconds or (0.4 if options.quick else 1.5)
    options.warmup = 0.1 if options.quick else 0.3
    return options


def main() -> None:
    """Measure and print."""
    options = arguments()
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="sb-") as name, contextlib.ExitStack() as stack:
        targets = []
        for only in options.only:
            directory = Path(name) / only
            directory.mkdir()
            try:
                targets.append(stack.enter_context(OPENERS[only](directory)))
            except NotReadyError as error:
                print(f"  {only} is left out: {error}")
        memories = {target.name: memory(target, 0.5 if options.quick else GROWTH_SECONDS) for target in targets}
        rounds = measure(targets, options)
    lines = table(rounds, [shape.name for shape in MEASURED], [target.name for target in targets])
    print("\n".join((*lines, *memory_table(memories))))
    print(f"{options.rounds} rounds of {options.seconds:g} s, {time.monotonic() - start:.0f} s in all")
    report(rounds, memories, quick=options.quick).print()


if __name__ == "__main__":
    main()
