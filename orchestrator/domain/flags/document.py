"""The snapshot document: what a page holds, and all that any reader needs to decide.

Above: `orchestrator.flags` publishes it.  Below: `flags`.  Its shape is the kit's (`switchover_kit.document`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from orchestrator.domain.flags.declaration import Declaration, Registry
from orchestrator.domain.flags.flags import FlagSet, stored_flaws, value_of
from orchestrator.domain.flags.values import Value, fitted

FORMAT: Final = 1
"""Of the document; readers of another one serve safe values."""

Document = dict[str, Any]


def document(registry: Registry, flags: FlagSet, pinned: Mapping[str, Value] | None = None) -> Document:
    """Return the snapshot document.

    Args:
        registry: what is declared; invalid flags are in the document, with why, so that readers can say so.
        flags: the values.
        pinned: values that a view has instead, for a rehearsal; such a flag has no targeting there.
    """
    flaws = stored_flaws(registry, flags)
    given = pinned or {}
    entries: dict[str, Any] = {}
    for key, declaration in registry.declarations.items():
        entry = _entry(declaration, flags)
        if key in given:
            entry |= {"value": given[key], "targeting": None}
        elif key in flaws:
            entry |= {"value": declaration.safe, "targeting": None, "invalid": flaws[key]}
        entries[key] = entry
    for key, why in registry.invalid.items():
        entries[key] = _invalid(registry.flawed.get(key), why)
    return {"format": FORMAT, "flags_version": flags.version, "flags": entries}


def payload(content: Document) -> bytes:
    """Return a document as the bytes of a page."""
    return json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def _entry(declaration: Declaration, flags: FlagSet) -> dict[str, Any]:
    state = flags.state(declaration.key)
    return {
        "type": declaration.type.value,
        "values": list(declaration.values) if declaration.values is not None else None,
        "default": declaration.default,
        "safe": declaration.safe,
        "on": declaration.on,
        "value": value_of(declaration, flags),
        "kill_switch": declaration.kill_switch,
        "salt": state.salt,
        "hash_version": state.hash_version,
        "env": declaration.env,
        "prerequisites": [{"flag": one.flag, "values": list(one.values)} for one in declaration.prerequisites],
        "targeting": state.targeting,
    }


def _invalid(declaration: Declaration | None, why: str) -> dict[str, Any]:
    """Return the entry of a flag whose declaration cannot be used; readers answer its safe value where it has one."""
    if declaration is None:
        return {"type": "string", "safe": None, "invalid": why}
    values = list(declaration.values) if declaration.values is not None else None
    safe = fitted(declaration.type, declaration.values, declaration.safe)
    return {"type": declaration.type.value, "values": values, "safe": safe, "env": declaration.env, "invalid": why}
