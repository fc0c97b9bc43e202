"""The form every figure is reported in: readable lines, then one JSON object as the last line.

Below every `bench` command, above nothing.
"""

from __future__ import annotations

import json
import operator
import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

COMPARE: dict[str, Callable[[float, float], bool]] = {">=": operator.ge, "<=": operator.le}


@dataclass
class Report:
    """What one command measured.

    Attributes:
        name: the command's, without `.py`.
        quick: whether it was the short form; such figures are rough.
        figures: what was measured.
        targets: what a figure has to reach, such as `>= 0.40`.
    """

    name: str
    quick: bool = False
    figures: dict[str, float] = field(default_factory=dict)
    targets: dict[str, str] = field(default_factory=dict)

    def note(self, figure: str, value: float, target: str | None = None) -> None:
        """Take down a figure, with what it has to reach."""
        self.figures[figure] = rounded(value)
        if target is not None:
            self.targets[figure] = target

    def misses(self) -> list[str]:
        """Return the targets that are missed, in words; one whose figure is not there is missed."""
        missed = []
        for figure, target in self.targets.items():
            sign, bound = target.split()
            value = self.figures.get(figure)
            if value is None:
                missed.append(f"{figure}: not measured, {target}")
            elif not COMPARE[sign](value, float(bound)):
                missed.append(f"{figure}: {value:g}, not {target}")
        return missed

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON object of the last line."""
        misses = self.misses()
        return {
            "name": self.name,
            "quick": self.quick,
            "figures": self.figures,
            "targets": self.targets,
            "holds": not misses,
            "misses": misses,
        }

    def print(self) -> None:
        """Print the targets and, as the last line, everything as JSON."""
        for figure, target in self.targets.items():
            print(f"  {figure:<44} {self.figures.get(figure, float('nan')):>12g}   {target}")
        for miss in self.misses():
            print(f"  missed: {miss}")
        if self.quick:
            print("  quick: short rounds, rough figures")
        print(json.dumps(self.as_dict()), flush=True)


def table(
    rounds: Mapping[tuple[str, str], Sequence[Mapping[str, float]]], shapes: Iterable[str], targets: Iterable[str]
) -> Iterator[str]:
    """Yield one line a shape and target: the medians of rate, latencies and the server's time a call, and the spread.

    Args:
        rounds: what each round measured, by names of shape and target; `cpu_us` may be missing.
        shapes: names of the loads, in order.
        targets: names of the servers, in order.
    """
    names = list(targets)
    yield f"{'':24} {'calls/s':>10} {'p50 us':>10} {'p99 us':>10} {'cpu us/call':>12} {'rounds':>20}"
    for shape in shapes:
        yield shape
        for target in names:
            figures = rounds.get((shape, target), [])
            if figures:
                middle = {key: statistics.median(each[key] for each in figures if key in each) for key in figures[0]}
                rates = sorted(each["rate"] for each in figures)
                spread = f"{rates[0]:,.0f} - {rates[-1]:,.0f}"
                cpu = f"{middle['cpu_us']:.1f}" if "cpu_us" in middle else ""
                yield (
                    f"  {target:22} {middle['rate']:>10,.0f} {middle['p50_us']:>10,.1f} "
                    f"{middle['p99_us']:>10,.1f} {cpu:>12} {spread:>20}"
                )


def rounded(value: float) -> float:
    """Return `value` with four significant digits, or whole above 10,000."""
    return round(value) if abs(value) >= 10_000 else float(f"{value:.4g}")
