"""How long nothing is judged: a fresh process's first calls are slow for reasons that say nothing of its version.

Above: whoever feeds a guard, live or simulated.  Below: `plan`, `look`.
"""

from __future__ import annotations

from orchestrator.domain.evidence.look import Watch
from orchestrator.domain.plans.plan import Plan


def initial_delay(plan: Plan, watch: Watch, former: Watch | None) -> float:
    """Return the seconds of an epoch in which no call is judged: those after the canary's first share of the calls.

    Args:
        plan: says how long.
        watch: the epoch that begins.
        former: the one before it, None for none.
    """
    follows = former is not None and former.rollout == watch.rollout and former.weight > 0
    return plan.judge.initial_delay if watch.weight > 0 and not watch.flag and not follows else 0.0
