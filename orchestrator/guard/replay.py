"""Recorded samples judged after the fact, just as the daemon would have judged them.

Above: whoever replays records, and tests.  Below: `guard`.
"""

from __future__ import annotations

from collections.abc import Iterable

from orchestrator.domain.evidence.look import Look, Watch
from orchestrator.domain.evidence.samples import Pair, Sample
from orchestrator.domain.plans.plan import Plan
from orchestrator.guard.guard import Guard


def judge(plan: Plan, watch: Watch, samples: Iterable[Sample | Pair], past: bytes | None = None) -> list[Look]:
    """Return the looks that would have been taken, and one after the last sample.

    Args:
        plan: the rollout's plan.
        watch: what was watched.
        samples: samples and pairs in the order in which they came.
        past: `Guard.figures` of the epoch before.
    """
    guard, looks, now = Guard(plan, watch, past), [], 0.0
    for one in samples:
        now = max(now, one.at)
        if isinstance(one, Pair):
            guard.pair(one)
        else:
            guard.sample(one)
        if guard.due(now):
            looks.append(guard.look(now))
    return [*looks, guard.look(now)]
