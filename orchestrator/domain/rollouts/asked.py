"""What a hold was answered last, and what is told to whoever is asked.  Kept in memory: a hold is asked anew by itself.

Above: `conducting` asks and keeps the answer, the control API tells it.  Below: `state`, `effects`, `routing`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from orchestrator.domain.plans.fields import lasting
from orchestrator.domain.plans.steps import Hold
from orchestrator.domain.rollouts.state import Phase, Rollout
from orchestrator.domain.routing import RoutingTable

WHOLE = 100
"""Percent of the keys that the new version has after its promotion."""
OURS = "switchover"
"""The namespace of a question, where a gate wants one."""
VARIABLE = "SWITCHOVER_HOLD_"
"""How the variables of a command begin; no setting is called so."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a hold was answered last.

    Attributes:
        answer: why it did not agree, in its own words.
        at: when that was said, Unix seconds on the steady clock.
        times: how often it was asked so far.
    """

    answer: str
    at: float
    times: int

    def told(self, now: float) -> str:
        """Say it in one line.

        Args:
            now: Unix seconds on the steady clock.
        """
        often = "once" if self.times == 1 else f"{self.times:,} times"
        ago = lasting(float(round(max(0.0, now - self.at))))
        return f"asked {often}, {ago} ago for the last time: {' '.join(self.answer.split())}"


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked at a hold, and about what.

    Attributes:
        rollout: the rollout's id.
        plan: its plan's name.
        phase: `stepping` before a step, `promoting` before the promotion.
        say: what is to be agreed to.
        step: which of the plan's steps is to begin, from 1; 0 for the promotion.
        steps: how many there are.
        weight: percent of the keys that the new version has once it is agreed to.
        weight_now: percent it has until then.
        generation: the new version's, None before it has one.
        baseline: the generation it is compared with.
        fingerprint: the new version's, "" without one.
        actor: who asked for the rollout.
        reason: why, in their words.
    """

    rollout: str
    plan: str
    phase: str
    say: str
    step: int
    steps: int
    weight: int
    weight_now: int
    generation: int | None
    baseline: int
    fingerprint: str
    actor: str
    reason: str

    def body(self) -> dict[str, Any]:
        """Return what a webhook is sent.

        Besides our own words it has those that gates for canaries read: the payload of Flagger's webhooks
        (https://docs.flagger.app/usage/webhooks), with all of ours as texts under `metadata`.
        """
        ours = asdict(self)
        gates = {
            "name": self.plan,
            "namespace": OURS,
            "checksum": self.fingerprint,
            "canaryWeight": self.weight_now,
            "metadata": _texts(ours),
        }
        return {"event": "rollout.hold", **ours, **gates}

    def environment(self) -> dict[str, str]:
        """Return what a command finds in its environment: `SWITCHOVER_ROLLOUT`, `SWITCHOVER_HOLD_STEP` and so on."""
        ours = _texts(asdict(self))
        name = ours.pop("rollout")
        return {"SWITCHOVER_ROLLOUT": name} | {f"{VARIABLE}{fact.upper()}": told for fact, told in ours.items()}


def question(rollout: Rollout, hold: Hold, table: RoutingTable) -> Question:
    """Return what a rollout asks at a hold.

    Args:
        rollout: the rollout that waits.
        hold: what it waits for.
        table: the routing in force.
    """
    steps, stepping = rollout.plan.steps, rollout.phase is Phase.STEPPING
    return Question(
        rollout=rollout.id,
        plan=rollout.plan.name,
        phase=rollout.phase.value,
        say=hold.say,
        step=rollout.index + 1 if stepping else 0,
        steps=len(steps),
        weight=steps[rollout.index].weight if stepping else WHOLE,
        weight_now=table.weight if rollout.candidate is not None and table.canary == rollout.candidate else 0,
        generation=rollout.candidate,
        baseline=rollout.baseline,
        fingerprint=rollout.spec.fingerprint if rollout.spec is not None else "",
        actor=rollout.actor,
        reason=rollout.reason,
    )


def _texts(facts: Mapping[str, Any]) -> dict[str, str]:
    return {name: "" if value is None else str(value) for name, value in facts.items()}
