"""Signed tokens (JWT, RFC 7519, HS256): written, and read only when signature and times hold.

Above: `service`.  Below: PyJWT for the signature; the times are compared here, because `now` is a parameter.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, TypeGuard

from orchestrator.domain.access import TokenRefusedError

if TYPE_CHECKING:
    from jwt.types import Options

ALGORITHM: Final = "HS256"
LEEWAY: Final = 5.0
"""Seconds by which the clock of whoever made an older token may run ahead."""
SIGNATURE_ALONE: Final[Options] = {
    "verify_exp": False,
    "verify_nbf": False,
    "verify_iat": False,
    "verify_aud": False,
    "verify_iss": False,
    "verify_sub": False,
    "verify_jti": False,
}


class Signer:
    """Signs claims with one key and reads them again."""

    def __init__(self, key: bytes) -> None:
        """Build it over a key of at least 32 bytes."""
        self._key = key

    def sign(self, claims: Mapping[str, Any]) -> str:
        """Return claims as a token."""
        import jwt  # noqa: PLC0415 - with the first token: most daemons never see one, and all would start later

        return jwt.encode(dict(claims), self._key, algorithm=ALGORITHM)

    def read(self, token: str) -> dict[str, Any] | None:
        """Return the claims of a token signed with our key, whatever its times; None for anything else."""
        if not token.isascii():
            return None
        import jwt  # noqa: PLC0415 - likewise

        try:
            claims: dict[str, Any] = jwt.decode(token, self._key, algorithms=[ALGORITHM], options=SIGNATURE_ALONE)
        except jwt.PyJWTError:
            return None
        return claims


def check_times(claims: Mapping[str, Any], now: float) -> None:
    """Check that a token counts now.

    Args:
        claims: its payload.
        now: seconds since the Unix epoch.

    Raises:
        TokenRefusedError: it has expired, is not valid yet, or never ends.
    """
    expires, begins = claims.get("exp"), claims.get("nbf", claims.get("iat", 0))
    if not _is_time(expires):
        raise TokenRefusedError("the token has no end (claim `exp`)")
    if now >= expires:
        raise TokenRefusedError("the token has expired")
    if not _is_time(begins) or begins > now + LEEWAY:
        raise TokenRefusedError("the token is not valid yet")


def _is_time(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)
