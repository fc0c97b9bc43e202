"""Made-up epochs for the guard's tests: a plan, what is watched, and calls with known truth."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from orchestrator.domain.evidence.look import LimitLook, Look, Watch
from orchestrator.domain.evidence.samples import Origin, Outcome, Pair, Sample
from orchestrator.domain.plans.limits import Limit
from orchestrator.domain.plans.plan import Plan
from orchestrator.domain.plans.steps import Step
from orchestrator.domain.routing import Lane
from orchestrator.guard.guard import Guard

NOW = 1_000_000.0
HALF = Watch("r/steps/0/1", "r", "steps", 0, 0.01, 0.5, 50, trial=2, baseline=1)
"""A step of 50 %."""
ALL = replace(HALF, epoch="r/bake/0/1", part="bake", share=1.0, weight=100)
"""The bake."""
FLAG = Watch("r/flags/0/1", "r", "flags", 0, 0.01, 0.5, 100, trial=2, baseline=2, flag="A")
"""The first half of a flag stage."""


def plan(*limits: Limit, **changes: Any) -> Plan:
    """Return a plan with one step and some limits."""
    return replace(Plan("story", steps=(Step(50, 600.0),), limits=limits), **changes)


def call(trial: bool, at: float = NOW, watch: Watch = HALF, **changes: Any) -> Sample:  # noqa: FBT001 - reads best
    """Return a call of one side."""
    lane = Lane.CANARY if trial else Lane.ACTIVE
    made = Sample(
        at=at, generation=watch.trial if trial else watch.baseline, lane=lane, tool="work", treated=trial,
        share=watch.share, outcome=Outcome.OK, duration=100.0,
    )  # fmt: skip
    if not 0.0 < watch.share < 1.0:
        made = replace_sample(made, treated=None, share=0.0)
    return replace_sample(made, **changes)


def replace_sample(sample: Sample, **changes: Any) -> Sample:
    """Return a sample with changes."""
    return Sample(**{**{name: getattr(sample, name) for name in sample.__struct_fields__}, **changes})


def measured(generation: int, at: float, **metrics: float) -> Sample:
    """Return a measurement of a process."""
    return Sample(at=at, generation=generation, lane=Lane.ACTIVE, origin=Origin.PROCESS, metrics=metrics)


Draw = Callable[[random.Random, bool], dict[str, Any]]


def calls(count: int, draw: Draw, *, seed: int = 1, watch: Watch = HALF, keys: int = 0) -> Iterator[Sample]:
    """Give calls, a second apart, drawn to either side; with keys each key stays on its side."""
    rng = random.Random(seed)
    arms = [rng.random() < watch.share for _ in range(keys)]
    for at in range(count):
        who = rng.randrange(keys) if keys else None
        trial = arms[who] if who is not None else rng.random() < watch.share
        key = f"key {who}" if who is not None else ""
        yield call(trial, NOW + at, watch, key=key, **draw(rng, trial))


def failing(trial_rate: float, rate: float = 0.01) -> Draw:
    """Let calls fail."""

    def draw(rng: random.Random, trial: bool) -> dict[str, Any]:  # noqa: FBT001 - as `calls` calls it
        failed = rng.random() < (trial_rate if trial else rate)
        return {"outcome": Outcome.ERROR if failed else Outcome.OK}

    return draw


def lasting(factor: float) -> Draw:
    """Let calls on trial take longer."""
    return lambda rng, trial: {"duration": 400 * (factor if trial else 1.0) * rng.lognormvariate(0, 0.5)}


def fed(guard: Guard, samples: Iterator[Sample]) -> Look | None:
    """Feed a guard until a look finds a regression; return that look."""
    for sample in samples:
        guard.sample(sample)
        if guard.due(sample.at):
            look = guard.look(sample.at)
            if look.verdict == "regression":
                return look
    return None


def pair(at: float, new: dict[str, float], old: dict[str, float], **changes: Any) -> Pair:
    """Return a call that both answered."""
    sides = [call(trial, at, metrics=metrics) for trial, metrics in ((False, old), (True, new))]
    return Pair(at=at, tool="work", key="k", old=sides[0], new=sides[1], **changes)


def only(look: Look) -> LimitLook:
    """Return the one limit of a look."""
    (one,) = look.limits
    return one
