"""What flags were: their history, and all of them as they stood at a version or a time.

Above: `service`.  Below: the store behind `domain.ports.FlagStore`, `rows` for what is stored.
"""

from __future__ import annotations

from orchestrator.domain.flags.change import FlagRefusedError
from orchestrator.domain.flags.flags import declared
from orchestrator.flags.book import Book, FlagsNotReadError
from orchestrator.flags.rows import as_of, remembered
from orchestrator.flags.told import AsOf, Remembered


class Past:
    """Reads the store; changes nothing."""

    def __init__(self, book: Book) -> None:
        """Read the store of `book`, whose registry says which flags there are."""
        self._book = book

    async def history(self, key: str | None, limit: int, before: int | None) -> list[Remembered]:
        """Return up to `limit` changes of a flag (None: of all), newest first.

        Raises:
            UnknownFlagError: there is no such flag, and never was.
            FlagsNotReadError: the store cannot be read.
        """
        try:
            found = await self._book.store.history(key, limit=limit, before=before)
        except Exception as error:
            raise FlagsNotReadError(f"the flags' history cannot be read: {error}") from error
        registry = self._book.registry
        if key is not None and not found and before is None and key not in registry.invalid:
            declared(registry, key)
        return [remembered(one) for one in found]

    async def at(self, version: int | None, seconds: float | None) -> AsOf | None:
        """Return the flags as they stood once, None when there is no such version yet.

        Raises:
            FlagRefusedError: neither a version nor a time was given, or both.
            FlagsNotReadError: the store cannot be read.
        """
        if (version is None) == (seconds is None):
            raise FlagRefusedError("name either a version or a time")
        try:
            stored = await self._book.store.at(version=version, seconds=seconds)
        except Exception as error:
            raise FlagsNotReadError(f"the flags' history cannot be read: {error}") from error
        return None if stored is None else as_of(stored)
