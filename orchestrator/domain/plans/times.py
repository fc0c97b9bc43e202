"""When the parts of a plan begin, at the earliest: nobody keeps a hold waiting, nothing is frozen, all is well.

Times count from the first step; what the rehearsal takes depends on what it builds and tests.  Above: `words`,
`lint`.  Below: `plan`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from orchestrator.domain.flags.declaration import Registry
from orchestrator.domain.plans.epochs import Place
from orchestrator.domain.plans.plan import Plan
from orchestrator.domain.plans.steps import FlagStage, TooYoung


@dataclass(frozen=True, slots=True)
class Moment:
    """When a part begins and how long it lasts.

    Attributes:
        place: the part.
        at: seconds after the first step's beginning, at the earliest.
        lasts: seconds, without what somebody decides.
        decided: whether its beginning or its end waits for somebody.
        waited: seconds of `at` that went by only because the flag's `min_stable` was not over.
        skipped: whether it is left out because `min_stable` is not over.
    """

    place: Place
    at: float
    lasts: float = 0.0
    decided: bool = False
    waited: float = 0.0
    skipped: bool = False

    @property
    def end(self) -> float:
        """When it is over."""
        return self.at + self.lasts


def timeline(plan: Plan, registry: Registry) -> tuple[Moment, ...]:
    """Return when each part begins, in order: steps, promotion, bake, flag stages."""
    steps = tuple(_steps(plan))
    now = steps[-1].end if steps else 0.0
    if not plan.new_generation:
        return (*steps, *_stages(plan, registry, now, promoted=None))
    promotion = Moment(("promotion",), now, decided=plan.promotion.hold is not None)
    bake = Moment(("bake",), now, max(plan.bake.health, plan.bake.unlock if plan.flags else 0.0))
    return (*steps, promotion, bake, *_stages(plan, registry, bake.end, promoted=now))


def whole(plan: Plan, registry: Registry) -> float:
    """Return how many seconds the whole takes at the least."""
    return max((moment.end for moment in timeline(plan, registry)), default=0.0)


def min_stable(stage: FlagStage, registry: Registry) -> float:
    """Return how many seconds the version must have run well before a stage."""
    if stage.min_stable is not None:
        return stage.min_stable
    declared = registry.declarations.get(stage.flag)
    return declared.min_stable if declared else 0.0


def _steps(plan: Plan) -> Iterator[Moment]:
    now = 0.0
    for at, step in enumerate(plan.steps):
        yield Moment(("steps", at), now, step.pause or 0.0, decided=step.hold is not None or step.pause is None)
        now += step.pause or 0.0


def _stages(plan: Plan, registry: Registry, now: float, promoted: float | None) -> Iterator[Moment]:
    """Yield the flag stages; without a promotion nobody knows here for how long the version has run."""
    for at, stage in enumerate(plan.flags):
        mature = now if promoted is None else promoted + min_stable(stage, registry)
        waits = max(0.0, mature - now)
        if waits and stage.if_too_young is TooYoung.SKIP:
            yield Moment(("flags", at), now, skipped=True)
            continue
        moment = Moment(("flags", at), now + waits, stage.soak, waited=waits)
        yield moment
        now = moment.end
