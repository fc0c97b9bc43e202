"""Why, in words: the sentence that names what was exceeded, and what would have flipped it.

Above: `verdict`.  Below: the plan's metrics, for their units.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from orchestrator.domain.evidence.badness import Kind
from orchestrator.domain.evidence.look import LimitLook, Verdict
from orchestrator.domain.plans.limits import MIB, JudgeKind, Limit, Statistic, unit_after
from orchestrator.domain.words import counted
from orchestrator.guard.scope import Scope

NAMES: Final = {"error": "error rate", "cpu": "processor time"}
PERCENT: Final = 100.0
PROOF: Final = 1e6
"""Odds above which nobody wants to know how many digits they have."""
WHOLE: Final = 100.0
"""Figures from here on are written without decimals."""


def cause(scope: Scope, limit: Limit, look: LimitLook) -> str:
    """Return the sentence on a limit that was exceeded."""
    seen = _figure(scope, limit, look.trial.figure)
    against = _against(scope, limit, look)
    basis = f"after {_counted(scope, limit, look)}"
    if look.judge == JudgeKind.SEQUENTIAL:
        return f"{_name(limit)} {seen} {against}, evidence {_odds(look.evidence)} {basis}"
    return f"{_name(limit)} {seen} {against}, {basis} ({look.note})"


def otherwise(scope: Scope, limits: Sequence[Limit], looks: Sequence[LimitLook], verdict: Verdict) -> str:
    """Return what would have flipped a verdict, "" when nothing sensible would."""
    for limit, look in zip(limits, looks, strict=True):
        if verdict is Verdict.REGRESSION and look.verdict is verdict:
            return _acquitted(scope, limit, looks, look)
    for limit, look in zip(limits, looks, strict=True):
        if look.doubtful:
            return _condemned(scope, limit, look)
    if verdict is Verdict.NO_DATA:
        wants = [at for at, look in enumerate(looks) if look.verdict is verdict and look.applies and look.more]
        most = max(wants, key=lambda at: looks[at].more or 0, default=None)
        return f"{_more(scope, limits[most], looks[most].more or 0)} would let it be judged" if most is not None else ""
    open_still = [look for look in looks if look.verdict is Verdict.NOT_YET and look.within and look.more]
    last = max(open_still, key=lambda look: look.more or 0, default=None)
    if verdict is Verdict.NOT_YET and last is not None:
        return f"about {counted(last.more or 0, f'more {last.noun}')} like these would certify every margin"
    return ""


def _more(scope: Scope, limit: Limit, missing: int) -> str:
    return counted(missing, f"more {scope.noun(limit)}") + " on trial"


def _acquitted(scope: Scope, limit: Limit, looks: Sequence[LimitLook], look: LimitLook) -> str:
    bound = f"with {_looser(scope, limit, look)}"
    if look.judge != JudgeKind.SEQUENTIAL:
        return f"would not have {bound}"
    total = sum(one.evidence for one in looks if one.judge == JudgeKind.SEQUENTIAL and one.verdict is look.verdict)
    alpha = scope.plan.judge.alpha * min(1.0, look.needed / max(total, look.evidence, 1e-9))
    compares = f", nor {bound}" if limit.compares else ""
    return f"would not have at alpha {_floored(alpha)}{compares}"


def _condemned(scope: Scope, limit: Limit, look: LimitLook) -> str:
    if look.judge == JudgeKind.SEQUENTIAL and look.evidence < look.needed:
        alpha = scope.plan.judge.alpha * look.needed / max(look.evidence, 1e-9)
        what = f"{_name(limit)} lies beyond its limit, with evidence {_odds(look.evidence)} of {_odds(look.needed)}"
        return f"{what}; it would be a regression at alpha {alpha:.2g}" if alpha < 1.0 else what
    return f"{_name(limit)} lies beyond its limit; it would be a regression without waiting ({look.note})"


def _looser(scope: Scope, limit: Limit, look: LimitLook) -> str:
    trial, baseline = look.trial.figure, look.baseline.figure
    if not limit.compares or trial is None or baseline is None:
        return f"a limit of {_figure(scope, limit, trial)}"
    if limit.relative is not None and baseline:
        return f"a limit of {_ceiled(abs(trial - baseline) / abs(baseline) * PERCENT)} %"
    return f"a limit of {_change(scope, limit, abs(trial - baseline)).lstrip('+')}"


def _against(scope: Scope, limit: Limit, look: LimitLook) -> str:
    if not limit.compares:
        word = "at most" if limit.most is not None else "at least"
        return f"where {word} {_figure(scope, limit, limit.most if limit.most is not None else limit.least)} is allowed"
    baseline = look.baseline.figure
    if baseline is None or look.trial.figure is None:
        return "against the baseline"
    change = look.trial.figure - baseline
    share = f", {change / baseline:+.1%}".replace("%", " %") if limit.relative is not None and baseline else ""
    return f"against {_figure(scope, limit, baseline)} ({_change(scope, limit, change)}{share})"


def _counted(scope: Scope, limit: Limit, look: LimitLook) -> str:
    samples = look.trial.samples
    mirrored = not scope.is_drawn and look.baseline.samples == samples
    asked_for = scope.plan.judge_of(limit) is JudgeKind.THRESHOLD
    posted = scope.is_drawn and limit.compares and look.judge == JudgeKind.THRESHOLD and not asked_for
    is_sample = posted or not scope.of_calls(limit)
    return counted(samples, "sample" if is_sample else "mirrored call" if mirrored else "call")


def wanted(missing: int, noun: str, where: str = "") -> str:
    """Say how many more are wanted."""
    verb = "is" if missing == 1 else "are"
    return " ".join(part for part in (counted(missing, f"more {noun}"), where, verb, "wanted") if part)


def _name(limit: Limit) -> str:
    name = NAMES.get(limit.metric, limit.metric)
    return name if limit.statistic is Statistic.MEAN else f"{limit.statistic} of {name}"


def _figure(scope: Scope, limit: Limit, value: float | None) -> str:
    if value is None:
        return "unknown"
    if limit.metric == "memory":
        return f"{_number(value / MIB)} MiB"
    if scope.kind(limit) is Kind.RATE:
        return f"{value * PERCENT:.1f} %"
    return f"{_number(value)}{_unit(scope, limit, value)}"


def _change(scope: Scope, limit: Limit, change: float) -> str:
    if limit.metric == "memory":
        return f"{'+' if change >= 0 else ''}{_number(change / MIB)} MiB"
    if scope.kind(limit) is Kind.RATE:
        return f"{change * PERCENT:+.1f} pp"
    unit = " points" if limit.metric == "quality" else _unit(scope, limit, change)
    return f"{'+' if change >= 0 else ''}{_number(change)}{unit}"


def _unit(scope: Scope, limit: Limit, value: float) -> str:
    return unit_after(limit.metric, value, scope.plan.unit_of(limit))


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= WHOLE else f"{value:.3g}"


def _odds(evidence: float) -> str:
    return (
        f"over {PROOF:,.0f}:1" if evidence > PROOF else f"{evidence:,.0f}:1" if evidence >= 1 else f"{evidence:.1g}:1"
    )


def _floored(value: float) -> str:
    """Write a number with two digits, rounded down: at that alpha it would surely not have been."""
    size = 10.0 ** (math.floor(math.log10(value)) - 1) if value > 0 else 1.0
    return f"{math.floor(value / size) * size:.2g}"


def _ceiled(value: float) -> str:
    return f"{math.ceil(value * 10.0) / 10.0:g}"
