"""Why a rollout ended or stands where it does, in words, from the machine's own record.

Above: the control API and the verb `why`.  Below: `state`, `look`, `told`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from orchestrator.domain.evidence.look import LimitLook, Look, Verdict
from orchestrator.domain.plans.fields import lasting
from orchestrator.domain.plans.limits import MIB, unit_after
from orchestrator.domain.rollouts.judgement import look_at, step_words
from orchestrator.domain.rollouts.state import Cause, Part, Phase, Rollout, What
from orchestrator.domain.rollouts.told import where
from orchestrator.domain.words import counted

PERCENT = 100.0
MAYBE = ", though not compared with calls without it: the version itself may be the reason"


def why(rollout: Rollout, now: float, *, quarantined: bool = False, lately: Iterable[str] = ()) -> tuple[str, ...]:
    """Say why a rollout is where it is, most important first.

    Args:
        rollout: the rollout.
        now: Unix seconds on the steady clock.
        quarantined: whether its version is in quarantine now.
        lately: what no record has and is told with it: what a hold was answered last, how far a rehearsal is, what
            Prometheus gave nothing for; those that are "" are left out.
    """
    lines = [f"rollout {rollout.id} (plan {rollout.plan.name}): {where(rollout)}", *filter(None, lately)]
    if rollout.is_over or rollout.phase is Phase.ROLLING_BACK:
        lines += _ended(rollout, quarantined=quarantined)
    elif rollout.paused is not None:
        lines += _paused(rollout)
    else:
        lines += _goes(rollout, now)
    return tuple(lines)


def limit_words(one: LimitLook) -> str:
    """Say what one limit sees: figures of both sides, samples, and evidence against what is needed."""
    figures = figure(one.metric, one.trial.figure, one.unit)
    if one.baseline.figure is not None:
        figures += f" against {figure(one.metric, one.baseline.figure, one.unit)}"
    seen = f"{figures} ({one.trial.samples} and {one.baseline.samples} samples)"
    proof = f", evidence {odds(one.evidence)} of {odds(one.needed)} needed" if one.needed else ""
    note = f"; {one.note}" if one.note else ""
    return f"{one.limit}: {one.verdict.value.replace('_', ' ')}, {seen}{proof}{note}"


def odds(evidence: float) -> str:
    """Return an e-value as odds, such as `130:1`."""
    if not math.isfinite(evidence) or evidence >= 1e6:  # noqa: PLR2004 - beyond it digits say nothing
        return "over 1,000,000:1"
    return f"{evidence:,.0f}:1" if evidence >= 10 else f"{evidence:.2g}:1"  # noqa: PLR2004 - three figures at most


def figure(metric: str, value: float | None, unit: str = "") -> str:
    """Return a metric's figure to four digits in its unit, where that is known: the errors' in %, memory's in MiB.

    Args:
        metric: whose it is.
        value: is it; None where there is none.
        unit: that the plan declares for the metric.
    """
    if value is None or not math.isfinite(value):
        return "nothing"
    if metric == "error":
        return f"{value * PERCENT:.4g} %"
    return f"{value / MIB:.4g} MiB" if metric == "memory" else f"{value:.4g}{unit_after(metric, value, unit)}"


def more_words(count: int, noun: str = "call") -> str:
    """Say about how many calls, or samples of another kind, are missing to an answer."""
    return f"about {counted(count, f'more {noun}')}"


def _ended(rollout: Rollout, *, quarantined: bool) -> Iterator[str]:
    cause, look = rollout.cause, rollout.look
    if cause is None or rollout.phase is Phase.DONE:  # the first line has said all of it
        return
    yield from _caused(cause, look, "decided")
    if cause.what is What.REGRESSION and look is not None:
        yield from _evidence(look)
    if rollout.moved:
        doing = "have" if rollout.is_over else "are being given"
        yield f"flags it had moved {doing} their safe values: {', '.join(one.flag for one in rollout.moved)}"
    if quarantined:
        yield "the version is quarantined: it runs again with switchover retry, or switchover upgrade --force"


def _caused(cause: Cause, look: Look | None, did: str) -> Iterator[str]:
    at = f" at {cause.step}" if cause.step else ""
    by = "" if cause.words.startswith(cause.by) else f" by {cause.by}"
    yield f"{did}{at}{by}: {cause.words}"
    if cause.metric:
        yield f"metric: {cause.metric}"
    if cause.flag:
        alone = cause.what is What.REGRESSION and look is not None and not _is_between_halves(look)
        yield f"flag on trial: {cause.flag}{MAYBE if alone else ''}"


def _is_between_halves(look: Look) -> bool:
    """Tell whether a limit was exceeded against calls without the flag: nothing else says it."""
    exceeded = (one for one in look.limits if one.verdict is Verdict.REGRESSION)
    return any(0 < one.baseline.samples <= look.baseline for one in exceeded)


def _evidence(look: Look) -> Iterator[str]:
    at = f"call {look.trial} of the version on trial" if look.trial else "the first look"
    yield f"seen at {at}, look {look.number}, against {look.baseline} calls of the other side"
    for one in look.limits:
        if one.verdict is Verdict.REGRESSION:
            yield limit_words(one)
    if look.otherwise:
        yield f"otherwise: {look.otherwise}"


def _paused(rollout: Rollout) -> Iterator[str]:
    paused = rollout.paused
    if paused is None:
        return
    yield from _caused(paused.cause, rollout.look, "paused")
    if paused.left is not None and not paused.over:
        yield f"{lasting(paused.left)} of {step_words(rollout)} are left; the guard stays on"
    if paused.cause.what is What.REGRESSION and rollout.look is not None:
        yield from _evidence(rollout.look)
    else:
        yield from _seen(rollout)
    yield "go on with: switchover resume; end it with: switchover abort"


def _goes(rollout: Rollout, now: float) -> Iterator[str]:
    if rollout.due is not None and rollout.frozen:
        yield f"the freeze window is over in {lasting(max(0.0, rollout.due - now))}"
    elif rollout.due is not None and not rollout.waiting:
        yield f"{lasting(max(0.0, rollout.due - now))} of it are left"
    elif (rollout.phase, rollout.part, rollout.waiting) == (Phase.STEPPING, Part.RUNNING, False):
        yield "it stays until somebody goes on: switchover resume"
    yield from _seen(rollout)


def _seen(rollout: Rollout) -> Iterator[str]:
    """Say what the newest look sees, and what is missing."""
    look, watch = look_at(rollout), rollout.watch
    if watch is None:
        return
    if look is None:
        yield "nothing was judged here yet" if watch.judged else "this part is not judged"
        return
    yield (
        f"look {look.number}: {look.verdict.value.replace('_', ' ')}, "
        f"{look.trial} calls on trial against {look.baseline}"
    )
    for one in look.limits:
        if one.applies:
            verb = "is" if one.more == 1 else "are"
            more = f"; {more_words(one.more, one.noun)} {verb} needed" if one.more else ""
            yield limit_words(one) + more
    if look.disagreement is not None:
        yield f"{look.disagreement * PERCENT:.1f} % of the mirrored answers differ"
