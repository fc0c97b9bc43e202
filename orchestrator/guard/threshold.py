"""The threshold judge: figures against limits, by the newest samples; no guarantee.

It serves where a plan asks for it, and where nothing is drawn: measurements of a process, or a time at which everybody
is served by the trial.  Then it compares with calls that both answered, or else with what the baseline was before.

Where it stands in for the sequential judge, a difference counts only when chance does not explain it, either: it has to
lie beyond an asymptotic confidence sequence of the two means (Waudby-Smith and others 2024, "Time-uniform central
limit theory and asymptotic confidence sequences"), which may be looked at at any time.  Against what changes
with time, the load, the hour, it is no guarantee all the same.
Above: `limit_judge`.  Below: `series`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from orchestrator.domain.evidence.look import Arm
from orchestrator.domain.plans.limits import Limit, Statistic
from orchestrator.guard.scope import OF_A_PROCESS, OF_THE_LOAD, WARM, Scope
from orchestrator.guard.series import QUANTILES, Figure, Series, Sides, quantile

NO_GUARANTEE: Final = "no guarantee"

LEAST: Final = 20
"""Values of either side from which on their means are near enough to normal to stand in for evidence."""
TUNED_FOR: Final = 100.0
"""Values after which the confidence sequence is at its narrowest, compared with one for a single look."""


@dataclass(frozen=True, slots=True)
class Found:
    """What the threshold judge finds.

    Attributes:
        trial: the trial's side.
        baseline: the other side; empty where a limit compares with nothing.
        exceeded: whether the limit is.
        missing: samples that are missing, on the side that lacks more.
        note: with what it was compared.
        comparable: whether there is anything to compare with, now or later.
    """

    trial: Arm
    baseline: Arm
    exceeded: bool = False
    missing: int = 0
    note: str = NO_GUARANTEE
    comparable: bool = True


def found(
    scope: Scope, limit: Limit, sides: Sides, before: Figure | None, now: float, *, stands_in: bool = False
) -> Found:
    """Compare.

    Args:
        scope: the epoch.
        limit: the limit.
        sides: the values of its metric, in its window.
        before: what the baseline was in an earlier epoch, None when nobody knows.
        now: Unix seconds.
        stands_in: whether it does so for the sequential judge.
    """
    wanted = max(LEAST if stands_in else 1, limit.min_samples)
    trial, baseline, note = _chosen(scope, limit, sides)
    mine = _arm(trial, limit, now)
    if not limit.compares:
        return Found(mine, Arm(), _beyond(limit, mine.figure), max(0, wanted - mine.samples), note)
    other = _arm(baseline, limit, now) if baseline is not None else Arm()
    known = baseline.figure() if baseline is not None else None
    if other.samples < wanted and before is not None and before.samples >= wanted:
        other, note = Arm(before.samples, 0, before.of(limit.statistic)), f"{note}; the baseline is that of before"
        known = before
    if baseline is None and before is None:
        return Found(mine, other, comparable=False, note="nothing to compare it with here")
    mine, other = _by_load(scope, limit, mine), _by_load(scope, limit, other, rest=True)
    missing = max(0, wanted - min(mine.samples, other.samples))
    is_exceeded = (
        mine.figure is not None
        and other.figure is not None
        and any(one.exceeded(mine.figure, other.figure) for one in scope.tolerances(limit))
        and not (stands_in and _is_chance(trial.figure(), known, 1.0 / scope.needed))
    )
    return Found(mine, other, is_exceeded, missing, note)


def _chosen(scope: Scope, limit: Limit, sides: Sides) -> tuple[Series, Series | None, str]:
    """Return which values are compared: the trial's, the baseline's if there are any, and a note."""
    of_calls = limit.metric not in OF_A_PROCESS
    if scope.is_drawn:
        return sides.trial, sides.baseline, NO_GUARANTEE
    has_pairs = limit.metric != WARM and scope.is_paired and sides.new.count > 0
    if has_pairs and (limit.compares or not scope.is_served):
        return sides.new, sides.old, f"{NO_GUARANTEE}; calls that both answered"
    idle = scope.is_served or limit.metric == OF_THE_LOAD  # the other side serves nobody: it is no measure
    return sides.trial, None if of_calls or idle else sides.baseline, NO_GUARANTEE


def _arm(series: Series, limit: Limit, now: float) -> Arm:
    if limit.window is None and limit.statistic is Statistic.MEAN:
        return Arm(series.count, 0, series.total / series.count if series.count else None)
    values = series.newest(now)
    if not values:
        return Arm()
    samples = len(values) if limit.window is not None else series.count
    share = QUANTILES.get(limit.statistic)
    return Arm(samples, 0, sum(values) / len(values) if share is None else quantile(sorted(values), share))


def _beyond(limit: Limit, figure: float | None) -> bool:
    if figure is None:
        return False
    return figure > limit.most if limit.most is not None else limit.least is not None and figure < limit.least


def _by_load(scope: Scope, limit: Limit, arm: Arm, *, rest: bool = False) -> Arm:
    """Return a figure that grows with the calls as it would be, were all of them its own."""
    has_two = scope.is_drawn and scope.watch.trial != scope.watch.baseline
    if limit.metric != OF_THE_LOAD or not has_two or arm.figure is None:
        return arm
    share = 1.0 - scope.watch.share if rest else scope.watch.share
    return Arm(arm.samples, arm.units, arm.figure / share)


def _is_chance(trial: Figure | None, baseline: Figure | None, alpha: float) -> bool:
    """Tell whether two means may differ as they do by chance, looked at at any time, with probability alpha."""
    if trial is None or baseline is None or alpha <= 0.0:
        return True
    error = math.hypot(*(one.deviation / math.sqrt(one.samples) for one in (trial, baseline)))
    ratio = trial.samples / TUNED_FOR
    width = math.sqrt((1.0 + 1.0 / ratio) * 2.0 * math.log(math.sqrt(ratio + 1.0) / alpha))
    return abs(trial.mean - baseline.mean) <= width * error
