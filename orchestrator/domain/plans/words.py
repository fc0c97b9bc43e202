"""A plan in words: what happens, when, and what would end it.

Above: the verb `plans`, later the guide.  Below: `times`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import Final

from orchestrator.domain.flags.declaration import Registry
from orchestrator.domain.flags.values import as_text
from orchestrator.domain.plans.fields import lasting
from orchestrator.domain.plans.limits import JudgeKind, Limit
from orchestrator.domain.plans.plan import Plan, StateUse
from orchestrator.domain.plans.steps import Hold, HoldKind
from orchestrator.domain.plans.times import Moment, min_stable, timeline, whole

WHEN: Final = 15
"""Characters in which `T+23 h 59 min` stands."""


def told(plan: Plan, registry: Registry) -> Iterator[str]:
    """Yield a plan's lines."""
    yield f"{plan.name}: {plan.description}" if plan.description else plan.name
    yield ""
    moments = timeline(plan, registry)
    if plan.new_generation:
        yield f"  before  {_rehearsal(plan)}"
    for moment in moments:
        for at, line in enumerate(_part(plan, moment, registry)):
            yield f"  {_at(moment) if not at else '':<{WHEN}}{line}"
    decided = " and whatever the holds take" if any(moment.decided for moment in moments) else ""
    yield f"  {'done':<{WHEN}}{lasting(whole(plan, registry))} at the least{decided}"
    yield ""
    yield from _judged(plan)


def _at(moment: Moment) -> str:
    return f"T+{lasting(moment.at)}" if moment.at else "T+0"


def _rehearsal(plan: Plan) -> str:
    if not plan.rehearsal.run:
        return "no rehearsal"
    work = [word for word, is_done in (("build", plan.rehearsal.build), ("test", plan.rehearsal.test)) if is_done]
    flags = "safe values" if plan.rehearsal.flags == "safe" else "the values set now"
    asked = _answer(plan.rehearsal.on_differences)
    return f"rehearse: {', '.join([*work, 'compare'])}, flags at {flags}; differences: {asked}"


def _part(plan: Plan, moment: Moment, registry: Registry) -> Iterator[str]:
    match moment.place:
        case ("steps", int(at)):
            yield from _step(plan, at)
        case ("promotion",):
            yield from _held(plan.promotion.hold)
            how = (
                "hold intake, drain, cut over" if plan.state is StateUse.EXCLUSIVE else "all traffic to the new version"
            )
            alone = plan.state is StateUse.EXCLUSIVE
            yield f"promotion: {how}; the old one {'is parked, its state kept' if alone else 'stays warm'}"
        case ("bake",):
            yield _bake(plan)
        case ("flags", int(at)):
            yield from _stage(plan, at, moment, min_stable(plan.flags[at], registry))


def _step(plan: Plan, at: int) -> Iterator[str]:
    step, number, count = plan.steps[at], at + 1, len(plan.steps)
    yield from _held(step.hold)
    name = f" ({step.name})" if step.name else ""
    stays = "until resumed" if step.pause is None else f"for {lasting(step.pause)}"
    judged = "judged" if step.analysis else "not judged"
    yield f"step {number} of {count}{name}: weight {step.weight} %, {stays}, {judged}"
    if step.mirror:
        yield "  read-only calls also go to the other version, and the answers are compared"
    if step.keys and step.keys.always:
        yield f"  always on the canary: {', '.join(step.keys.always)}"
    if step.keys and step.keys.only_new_by:
        since = step.keys.since or "the rollout's beginning"
        yield f"  the weight takes only keys whose {step.keys.only_new_by} is after {since}"
    if step.limits:
        yield f"  limits: {_listed(plan, step.limits)}"


def _held(hold: Hold | None) -> Iterator[str]:
    if hold is None:
        return
    for_whom = {
        HoldKind.PERSON: "a person resumes",
        HoldKind.COMMAND: f"`{' '.join(hold.command)}` succeeds",
        HoldKind.WEBHOOK: f"{hold.url} agrees",
        HoldKind.PARITY: f"the states have been the same for {lasting(hold.clean or 0.0)}",
    }
    yield f"hold until {for_whom[hold.kind]}{f': {hold.say}' if hold.say else ''}"


def _bake(plan: Plan) -> str:
    mirrored = ", read-only calls also to the old version" if plan.bake.mirror else ""
    unlock = f"; flags may move after {lasting(plan.bake.unlock)}" if plan.flags else ""
    return f"bake: judged for {lasting(plan.bake.health)}{mirrored}{unlock}"


def _stage(plan: Plan, at: int, moment: Moment, stable: float) -> Iterator[str]:
    stage = plan.flags[at]
    head = f"flag {at + 1} of {len(plan.flags)}: {stage.flag} to {as_text(stage.to)}"
    if moment.skipped:
        yield f"{head} is skipped: the version has not run for {lasting(stable)} then"
        return
    half = " (half of the keys for the first half)" if stage.half_first else ""
    waited = f"; waited {lasting(moment.waited)}: it wants {lasting(stable)}" if moment.waited else ""
    yield f"{head}, soak {lasting(stage.soak)}{half}{waited}"
    if stage.limits:
        yield f"  limits: {_listed(plan, stage.limits)}"


def _judged(plan: Plan) -> Iterator[str]:
    if plan.limits:
        yield f"limits: {_listed(plan, plan.limits)}"
    yield f"judge: {'; '.join(_judges(plan))}"
    yield (
        f"on regression: {_answer(plan.on_regression)}; on inconclusive: {_answer(plan.on_inconclusive)}; "
        f"on missing data: {_answer(plan.on_missing_data)}"
    )
    policy = "; ".join(_policy(plan))
    if policy:
        yield f"policy: {policy}"
    if plan.deadline is not None:
        yield f"deadline: {lasting(plan.deadline)}, then {_answer(plan.on_deadline)}"
    for window in plan.freeze:
        yield f"nothing goes on: {window}"


def _judges(plan: Plan) -> Iterator[str]:
    """Yield who judges which limits, and what that promises."""
    limits = [*plan.limits]
    limits += [limit for step in plan.steps for limit in step.limits]
    limits += [limit for stage in plan.flags for limit in stage.limits]
    judges = {plan.judge_of(limit) for limit in limits} or {plan.judge.kind}
    if JudgeKind.SEQUENTIAL in judges:
        yield f"{JudgeKind.SEQUENTIAL}, wrong with probability {plan.judge.alpha:g} at most"
    if JudgeKind.THRESHOLD in judges:
        some = dict.fromkeys(limit.metric for limit in limits if plan.judge_of(limit) is JudgeKind.THRESHOLD)
        of_some = f" of {', '.join(some)}" if len(judges) > 1 else ""
        yield f"{JudgeKind.THRESHOLD}{of_some}, without a guarantee"
    if plan.judge.initial_delay and plan.new_generation:
        yield f"not in the first {lasting(plan.judge.initial_delay)} of the new version"


def _policy(plan: Plan) -> Iterator[str]:
    """Yield what is done before and with a verdict."""
    policy = plan.policy
    if policy.confirm_looks > 1:
        yield f"a breach counts once {policy.confirm_looks} looks in a row have found it"
    if policy.breach_held:
        yield f"a breach counts once it has been held for {lasting(policy.breach_held)}"
    if policy.retreat:
        yield f"in doubt down to {', then '.join(f'{weight} %' for weight in policy.retreat)}"
    if policy.tighter is not None:
        yield f"above {policy.tighter.above} % margins are tighter, times {policy.tighter.factor:g}"
    if policy.slower is not None:
        longer = f"pauses are longer, times {policy.slower.factor:g},"
        yield f"{longer} while more than {policy.slower.above * 100:g} % of the mirrored answers differ"
    if policy.advance_when_certified:
        yield "a pause ends early once every margin is certified"


def _answer(answer: StrEnum) -> str:
    return answer.value.replace("_", " ")


def _listed(plan: Plan, limits: Sequence[Limit]) -> str:
    return "; ".join(map(plan.told, limits))
