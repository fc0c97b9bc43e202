"""Whole plans with a healthy version, for `guard`: how often does any part of one roll it back?

A plan's parts follow one another as the daemon carries them out: each has its share of alpha and hands its figures on
to the next.  Calls of three tools come at a steady rate, processes are measured every few seconds, and in the bake some
calls are answered by both versions.  Nothing differs between old and new, or before and after.  A part that would take
weeks is cut after as many calls as say enough.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from orchestrator.domain.evidence.look import Verdict, Watch
from orchestrator.domain.evidence.samples import Origin, Outcome, Pair, Sample
from orchestrator.domain.plans.epochs import Place, epochs
from orchestrator.domain.plans.plan import Plan
from orchestrator.domain.routing import Lane
from orchestrator.guard.guard import Guard

RATE = 1.0
"""Calls a second."""
MOST = 2000
"""Calls of a part."""
MEASURED_EVERY = 5.0
"""Seconds between two measurements of the processes."""
READ_ONLY = 0.4
"""Share of calls that may be answered by both."""
TOOLS = (("plan", 500.0), ("verify", 400.0), ("status", 40.0))
MIB = 2.0**20


@dataclass(frozen=True)
class Part:
    """One epoch: what is watched, for how long, and whether calls are mirrored."""

    watch: Watch
    seconds: float
    mirrored: bool = False


def parts(plan: Plan) -> Iterator[Part]:
    """Give a plan's epochs as the daemon watches them."""
    alphas = {epoch.place: epoch.alpha for epoch in epochs(plan)}
    for at, step in enumerate(plan.steps):
        watch = _watch(alphas, ("steps", at), step.weight / 100, step.weight)
        yield Part(watch, step.pause or 3600.0, step.mirror)
    if plan.new_generation:
        yield Part(_watch(alphas, ("bake",), 1.0, 100), plan.bake.health, plan.bake.mirror)
    for at, stage in enumerate(plan.flags):
        place: Place = ("flags", at)
        if stage.half_first:
            yield Part(_watch(alphas, place, 0.5, 100, stage.flag), stage.half_seconds)
        yield Part(_watch(alphas, place, 1.0, 100, stage.flag), stage.soak - stage.half_seconds)


def rolled_back(plan: Plan, seed: str) -> str:
    """Carry a plan out with a healthy version; return where it was rolled back and why, "" when it was not."""
    rng, past, now = random.Random(seed), None, 1e9
    for part in parts(plan):
        guard = Guard(plan, part.watch, past)
        seconds = min(part.seconds, MOST / RATE)
        for one in _samples(rng, part, now, seconds):
            if isinstance(one, Pair):
                guard.pair(one)
            else:
                guard.sample(one)
            if guard.due(one.at) and (look := guard.look(one.at)).verdict is Verdict.REGRESSION:
                return f"{part.watch.epoch}: {look.cause}"
        past, now = guard.figures(), now + seconds
    return ""


def _watch(alphas: dict[Place, float], place: Place, share: float, weight: int, flag: str = "") -> Watch:
    part, at = str(place[0]), int(place[1]) if len(place) > 1 else 0
    alpha = alphas.get(place, 0.0)
    name = f"{part}/{at}/{share:g}"
    baseline = 2 if flag else 1
    return Watch(name, "bench", part, at, alpha, share, weight, 2, baseline, flag, judged=place in alphas)


def _samples(rng: random.Random, part: Part, begin: float, seconds: float) -> Iterator[Sample | Pair]:
    watch, measured = part.watch, begin
    for number in range(int(seconds * RATE)):
        at = begin + number / RATE
        trial = rng.random() < watch.share
        made = _call(rng, watch, at, f"{watch.epoch}/{number}", trial=trial)
        yield made
        if part.mirrored and rng.random() < READ_ONLY:
            other = _call(rng, watch, at, made.key, trial=not trial, tool=made.tool)
            old, new = (other, made) if trial else (made, other)
            yield Pair(at=at, tool=made.tool, key=made.key, old=old, new=new)
        if at >= measured:
            measured += MEASURED_EVERY
            for generation in {watch.trial, watch.baseline}:
                yield _measured(rng, at, generation)
            yield Sample(
                at=at, generation=watch.trial, lane=Lane.ACTIVE, origin=Origin.POSTED,
                metrics={"queue_depth": max(0.0, rng.gauss(20.0, 4.0))},
            )  # fmt: skip


def _call(rng: random.Random, watch: Watch, at: float, key: str, *, trial: bool, tool: str = "") -> Sample:
    drawn = 0.0 < watch.share < 1.0
    name = tool or rng.choice(TOOLS)[0]
    metrics = {
        "tokens": 800 * rng.lognormvariate(0, 0.3),
        "quality": min(100.0, max(0.0, rng.gauss(70, 15))),
        "cost": 1.5 * rng.lognormvariate(0, 0.3),
        "wait_ms": 30 * rng.lognormvariate(0, 0.4),
        "test_pass_rate": min(1.0, rng.gauss(0.985, 0.01)),
        "rejected": float(rng.random() < 0.001),
        "violations": float(rng.random() < 0.0005),
    }
    return Sample(
        at=at,
        generation=watch.trial if trial else watch.baseline,
        lane=Lane.CANARY if trial else Lane.ACTIVE,
        tool=name,
        key=key,
        treated=trial if drawn else None,
        share=watch.share if drawn else 0.0,
        outcome=Outcome.ERROR if rng.random() < 0.01 else Outcome.OK,
        duration=dict(TOOLS)[name] * rng.lognormvariate(0, 0.5),
        metrics=metrics,
    )


def _measured(rng: random.Random, at: float, generation: int) -> Sample:
    figures = {"memory": 200 * MIB * rng.gauss(1.0, 0.02), "cpu": max(0.0, rng.gauss(40.0, 4.0)), "processes": 5.0}
    return Sample(at=at, generation=generation, lane=Lane.ACTIVE, origin=Origin.PROCESS, metrics=figures)
