"""The form every figure is reported in: readable lines, then one JSON object as the last line.

Below every `bench` command, above nothing.
"""

from __future__ import annotations

import json
import operator
from collections.abc import Callable
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


def rounded(value: float) -> float:
    """Return `value` with four significant digits, or whole above 10,000."""
    return round(value) if abs(value) >= 10_000 else float(f"{value:.4g}")
