"""What recorded calls are taken to say of their subjects: no sample keeps that, so whoever simulates says it.

Samples have no attributes, and their keys are pseudonyms: both may tell who somebody is.  A plan's `only_new_by` and
`always` would therefore take nobody.  Above: `traffic` asks for each call, `assumed` says what was taken, the verb
reads it.  Below: the plan, the routing rules.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from orchestrator.domain.errors import SwitchoverError
from orchestrator.domain.plans.plan import Plan
from orchestrator.domain.routing import BUCKETS, RoutingTable, bucket

FIRST_CALL: Final = "first-call"
"""Stands for the instant of a key's first call."""


class SubjectError(SwitchoverError):
    """What is said of subjects is nothing that the plan could go by."""


@dataclass(frozen=True, slots=True)
class Subjects:
    """What is said of all calls at once.

    Attributes:
        attributes: what each call says, by name: Unix seconds, or `FIRST_CALL`.
        always: share of the keys that are among those a step's `keys.always` names, 0 to 1.
    """

    attributes: Mapping[str, float | str] = field(default_factory=dict)
    always: float = 0.0


def subjects_of(plan: Plan, attributes: Mapping[str, str], always: float = 0.0) -> Subjects:
    """Read what is said of subjects, as far as a plan goes by it.

    Args:
        plan: what is simulated.
        attributes: instants as they are written, by the attribute's name.
        always: share of the keys that the plan's `always` names, 0 to 1.

    Raises:
        SubjectError: no step of the plan looks at it, or it is no instant; the message says what to write.
    """
    looked_at = new_by(plan)
    for name in attributes:
        if not looked_at:
            raise SubjectError(f"no step of {plan.name} takes keys by an attribute (only_new_by); leave {name} out")
        if name not in looked_at:
            raise SubjectError(
                f"no step of {plan.name} looks at the attribute {name}; it goes by {', '.join(looked_at)}"
            )
    if always and not always_of(plan):
        raise SubjectError(f"no step of {plan.name} names keys (always); leave the share of them out")
    return Subjects({name: _instant(name, written) for name, written in attributes.items()}, always)


def new_by(plan: Plan) -> tuple[str, ...]:
    """Return the attributes by which a plan's steps take new keys alone."""
    return tuple(dict.fromkeys(step.keys.only_new_by for step in plan.steps if step.keys and step.keys.only_new_by))


def always_of(plan: Plan) -> tuple[str, ...]:
    """Return the keys that a plan's steps take at any weight."""
    return tuple(dict.fromkeys(name for step in plan.steps if step.keys for name in step.keys.always))


def _instant(name: str, written: str) -> float | str:
    if written == FIRST_CALL:
        return FIRST_CALL
    try:
        found = datetime.fromisoformat(written)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise SubjectError(
            f"{name}={written}: {written[:60]!r} is no instant; write {FIRST_CALL} for the first call of each key, "
            "or one with its offset, such as 2026-11-20T08:00:00Z"
        )
    return found.timestamp()


class Introduced:
    """What each call says, one call after the other."""

    def __init__(self, subjects: Subjects, salt: str) -> None:
        """Begin.

        Args:
            subjects: what is said of all.
            salt: decides which keys are among those that are named.
        """
        self._subjects = subjects
        self._salt = f"{salt} always"
        self._fixed = {name: value for name, value in subjects.attributes.items() if value != FIRST_CALL}
        self._by_key = [name for name, value in subjects.attributes.items() if value == FIRST_CALL]
        self._first: dict[str, float] = {}

    def attributes(self, key: str, at: float) -> Mapping[str, float | str]:
        """Return what a call says.

        Args:
            key: its key, as it was recorded.
            at: when it comes, Unix seconds.
        """
        if not self._by_key:
            return self._fixed
        first = self._first.setdefault(key, at)
        return self._fixed | dict.fromkeys(self._by_key, first)

    def key(self, key: str, table: RoutingTable) -> str:
        """Return the key that a call names: one of those that the table always takes, or its own."""
        if not self._subjects.always or not table.always:
            return key
        if bucket(key, self._salt) >= self._subjects.always * BUCKETS:
            return key
        named = next((one for one in table.always if one.endswith("*")), table.always[0])
        return f"{named[:-1]}{key}" if named.endswith("*") else named
