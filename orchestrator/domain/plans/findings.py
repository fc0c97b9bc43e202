"""What is found about a plan that can be read, but cannot work, does nothing, or is hardly meant.

Above: `lint` and the rules beside it.  Below: `plan`.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from enum import StrEnum

from orchestrator.domain.flags.declaration import Registry
from orchestrator.domain.plans.epochs import Place
from orchestrator.domain.plans.plan import Plan


class Severity(StrEnum):
    """How bad it is."""

    ERROR = "error"
    """It cannot work."""
    WARNING = "warning"
    """It does nothing, or hardly what was meant."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found.

    Attributes:
        severity: how bad it is.
        rule: which rule found it, a word that stays the same.
        place: where in the plan.
        says: what is wrong.
        advice: what to do.
    """

    severity: Severity
    rule: str
    place: Place
    says: str
    advice: str


@dataclass(frozen=True, slots=True)
class Expected:
    """What a plan will meet.

    Attributes:
        plan: the plan.
        registry: the declared flags.
        rate: calls a minute, None when nobody said.
        reported: metrics that are known to be reported, besides those every worker has and those the plan declares.
    """

    plan: Plan
    registry: Registry
    rate: float | None = None
    reported: AbstractSet[str] = field(default_factory=frozenset)


def error(rule: str, place: Place, says: str, advice: str) -> Finding:
    """Return a finding about what cannot work."""
    return Finding(Severity.ERROR, rule, place, says, advice)


def warning(rule: str, place: Place, says: str, advice: str) -> Finding:
    """Return a finding about what does nothing, or is hardly meant."""
    return Finding(Severity.WARNING, rule, place, says, advice)
