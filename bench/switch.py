"""What a switch costs, how fast the daemon starts and what it weighs.

    python bench/switch.py [--quick]

- start: from starting the daemon to its readiness, around a worker that needs no time.
- memory: the daemon's resident memory at rest, as nobody has asked it anything yet, and its growth while sessions
  come and go; at last how long the first verb of its life takes, with which the control plane is loaded, and what the
  daemon weighs then.
- switch: with 64 callers, once with calls of 50 ms and once with calls that take no time, traffic is moved forth and
  back; from the verb to its answer, from the verb to the last call the old generation took, and the longest gap
  between two completed calls of anybody and of one caller, beside the gaps of a time as long just before.  The load
  fails when any call is not answered exactly once.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.daemon import WORKER, Daemon, serve
from bench.figures import Report
from bench.processes import LOAD_CORE, ROOT, on_core, rss_mb
from bench.sessions import come_and_go
from bench.timeline import Effect, Verb, effect, read

CALLERS = 64
CALL_MS = 50
BETWEEN = 0.45
"""Seconds between two verbs: more than twice the time around a verb that is looked at."""
SETTLE = 1.0
"""Seconds the daemon is left alone before its memory is read."""
TARGETS = {
    "start_to_ready_s": "<= 0.8",
    "memory_rest_mb": "<= 70",
    "memory_growth_mb": "<= 2",
    "50ms_calls.gap_caller_ms.worst": "<= 60",
}
"""A gap may last as long as a call plus a few milliseconds: 50 + 10."""


def start_to_ready(report: Report, directory: Path, starts: int) -> None:
    """Measure how long the daemon takes until it serves."""
    times = []
    for number in range(starts):
        place = directory / f"start{number}"
        place.mkdir()
        begin = time.monotonic()
        with serve(place):
            times.append(time.monotonic() - begin)
    report.note("start_to_ready_s", statistics.median(times), TARGETS["start_to_ready_s"])
    report.note("start_to_ready_s.worst", max(times))


def memory(report: Report, directory: Path, sessions: int) -> None:
    """Measure what the daemon weighs at rest and after many sessions."""
    place = directory / "memory"
    place.mkdir()
    with serve(place) as daemon:
        time.sleep(SETTLE)
        report.note("memory_rest_mb", rss_mb(daemon.pid), TARGETS["memory_rest_mb"])
        come_and_go(daemon.tools, 100)
        time.sleep(SETTLE)
        warm = rss_mb(daemon.pid)
        begin = time.monotonic()
        come_and_go(daemon.tools, sessions)
        report.note("sessions_per_s", sessions / (time.monotonic() - begin))
        time.sleep(SETTLE)
        report.note("memory_warm_mb", warm)
        report.note("memory_growth_mb", rss_mb(daemon.pid) - warm, TARGETS["memory_growth_mb"])
        report.note("memory_growth_sessions", sessions)
        begin = time.monotonic()
        daemon.ask("GET", "/v1/status")
        report.note("first_verb_s", time.monotonic() - begin)
        report.note("memory_with_control_mb", rss_mb(daemon.pid))


def verbs(daemon: Daemon, count: int) -> list[Verb]:
    """Move traffic forth and back `count` times."""
    done = []
    for number in range(count):
        sent = time.monotonic_ns()
        (daemon.switch_back if number % 2 else daemon.switch)()
        done.append(Verb(sent, time.monotonic_ns()))
        time.sleep(BETWEEN)
    return done


def under_load(directory: Path, delay_ms: int, count: int) -> tuple[list[Effect], float]:
    """Switch `count` times under load; return what each did, and the rate of calls."""
    place = directory / f"load{delay_ms}"
    place.mkdir()
    rows = place / "timeline"
    seconds = (count + 3) * BETWEEN + 1.0
    command = [sys.executable, str(ROOT / "bench" / "load.py"), "--connections", str(CALLERS), "--warmup", "0"]
    command += ["--seconds", str(seconds), "--delay-ms", str(delay_ms), "--timeline", str(rows)]
    with serve(place) as daemon:
        daemon.canary(WORKER)
        command += ["--unix", str(daemon.tools)]
        with subprocess.Popen(
            on_core(LOAD_CORE, command), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as load:
            if load.stdout is None or load.stdout.readline() != "go\n":
                raise SystemExit(f"switch: the load did not begin: {load.communicate(timeout=60)[1][-1000:]}")
            time.sleep(3 * BETWEEN)
            moved = verbs(daemon, count)
            errors = load.communicate(timeout=seconds + 60)[1]
        if load.returncode != 0:
            raise SystemExit(f"switch: a call was lost, doubled or wrong:\n{errors[-1500:]}")
    answered = read(rows)
    rate = len(answered) / ((answered[-1].done - answered[0].done) / 1e9)
    return [effect(answered, verb) for verb in moved], rate


def switches(report: Report, directory: Path, delay_ms: int, count: int) -> None:
    """Measure switches under calls that take `delay_ms`."""
    name = f"{delay_ms}ms_calls"
    effects, rate = under_load(directory, delay_ms, count)
    report.note(f"{name}.switches", count)
    report.note(f"{name}.rate", rate)
    for figure in ("answered", "routed", "gap_any", "gap_caller", "before_any", "before_caller"):
        values = [getattr(each, figure) for each in effects]
        report.note(f"{name}.{figure}_ms", statistics.median(values))
        worst = f"{name}.{figure}_ms.worst"
        report.note(worst, max(values), TARGETS.get(worst))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Measure switches, start and memory.")
    parser.add_argument("--quick", action="store_true", help="at most 45 s")
    options = parser.parse_args()
    report = Report("switch", options.quick)
    report.targets.update(TARGETS)
    with tempfile.TemporaryDirectory(prefix="sb-") as name:
        directory = Path(name)
        start_to_ready(report, directory, 3 if options.quick else 9)
        memory(report, directory, 1000)
        for delay_ms in (CALL_MS, 0):
            switches(report, directory, delay_ms, 10 if options.quick else 40)
    for figure, value in report.figures.items():
        print(f"  {figure:<44} {value:>12g}")
    report.print()


if __name__ == "__main__":
    main()
