"""What flags cost a worker, and how soon a change is everywhere.

    python bench/flags.py [--quick] [--only decisions propagation idle]

* decisions: evaluations a second of processor time, of a flag that is the same for all and of one with lists, a rule
  and a percentage; ours and three others' in one process, in turns.
* propagation: from the moment a change is made until a reader sees it, and until all of 1 and 50 do: set at a running
  daemon (from its commit; "asked" counts the whole verb, too), published on a bare page, and written to a table that
  is asked every half second.
* idle: processor time of 50 readers that nothing changes for.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.figures import Report
from bench.flag_propagation import Readers, Seen, Source, delays, idle_share, readers, source
from bench.processes import LOAD_CORE, ROOT, NotReadyError, on_core, wait_for_quiet
from bench.references import PEERS

PATIENCE = 2.0
"""Seconds to wait before a part for a machine that is busy otherwise."""
PARTS = ("decisions", "propagation", "idle")
OTHERS = ("openfeature", "unleash", "growthbook")
RATES = {"plain": ">= 8000000", "targeted": ">= 1000000"}
"""Evaluations a second that a process has to reach."""
WAYS = (("service", "push"), ("page", "push"), ("page", "page"), ("table", "poll"))
"""Where a change is made, and how readers come by it."""
CROWD = 50
"""Readers of the figures that matter."""
ALL_P99 = "<= 10"
"""Milliseconds until all readers see what was committed at the daemon, or published on a page, 99 times of 100."""
IDLE = "<= 3"
"""Percent of one core that the crowd may use while nothing changes."""


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the value that so many percent of the values are not above."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def decisions(result: Report, *, quick: bool) -> None:
    """Measure evaluations, in the Python that has the others installed."""
    python = PEERS / "bin" / "python"
    for kind, target in RATES.items():
        result.targets[f"{kind}.switchover.rate"] = target
        result.targets |= {f"{kind}.of_{other}": ">= 1" for other in OTHERS}
    if not python.exists():
        raise NotReadyError(f"there is no {python}; run `make bench-setup`")
    extent = ("--rounds", "3", "--count", "1000000") if quick else ("--rounds", "9")
    command = on_core(LOAD_CORE, (str(python), str(ROOT / "bench" / "flag_decisions.py"), *extent))
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=600, check=True)
    *words, last = done.stdout.splitlines()
    print("\n".join(words))
    rates: dict[str, dict[str, list[float]]] = json.loads(last)
    for kind, rounds in rates.items():
        for name, values in rounds.items():
            result.note(f"{kind}.{name}.rate", statistics.median(values), result.targets.get(f"{kind}.{name}.rate"))
        ours = rounds["switchover"]
        for other in OTHERS:
            if other in rounds:
                ratios = [one / theirs for one, theirs in zip(ours, rounds[other], strict=True)]
                result.note(f"{kind}.of_{other}", statistics.median(ratios), ">= 1")


@contextlib.contextmanager
def opened(kind: str, mode: str, count: int) -> Iterator[tuple[Source, Readers]]:
    """Run a source and its readers."""
    with (
        tempfile.TemporaryDirectory(prefix="sb-") as name,
        source(kind, Path(name)) as of,
        readers(mode, of, count, Path(name)) as running,
    ):
        yield of, running


def propagation(result: Report, *, quick: bool) -> None:
    """Measure how soon changes are seen."""
    for kind, mode in WAYS:
        many = {"poll": 4 if quick else 40}.get(mode, 60 if quick else 1000)
        for count in (1, CROWD):
            with opened(kind, mode, count) as (of, running):
                delays(of, running, 1 if mode == "poll" else many // 3)  # these count for nothing: caches, copied pages
                if not quick:
                    wait_for_quiet(PATIENCE)
                found = delays(of, running, many)
            note_delays(result, f"{kind}.{mode}.{count}", found, ALL_P99 if mode == "push" else None)


def note_delays(result: Report, figure: str, found: Sequence[Seen], target: str | None) -> None:
    """Take down how changes spread; the target is for the last of all readers."""
    each = [value for seen in found for value in seen.each]
    result.note(f"{figure}.p50_ms", percentile(each, 50))
    result.note(f"{figure}.p99_ms", percentile(each, 99))
    result.note(f"{figure}.all_p50_ms", percentile([seen.all for seen in found], 50))
    result.note(f"{figure}.all_p99_ms", percentile([seen.all for seen in found], 99), target)
    if figure.startswith("service."):
        result.note(f"{figure}.asked_p50_ms", percentile([seen.asked for seen in found], 50))
        result.note(f"{figure}.asked_p99_ms", percentile([seen.asked for seen in found], 99))


def idle(result: Report, *, quick: bool) -> None:
    """Measure what readers use while nothing changes."""
    for kind, mode in (("page", "push"), ("table", "poll")):
        with opened(kind, mode, CROWD) as (of, running):
            share = idle_share(of, running, 3.0 if quick else 20.0)
        result.note(f"idle.{mode}.{CROWD}.cpu_percent", 100 * share, IDLE if mode == "push" else None)


def table(figures: dict[str, float]) -> list[str]:
    """Return the figures for people."""
    lines = [f"{'evaluations/s':24} {'plain':>14} {'targeted':>14}"]
    for name in ("switchover", *OTHERS):
        rates = [figures.get(f"{kind}.{name}.rate") for kind in RATES]
        lines.append(
            f"  {name:22} " + " ".join(f"{'' if rate is None else format(rate, ',.0f'):>14}" for rate in rates)
        )
    heads = ("p50", "p99", "all p50", "all p99", "asked p50", "asked p99")
    lines.append(f"{'ms until seen':24} " + " ".join(f"{head:>10}" for head in heads))
    for kind, mode in WAYS:
        for count in (1, CROWD):
            cells = [figures.get(f"{kind}.{mode}.{count}.{head.replace(' ', '_')}_ms") for head in heads]
            shown = " ".join(f"{'' if cell is None else format(cell, ',.2f'):>10}" for cell in cells)
            lines.append(f"  {f'{kind}, {mode}, {count}':22} {shown}")
    return lines


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Measure flags: evaluations, propagation, idle readers.")
    parser.add_argument("--quick", action="store_true", help="at most 45 s")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), help="parts to measure")
    options = parser.parse_args()
    result = Report("flags", options.quick)
    measure = {"decisions": decisions, "propagation": propagation, "idle": idle}
    for part in options.only:
        if not options.quick and not wait_for_quiet(PATIENCE):
            print(f"  the machine is busy: {part}")
        try:
            measure[part](result, quick=options.quick)
        except NotReadyError as error:
            print(f"  left out: {part}: {error}")
    print("\n".join(table(result.figures)))
    result.print()


if __name__ == "__main__":
    main()
