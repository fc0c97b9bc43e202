"""The snapshot document: every flag with its value and targeting at one flags version, as JSON, and the checks of it.

Above it stands the evaluator (`targeting`), which compiles what is checked here, and the daemon, which writes the
document; below it what a flag is made of (`flag_parts`).  Each flag is checked by itself, and only when it is asked
for: one that cannot be read says why and leaves the others alone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from switchover_kit.bucket import HASH_VERSION, HashVersionError, constants
from switchover_kit.flag_parts import (
    DocumentError,
    Prerequisite,
    Targeting,
    prerequisites,
    read_object,
    read_targeting,
    read_value,
)
from switchover_kit.values import TYPES, ValueRefusedError, is_int, same, shown, typed

FORMAT: Final = 1
"""The format of the document that this version reads and writes."""

__all__ = ["FORMAT", "JSON", "Document", "DocumentError", "Flag", "flag", "is_on", "read", "safe_value"]


@dataclass(frozen=True, slots=True)
class Document:
    """Every flag at one flags version.

    Attributes:
        flags_version: which one it is; it only ever rises.
        flags: each flag by its key, not yet checked.
    """

    flags_version: int
    flags: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Flag:
    """One flag, checked.

    Attributes:
        key: its name.
        kind: its type, one of `values.TYPES`.
        values: the values it may have, None when its type is the only bound.
        default: its value as declared, while nobody has set another.
        safe: its value when in doubt.
        on: its value when it is fully on, None when that has no meaning.
        value: its value for whoever its targeting gives no other.
        kill_switch: True when leaving its safe value makes all other flags answer theirs.
        salt: what its buckets are salted with.
        hash_version: version of the hash that makes its buckets.
        env: variable that forces it in one process, None without one.
        prerequisites: what other flags have to answer before it answers anything but its safe value.
        targeting: who gets another value; empty without any.
    """

    key: str
    kind: str
    values: tuple[Any, ...] | None
    default: Any
    safe: Any
    on: Any
    value: Any
    kill_switch: bool
    salt: str
    hash_version: int
    env: str | None
    prerequisites: tuple[Prerequisite, ...]
    targeting: Targeting


def read(payload: bytes | str) -> Document:
    """Read a document; its flags are not looked into.

    Args:
        payload: the JSON.

    Raises:
        DocumentError: it is no document of this format as a whole.
    """
    try:
        raw = JSON.decode(payload if isinstance(payload, str) else payload.decode())
    except (ValueError, RecursionError) as error:
        raise DocumentError(f"the document is no JSON ({error})") from None
    whole = read_object("the document", raw)
    if not is_int(whole.get("format")) or whole["format"] != FORMAT:
        raise DocumentError(f"the document has the format {shown(whole.get('format'))}, and this reads {FORMAT}")
    version = whole.get("flags_version")
    if not is_int(version) or version < 0:
        raise DocumentError(f"flags_version is {shown(version)}; it must be a whole number, 0 or more")
    return Document(version, read_object("flags", whole.get("flags")))


def flag(key: str, raw: object) -> Flag:
    """Check one flag of a document.

    Raises:
        DocumentError: it cannot be read, or it is marked as invalid; the message says why.
    """
    given = read_object("the flag", raw)
    if (why := given.get("invalid")) is not None:
        raise DocumentError(str(why))
    kind, values = _type(given)
    kill_switch = _optional(given, "kill_switch", bool, "true or false", default=False)
    chosen = {name: read_value(name, kind, values, given.get(name)) for name in ("default", "safe", "value")}
    on = given.get("on")
    raw_targeting = given.get("targeting")
    if kill_switch and raw_targeting is not None:
        raise DocumentError("a kill switch is for everybody or for nobody; take its targeting away")
    return Flag(
        key=key,
        kind=kind,
        values=values,
        **chosen,
        on=None if on is None else read_value("on", kind, values, on),
        kill_switch=kill_switch,
        salt=_optional(given, "salt", str, "a text", default=key),
        hash_version=_hash_version(given),
        env=_optional(given, "env", str, "the name of a variable", default=None),
        prerequisites=prerequisites(given.get("prerequisites")),
        targeting=Targeting() if raw_targeting is None else read_targeting(kind, values, raw_targeting),
    )


def safe_value(raw: object) -> Any:
    """Return the safe value of a flag that may not be readable, None when not even that can be made out."""
    try:
        given = read_object("the flag", raw)
        kind, values = _type(given)
        return read_value("safe", kind, values, given.get("safe"))
    except (DocumentError, RecursionError):
        return None


def is_on(raw: object) -> bool:
    """Return whether a flag is a kill switch that is on: its value is one, and not its safe one.

    Nothing else of the flag is looked at: what stops everything must work even where something is wrong with it.
    """
    if not isinstance(raw, Mapping) or raw.get("kill_switch") is not True:
        return False
    try:
        kind, values = _type(raw)
        value, safe = typed(kind, values, raw.get("value")), safe_value(raw)
        return safe is not None and not same(value, safe)
    except (DocumentError, ValueRefusedError, RecursionError):
        return False


def _type(given: Mapping[str, Any]) -> tuple[str, tuple[Any, ...] | None]:
    """Return the type of a flag and the values it may have."""
    kind, values = given.get("type"), given.get("values")
    if kind not in TYPES:
        raise DocumentError(f"type is {shown(kind)}; it must be one of {', '.join(TYPES)}")
    if values is None and kind != "enum":
        return kind, None
    if not isinstance(values, list) or not values:
        raise DocumentError(f"values is {shown(values)}; it must be a list of the values that the flag may have")
    return kind, tuple(read_value("values", kind, None, value) for value in values)


def _hash_version(given: Mapping[str, Any]) -> int:
    """Return the version of the hash, which has to be known here."""
    version = given.get("hash_version", HASH_VERSION)
    try:
        if not is_int(version):
            raise DocumentError(f"hash_version is {shown(version)}; it must be a whole number")
        constants("", version)
    except HashVersionError as error:
        raise DocumentError(str(error)) from None
    return int(version)


def _optional(given: Mapping[str, Any], name: str, kind: type, wanted: str, *, default: Any) -> Any:
    """Return a member of a flag, `default` when it is not there."""
    value = given.get(name)
    if value is None:
        return default
    if not isinstance(value, kind):
        raise DocumentError(f"{name} is {shown(value)}; it must be {wanted}")
    return value


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number of it; give it a finite one")


JSON: Final = json.JSONDecoder(parse_constant=_no_number)
"""Made once: every change of a flag is decoded in every process that reads it."""
