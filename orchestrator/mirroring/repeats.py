"""Pairs that say what another one said just now: they have its verdict, and only one of them is compared.

Who polls asks the same again and again, and is answered the same.  A verdict holds for a second, for what is noise is
learned anew meanwhile, and times are judged by when the call was made.  Above: `live`.  Below: nothing.
"""

from __future__ import annotations

import hashlib
from typing import Final

import msgspec

from orchestrator.mirroring.messages import Judged
from orchestrator.proxy.mirrored import Mirrored, unnumbered

HOLDS: Final = 1.0
"""Seconds a verdict is taken over."""
MOST: Final = 256
"""Pairs that are remembered."""
SHORT: Final = 1 << 10
"""Bytes up to which an answer itself is remembered, beyond which its digest is."""

Key = tuple[str, str, bytes, bytes, bool]


class _Known(msgspec.Struct, gc=False, eq=False):
    """One pair that is being compared, or was."""

    key: Key
    until: float
    verdict: Judged | None = None
    waiting: list[Mirrored] = []  # msgspec gives each one a list of its own


class Repeats:
    """Finds pairs that are known.

    Attributes:
        waiting: pairs that wait for the verdict of another.
    """

    def __init__(self) -> None:
        self.waiting = 0
        self._known: dict[Key, _Known] = {}
        self._open: dict[int, _Known] = {}

    def verdict(self, key: Key, now: float) -> Judged | None:
        """Return the verdict of a pair that is known; None while there is none.

        Args:
            key: of the pair.
            now: monotonic seconds.
        """
        known = self._known.get(key)
        return None if known is None or now > known.until else known.verdict

    def waits(self, key: Key, one: Mirrored, now: float) -> bool:
        """Have a pair wait for the verdict of its like; False when none of them is being compared."""
        known = self._known.get(key)
        if known is None or now > known.until or known.verdict is not None:
            return False
        known.waiting.append(one)
        self.waiting += 1
        return True

    def begin(self, key: Key, number: int, now: float) -> None:
        """Remember that a pair is being compared."""
        known = _Known(key, now + HOLDS)
        self._known.pop(key, None)
        self._known[key] = self._open[number] = known
        if len(self._known) > MOST:
            del self._known[next(iter(self._known))]

    def over(self, number: int, verdict: Judged | None, now: float) -> list[Mirrored]:
        """Take a verdict in, None when there will be none; return who waited for it."""
        known = self._open.pop(number, None)
        if known is None:
            return []
        if verdict is not None and verdict.result != "incomplete":
            known.verdict, known.until = verdict, now + HOLDS
        elif self._known.get(known.key) is known:
            del self._known[known.key]
        self.waiting -= len(known.waiting)
        waited, known.waiting = known.waiting, []
        return waited


def key_of(one: Mirrored, fingerprint: str) -> Key | None:
    """Return by what a pair is known again, None when one of the two gave no answer or the older one gave two.

    Args:
        one: the pair.
        fingerprint: of the older version.
    """
    old, new = one.sides
    if one.control is not None or not old.line or not new.line:
        return None
    return one.tool, fingerprint, _short(old.line), _short(new.line), one.disturbed


def _short(line: bytes) -> bytes:
    said = unnumbered(line)
    return said if len(said) <= SHORT else hashlib.blake2b(said, digest_size=32).digest()
