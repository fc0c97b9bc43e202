"""The steps of a flag's evaluation as functions that wrap one another: each answers, or hands on to the next one.

Above it stands `targeting`, which puts together those steps that a flag has, the last one first; below it buckets and
conditions.  Everything a step needs is worked out when it is made.  Asking makes no decision and no sentence: it picks
one that is there.  Within the steps a subject key is None or a text that is not empty, and attributes are a mapping.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from typing import Any, Final, TypeAlias
from zlib import crc32

from switchover_kit.bucket import HASHES, MASK, checksum, constants, threshold
from switchover_kit.conditions import Holds
from switchover_kit.decision import Decide, Decision

Needed: TypeAlias = tuple[Decide, Container[Any], Decision]
"""A prerequisite: another flag's evaluation, the values of it that will do, the answer when it has none of them."""

_NOTHING: Final[Mapping[str, Any]] = {}


def constant(answer: Decision) -> Decide:
    """Return the evaluation of a flag that answers the same to everybody."""

    def decide(_key: str | None, _attributes: Mapping[str, Any] | None, _now: float) -> Decision:
        return answer

    return decide


def entrance(lists: Mapping[str, Decision], then: Decide) -> Decide:
    """Return the first step: it makes key and attributes what the other steps take, and looks a key up in all lists.

    Args:
        lists: the decision for each key of the deny list, the allow list and the forced values.
        then: the next step.
    """
    listed = lists.get

    def decide(key: str | None, attributes: Mapping[str, Any] | None, now: float) -> Decision:
        if isinstance(key, str) and key:
            answer = listed(key)
            if answer is not None:
                return answer
        else:
            key = None
        return then(key, attributes or _NOTHING, now)

    return decide


def needing(others: Sequence[Needed], then: Decide) -> Decide:
    """Return the step of prerequisites: the first that does not hold answers."""
    needed = tuple(others)

    def decide(key: str | None, attributes: Mapping[str, Any] | None, now: float) -> Decision:
        for other, values, answer in needed:
            if other(key, attributes, now)[0] not in values:
                return answer
        return then(key, attributes, now)

    return decide


def ruled(rules: Sequence[tuple[Holds, Decision]], then: Decide) -> Decide:
    """Return the step of rules: the first that holds answers."""
    asked = tuple(rules)

    def decide(key: str | None, attributes: Mapping[str, Any], now: float) -> Decision:
        for holds, answer in asked:
            if holds(key, attributes, now):
                return answer
        return then(key, attributes, now)

    return decide  # type: ignore[return-value]  # attributes are a mapping behind the entrance


def divided(
    salt: str, hash_version: int, percent: float, *, inside: Decision, outside: Decision, keyless: Decision
) -> Decide:
    """Return the last step: a percentage, and the flag's own value for the other keys and for who has none."""
    multiplier, addend = constants(salt, hash_version)
    mask, below = MASK, threshold(percent) * HASHES  # compared without the shift that makes a hash of it

    def decide(key: str | None, _attributes: Mapping[str, Any] | None, _now: float) -> Decision:
        if key is None:
            return keyless
        try:
            bits = crc32(key.encode())
        except UnicodeEncodeError:
            bits = checksum(key)
        return inside if bits * multiplier + addend & mask < below else outside

    return decide


def ended(answer: Decision, keyless: Decision) -> Decide:
    """Return the last step of a flag without a percentage: its own value."""
    if answer is keyless:
        return constant(answer)

    def decide(key: str | None, _attributes: Mapping[str, Any] | None, _now: float) -> Decision:
        return keyless if key is None else answer

    return decide


def together(conditions: Sequence[Holds]) -> Holds:
    """Return the condition that holds when all of these do."""
    if len(conditions) == 1:
        return conditions[0]
    asked = tuple(conditions)

    def holds(key: str | None, attributes: Mapping[str, Any], now: float) -> bool:
        for condition in asked:  # noqa: SIM110 - a generator would cost more than the conditions
            if not condition(key, attributes, now):
                return False
        return True

    return holds


def part(salt: str, hash_version: int, percent: float) -> Holds:
    """Return the condition that holds for the keys whose bucket is below `percent`."""
    multiplier, addend = constants(salt, hash_version)
    mask, below = MASK, threshold(percent) * HASHES

    def holds(key: str | None, _attributes: Mapping[str, Any], _now: float) -> bool:
        return key is not None and checksum(key) * multiplier + addend & mask < below

    return holds
