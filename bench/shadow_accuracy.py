"""How well differences are told from noise: labelled pairs, one planted regression in half of them.

    python bench/shadow_accuracy.py [--quick] [--seed SEED] [--show N]

Fresh random seeds each time, so a figure is never one that was tuned to; `--seed` repeats a run.  Half of the broken
pairs are broken inside a value that always varies.  A pair is what old and new code said to one call, as in a suite;
what is noise is learned from the old code's answers to all calls of the tool, and from six more.  `six` is the same
comparison with those six alone: a switch that happened to stand still in all of them (one in 32 does) is then taken
for a value, whatever is done.  Two generators: `shadow_world`, and `shadow_other_world` that was written when the
comparison was done.

*Located* is a pair whose finding names the very path.  The references get the same samples: Diffy's counters, and
names and patterns scrubbed with DeepDiff behind.
"""

from __future__ import annotations

import argparse
import json
import random
import secrets
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from bench.figures import Report
from bench.shadow_faults import Planted, plant
from bench.shadow_other_world import Service
from bench.shadow_references import Diffy, scrubbed
from bench.shadow_world import Schema, Spot
from orchestrator.domain.comparison import Finding, Sample
from orchestrator.shadow.compare import Comparer
from orchestrator.shadow.profile import learn

CONTROLS = 6
PAIRS = 1000
PER_TOOL = 20
SEEDS = 5
WORLDS: dict[str, Callable[[str], Schema | Service]] = {"world": Schema, "other": Service}
TARGETS = {
    "precision": ">= 0.99",
    "recall": ">= 0.99",
    "located": ">= 0.98",
    "clean_flagged_pct": "<= 0.5",
}


@dataclass
class Score:
    """What one method said about labelled pairs."""

    hits: int = 0
    misses: int = 0
    false: int = 0
    clean: int = 0
    located: int = 0
    noisy: Counter[bool] = field(default_factory=Counter)
    wrong: Counter[str] = field(default_factory=Counter)

    def add(self, planted: Planted | None, paths: list[str]) -> bool:
        """Take down one pair; return whether the method was right."""
        if planted is None:
            self.clean += 1
            self.false += bool(paths)
            right = not paths
        else:
            self.hits += bool(paths)
            self.misses += not paths
            right = any(at(planted.path, one) for one in paths)
            self.located += right
            if planted.noisy:
                self.noisy[bool(paths)] += 1
        if not right:
            self.wrong[planted.fault if planted else "clean"] += 1
        return right

    def figures(self) -> dict[str, float]:
        """Return the figures."""
        broken = self.hits + self.misses
        return {
            "precision": self.hits / max(1, self.hits + self.false),
            "recall": self.hits / max(1, broken),
            "located": self.located / max(1, broken),
            "noisy_recall": self.noisy[True] / max(1, self.noisy.total()),
            "clean_flagged_pct": 100 * self.false / max(1, self.clean),
        }


def at(planted: str, found: str) -> bool:
    """Return whether a finding names the planted path, something inside it, or its list."""
    return (
        found == planted
        or found.startswith((f"{planted}.", f"{planted}["))
        or planted in {f"{found}[]", f"{found}{{}}"}
    )


@dataclass(frozen=True)
class Pair:
    """A labelled pair."""

    control: Sample
    rehearsal: Sample
    planted: Planted | None


class Tool:
    """One tool's samples."""

    def __init__(self, make: Callable[[str], Schema | Service], seed: str) -> None:
        self.rng = random.Random(seed)
        self.schema = make(f"{seed} schema")
        self.at = 1.79e9 + self.rng.random() * 1e7
        self.controls = [self.sample()[0] for _ in range(CONTROLS)]

    def sample(self) -> tuple[Sample, Any, list[Spot]]:
        """Ask a fresh process."""
        rng = self.rng
        self.at += rng.uniform(0.05, 2.0)
        process = {"pid": rng.randint(300, 60000), "port": rng.randint(32768, 60999), "calls": rng.randint(2, 4)}
        value, spots = self.schema.render(self.at, rng, process)
        return Sample(json.dumps(value).encode(), self.at), value, spots

    def pair(self, number: int) -> Pair:
        """Return a pair; every second one is broken, every fourth one in a noisy place."""
        rehearsal, value, spots = self.sample()
        planted = None
        for _ in range(50 if number % 2 else 0):
            planted = planted or plant(value, spots, self.rng, noisy=number % 4 == 1)
        if planted is not None:
            rehearsal = Sample(json.dumps(planted.value).encode(), rehearsal.at)
        return Pair(self.sample()[0], rehearsal, planted)


def measure(world: str, seed: str, scores: dict[str, Score], show: int) -> None:
    """Judge 1,000 pairs by every method."""
    for index in range(PAIRS // PER_TOOL):
        tool = Tool(WORLDS[world], f"{seed} {index}")
        pairs = [tool.pair(number) for number in range(PER_TOOL)]
        controls = tool.controls + [pair.control for pair in pairs]
        comparers = {
            "switchover": Comparer(learn("tool", "control", [controls])),
            "six": Comparer(learn("tool", "control", [tool.controls])),
        }
        diffy = Diffy([json.loads(one.body) for one in controls])
        for pair in pairs:
            for name, comparer in comparers.items():
                found = comparer.compare(pair.control, pair.rehearsal).findings
                right = scores[name].add(pair.planted, [one.path for one in found])
                if name == "switchover" and not right and scores[name].wrong.total() <= show:
                    print((pair.planted.fault, pair.planted.path) if pair.planted else "clean", *map(told, found[:2]))
            values = json.loads(pair.control.body), json.loads(pair.rehearsal.body)
            scores["diffy"].add(pair.planted, diffy.paths(*values))
            scores["scrub"].add(pair.planted, scrubbed(*values))


def told(one: Finding) -> tuple[str, ...]:
    """Return what a finding says."""
    return one.kind.value, one.place, one.rule, one.control, one.rehearsal


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one seed for each generator")
    parser.add_argument("--seed", default="", help="instead of a fresh one")
    parser.add_argument("--show", type=int, default=0, help="print so many pairs that were judged wrongly")
    options = parser.parse_args()
    report = Report("shadow_accuracy", options.quick)
    for world in WORLDS:
        scores = {name: Score() for name in ("switchover", "six", "diffy", "scrub")}
        for number in range(1 if options.quick else SEEDS):
            seed = f"{options.seed or secrets.token_hex(4)} {number}"
            measure(world, seed, scores, options.show)
            print(f"{world} seed {seed}: wrong so far {dict(scores['switchover'].wrong.most_common(12))}", flush=True)
        for name, score in scores.items():
            for figure, value in score.figures().items():
                report.note(f"{world}.{name}.{figure}", value, TARGETS.get(figure) if name == "switchover" else None)
    report.print()


if __name__ == "__main__":
    main()
