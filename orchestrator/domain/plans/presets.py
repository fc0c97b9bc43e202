"""Presets: limits that belong together, by name; a plan takes one over with `presets = ["planner"]`.

`weathervane` is what ends a flag-gated upgrade at any stage and at each flag's own; `planner` is for a planner that is
measured by quality, duration and cost; `atlasforge` for an engine whose missions are watched for a week.  A limit of
the plan's own on the same figure goes before a preset's.  Above: the room `plans`, which expands them when a plan is
read.  Below: `limits`, `plan`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from orchestrator.domain.evidence.badness import Kind
from orchestrator.domain.plans.limits import Direction, JudgeKind, Limit, Metric, Source, Statistic, Window
from orchestrator.domain.plans.plan import Plan
from orchestrator.domain.plans.steps import FlagStage, Step


@dataclass(frozen=True, slots=True)
class Preset:
    """Limits that belong together.

    Attributes:
        says: one line for people.
        limits: what is watched all the time.
        metrics: the metrics they speak of that need a declaration.
        flags: limits of a flag's stage, by flag.
    """

    says: str
    limits: tuple[Limit, ...]
    metrics: tuple[Metric, ...] = ()
    flags: Mapping[str, tuple[Limit, ...]] = field(default_factory=dict)


THRESHOLD: Final = JudgeKind.THRESHOLD
RUNS: Final = Window(calls=100, seconds=300.0)
"""The last 100 runs, and not more than five minutes."""


def _about_same(metric: str, share: float, floor: float | None = None) -> Limit:
    return Limit(metric, relative=share, floor=floor, direction=Direction.EITHER, min_samples=30)


def _of_a_process(metric: str, share: float, direction: Direction | None = None) -> Limit:
    return Limit(metric, relative=share, direction=direction, judge=THRESHOLD, min_samples=10)


WEATHERVANE: Final = Preset(
    "token budget, quality -10 %, errors +5 points, resources +20 %; each flag's own at its stage",
    (
        Limit("tokens", most=100_000.0, statistic=Statistic.P95, min_samples=30),
        Limit("quality", relative=0.10, min_samples=30),
        Limit("error", margin=0.05, min_samples=30),
        _of_a_process("memory", 0.20),
        _of_a_process("cpu", 0.20),
    ),
    (
        Metric("queue_depth", Kind.MAGNITUDE, Source.SAMPLES, unit="tasks"),
        Metric("wait_ms", Kind.MAGNITUDE, unit="ms"),
        Metric("test_pass_rate", Kind.SCORE, unit="share"),
        Metric("rejected", Kind.RATE),
        Metric("violations", Kind.RATE),
    ),
    {
        "PROMPT_MODE": (_about_same("tokens", 0.05),),
        "SANDBOX_MODE": (
            _of_a_process("memory", 0.10, Direction.EITHER),
            _of_a_process("processes", 0.10, Direction.EITHER),
        ),
        "SCHEDULER_MODE": (
            Limit("queue_depth", relative=0.15, direction=Direction.EITHER, min_samples=10),
            _about_same("wait_ms", 0.15),
            _about_same("duration", 0.15, floor=5.0),
        ),
        "SELECTIVE_TESTS": (Limit("test_pass_rate", least=0.95, scale=1.0, min_samples=20),),
        "DANGER_GATES": (
            Limit("rejected", most=0.01, min_samples=30),
            Limit("violations", most=0.01, min_samples=30),
        ),
    },
)

PLANNER: Final = Preset(
    "errors +5 points, quality -5 points, p95 1,600 ms, 3 cents a call, by the last 100 calls",
    tuple(
        replace(limit, judge=THRESHOLD, min_samples=30, window=RUNS)
        for limit in (
            Limit("error", margin=0.05),
            Limit("quality", margin=5.0),
            Limit("duration", most=1600.0, statistic=Statistic.P95),
            Limit("cost", most=3.0),
        )
    ),
)

ERROR_LOGS: Final = Metric("error_logs", Kind.MAGNITUDE, Source.SAMPLES, unit="lines")
"""What the daemon counts besides what it measures: nobody has to declare it."""

ATLASFORGE: Final = Preset(
    "95 % succeed, generation within 500 ms, within 10 % of the old one, no ERROR in the logs, no stage without events",
    (
        Limit("error", most=0.05, min_samples=20),
        Limit("generation_ms", most=500.0, statistic=Statistic.P95, min_samples=20),
        Limit("duration", relative=0.10, floor=5.0, min_samples=20),
        Limit("error_logs", most=0.0, judge=THRESHOLD, min_samples=1),
        Limit("missing_events", most=0.0, judge=THRESHOLD, min_samples=1),
    ),
    (
        Metric("generation_ms", Kind.MAGNITUDE, unit="ms"),
        ERROR_LOGS,
        Metric("missing_events", Kind.MAGNITUDE, Source.SAMPLES, unit="stages"),
    ),
)

PRESETS: Final[Mapping[str, Preset]] = {"weathervane": WEATHERVANE, "planner": PLANNER, "atlasforge": ATLASFORGE}


def expanded(plan: Plan) -> Plan:
    """Return a plan with its presets' limits and metrics, and with what the daemon counts; twice it changes nothing.

    Raises:
        KeyError: a preset is none of `PRESETS`, which reading a plan has ruled out.
    """
    for preset in (PRESETS[name] for name in plan.presets):
        own = {metric.name for metric in plan.metrics}
        limits = (*plan.limits, *_missing(preset.limits, plan.limits))
        flags = tuple(
            replace(stage, limits=(*stage.limits, *_missing(preset.flags.get(stage.flag, ()), stage.limits)))
            for stage in plan.flags
        )
        watched = {limit.metric for limit in (*limits, *(one for stage in flags for one in stage.limits))}
        metrics = (one for one in preset.metrics if one.name not in own and one.name in watched)
        plan = replace(plan, limits=limits, flags=flags, metrics=(*plan.metrics, *metrics))
    return _counted(plan)


def _counted(plan: Plan) -> Plan:
    """Return a plan that declares what the daemon counts, where a limit is on that."""
    parts: tuple[Plan | Step | FlagStage, ...] = (plan, *plan.steps, *plan.flags)
    is_watched = any(limit.metric == ERROR_LOGS.name for part in parts for limit in part.limits)
    if not is_watched or any(metric.name == ERROR_LOGS.name for metric in plan.metrics):
        return plan
    return replace(plan, metrics=(*plan.metrics, ERROR_LOGS))


def _missing(offered: Iterable[Limit], own: Iterable[Limit]) -> tuple[Limit, ...]:
    known = {(limit.metric, limit.statistic) for limit in own}
    return tuple(limit for limit in offered if (limit.metric, limit.statistic) not in known)
