"""What is said of a flag: everything about one, and what somebody should look at.

Above: `service`.  Below: `book`, `readers`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from orchestrator.domain.flags.declaration import Declaration
from orchestrator.domain.flags.flags import FlagState, value_of
from orchestrator.domain.flags.report import Finding, Use, expiries, stale
from orchestrator.flags.book import Book
from orchestrator.flags.readers import Readers
from orchestrator.flags.told import FlagView


def views_of(keys: Iterable[str], book: Book, readers: Readers) -> list[FlagView]:
    """Return everything about declared or invalid flags."""
    forced: dict[str, dict[int, Any]] = {}
    for reader in readers.all():
        for key, value in reader.forced.items():
            forced.setdefault(key, {})[reader.pid] = value
    return [_view_of(key, book, readers.read_at(), forced.get(key, {})) for key in keys]


def _view_of(key: str, book: Book, read_at: Mapping[str, float], forced: Mapping[int, Any]) -> FlagView:
    declaration = book.registry.declarations.get(key)
    if declaration is None:
        return _invalid(key, book)
    state, why = book.flags.state(key), book.flaws.get(key)
    return _view(
        declaration,
        state,
        value=declaration.safe if why else value_of(declaration, book.flags),
        is_set=state.value is not None,
        invalid=why,
        changed_at=book.changed_at.get(key),
        read_at=read_at.get(key),
        forced=forced,
    )


def findings_of(
    book: Book, readers: Readers, *, since: float, now: float, stale_after: float, expires_within: float
) -> list[Finding]:
    """Return what somebody should look at, the most pressing first."""
    flaws = {**book.registry.invalid, **book.flaws}
    found = [Finding(key, "invalid", book.registry.fall_of(key, why)) for key, why in flaws.items()]
    found += [
        Finding(key, "undeclared", f"the table settings has {key}, which no flag is declared as; remove the row")
        for key in book.undeclared
        if key not in book.registry.invalid
    ]
    found += expiries(book.registry, now, expires_within)
    read_at = readers.read_at()
    uses = {key: Use(read_at.get(key), book.changed_at.get(key)) for key in book.registry.declarations}
    return [*found, *stale(book.registry, uses, since, now, stale_after)]


def _invalid(key: str, book: Book) -> FlagView:
    declaration, why = book.registry.flawed.get(key), book.registry.invalid[key]
    if declaration is None:
        return FlagView(key=key, type="", invalid=why)
    return _view(declaration, book.flags.state(key), value=book.registry.safe_of(key), invalid=why)


def _view(declaration: Declaration, state: FlagState, **known: Any) -> FlagView:
    said = {name: getattr(declaration, name) for name in _DECLARED}
    stored: dict[str, Any] = {"targeting": state.targeting, "salt": state.salt, "hash_version": state.hash_version}
    return FlagView(**said, type=declaration.type.value, **stored, **known)


_DECLARED = (
    "key",
    "values",
    "default",
    "safe",
    "on",
    "prerequisites",
    "risk",
    "owner",
    "description",
    "expires",
    "env",
    "kill_switch",
    "min_stable",
)
