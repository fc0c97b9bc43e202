"""What all limits say together, and why: the look.

Above: `guard`.  Below: `words` for the sentences, `breaches`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from orchestrator.domain.evidence.look import GRAVITY, LimitLook, Look, Verdict
from orchestrator.domain.plans.limits import Limit
from orchestrator.guard.breaches import Breach
from orchestrator.guard.scope import Scope
from orchestrator.guard.state import Progress
from orchestrator.guard.words import cause, otherwise


@dataclass(frozen=True, slots=True)
class Judged:
    """One limit, judged.

    Attributes:
        look: what it says, before the policy is asked.
        limit: the limit.
        breach: how often it was found exceeded, this time included.
    """

    look: LimitLook
    limit: Limit
    breach: Breach


def looked(scope: Scope, progress: Progress, judged: Sequence[Judged], now: float) -> Look:
    """Return the look.

    Args:
        scope: the epoch.
        progress: how far it has come.
        judged: its limits.
        now: Unix seconds.
    """
    limits = [_by_policy(scope, one, now) for one in judged]
    verdict = together([look for look in limits if look.applies], progress)
    worst = next((at for at, look in enumerate(limits) if look.verdict is Verdict.REGRESSION), None)
    pairs = progress.pairs
    return Look(
        epoch=scope.watch.epoch,
        number=progress.looks,
        at=now,
        verdict=verdict,
        trial=progress.trial,
        baseline=progress.baseline,
        limits=tuple(limits),
        doubtful=any(look.doubtful for look in limits),
        cause=cause(scope, judged[worst].limit, limits[worst]) if worst is not None else "",
        otherwise=otherwise(scope, [one.limit for one in judged], limits, verdict),
        disagreement=progress.differing / pairs if pairs else None,
    )


def together(limits: Sequence[LimitLook], progress: Progress) -> Verdict:
    """Return what limits say together.

    Every limit that can be certified has to be, one at least; those that cannot hold nothing up, unless in doubt.
    """
    if not progress.samples:
        return Verdict.NO_DATA
    said = {look.verdict for look in limits}
    gravest = next((verdict for verdict in GRAVITY if verdict in said), Verdict.NOT_YET)
    if gravest is not Verdict.NOT_YET:
        return gravest
    pending = [look for look in limits if look.verdict is Verdict.NOT_YET and (look.within or look.doubtful)]
    is_certified = Verdict.WITHIN_MARGIN in said and not pending
    return Verdict.WITHIN_MARGIN if is_certified else Verdict.NOT_YET


def _by_policy(scope: Scope, one: Judged, now: float) -> LimitLook:
    """Let a breach count only once it is held and confirmed as the policy wants it."""
    look, policy = one.look, scope.plan.policy
    if not one.breach.looks or look.verdict is Verdict.BROKEN_TELEMETRY:
        return look
    if one.breach.counts(policy, now):
        note = "; ".join(part for part in (one.breach.proven(policy, now), look.note) if part)
        return replace(look, verdict=Verdict.REGRESSION, doubtful=False, note=note)
    note = "; ".join(part for part in (one.breach.waiting(policy, now), look.note) if part)
    return replace(look, verdict=Verdict.NOT_YET, doubtful=True, note=note)
