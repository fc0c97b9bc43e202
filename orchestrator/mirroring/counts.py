"""What comparing gave, by tool and by decision: labels are bounded, as tools are not.

Above: `live` counts and shows.  Below: `proxy.mirrored` for the label of tools beyond the bound.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from orchestrator.proxy.mirrored import OTHERS, named

MOST_AGENTS: Final = 200
"""Pairs of agents counted by their names; a label's values must not grow without end."""


@dataclass(slots=True)
class ToolCounts:
    """What comparing one tool's answers gave.

    Attributes:
        results: pairs by gravest class.
        differing: pairs by decision that differs.
        learned: answers its noise is known from.
    """

    results: Counter[str] = field(default_factory=Counter)
    differing: Counter[str] = field(default_factory=Counter)
    learned: int = 0


@dataclass(slots=True)
class Counts:
    """What comparing gave.

    Attributes:
        tools: by tool.
        decisions: pairs by the two agents, and whether anything that was decided differs.
        compared: all pairs.
    """

    tools: dict[str, ToolCounts] = field(default_factory=dict)
    decisions: Counter[tuple[str, str, bool]] = field(default_factory=Counter)
    compared: int = 0

    def of(self, tool: str) -> ToolCounts:
        """Return what is counted of a tool."""
        found = self.tools.get(tool)
        return found if found is not None else self.tools.setdefault(named(tool, self.tools), ToolCounts())

    def decided(self, agents: tuple[str, ...], *, differs: bool, pairs: int = 1) -> None:
        """Count pairs of answers with decisions.

        Args:
            agents: the agents of the two.
            differs: whether any decision does.
            pairs: how many.
        """
        label = (agents[0], agents[1], differs)
        known = label in self.decisions or len(self.decisions) < MOST_AGENTS
        self.decisions[label if known else (OTHERS, OTHERS, differs)] += pairs

    def add(self, other: Counts) -> None:
        """Count what another has counted as well."""
        for tool, more in other.tools.items():
            one = self.of(tool)
            one.results.update(more.results)
            one.differing.update(more.differing)
            one.learned = more.learned or one.learned
        for (old, new, differs), pairs in other.decisions.items():
            self.decided((old, new), differs=differs, pairs=pairs)
        self.compared += other.compared

    def results(self) -> dict[tuple[str, str], int]:
        """Return the pairs by tool and gravest class."""
        return {(tool, name): number for tool, one in self.tools.items() for name, number in one.results.items()}
