"""Flags as the snapshot document has them, for tests that write down only what they are about."""

from __future__ import annotations

from typing import Any

from switchover_kit.decision import Decision
from switchover_kit.targeting import Deciders

NOON = 1_793_880_000.0
"""2026-11-05 12:00:00 UTC, a Thursday."""


def flag(value: Any = "off", **members: Any) -> dict[str, Any]:
    """Return an enum flag with the values off, on and other, off being the safe one."""
    return {
        "type": "enum",
        "values": ["off", "on", "other"],
        "default": "off",
        "safe": "off",
        "on": "on",
        "value": value,
        "kill_switch": False,
        "salt": "salt",
        "hash_version": 1,
        "env": None,
        "prerequisites": [],
        "targeting": None,
        **members,
    }


def typed_flag(kind: str, safe: Any, value: Any, **members: Any) -> dict[str, Any]:
    """Return a flag of another type."""
    return flag(**{"type": kind, "values": None, "default": safe, "safe": safe, "on": None, "value": value, **members})


def rule(*when: dict[str, Any], value: Any = "on", **members: Any) -> dict[str, Any]:
    """Return a rule of some conditions."""
    return {"name": "some", "when": list(when), "value": value, **members}


def asks(attribute: str, op: str, value: Any) -> dict[str, Any]:
    """Return a condition on an attribute."""
    return {"attribute": attribute, "op": op, "value": value}


def needs(key: str, *values: Any) -> dict[str, Any]:
    """Return a prerequisite."""
    return {"flag": key, "values": list(values)}


def decide(
    flags: dict[str, Any],
    key: str = "F",
    subject: Any = None,
    attributes: dict[str, Any] | None = None,
    now: float = NOON,
    **environment: Any,
) -> Decision:
    """Return what a flag of a document decides."""
    return Deciders(flags, environment)[key](subject, attributes, now)


def holds(condition: dict[str, Any], attributes: dict[str, Any] | None = None, now: float = NOON) -> bool:
    """Return whether a condition holds, as seen from outside: a rule of it alone decides."""
    decision = decide({"F": flag(targeting={"rules": [rule(condition)]})}, "F", "mission-42", attributes, now)
    assert decision.step in {"rule", "default"}, decision
    return decision.step == "rule"
