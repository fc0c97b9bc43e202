"""Worlds a canary is tried in: made-up calls with known truth, for `guard`.

Error rate 1 %, latency lognormal with a median of 400 ms and sigma .5, quality normal around 70 with deviation 15 in
[0, 100].  A world decides what befalls both arms alike (drift, outages, keys); a regression befalls the canary alone.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple

METRICS = ("error", "latency", "quality")
ZIPF = 1.1
"""Exponent of how unevenly keys call."""
SICK = 1.2
"""A key whose effect is above this (12 % of them) fails nine times as often."""


PAIRED = 0.7
"""Correlation of what two versions make of one call."""


class Call(NamedTuple):
    """One call: when, whose, who served it, and what was measured."""

    number: int
    key: str
    canary: bool
    error: float
    latency: float
    quality: float


@dataclass(frozen=True)
class Regression:
    """What is wrong with the canary; nothing by default."""

    error_rate: float = 0.01
    slowdown: float = 1.0
    quality_drop: float = 0.0


@dataclass(frozen=True)
class World:
    """What happens to everybody.

    Attributes:
        share: probability that the canary serves a key, or a call.
        drift: by how much both arms slow down from the first to the last call.
        outages: bursts of 30 calls in which half of all calls fail and take five times as long.
        keys: how many keys there are, each with its own temper, calling by Zipf's law; 0: every call has its own.
    """

    share: float = 0.5
    drift: float = 0.0
    outages: int = 0
    keys: int = 0


def calls(world: World, wrong: Regression, seed: str, canary_calls: int) -> Iterator[Call]:
    """Give calls until the canary has served enough, or the keys have called forty times as often."""
    rng = random.Random(seed)
    total = int(canary_calls / world.share)
    bursts = [rng.randrange(total) for _ in range(world.outages)]
    arms = [rng.random() < world.share for _ in range(world.keys)]
    tempers = [rng.gauss(0, 1) for _ in range(world.keys)]
    weights = list(accumulate(1 / (rank + 1) ** ZIPF for rank in range(world.keys)))
    served = 0
    for number in range(total * 40):
        if world.keys:
            which = rng.choices(range(world.keys), cum_weights=weights)[0]
            canary, temper, key = arms[which], tempers[which], str(which)
        else:
            canary, temper, key = rng.random() < world.share, 0.0, str(number)
        served += canary
        outage = any(0 <= number - burst < 30 for burst in bursts)
        slow = (1 + world.drift * number / total) * (5 if outage else 1) * math.exp(0.4 * temper)
        failing = 0.5 if outage else (wrong.error_rate if canary else 0.01) * (9 if temper > SICK else 1)
        quality = 70 + 8 * temper - (wrong.quality_drop if canary else 0)
        yield Call(
            number,
            key,
            canary,
            float(rng.random() < failing),
            400 * slow * (wrong.slowdown if canary else 1) * math.exp(0.5 * rng.gauss(0, 1)),
            min(100.0, max(0.0, rng.gauss(quality, 15))),
        )
        if served >= canary_calls:
            return


def pairs(wrong: Regression, seed: str, count: int) -> Iterator[tuple[Call, Call]]:
    """Give calls that both versions answered, the baseline's answer first; errors fall on either by themselves."""
    rng = random.Random(seed)
    own = math.sqrt(1 - PAIRED)
    for number in range(count):
        common = rng.gauss(0, math.sqrt(PAIRED))
        both = []
        for canary in (False, True):
            quality = 70 + 15 * (common + own * rng.gauss(0, 1)) - (wrong.quality_drop if canary else 0)
            failed = rng.random() < (wrong.error_rate if canary else 0.01)
            both.append(Call(number, str(number), canary, float(failed), 400.0, min(100.0, max(0.0, quality))))
        yield both[0], both[1]
