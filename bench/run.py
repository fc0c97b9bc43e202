"""Run every figure, or those that are named, keep the results, print them as one table.

    python bench/run.py [NAME ...] [--quick] [--keep] [--strict]

A full run writes `bench/results.json` and, from it, `docs/performance.md`; a quick one does with `--keep` only.  What
was not run stays there as it was measured last.  A missed target is said and, with `--strict`, is the exit code 1.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

from bench.page import page
from bench.processes import ROOT

COMMANDS = (
    "proxy",
    "switch",
    "http_door",
    "guard",
    "rollout",
    "rollback",
    "flags",
    "shadow_accuracy",
    "shadow_speed",
    "mirror",
)
RESULTS = ROOT / "bench" / "results.json"
PAGE = ROOT / "docs" / "performance.md"
TIMEOUT = 3600
"""Seconds one command may take; a full `proxy` takes about six minutes, a full `guard` about twenty."""


def run(name: str, *, quick: bool) -> dict[str, Any]:
    """Run one command, let its output through and return the object of its last line."""
    command = [sys.executable, str(ROOT / "bench" / f"{name}.py"), *(["--quick"] if quick else [])]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=TIMEOUT, check=False)
    lines = done.stdout.splitlines()
    print("\n".join(lines[:-1]))
    if done.returncode != 0 or not lines:
        raise SystemExit(f"bench/{name}.py failed with exit code {done.returncode}")
    report: dict[str, Any] = json.loads(lines[-1])
    return report | {"when": dt.datetime.now(tz=dt.UTC).date().isoformat(), "machine": machine()}


def together(reports: list[dict[str, Any]], *, quick: bool) -> dict[str, Any]:
    """Return all reports as one, each figure named by its command first."""
    whole: dict[str, Any] = {"name": "all", "quick": quick}
    for part in ("figures", "targets"):
        whole[part] = {f"{report['name']}.{key}": value for report in reports for key, value in report[part].items()}
    return whole


def machine() -> str:
    """Say what the figures were measured on."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return (
        f"{os.cpu_count()} cores, {pages / (1 << 30):.0f} GiB, Linux {platform.release().partition('-')[0]}, "
        f"Python {platform.python_version()}"
    )


def keep(reports: list[dict[str, Any]]) -> None:
    """Write the results and the page made from them; every report carries when and on what it was measured."""
    kept = json.loads(RESULTS.read_text())["reports"] if RESULTS.exists() else []
    newest = {report["name"]: report for report in kept + reports}
    results = {"reports": [newest[name] for name in COMMANDS if name in newest]}
    replace(RESULTS, json.dumps(results, indent=1) + "\n")
    replace(PAGE, page(results))


def replace(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    beside = path.with_name(path.name + ".tmp")
    beside.write_text(text)
    beside.replace(path)


def main() -> None:
    """Run all, keep and judge."""
    parser = argparse.ArgumentParser(description="Run every figure.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(COMMANDS)}; all by default")
    parser.add_argument("--quick", action="store_true", help="at most 45 s a figure; keeps nothing unless told to")
    parser.add_argument("--keep", action="store_true", help="keep quick figures, too; the page says that they are")
    parser.add_argument("--strict", action="store_true", help="exit with 1 when a target is missed")
    options = parser.parse_args()
    unknown = [name for name in options.names if name not in COMMANDS]
    if unknown:
        parser.error(f"there is no bench {unknown[0]!r}; there are: {', '.join(COMMANDS)}")
    reports = []
    for name in options.names or COMMANDS:
        print(f"== bench/{name}.py", flush=True)
        reports.append(run(name, quick=options.quick))
    if options.keep or not options.quick:
        keep(reports)
    misses = [f"{report['name']}: {miss}" for report in reports for miss in report["misses"]]
    print("every target is reached" if not misses else "missed:\n  " + "\n  ".join(misses))
    print(json.dumps(together(reports, quick=options.quick) | {"holds": not misses, "misses": misses}))
    if misses and options.strict:
        sys.exit(1)


if __name__ == "__main__":
    main()
