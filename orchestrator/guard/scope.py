"""What one epoch is about: its limits, whom a sample speaks for, and with what the trial can be compared.

Three ways of comparing: *drawn* (keys are assigned at random, so both sides are served at once), *paired* (calls that
both answered, by mirroring), and *before* (figures of an earlier epoch; without a guarantee).  Above: the judges.
Below: the plan and the watch.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

from orchestrator.domain.evidence.badness import Kind
from orchestrator.domain.evidence.certainty import Tolerance
from orchestrator.domain.evidence.evidence import DOWN, UP
from orchestrator.domain.evidence.look import Watch
from orchestrator.domain.evidence.samples import Origin, Sample
from orchestrator.domain.evidence.units import BLOCK_SECONDS
from orchestrator.domain.plans.limits import MEASURED, SCALES, Direction, JudgeKind, Limit, Source
from orchestrator.domain.plans.plan import Plan
from orchestrator.domain.plans.steps import FlagStage, Step

WARM: Final = "duration"
"""The metric that pairs say nothing of: the second of two calls runs warm."""

OF_THE_LOAD: Final = "cpu"
"""The metric that grows with a side's share of the calls."""

OF_A_PROCESS: Final = frozenset({"memory", "cpu", "processes"})
"""Metrics of the worker's processes and not of its calls."""

BLOCKS_IN_A_PART: Final = 20
SHORTEST_BLOCK: Final = 1.0
"""A block is open for a twentieth of the part's time, from one second to `units.BLOCK_SECONDS`: who rehearses a rollout
with short pauses need not wait a minute for keys that call once."""


@dataclass(frozen=True)
class Scope:
    """One epoch.

    Attributes:
        plan: the plan it belongs to.
        watch: what is to be watched.
    """

    plan: Plan
    watch: Watch

    @cached_property
    def part(self) -> Step | FlagStage | None:
        """The step or flag stage; None in the bake and in retreat, which have no limits of their own."""
        by_name: dict[str, tuple[Step | FlagStage, ...]] = {"steps": self.plan.steps, "flags": self.plan.flags}
        parts = by_name.get(self.watch.part, ())
        return parts[self.watch.index] if self.watch.index < len(parts) else None

    @cached_property
    def limits(self) -> tuple[Limit, ...]:
        """The limits, tighter where the weight asks for it, each once."""
        own = self.part.limits if self.part is not None else ()
        tighter = self.plan.policy.tighter
        factor = tighter.factor if tighter is not None and self.watch.weight > tighter.above else 1.0
        return tuple(dict.fromkeys(_tightened(limit, factor) for limit in (*self.plan.limits, *own)))

    @property
    def is_drawn(self) -> bool:
        """Whether both sides are served, by the draw."""
        return 0.0 < self.watch.share < 1.0

    @property
    def is_served(self) -> bool:
        """Whether the trial answers calls of clients, and not mirrored ones alone."""
        return self.watch.share > 0.0

    @cached_property
    def is_paired(self) -> bool:
        """Whether calls are to be answered by both."""
        if self.watch.part == "bake":
            return self.plan.bake.mirror
        return isinstance(self.part, Step) and self.part.mirror

    @cached_property
    def needed(self) -> float:
        """The evidence at which one limit alone is a regression: their mean has to reach 1/alpha."""
        judged = sum(self.plan.judge_of(limit) is JudgeKind.SEQUENTIAL for limit in self.limits)
        return max(1, judged) / self.watch.alpha if self.watch.alpha > 0.0 else float("inf")

    @property
    def certain(self) -> float:
        """The evidence at which a margin is certified, each at the level of the plan's alpha."""
        return 1.0 / self.plan.judge.alpha

    @cached_property
    def block_seconds(self) -> float:
        """Seconds after which a key's block closes."""
        part = self.part
        lasts = part.pause if isinstance(part, Step) else part.soak if part is not None else self.plan.bake.health
        wanted = BLOCK_SECONDS if lasts is None else lasts / BLOCKS_IN_A_PART
        return min(BLOCK_SECONDS, max(SHORTEST_BLOCK, wanted))

    def side(self, sample: Sample) -> bool | None:
        """Return whether a sample is of the trial, False if of the baseline, None if of neither."""
        watch = self.watch
        if watch.trial != watch.baseline:
            return {watch.trial: True, watch.baseline: False}.get(sample.generation)
        if sample.generation != watch.trial:
            return None
        if sample.treated is not None:
            return sample.treated
        is_common = sample.origin is not Origin.CALL or watch.share >= 1.0
        return True if is_common else None

    def kind(self, limit: Limit) -> Kind:
        """Return the kind of a limit's metric."""
        return self.plan.kind_of(limit)

    def of_calls(self, limit: Limit) -> bool:
        """Tell whether a limit's metric comes with calls, and not from a look at something."""
        own = next((one for one in self.plan.metrics if one.name == limit.metric), None)
        return limit.metric not in OF_A_PROCESS and (own is None or own.source is Source.CALL)

    def noun(self, limit: Limit) -> str:
        """Return what a limit's metric comes with: a `call`, or a `sample` of somebody who measures."""
        return "call" if self.of_calls(limit) else "sample"

    def signs(self, limit: Limit) -> tuple[int, ...]:
        """Return which ways are bad ones."""
        usual = DOWN if self.kind(limit) is Kind.SCORE else UP
        by_direction = {Direction.UP: (UP,), Direction.DOWN: (DOWN,), Direction.EITHER: (UP, DOWN)}
        return by_direction[limit.direction] if limit.direction is not None else (usual,)

    def tolerances(self, limit: Limit) -> tuple[Tolerance, ...]:
        """Return what a comparing limit tolerates, one for each bad way."""
        allowed = (limit.margin or 0.0, limit.relative or 0.0, limit.floor or 0.0)
        return tuple(Tolerance(sign, *allowed) for sign in self.signs(limit))

    def scale(self, limit: Limit) -> float | None:
        """Return the largest value of a limit's metric, None where nobody knows it."""
        return limit.scale or SCALES.get(self.kind(limit))


def watched(plan: Plan) -> tuple[str, ...]:
    """Return every metric that a plan watches anywhere, and what every worker is measured by."""
    parts: tuple[Plan | Step | FlagStage, ...] = (plan, *plan.steps, *plan.flags)
    return tuple(dict.fromkeys([limit.metric for part in parts for limit in part.limits] + sorted(MEASURED)))


def _tightened(limit: Limit, factor: float) -> Limit:
    if factor == 1.0 or not limit.compares:
        return limit
    if limit.margin is not None:
        return replace(limit, margin=limit.margin * factor)
    return replace(limit, relative=(limit.relative or 0.0) * factor)
