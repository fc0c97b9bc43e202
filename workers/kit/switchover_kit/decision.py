"""What a flag answers, and which step of its evaluation said so: the value everything about flags speaks in.

Above it stand the evaluator (`targeting`) and all who read flags; below it nothing.  Decisions are made when a flag is
compiled, not when it is asked, so that asking hands out one that is there already.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple, TypeAlias

Step: TypeAlias = Literal[
    "disable_new",
    "deny",
    "allow",
    "forced",
    "prerequisite",
    "rule",
    "percentage",
    "default",
    "environment",
    "gone",
    "invalid",
    "missing",
]
"""Which step decided.  Those of the evaluation in their order, then what stands outside of it: a variable of this
process's environment, a daemon that is gone, a flag that is invalid, a flag that there is not."""

Reason: TypeAlias = Literal["STATIC", "TARGETING_MATCH", "SPLIT", "DISABLED", "UNKNOWN"]
"""Why, in the words of the OpenFeature remote evaluation protocol.  Only STATIC may be kept for any other subject."""


class Decision(NamedTuple):
    """What a flag answers for one subject.

    Attributes:
        value: the answer; None when there is no flag, or no readable safe value, to answer with.
        step: which step decided.
        reason: the same for OpenFeature.
        detail: a sentence for people.
    """

    value: Any
    step: Step
    reason: Reason
    detail: str


Decide: TypeAlias = Callable[[str | None, Mapping[str, Any] | None, float], Decision]
"""`decide(subject_key, attributes, now)`: one flag's decision for one subject; `now` in seconds since the epoch."""
