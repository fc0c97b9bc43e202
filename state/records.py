"""One record of the journal, the same for both twins."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b


@dataclass(frozen=True, slots=True)
class JournalRecord:
    """A record as it was stored.

    Attributes:
        seq: its number (1, 2, ...), never given twice.
        at: seconds since the Unix epoch.
        record: JSON text.
    """

    seq: int
    at: float
    record: str


def checksum(at: float, record: str) -> str:
    """Digest what a record says, to notice a disk that changed it; `at` survives SQLite bit by bit."""
    return blake2b(f"{at!r}\n{record}".encode(), digest_size=16).hexdigest()


def check_limit(limit: int) -> None:
    """Refuse to read nothing.

    Raises:
        ValueError: `limit` is below 1.
    """
    if limit < 1:
        raise ValueError(f"{limit} records show nothing; ask for at least 1")
