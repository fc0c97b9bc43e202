"""A whole rollout as events, for `rollout` and `rollback`: the shipped plan `planner`, looked at, paused, disturbed.

Below `bench.rollout` and `bench.rollback`; above the domain alone.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Generator
from typing import Final

from orchestrator.domain.evidence.look import Arm, LimitLook, Look, Verdict, Watch
from orchestrator.domain.generation import Spec
from orchestrator.domain.plans.limits import Answer
from orchestrator.domain.plans.plan import Plan
from orchestrator.domain.rollouts import events as ev
from orchestrator.domain.rollouts.clock import due_at
from orchestrator.domain.rollouts.rollout import State
from orchestrator.domain.rollouts.state import Part
from orchestrator.plans.shipped import find_plan

BEGIN: Final = 1_800_000_000.0
WEEK: Final = 7 * 86_400.0
WEEKS: Final = 6 * WEEK
"""What the steps of `planner` take."""
LOOKS: Final = 20
"""Looks at each part."""


def planner() -> Plan:
    """Return the plan; data that are missing do not stop it."""
    return dataclasses.replace(find_plan("planner").plan, on_missing_data=Answer.GO_ON)


def spec(name: str) -> Spec:
    """Return how to start a version."""
    return Spec(("python", "-m", "planner", "--serve"), "/srv/planner", {"NAME": name}, fingerprint=name * 32)


def a_look(plan: Plan, watch: Watch, number: int, now: float, verdict: Verdict = Verdict.NOT_YET) -> Look:
    """Return a look with everything that one has."""
    limits = tuple(
        LimitLook(
            str(limit), limit.metric, "threshold", verdict, Arm(100, 100, 0.0123456), Arm(100, 100, 0.0234567),
            note="confirmed by 3 looks; no guarantee",
        )
        for limit in plan.limits
    )  # fmt: skip
    cause = "error rate 6.1 % against 1.1 % (+5.0 pp), after 100 calls" if verdict is Verdict.REGRESSION else ""
    return Look(watch.epoch, number, now, verdict, 100 * number, 900 * number, limits, cause=cause)


Played = Generator[tuple[ev.Event, float], State, None]


def rollout_events(name: str) -> Played:
    """Play a rollout: yield each event with its time, and be sent the state after it."""
    plan, now = planner(), BEGIN
    yield ev.Founded(spec("1")), now
    yield ev.GenerationReady(1), now
    yield ev.UpgradeAsked(rollout=name, plan=plan, spec=spec("2"), salt=name, actor="ann", reason="it is better"), now
    yield ev.RehearsalEnded(rollout=name, failed=False, shared_state=True, words="no difference"), now
    state = yield ev.GenerationReady(2), now
    while not state.under_way.is_over:
        now = due_at(state) or now
        state = yield from _part(state, plan, now)


def _part(state: State, plan: Plan, ends: float) -> Generator[tuple[ev.Event, float], State, State]:
    """Play one part: a hold is agreed to; anything else is looked at, paused, disturbed, and comes to its end."""
    rollout = state.under_way
    if rollout.part is Part.HOLD:
        return (yield ev.ResumeAsked(actor="ann"), ends)
    if rollout.watch is not None and rollout.part is not Part.UNLOCK:
        for number in range(1, LOOKS + 1):
            state = yield ev.Looked(a_look(plan, rollout.watch, number, rollout.entered + number)), ends - 1
        yield ev.PauseAsked(actor="ann", reason="somebody looks"), ends - 1
        yield ev.GenerationDown(2, "exit status 1"), ends - 1
        yield ev.GenerationReady(2), ends - 1
        state = yield ev.ResumeAsked(actor="ann"), ends - 1
    return (yield ev.Tick(), ends)
