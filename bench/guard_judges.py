"""Judges for `guard`: ours, and those it is set against.  Each takes call after call and can be asked at any time.

- `Ours`: the daemon's own guard (`orchestrator.guard`), with one limit a metric that tolerates next to nothing.
- `Paired` and `Certifying`: the same, hearing of mirrored calls, and asked what is surely within a margin.
- `Fixed`: cumulative thresholds, +5 points of error rate, p95 beyond 1.2 times, quality 5 points lower, from 30 calls.
- `Kayenta`: a Mann-Whitney shift with its confidence interval, high when the interval exceeds a quarter of the effect.
  Errors it leaves alone: among values that are nearly all the same its shift says nothing.
"""

from __future__ import annotations

import math
from bisect import insort
from typing import Protocol

import numpy as np

from bench.guard_worlds import METRICS, Call, World
from orchestrator.domain.evidence.look import Verdict, Watch
from orchestrator.domain.evidence.samples import Outcome, Pair, Sample
from orchestrator.domain.plans.limits import Judge as PlanJudge
from orchestrator.domain.plans.limits import Limit
from orchestrator.domain.plans.plan import Plan
from orchestrator.domain.plans.steps import Step
from orchestrator.domain.routing import Lane
from orchestrator.guard.guard import Guard

LIMITS = {
    "error": Limit("error", margin=0.002),
    "latency": Limit("duration", relative=0.02),
    "quality": Limit("quality", margin=0.5),
}
NAMES = {"error": "error", "duration": "latency", "quality": "quality"}
SECONDS = 0.05
"""Between two calls."""
TINY = 1e-3
"""Shifts below this share of the spread are what bisection leaves of none."""
LEAST = 30
"""Calls of each arm before a threshold judge says anything."""


class Judge(Protocol):
    """Whoever decides about the canary."""

    def take(self, call: Call) -> None:
        """Hear of a call."""
        ...

    def verdicts(self) -> dict[str, bool]:
        """Say for each metric, and for `all` of them together, whether it is a regression."""
        ...


class Ours:
    """The guard, as the daemon runs it; it looks when a look is due."""

    def __init__(self, world: World, alpha: float, sought: str = "") -> None:
        limits = tuple(LIMITS[name] for name in METRICS if sought in {"", name})
        plan = Plan("bench", steps=(Step(50, None),), limits=limits, judge=PlanJudge(alpha=alpha))
        self._guard = Guard(plan, Watch("bench", "bench", "steps", 0, alpha, world.share, 50, trial=2, baseline=1))
        self._share, self._alone = world.share, 1 / alpha
        self._found: dict[str, bool] = {}

    def take(self, call: Call) -> None:
        """Hear of a call."""
        guard, at = self._guard, 1e9 + call.number * SECONDS
        guard.sample(sample_of(call, self._share, at))
        if guard.due(at):
            look = guard.look(at)
            self._found = {
                NAMES[one.metric]: one.evidence >= self._alone and (one.doubtful or one.verdict is Verdict.REGRESSION)
                for one in look.limits
            }
            self._found["all"] = look.verdict is Verdict.REGRESSION

    def verdicts(self) -> dict[str, bool]:
        """Say for each metric alone, and for all of them together, whether it is a regression."""
        return self._found


class Paired:
    """The guard at a step of weight 0 whose calls are mirrored: it hears of pairs alone."""

    def __init__(self, alpha: float, metric: str) -> None:
        steps = (Step(0, None, mirror=True),)
        plan = Plan("bench", steps=steps, limits=(LIMITS[metric],), judge=PlanJudge(alpha=alpha))
        self._guard = Guard(plan, Watch("bench", "bench", "steps", 0, alpha, 0.0, 0, trial=2, baseline=1))

    def take(self, old: Call, new: Call) -> bool:
        """Hear of a call that both answered; tell whether that is a regression now."""
        at = 1e9 + new.number * SECONDS
        sides = [sample_of(call, 0.0, at) for call in (old, new)]
        self._guard.pair(Pair(at=at, tool="tool", key=new.key, old=sides[0], new=sides[1]))
        return self._guard.due(at) and self._guard.look(at).verdict is Verdict.REGRESSION


class Certifying:
    """The guard with limits as plans have them: how soon does it certify them?"""

    def __init__(self, world: World, alpha: float, limit: Limit) -> None:
        plan = Plan("bench", steps=(Step(50, None),), limits=(limit,), judge=PlanJudge(alpha=alpha))
        self._guard = Guard(plan, Watch("bench", "bench", "steps", 0, alpha, world.share, 50, trial=2, baseline=1))
        self._share = world.share

    def take(self, call: Call) -> bool:
        """Hear of a call; tell whether the limit is certified now."""
        at = 1e9 + call.number * SECONDS
        self._guard.sample(sample_of(call, self._share, at))
        return self._guard.due(at) and self._guard.look(at).verdict is Verdict.WITHIN_MARGIN


def sample_of(call: Call, share: float, at: float) -> Sample:
    """Return what the daemon would make of a call."""
    return Sample(
        at=at,
        generation=2 if call.canary else 1,
        lane=Lane.CANARY if call.canary else Lane.ACTIVE,
        tool="tool",
        key=call.key,
        treated=call.canary,
        share=share,
        outcome=Outcome.ERROR if call.error else Outcome.OK,
        duration=call.latency,
        metrics={"quality": call.quality},
    )


class Fixed:
    """Thresholds on all calls so far."""

    def __init__(self, _world: World, _alpha: float, _sought: str = "") -> None:
        self._count = [0, 0]
        self._sums = {"error": [0.0, 0.0], "quality": [0.0, 0.0]}
        self._latency: tuple[list[float], list[float]] = ([], [])

    def take(self, call: Call) -> None:
        """Hear of a call."""
        self._count[call.canary] += 1
        self._sums["error"][call.canary] += call.error
        self._sums["quality"][call.canary] += call.quality
        insort(self._latency[call.canary], call.latency)

    def verdicts(self) -> dict[str, bool]:
        """Say for each metric whether it is a regression."""
        base, canary = self._count
        if min(base, canary) < LEAST:
            return dict.fromkeys((*METRICS, "all"), False)
        rise = {name: sums[1] / canary - sums[0] / base for name, sums in self._sums.items()}
        p95 = [ordered[int(0.95 * len(ordered))] for ordered in self._latency]
        found = {"error": rise["error"] > 0.05, "latency": p95[1] > 1.2 * p95[0], "quality": rise["quality"] < -5}
        return {**found, "all": any(found.values())}


class Kayenta:
    """Mann-Whitney at each look, at confidence 1 - 2 alpha; the shift is found on a grid of the pooled spread."""

    def __init__(self, _world: World, alpha: float, _sought: str = "") -> None:
        self._z = -_normal_quantile(alpha)
        self._values: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in METRICS}

    def take(self, call: Call) -> None:
        """Hear of a call."""
        for name, arms in self._values.items():
            arms[call.canary].append(getattr(call, name))

    def verdicts(self) -> dict[str, bool]:
        """Say for each metric whether it is a regression."""
        if min(len(arm) for arm in self._values["error"]) < LEAST:
            return dict.fromkeys((*METRICS, "all"), False)
        found = {name: self._worse(name, *map(np.array, arms)) for name, arms in self._values.items()}
        return {**found, "all": any(found.values())}

    def _worse(self, name: str, baseline: np.ndarray, canary: np.ndarray) -> bool:
        if name == "error":
            return False
        if name == "quality":
            baseline, canary = -baseline, -canary
        low, middle = (_shift(baseline, canary, at) for at in (self._z, 0.0))
        return bool(middle > TINY * np.std(baseline) and low > 0.25 * middle)


def _shift(baseline: np.ndarray, canary: np.ndarray, z: float) -> float:
    """Return the shift at which the standardised rank statistic is z: by bisection, it falls with the shift."""
    low, high = -4.0 * float(np.std(baseline) + 1e-9), 4.0 * float(np.std(canary) + 1e-9)
    for _ in range(20):
        middle = (low + high) / 2
        low, high = (middle, high) if _statistic(baseline, canary - middle) > z else (low, middle)
    return (low + high) / 2


def _statistic(baseline: np.ndarray, canary: np.ndarray) -> float:
    n, m = len(canary), len(baseline)
    ordered = np.sort(baseline)
    wins = np.searchsorted(ordered, canary, "left") + np.searchsorted(ordered, canary, "right")
    _, ties = np.unique(np.concatenate((baseline, canary)), return_counts=True)
    spread = n * m / 12 * (n + m + 1 - (ties**3 - ties).sum() / ((n + m) * (n + m - 1)))
    centred = wins.sum() / 2 - n * m / 2
    return float((centred - 0.5 * np.sign(centred)) / math.sqrt(max(spread, 1e-9)))


def _normal_quantile(share: float) -> float:
    """Return the standard normal's quantile, by bisection of its distribution function."""
    low, high = -10.0, 10.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if 0.5 * math.erfc(-middle / math.sqrt(2)) < share else (low, middle)
    return low
