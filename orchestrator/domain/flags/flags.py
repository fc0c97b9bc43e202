"""The flags' values and the one function that changes them: pure, so that every rule is a test of microseconds.

A change is checked whole, with everything else that is asked for in the same write: a flag and its prerequisite may
move together.  Above: `orchestrator.flags`.  Below: `declaration` (what may be), `change` (what is asked).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from orchestrator.domain.flags.change import (
    Change,
    FlagRefusedError,
    FlagsMovedError,
    Reset,
    SetValue,
    Target,
    UnknownFlagError,
    Unset,
)
from orchestrator.domain.flags.declaration import Declaration, Prerequisite, Registry, dependants_of
from orchestrator.domain.flags.targeting import targeting_flaw
from orchestrator.domain.flags.values import LENGTH, Value, can_be_kept, fitted, parsed, same, show

HASH_VERSION = 1
"""Version of the hash that new flags are bucketed with; a flag keeps the one it has."""
NAMED = 20
"""Flags that a refusal names as those there are."""


@dataclass(frozen=True, slots=True)
class FlagState:
    """What is stored of one flag.

    Attributes:
        value: its value, None while it follows the declared default.
        targeting: who gets what instead, as in the snapshot document; None without.
        salt: what its buckets are salted with.
        hash_version: version of the hash its buckets are made with.
    """

    value: Value | None = None
    targeting: Mapping[str, Any] | None = None
    salt: str = ""
    hash_version: int = HASH_VERSION


@dataclass(frozen=True, slots=True)
class FlagSet:
    """All flags at one version.

    Attributes:
        version: the flags version.
        states: what is stored, by key; declared flags that are missing follow their defaults.
    """

    version: int = 0
    states: Mapping[str, FlagState] = field(default_factory=dict)

    def state(self, key: str) -> FlagState:
        """Return a flag's state; one that is not stored follows its default, salted with its own key."""
        return self.states.get(key) or FlagState(salt=key)


def alike(one: FlagState, other: FlagState) -> bool:
    """Tell whether two states are the same; `1` and `true` within them are not."""
    return (one.salt, one.hash_version) == (other.salt, other.hash_version) and all(
        same(getattr(one, part), getattr(other, part)) for part in ("value", "targeting")
    )


def value_of(declaration: Declaration, flags: FlagSet) -> Value:
    """Return a flag's value; one that is stored and no longer allowed counts as the safe value."""
    stored = flags.state(declaration.key).value
    if stored is None:
        return declaration.default
    kept = fitted(declaration.type, declaration.values, stored)
    return declaration.safe if kept is None else kept


def values_of(registry: Registry, flags: FlagSet) -> dict[str, Value]:
    """Return every declared flag's value."""
    return {key: value_of(declaration, flags) for key, declaration in registry.declarations.items()}


def safe_values(registry: Registry) -> dict[str, Value]:
    """Return every declared flag's safe value."""
    return {key: declaration.safe for key, declaration in registry.declarations.items()}


def parse(registry: Registry, texts: Mapping[str, str]) -> dict[str, Value]:
    """Return the values that texts mean, such as `{"MO_ENGINE": "1"}` as somebody typed them.

    Raises:
        FlagRefusedError: a key is not declared, or a text means no value of its flag.
    """
    values: dict[str, Value] = {}
    for key, text in texts.items():
        declaration = declared(registry, key)
        value = parsed(declaration.type, declaration.values, text)
        if value is None:
            raise _not_allowed(declaration, text)
        values[key] = value
    return values


def chosen(registry: Registry, values: Mapping[str, object]) -> dict[str, Value]:
    """Return typed values as their flags keep them.

    Raises:
        FlagRefusedError: a key is not declared, or a value not allowed.
    """
    return {key: _allowed(declared(registry, key), value) for key, value in values.items()}


def declared(registry: Registry, key: str) -> Declaration:
    """Return a flag's declaration.

    Raises:
        UnknownFlagError: it is not declared, or its declaration cannot be used.
    """
    declaration = registry.declarations.get(key)
    if declaration is not None:
        return declaration
    if key in registry.invalid:
        why = registry.invalid[key]
        raise UnknownFlagError(f"{key} cannot be changed: its declaration is invalid ({why}); mend it first", flag=key)
    guess = registry.nearest(key)
    hint = f"did you mean {guess}?" if guess else f"known flags: {_some(registry.declarations)}"
    raise UnknownFlagError(f"there is no flag {key}; {hint}", flag=key, allowed=guess or "")


def _some(keys: Collection[str]) -> str:
    """Name keys, the first of them where there are too many to read."""
    named = ", ".join([*keys][:NAMED]) or "none"
    return named if len(keys) <= NAMED else f"{named} and {len(keys) - NAMED} more"


def apply(registry: Registry, flags: FlagSet, changes: Iterable[Change], expect_version: int | None = None) -> FlagSet:
    """Return the flags as they are after these changes, under the next version; the same ones when nothing differs.

    Args:
        registry: what is declared.
        flags: as they are.
        changes: all of one write; of two for one flag's value, the later one counts.
        expect_version: the flags version they were decided on, None for whatever it is.

    Raises:
        FlagsMovedError: the version is another one.
        FlagRefusedError: a change may not be; nothing of all is done.
    """
    if expect_version is not None and expect_version != flags.version:
        raise FlagsMovedError(expect_version, flags.version)
    states = dict(flags.states)
    asked: dict[str, Change] = {}
    for change in changes:
        declaration = declared(registry, change.key)
        states[change.key] = _changed(declaration, states.get(change.key) or flags.state(change.key), change)
        asked[change.key] = change
    after = FlagSet(flags.version + 1, states)
    touched = [key for key in asked if not alike(states[key], flags.state(key))]
    for key in touched:
        _check_prerequisites(registry, after, key)
    dependants = dependants_of(registry.declarations) if touched else {}
    for key in touched:
        _check_dependants(registry, after, key, dependants.get(key, ()))
    return after if touched else flags


def resets(registry: Registry, keys: Iterable[str] | None = None) -> list[Reset]:
    """Return the resets of these flags, dependants before what they depend on.

    None means all but kill switches: whoever turned one on turns it off.

    Raises:
        UnknownFlagError: one of them is not declared.
    """
    if keys is None:
        wanted = {key for key, declaration in registry.declarations.items() if not declaration.kill_switch}
    else:
        wanted = {declared(registry, key).key for key in keys}
    return [Reset(key) for key in reset_order(registry) if key in wanted]


def is_safe_move(registry: Registry, before: FlagSet, after: FlagSet) -> bool:
    """Tell whether a change can only make things safer: resets, and a kill switch that is turned on."""
    changed = [key for key in registry.declarations if not alike(before.state(key), after.state(key))]
    return all(_is_safer(registry.declarations[key], after) for key in changed)


def _is_safer(declaration: Declaration, after: FlagSet) -> bool:
    is_safe = same(value_of(declaration, after), declaration.safe)
    if declaration.kill_switch:
        return not is_safe
    return is_safe and after.state(declaration.key).targeting is None


def reset_order(registry: Registry) -> list[str]:
    """Return all declared keys, dependants before what they depend on, otherwise the one declared last first.

    In this order each flag can go to its safe value alone: nothing that is not safe ever stands on what has gone.
    """
    dependants = dependants_of(registry.declarations)
    order: dict[str, None] = {}
    for first in reversed(list(registry.declarations)):
        waiting = [(first, False)]
        while waiting:  # no recursion: a file may declare thousands in a row
            key, are_in = waiting.pop()
            if are_in:
                order[key] = None
            elif key not in order:
                waiting.append((key, True))
                waiting += [(one.key, False) for one in reversed(dependants.get(key, ()))]
    return list(order)


def unmet(declaration: Declaration, values: Mapping[str, Value]) -> list[Prerequisite]:
    """Return the prerequisites of a flag that these values do not meet."""
    return [
        needed
        for needed in declaration.prerequisites
        if needed.flag not in values or not any(same(values[needed.flag], value) for value in needed.values)
    ]


def stored_flaws(registry: Registry, flags: FlagSet) -> dict[str, str]:
    """Return what is wrong with stored flags, by key: values or targeting that the registry no longer allows."""
    return dict(_stored_flaws(registry, flags))


def _stored_flaws(registry: Registry, flags: FlagSet) -> Iterator[tuple[str, str]]:
    for key, state in flags.states.items():
        declaration = registry.declarations.get(key)
        if declaration is None:
            continue
        if state.value is not None and fitted(declaration.type, declaration.values, state.value) is None:
            yield key, f"the stored value {show(state.value)} is not allowed; allowed: {declaration.allowed}"
        elif state.targeting is not None and (why := targeting_flaw(declaration, state.targeting)):
            yield key, f"the stored targeting cannot be used: {why}"


def _changed(declaration: Declaration, state: FlagState, change: Change) -> FlagState:
    """Return one flag's state after one change of it."""
    if isinstance(change, Reset):
        follows = same(declaration.default, declaration.safe)
        return replace(state, value=None if follows else declaration.safe, targeting=None)
    if isinstance(change, Unset):
        return replace(state, value=None)
    if isinstance(change, SetValue):
        return replace(state, value=_allowed(declaration, change.value))
    return replace(state, targeting=_targeting(declaration, change), salt=change.salt or state.salt)


def _targeting(declaration: Declaration, change: Target) -> Mapping[str, Any] | None:
    if change.targeting is None:
        return None
    why = targeting_flaw(declaration, change.targeting)
    if why:
        raise FlagRefusedError(f"the targeting of {declaration.key} cannot be used: {why}", flag=declaration.key)
    return change.targeting


def _allowed(declaration: Declaration, value: object) -> Value:
    kept = fitted(declaration.type, declaration.values, value)
    if kept is None:
        raise _not_allowed(declaration, value)
    return kept


def _not_allowed(declaration: Declaration, value: object) -> FlagRefusedError:
    if not can_be_kept(value, LENGTH):
        wanted = f"JSON of at most {LENGTH} bytes, with finite numbers, without NUL, of whole characters"
        message = f"{declaration.key} cannot be {show(value)}: it cannot be kept as it is; allowed: {wanted}"
        return FlagRefusedError(message, flag=declaration.key, value=value, allowed=wanted)
    message = f"{declaration.key} cannot be {show(value)}; allowed: {declaration.allowed}"
    return FlagRefusedError(message, flag=declaration.key, value=value, allowed=declaration.allowed)


def _check_prerequisites(registry: Registry, after: FlagSet, key: str) -> None:
    """Refuse a flag beside its safe value whose prerequisites do not hold."""
    declaration = registry.declarations[key]
    value = value_of(declaration, after)
    if same(value, declaration.safe):
        return
    values = _needed_values(registry, after, [declaration])
    missing = unmet(declaration, values)
    if missing:
        message = (
            f"{key} cannot be {show(value)} while {_standing(missing, values)}; set that first, or in the same write"
        )
        allowed = f"{show(declaration.safe)}, or {show(value)} with {_wanted(missing)}"
        raise FlagRefusedError(message, flag=key, value=value, allowed=allowed)


def _check_dependants(registry: Registry, after: FlagSet, key: str, dependants: Sequence[Declaration]) -> None:
    """Refuse to take a prerequisite away from under flags that are beside their safe values."""
    values = _needed_values(registry, after, dependants)
    values |= {one.key: value_of(one, after) for one in (registry.declarations[key], *dependants)}
    held = [
        dependant
        for dependant in dependants
        if not same(values[dependant.key], dependant.safe)
        and any(needed.flag == key for needed in unmet(dependant, values))
    ]
    if held:
        named = ", ".join(f"{one.key} (now {show(values[one.key])})" for one in held)
        safe = " ".join(f"{one.key}={show(one.safe)}" for one in held)
        wanted = _wanted([needed for one in held for needed in unmet(one, values) if needed.flag == key])
        raise FlagRefusedError(
            f"{key} cannot be {show(values[key])} while {named} needs {wanted}; "
            f"bring the dependants to their safe values first, or in the same write: {safe}",
            flag=key,
            value=values[key],
            allowed=wanted,
        )


def _needed_values(registry: Registry, flags: FlagSet, declarations: Iterable[Declaration]) -> dict[str, Value]:
    """Return the values of what these flags have as prerequisites, not of all: there may be thousands of flags."""
    needed = {one.flag for declaration in declarations for one in declaration.prerequisites}
    return {key: value_of(registry.declarations[key], flags) for key in needed if key in registry.declarations}


def _standing(missing: Sequence[Prerequisite], values: Mapping[str, Value]) -> str:
    return " and ".join(
        f"{needed.flag} is {show(values.get(needed.flag))}, not {' or '.join(map(show, needed.values))}"
        for needed in missing
    )


def _wanted(missing: Sequence[Prerequisite]) -> str:
    told = (f"{needed.flag}={' or '.join(map(show, needed.values))}" for needed in missing)
    return " and ".join(dict.fromkeys(told))
