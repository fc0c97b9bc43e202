"""What one critic says of one attempt.

Above it stands everything else in `critics`, below it nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Critic(StrEnum):
    """Who judges."""

    TESTS = "tests"
    """The tests of the work tree: all that ran passed, and some ran."""
    COMPILE = "compile"
    """Every Python file of the work tree compiles."""
    EVIDENCE = "evidence"
    """There is evidence, and all of it passed."""
    COMPLETENESS = "completeness"
    """Every required kind of evidence is there."""
    REGRESSION = "regression"
    """Nothing that held before is worse now."""


@dataclass(frozen=True, slots=True)
class Opinion:
    """What one critic says.

    Attributes:
        critic: who says it.
        passed: whether the work is good; None when the critic abstains.
        score: how much of it is good, 0 to 1; None where that cannot be counted.
        reasons: what stands against the work, or why the critic abstains, one sentence each.
    """

    critic: Critic
    passed: bool | None
    score: float | None = None
    reasons: tuple[str, ...] = ()


def abstains(critic: Critic, reason: str) -> Opinion:
    """Say nothing, and why."""
    return Opinion(critic, None, reasons=(reason,))
