"""Makes tokens for subjects whose gates are open, and takes them back as soon as the flags decide otherwise.

A token counts while its signature and times hold and the flags still open every gate it carries; that is looked at
again whenever the flags version has moved since the last look.  Above: the doors show tokens, the control plane asks
for new ones.  Below: `tokens`, `judge`.
"""

from __future__ import annotations

import hashlib
import uuid
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from orchestrator.access.judge import Judge
from orchestrator.access.tokens import Signer, check_times
from orchestrator.domain.access import (
    ISSUER,
    STREAM,
    AccessError,
    Attributes,
    Caller,
    GatesDeniedError,
    TokenRefusedError,
    read_claims,
)
from orchestrator.domain.ports import Clock
from orchestrator.telemetry.logging import get_logger

log = get_logger("access")

REMEMBERED: Final = 4096
"""Tokens whose last look is remembered; the one not shown for longest is forgotten first."""
TICKET_HOURS: Final = 2
"""Full hours after the present one in which a ticket for the change stream may still be used to open it."""
HOUR: Final = 3600


@dataclass(frozen=True, slots=True)
class Issued:
    """A new token.

    Attributes:
        token: what its holder shows.
        claims: what it says.
    """

    token: str
    claims: dict[str, Any]


@dataclass(slots=True)
class _Seen:
    """A token that was looked at before: what it says, of whom, and at which flags version."""

    claims: dict[str, Any]
    caller: Caller
    version: int


class AccessService:
    """Issues, reads and revokes; fits `domain.ports.TokenReader`."""

    def __init__(self, judge: Judge, key: bytes, clock: Clock) -> None:
        """Build it; `key` signs."""
        self._judge = judge
        self._signer = Signer(key)
        self._clock = clock
        self._seen: OrderedDict[bytes, _Seen] = OrderedDict()

    # --- new tokens ---------------------------------------------------------------------------

    def issue(
        self, asker: Caller, subject: str, attributes: Attributes, gates: Sequence[str], ttl: float | None = None
    ) -> Issued:
        """Make a token that carries gates for a subject, if all of them are open to it.

        Args:
            asker: who asks; one that is not trusted may ask for itself alone, as its token knows it.
            subject: whom the token is for.
            attributes: what rules may look at besides the subject.
            gates: the flags that have to be open.
            ttl: seconds the token is to count; the longest allowed by default.

        Raises:
            GatesDeniedError: some are closed; they are named.
            AccessError: the asker may not ask for this subject.
        """
        if not asker.trusted:
            attributes = _of_itself(asker, subject, attributes)
        one = Caller(subject, attributes=attributes)
        judged = {gate: self._judge.ask_flags(gate, one) for gate in gates}
        denied = {gate: told.why for gate, told in judged.items() if not told.open}
        if denied:
            log.info("token denied", subject=subject, asker=asker.subject, gates=list(denied))
            raise GatesDeniedError(subject, denied)
        claims = self._claims(subject, attributes, dict.fromkeys(gates, True), ttl)
        log.info("token made", subject=subject, asker=asker.subject, gates=list(gates), jti=claims["jti"])
        return Issued(self._signer.sign(claims), claims)

    def _claims(
        self, subject: str, attributes: Attributes, gates: dict[str, bool], ttl: float | None
    ) -> dict[str, Any]:
        now, longest = self._clock.wall(), self._judge.rules.ttl
        return {
            "iss": ISSUER,
            "sub": subject,
            "iat": int(now),
            "exp": int(now + min(ttl if ttl is not None else longest, longest)),
            "jti": uuid.uuid4().hex,
            "flags_version": self._judge.gates.version,
            "gates": gates,
            "attributes": dict(attributes),
        }

    # --- tokens that are shown ----------------------------------------------------------------

    def caller(self, token: str) -> Caller | None:
        """Return whom a token speaks of, None when it was not signed here.

        Raises:
            TokenRefusedError: it was, but has expired, was revoked, or is for something else.
        """
        digest = hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
        seen = self._seen.get(digest)
        if seen is None:
            claims = self._signer.read(token)
            if claims is None:
                return None
            if "aud" in claims:
                raise TokenRefusedError("the token is a ticket for something else (claim `aud`)")
            seen = _Seen(claims, read_claims(claims, self._judge.rules.admin_claims), -1)
            self._remember(digest, seen)
        else:
            self._seen.move_to_end(digest)
        check_times(seen.claims, self._clock.wall())
        self._look(seen)
        return seen.caller

    def _look(self, seen: _Seen) -> None:
        """Ask the flags again if they have moved since this token was looked at."""
        version = self._judge.gates.version
        caller = seen.caller
        if seen.version == version or caller.admin or not caller.gates:
            return
        granted = [gate for gate, carried in caller.gates.items() if carried]
        closed = [gate for gate in granted if not self._judge.ask_flags(gate, caller).open]
        if closed:
            log.info("token revoked", subject=caller.subject, gates=closed, flags_version=version)
            raise TokenRefusedError(f"the token is revoked: {', '.join(closed)} is closed to {caller.subject} now")
        seen.version = version

    def _remember(self, digest: bytes, seen: _Seen) -> None:
        self._seen[digest] = seen
        if len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)

    def forget(self) -> None:
        """Look at every token anew: the rules have changed."""
        self._seen.clear()

    # --- tickets for the change stream --------------------------------------------------------

    def ticket(self, caller: Caller) -> str:
        """Return a ticket by which a caller opens the change stream where it cannot show its token (in a URL).

        It is the same for a whole hour, so that a client which compares addresses need not connect anew.
        """
        hour = int(self._clock.wall() // HOUR)
        claims = {"iss": ISSUER, "aud": STREAM, "sub": caller.subject, "exp": (hour + 1 + TICKET_HOURS) * HOUR}
        return self._signer.sign(claims)

    def admits(self, ticket: str) -> str | None:
        """Return whose ticket this is, None when it is none or too old."""
        claims = self._signer.read(ticket)
        if claims is None or claims.get("aud") != STREAM:
            return None
        try:
            check_times(claims, self._clock.wall())
        except TokenRefusedError:
            return None
        return str(claims.get("sub", ""))


def _of_itself(asker: Caller, subject: str, attributes: Attributes) -> Attributes:
    """Return the attributes of one who asks for itself: those its own token has, and no others.

    Raises:
        AccessError: it asks for another, or claims other attributes.
    """
    if subject != asker.subject:
        raise AccessError(f"{asker.subject} may ask for itself alone, not for {subject}")
    if attributes and dict(attributes) != dict(asker.attributes):
        raise AccessError("who asks for itself keeps the attributes of its token; leave them out")
    return asker.attributes
