"""Flags as a file: what was set and targeted, to be kept, compared or taken to another daemon.  Pure.

Above: `service`.  Below: `domain.flags.flags`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from orchestrator.domain.flags.change import Change, FlagRefusedError, SetValue, Target, Unset
from orchestrator.domain.flags.declaration import Registry
from orchestrator.domain.flags.flags import HASH_VERSION, FlagSet
from orchestrator.domain.flags.values import same, show

FORMAT: Final = 1
MEMBERS: Final = ("value", "targeting", "salt", "hash_version")


def exported(registry: Registry, flags: FlagSet) -> dict[str, Any]:
    """Return every flag's value (null where nobody set one), targeting and salt."""
    entries: dict[str, Any] = {}
    for key in registry.declarations:
        state = flags.state(key)
        entries[key] = {name: getattr(state, name) for name in MEMBERS}
    return {"format": FORMAT, "flags_version": flags.version, "flags": entries}


def imported(content: object) -> list[Change]:
    """Return the changes that bring flags to what was exported.

    Raises:
        FlagRefusedError: it is no export of flags.
    """
    if not isinstance(content, Mapping) or not isinstance(content.get("flags"), Mapping):
        raise FlagRefusedError(
            'this is no export of flags; it has the form {"format": 1, "flags": {KEY: {"value": …}}}'
        )
    if content.get("format") != FORMAT:
        raise FlagRefusedError(f"the export has the format {show(content.get('format'))}; this version reads {FORMAT}")
    return [change for key, entry in content["flags"].items() for change in _changes(str(key), entry)]


def _changes(key: str, entry: object) -> Iterator[Change]:
    if not isinstance(entry, Mapping):
        raise FlagRefusedError(f"{key} is {show(entry)}; allowed: an object with {', '.join(MEMBERS)}", flag=key)
    unknown = sorted(str(name) for name in entry if name not in MEMBERS)
    if unknown:
        raise FlagRefusedError(f"{key} has {', '.join(unknown)}; allowed: {', '.join(MEMBERS)}", flag=key)
    if "value" in entry:  # null: nobody set one where this comes from, so it follows the default here, too
        yield Unset(key) if entry["value"] is None else SetValue(key, entry["value"])
    targeting, salt = entry.get("targeting"), entry.get("salt")
    if targeting is not None and not isinstance(targeting, Mapping):
        raise FlagRefusedError(f"the targeting of {key} is {show(targeting)}; allowed: an object, or null", flag=key)
    if salt is not None and (not isinstance(salt, str) or not salt):
        raise FlagRefusedError(f"the salt of {key} is {show(salt)}; allowed: a text that is not empty", flag=key)
    version = entry.get("hash_version", HASH_VERSION)
    if not same(version, HASH_VERSION):  # under another hash everybody would have another bucket
        raise FlagRefusedError(f"the hash_version of {key} is {show(version)}; allowed: {HASH_VERSION}", flag=key)
    if "targeting" in entry or salt is not None:
        yield Target(key, targeting, salt)
