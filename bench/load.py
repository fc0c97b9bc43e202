"""The load: a lean client in a process of its own.

    load.py --unix PATH  [options]         clients of a Unix socket
    load.py --http PORT  [options]         clients of MCP over HTTP on 127.0.0.1
    load.py [options] -- COMMAND ...       the client of a worker's own pipes

Prints `go` when the measured part begins and one JSON object at the end: calls, rate (calls/s), p50_us and p99_us, and
for every process named by `--pid` the microseconds of processor time a call.  It fails when any call is not answered
exactly once with its payload.  Above it: `bench/proxy.py` and `bench/switch.py`; below it: `bench.callers`.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import json
import os
import signal
import socket
import subprocess
import sys
import time
from array import array
from pathlib import Path
from typing import Any

from bench.callers import Caller, many, one_at_a_time
from bench.http_wire import HttpWire, open_session
from bench.processes import cpu_seconds, stop
from bench.wire import LineWire, payload

SLACK = 60
"""Seconds beyond the time asked for after which a load ends itself, whatever happens."""


def arguments() -> argparse.Namespace:
    """Return the command line."""
    parser = argparse.ArgumentParser(description="A lean load for whatever speaks MCP.")
    parser.add_argument("--unix", help="path of a Unix socket")
    parser.add_argument("--http", type=int, help="port on 127.0.0.1 that serves MCP at /mcp")
    parser.add_argument("--connections", type=int, default=1)
    parser.add_argument("--outstanding", type=int, default=1, help="calls outstanding on each connection")
    parser.add_argument("--payload", type=int, default=100, help="bytes of text in every call")
    parser.add_argument("--delay-ms", type=int, help="have the worker wait before each answer and name its generation")
    parser.add_argument("--spread-ms", type=int, default=0, help="how much longer some callers' delay is: out of step")
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--warmup", type=float, default=0.3, help="seconds of load before the measured part")
    parser.add_argument("--most", type=int, default=5_000_000, help="calls at the most")
    parser.add_argument("--pid", type=int, action="append", default=[], help="a process whose time is counted")
    parser.add_argument("--tool", default="echo")
    parser.add_argument("--timeline", help="file for sent, done (ns) and generation of every call, 64-bit integers")
    parser.add_argument("command", nargs="*")
    return parser.parse_args()


def connect(path: str) -> int:
    """Return a blocking descriptor connected to a Unix socket."""
    client = socket.socket(socket.AF_UNIX)
    client.connect(path)
    return client.detach()


def line_callers(options: argparse.Namespace, ends: list[tuple[int, int]]) -> list[Caller]:
    """Return a caller for each pair of descriptors, its handshake done."""
    callers = []
    for index, (source, sink) in enumerate(ends):
        delay = None if options.delay_ms is None else options.delay_ms + index % (options.spread_ms + 1)
        wire = LineWire(source, sink, payload(options.payload), delay, options.tool)
        wire.handshake()
        if options.delay_ms:
            wire.open_with_delay(options.delay_ms * index // len(ends))
        callers.append(Caller(wire))
    return callers


def http_callers(options: argparse.Namespace) -> list[Caller]:
    """Return a caller for each call outstanding: HTTP carries one call at a time on a connection."""
    callers = []
    for _ in range(options.connections):
        session = open_session(options.http)
        numbers = iter(range(1, sys.maxsize))
        wires = (
            HttpWire(options.http, session, payload(options.payload), options.tool, numbers)
            for _ in range(options.outstanding)
        )
        callers += [Caller(wire) for wire in wires]
    return callers


def drive(options: argparse.Namespace, callers: list[Caller], seconds: float) -> None:
    """Let the callers call for `seconds`."""
    if len(callers) == 1 and options.outstanding == 1:
        one_at_a_time(callers[0], seconds, options.most)
        return
    for caller in callers:
        os.set_blocking(caller.wire.source, False)
        os.set_blocking(caller.wire.sink, False)
    many(callers, 1 if options.http else options.outstanding, seconds, options.most)


def measure(options: argparse.Namespace, callers: list[Caller], pids: list[int]) -> dict[str, Any]:
    """Warm up, measure, check every answer and return the figures."""
    if options.warmup:
        drive(options, callers, options.warmup)
    firsts = [len(caller.answers) for caller in callers]
    gc.collect()
    gc.disable()
    before = [cpu_seconds(pid) for pid in pids]
    print("go", flush=True)
    start = time.monotonic_ns()
    drive(options, callers, options.seconds)
    seconds = (time.monotonic_ns() - start) / 1e9
    used = [cpu_seconds(pid) - then for pid, then in zip(pids, before, strict=True)]
    for caller in callers:
        caller.check()
    latencies = sorted(ns for caller, first in zip(callers, firsts, strict=True) for ns in caller.latencies(first))
    calls = len(latencies)
    return {
        "calls": calls,
        "rate": round(calls / seconds, 1),
        "p50_us": round(latencies[calls // 2] / 1000, 1),
        "p99_us": round(latencies[calls * 99 // 100] / 1000, 1),
        "cpu_us": {str(pid): round(each / calls * 1e6, 2) for pid, each in zip(pids, used, strict=True)},
    }


def keep_timeline(callers: list[Caller], path: Path) -> None:
    """Write caller, sent, done and generation of every call of every caller."""
    rows = array("q")
    for index, caller in enumerate(callers):
        wire = caller.wire
        generations = wire.generations if isinstance(wire, LineWire) and wire.stamped else [0] * len(caller.answers)
        for number, done, generation in zip(caller.answers, caller.done, generations, strict=True):
            rows.extend((index, caller.sent[number - 1], done, generation))
    path.write_bytes(rows.tobytes())


def main() -> None:
    """Run one load and print its figures."""
    options = arguments()
    signal.alarm(int(options.seconds + options.warmup) + SLACK)
    with contextlib.ExitStack() as stack:
        pids = list(options.pid)
        if options.http:
            callers = http_callers(options)
        elif options.unix:
            ends = [(end, end) for end in (connect(options.unix) for _ in range(options.connections))]
            callers = line_callers(options, ends)
        else:
            worker = subprocess.Popen(
                options.command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                process_group=0,
            )
            stack.callback(stop, worker)
            pids.append(worker.pid)
            if worker.stdin is None or worker.stdout is None:
                sys.exit("load: the worker has no pipes")
            callers = line_callers(options, [(worker.stdout.fileno(), worker.stdin.fileno())])
        figures = measure(options, callers, pids)
        if options.timeline:
            keep_timeline(callers, Path(options.timeline))
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
