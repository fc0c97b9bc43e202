"""Who calls, and whether a gate is open to them: values and the decisions about them.

A gate is open only if a flag, a token's decision or a claim is `True` itself; a text, a number or a flag that is not
there opens nothing.  Above: `access` signs and reads tokens, the doors carry a `Caller`.  Below: the kit's decision.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from switchover_kit.decision import Decision

from orchestrator.domain.errors import SwitchoverError

Attributes = Mapping[str, object]
"""What is known of a subject besides its key: plain JSON values by name."""

ISSUER: Final = "switchover"
"""Who signs our tokens (claim `iss`)."""
STREAM: Final = "stream"
"""Audience of a ticket that opens the change stream and nothing else (claim `aud`)."""


class AccessError(SwitchoverError):
    """A token was not made, or is not accepted; the message says why."""


class TokenRefusedError(AccessError):
    """A token of ours does not count: it has expired, was revoked, or lacks what it must have."""


class GatesDeniedError(AccessError):
    """Gates that were asked for are closed to the subject.

    Attributes:
        denied: why, by gate.
    """

    def __init__(self, subject: str, denied: Mapping[str, str]) -> None:
        self.denied = dict(denied)
        told = "; ".join(f"{gate}: {why}" for gate, why in denied.items())
        super().__init__(f"closed to {subject}: {told}")


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks.

    Attributes:
        subject: its name; "" when nobody said.
        attributes: what its token says of it.
        gates: the decisions its token carries; None when the flags themselves are asked.
        admin: the claim by which an older token opens every gate, "" without one.
        trusted: whether it may act for others: it showed a token of the configuration, or came by a socket that only
            the daemon's own user reaches.
    """

    subject: str
    attributes: Attributes = field(default_factory=dict)
    gates: Mapping[str, bool] | None = None
    admin: str = ""
    trusted: bool = False


NOBODY: Final = Caller("")
"""A caller of whom nothing is known."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a gate is open, and why.

    Attributes:
        open: strictly that.
        why: a sentence's end for people.
        overridden: opened only because this is a development daemon; to be said loudly.
    """

    open: bool
    why: str
    overridden: bool = False


def verdict(decision: Decision, *, development: bool) -> Verdict:
    """Judge what a flag decided for a subject.

    Args:
        decision: the flag's; step `missing` when there is no such flag.
        development: whether a missing flag opens its gate.
    """
    if decision.value is True and decision.step != "missing":
        return Verdict(open=True, why=decision.detail)
    if decision.step == "missing":
        if development:
            return Verdict(open=True, why="there is no such flag, and this is a development daemon", overridden=True)
        return Verdict(open=False, why="there is no such flag")
    if not isinstance(decision.value, bool):
        return Verdict(open=False, why=f"its value is {decision.value!r}, and only true opens a gate")
    return Verdict(open=False, why=decision.detail)


def carried(caller: Caller, gate: str) -> Verdict | None:
    """Judge by what a caller's token carries; None when the flags themselves have to be asked."""
    if caller.admin:
        return Verdict(open=True, why=f"its token carries {caller.admin}")
    if caller.gates is None:
        return None
    if caller.gates.get(gate) is True:
        return Verdict(open=True, why="its token carries it")
    return Verdict(open=False, why="its token does not carry it")


def admin_claim(claims: Mapping[str, object], accepted: Iterable[str]) -> str:
    """Return the first accepted claim that is `True` in a token, "" without one."""
    return next((name for name in accepted if claims.get(name) is True), "")


def read_claims(claims: Mapping[str, object], accepted: Collection[str]) -> Caller:
    """Return whom a token's claims speak of; its signature and its time have been checked.

    Args:
        claims: the token's payload.
        accepted: claims of older tokens that open every gate.

    Raises:
        TokenRefusedError: it is neither a token of ours nor an older one that is accepted.
    """
    subject = claims.get("sub")
    if not isinstance(subject, str) or not subject:
        raise TokenRefusedError("the token names nobody (claim `sub`)")
    admin = admin_claim(claims, accepted)
    gates, attributes = claims.get("gates"), claims.get("attributes", {})
    if admin and gates is None:
        return Caller(subject, admin=admin)
    if claims.get("iss") != ISSUER or not isinstance(gates, dict) or not isinstance(attributes, dict):
        raise TokenRefusedError("the token carries no decisions of ours (claims `iss` and `gates`)")
    decisions = {str(gate): value is True for gate, value in gates.items()}
    return Caller(subject, attributes=attributes, gates=decisions, admin=admin)
