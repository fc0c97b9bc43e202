"""What the new code has not done yet: how many write calls, and how many bytes of them.

Above: `live`.  Below: nothing.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field


@dataclass(slots=True)
class Behind:
    """The write calls that were handed over and are not done.

    Attributes:
        size: bytes of them.
    """

    size: int = 0
    _calls: deque[tuple[int, int]] = field(default_factory=deque)

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._calls)

    def sent(self, number: int, size: int) -> None:
        """Note one that was handed over.

        Args:
            number: of the call, higher than those before.
            size: its bytes.
        """
        self._calls.append((number, size))
        self.size += size

    def done(self, number: int) -> None:
        """Note that this one and all before it are done."""
        while self._calls and self._calls[0][0] <= number:
            self.size -= self._calls.popleft()[1]
