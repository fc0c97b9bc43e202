"""Rules about a plan's limits, wherever they stand: metrics that exist, judges that can judge, samples that can come.

Above: `lint`.  Below: `findings`, `epochs`.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterator
from typing import Final, NamedTuple

from orchestrator.domain.plans.epochs import Place, epochs, least_units
from orchestrator.domain.plans.fields import MINUTE, lasting
from orchestrator.domain.plans.findings import Expected, Finding, error, warning
from orchestrator.domain.plans.limits import CUSTOMARY, MEASURED, SCALES, JudgeKind, Limit
from orchestrator.domain.plans.plan import Plan
from orchestrator.domain.plans.presets import ERROR_LOGS
from orchestrator.domain.plans.steps import Step

HALF: Final = 0.5
ROUNDING: Final = 1e-6
"""What arithmetic may take from a whole sample."""


class Stretch(NamedTuple):
    """A part in which limits are judged.

    Attributes:
        place: the part.
        limits: those judged in it, with where they stand.
        seconds: how long it lasts; None where somebody ends it.
        canary: share of the calls that the canary, or the new value, gets.
        baseline: share that the other side gets.
    """

    place: Place
    limits: tuple[tuple[Place, Limit], ...]
    seconds: float | None
    canary: float
    baseline: float


def limit_findings(expected: Expected) -> Iterator[Finding]:
    """Yield what is found about limits and metrics."""
    plan = expected.plan
    for place, limit in _limits(plan):
        yield from _metric(expected, place, limit)
        yield from _judge(plan, place, limit)
        yield from _bound(plan, place, limit)
    yield from _twice(plan)
    watched = {limit.metric for _, limit in _limits(plan)}
    for at, metric in enumerate(plan.metrics):
        if metric.name not in watched:
            yield warning(
                "metric-unused", ("metrics", at), f"no limit speaks of {metric.name}", "give it one, or leave it out"
            )
    yield from _samples(expected)


def _limits(plan: Plan) -> Iterator[tuple[Place, Limit]]:
    """Yield every limit once, with where it stands."""
    yield from _at((), plan.limits)
    for at, step in enumerate(plan.steps):
        yield from _at(("steps", at), step.limits)
    for at, stage in enumerate(plan.flags):
        yield from _at(("flags", at), stage.limits)


def _at(place: Place, limits: tuple[Limit, ...]) -> Iterator[tuple[Place, Limit]]:
    return (((*place, "limits", at), limit) for at, limit in enumerate(limits))


def _metric(expected: Expected, place: Place, limit: Limit) -> Iterator[Finding]:
    own = {metric.name for metric in expected.plan.metrics}
    known = {*MEASURED, *CUSTOMARY, *own, *expected.reported}
    if limit.metric in known:
        return
    known.add(ERROR_LOGS.name)  # which reading a plan declares
    guess = difflib.get_close_matches(limit.metric, known, n=1)
    advice = f"did you mean {guess[0]}?" if guess else f"known: {', '.join(sorted(known))}"
    yield error(
        "metric-unknown",
        (*place, "metric"),
        f"nobody reports {limit.metric}",
        f"{advice} (a metric of your own is declared in [[metrics]])",
    )


def _judge(plan: Plan, place: Place, limit: Limit) -> Iterator[Finding]:
    if plan.judge_of(limit) is JudgeKind.SEQUENTIAL:
        if limit.window is not None:
            yield warning(
                "window-not-used",
                (*place, "window"),
                "the sequential judge takes all samples of its epoch, so the window does nothing",
                "leave it out, or say judge = threshold",
            )
        return
    if limit.min_samples == 0:
        yield error(
            "threshold-without-samples",
            place,
            "the threshold judge would roll back by the first call that is too slow",
            "give it min_samples, such as 30",
        )
    calls = limit.window.calls if limit.window else None
    if calls is not None and calls < limit.min_samples:
        yield error(
            "window-too-small",
            (*place, "window"),
            f"the window has {calls} calls at most, and {limit.min_samples} samples are wanted",
            "make it larger, or min_samples smaller",
        )


def _bound(plan: Plan, place: Place, limit: Limit) -> Iterator[Finding]:
    """Compare a bound with the values that the metric can have, where its kind tells."""
    declared = {metric.name: metric.kind for metric in plan.metrics}
    kind = limit.kind or {**MEASURED, **CUSTOMARY, **declared}.get(limit.metric)
    top = limit.scale or (SCALES.get(kind) if kind is not None else None)
    name = next(one for one in ("margin", "relative", "most", "least") if getattr(limit, one) is not None)
    value, lowest = getattr(limit, name), 0.0
    most = top if top is not None else math.inf
    if name == "relative" or not (kind in SCALES or limit.scale):
        return
    if (name == "least" and value > most) or (name == "most" and value < lowest):
        yield error(
            "bound-never-held",
            (*place, name),
            f"{limit.metric} lies between {lowest:g} and {most:g}, so every version exceeds this limit",
            "give a bound that lies between them, or the metric's scale",
        )
    elif (name == "least" and value <= lowest) or (name != "least" and value >= most):
        yield warning(
            "bound-never-exceeded",
            (*place, name),
            f"{limit.metric} lies between {lowest:g} and {most:g}, so no version exceeds this limit",
            "make it tighter, or give the metric's scale",
        )


def _twice(plan: Plan) -> Iterator[Finding]:
    groups = [tuple(_at((), plan.limits))]
    groups += [tuple(_at(("steps", at), step.limits)) for at, step in enumerate(plan.steps)]
    groups += [tuple(_at(("flags", at), stage.limits)) for at, stage in enumerate(plan.flags)]
    for group in groups:
        seen: set[Limit] = set()
        for place, limit in group:
            if limit in seen:
                yield warning("limit-twice", place, f"the limit {limit} stands there twice", "leave one out")
            seen.add(limit)


def _stretches(plan: Plan) -> Iterator[Stretch]:
    general = tuple(_at((), plan.limits))
    for at, step in enumerate(plan.steps):
        if step.analysis:
            yield _step(plan, ("steps", at), step)
    if plan.new_generation and plan.bake.health:
        yield Stretch(("bake",), general, plan.bake.health, 1.0, 1.0 if plan.bake.mirror else 0.0)
    for at, stage in enumerate(plan.flags):
        limits = (*general, *_at(("flags", at), stage.limits))
        half = HALF if stage.half_first else 1.0
        yield Stretch(("flags", at), limits, stage.half_seconds or stage.soak, half, 1.0 - half)


def _step(plan: Plan, place: Place, step: Step) -> Stretch:
    share = step.weight / 100
    canary, baseline = (1.0, 1.0) if step.mirror else (share, 1.0 - share)
    return Stretch(place, (*_at((), plan.limits), *_at(place, step.limits)), step.pause, canary, baseline)


def _samples(expected: Expected) -> Iterator[Finding]:
    if expected.rate is None:
        return
    alphas = {epoch.place: epoch.alpha for epoch in epochs(expected.plan)}
    for stretch in _stretches(expected.plan):
        if not stretch.seconds:
            continue
        for place, limit in stretch.limits:
            yield from _reachable(expected, stretch, place, limit, alphas.get(stretch.place))


def _reachable(
    expected: Expected, stretch: Stretch, place: Place, limit: Limit, alpha: float | None
) -> Iterator[Finding]:
    """Compare the samples a limit wants with those that can come in its stretch, on the side that gets fewer."""
    share = min(stretch.canary, stretch.baseline) if limit.compares and stretch.baseline else stretch.canary
    rate, seconds = expected.rate or 0.0, stretch.seconds or 0.0
    come = math.floor(rate * share * seconds / MINUTE + ROUNDING)
    is_sequential = expected.plan.judge_of(limit) is JudgeKind.SEQUENTIAL
    wanted = max(limit.min_samples, least_units(alpha) if alpha and is_sequential and limit.compares else 0)
    if come >= wanted:
        return
    where = _called(stretch.place)
    need = wanted / (rate * share) * MINUTE if rate * share else None
    advice = (
        f"give it {lasting(math.ceil(need))} or more, a larger share, or fewer samples" if need else "take more keys"
    )
    yield error(
        "samples-out-of-reach",
        place if stretch.place == place[: len(stretch.place)] else stretch.place,
        f"the limit {limit} wants {wanted} samples of each side, and at {rate:g} calls a minute only {come} come in "
        f"{lasting(seconds)} of {where}",
        advice,
    )


def _called(place: Place) -> str:
    """Name a part of the plan as people count: from 1."""
    names = {"steps": "step", "flags": "flag stage"}
    return f"{names[str(place[0])]} {int(place[1]) + 1}" if len(place) > 1 else f"the {place[0]}"
