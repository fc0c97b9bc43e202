"""Recordings made up for simulations: calls of two versions whose errors, tokens and times are as told."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.domain.evidence.samples import Origin, Outcome, Sample
from orchestrator.domain.plans.plan import Plan
from orchestrator.domain.routing import Lane
from orchestrator.plans.plan_file import plan_of

BEGAN = 1_790_000_000.0


@dataclass(frozen=True)
class Version:
    """What calls of one version give."""

    errors: float = 0.01
    tokens: float = 800.0
    milliseconds: float = 400.0
    memory: float = 0.0


def recorded(versions: Sequence[Version], calls: int = 1000, seconds: float = 300.0) -> list[Sample]:
    """Return calls of generations 1, 2, ... that served side by side."""
    rng = random.Random(len(versions))
    made = [_call(rng, versions, BEGAN + number * seconds / calls) for number in range(calls)]
    for number, version in enumerate(versions, start=1):
        if version.memory:
            made += [_process(number, version, at, seconds) for at in range(0, int(seconds), 5)]
    return made


def _call(rng: random.Random, versions: Sequence[Version], at: float) -> Sample:
    which = rng.randrange(len(versions))
    version = versions[which]
    is_trial = len(versions) > 1
    return Sample(
        at=at,
        generation=which + 1,
        lane=Lane.CANARY if which else Lane.ACTIVE,
        tool=rng.choice(("plan", "health")),
        key=f"key {rng.randrange(3000)}",
        treated=bool(which) if is_trial else None,
        share=0.5 if is_trial else 0.0,
        outcome=Outcome.ERROR if rng.random() < version.errors else Outcome.OK,
        duration=version.milliseconds * math.exp(0.5 * rng.gauss(0, 1)),
        metrics={"tokens": version.tokens * math.exp(0.3 * rng.gauss(0, 1))},
    )


def _process(generation: int, version: Version, at: float, seconds: float) -> Sample:
    return Sample(
        at=BEGAN + at,
        generation=generation,
        lane=Lane.CANARY if generation > 1 else Lane.ACTIVE,
        origin=Origin.PROCESS,
        metrics={"memory": 1e8 * (1 + (version.memory - 1) * at / seconds)},
    )


LIMITS = (
    {"metric": "error", "margin": 0.02, "min_samples": 10},
    {"metric": "tokens", "relative": 0.2, "min_samples": 10},
)


def plan(**changes: object) -> Plan:
    """Return a plan of two steps of five minutes and a bake of one, with two limits."""
    written: dict[str, object] = {
        "name": "tried",
        "on_missing_data": "pause",
        "on_inconclusive": "go_on",
        "steps": [{"weight": 25, "pause": "5m"}, {"weight": 50, "pause": "5m"}],
        "bake": {"health": "1m", "unlock": "1m"},
        "limits": LIMITS,
    }
    return plan_of({**written, **changes})
