"""What a flag is declared to be, and the registry of all declarations.

A declaration that cannot be used makes its own flag invalid and no other: the rest stay readable.  Above: `flags`,
`document`.  Below: `values`.
"""

from __future__ import annotations

import datetime as dt
import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from switchover_kit.prerequisites import MOST_JUDGEMENTS

from orchestrator.domain.flags.values import FlagType, Value, allowed, fitted, same, show

KEY: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,99}")
"""A key stands in variables, paths of the API and lines of text."""
ENVIRONMENT: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
"""Names of variables a POSIX shell can set."""
RESERVED: Final = "SWITCHOVER_"
"""How the daemon's own variables begin: one of them set for another reason would force a flag in every worker."""


@dataclass(frozen=True, slots=True)
class Prerequisite:
    """Another flag that must have one of some values before a flag may leave its safe value.

    Attributes:
        flag: the other flag.
        values: those of its values that will do.
    """

    flag: str
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Declaration:
    """One flag as it is declared.

    Attributes:
        key: its name.
        type: the kind of its values.
        values: the values it may have; None for all of its type.
        default: its value while nobody set one.
        safe: its value when in doubt: after a rollback, without a daemon, behind an unmet prerequisite.
        on: the value it is meant to reach in the end, None when nobody said.
        risk: what the values other than `safe` risk, for people.
        owner: who is asked about it.
        description: what it does.
        prerequisites: what must hold before it leaves its safe value.
        expires: the day from which it should be gone, None for never.
        env: a variable that forces it in one process, beside `SWITCHOVER_FLAG_<KEY>`.
        kill_switch: whether its leaving the safe value makes every other flag answer its own safe value.
        min_stable: seconds a version has to run well before this flag moves.
    """

    key: str
    type: FlagType
    values: tuple[Value, ...] | None
    default: Value
    safe: Value
    on: Value | None = None
    risk: str = ""
    owner: str = ""
    description: str = ""
    prerequisites: tuple[Prerequisite, ...] = ()
    expires: dt.date | None = None
    env: str | None = None
    kill_switch: bool = False
    min_stable: float = 0.0

    @property
    def allowed(self) -> str:
        """Which values it may have, in words."""
        return allowed(self.type, self.values)


@dataclass(frozen=True, slots=True)
class Flaw:
    """One thing that is wrong with a declaration.

    Attributes:
        key: the flag.
        field: the member of the declaration.
        why: what is wrong, and what is allowed.
    """

    key: str
    field: str
    why: str

    def __str__(self) -> str:
        return f"{self.key}: {self.field}: {self.why}" if self.field else f"{self.key}: {self.why}"


@dataclass(frozen=True, slots=True)
class Registry:
    """Every declared flag.

    Attributes:
        declarations: those that can be used, by key, in the order in which they were declared.
        invalid: those that cannot, with why.
        flawed: the declarations of those of `invalid` that could at least be read: they answer their safe values.
    """

    declarations: Mapping[str, Declaration] = field(default_factory=dict)
    invalid: Mapping[str, str] = field(default_factory=dict)
    flawed: Mapping[str, Declaration] = field(default_factory=dict)

    def safe_of(self, key: str) -> Value | None:
        """Return the safe value of a flag, invalid ones included; None where none is declared that it may have."""
        declaration = self.declarations.get(key) or self.flawed.get(key)
        return None if declaration is None else fitted(declaration.type, declaration.values, declaration.safe)

    def fall_of(self, key: str, why: str) -> str:
        """Say of a flag that cannot be used what it answers, and why."""
        return f"{key} answers {'nothing' if self.safe_of(key) is None else 'its safe value'}: {why}"

    def nearest(self, key: str) -> str | None:
        """Return the declared key that an unknown one was probably meant to be."""
        found = difflib.get_close_matches(key.upper(), {known.upper(): known for known in self.declarations}, n=1)
        return next((known for known in self.declarations if found and known.upper() == found[0]), None)


def dependants_of(declarations: Mapping[str, Declaration]) -> dict[str, list[Declaration]]:
    """Return, by key, the flags that have it as a prerequisite, in the order in which they are declared."""
    found: dict[str, list[Declaration]] = {}
    for declaration in declarations.values():
        for needed in declaration.prerequisites:
            found.setdefault(needed.flag, []).append(declaration)
    return found


def registry(declarations: Iterable[Declaration], flaws: Iterable[Flaw] = ()) -> tuple[Registry, list[Flaw]]:
    """Put declarations together: each is examined alone, then against the others.

    Args:
        declarations: in the order in which they were declared.
        flaws: what was found wrong before, such as flags that could not even be read.

    Returns:
        The registry, and every flaw there is; a flag with a flaw is invalid.
    """
    known = {declaration.key: declaration for declaration in declarations}
    found = [*flaws, *(flaw for declaration in known.values() for flaw in flaws_of(declaration)), *_too_many(known)]
    while True:  # a flag whose prerequisite turns out to be invalid is so, too
        bad = {flaw.key for flaw in found}
        good = {key: declaration for key, declaration in known.items() if key not in bad}
        more = [flaw for declaration in good.values() for flaw in _against(declaration, good, known)]
        more += [] if more else _cycles(good)
        more += [] if more else _kill_switches(good)
        more += [] if more else _defaults(good)
        if not more:
            break
        found += more
    invalid: dict[str, str] = {}
    for flaw in found:
        why = f"{flaw.field}: {flaw.why}" if flaw.field else flaw.why
        invalid[flaw.key] = f"{invalid[flaw.key]}; {why}" if flaw.key in invalid else why
    flawed = {key: declaration for key, declaration in known.items() if key not in good}
    return Registry(good, invalid, flawed), found


def flaws_of(declaration: Declaration) -> Iterator[Flaw]:
    """Yield what is wrong with a declaration by itself."""
    key = declaration.key
    if not KEY.fullmatch(key):
        yield Flaw(key, "", "a key has a letter, then up to 99 letters, digits, dots, dashes and underscores")
    yield from _own_values(declaration)
    if declaration.env is not None and not ENVIRONMENT.fullmatch(declaration.env):
        yield Flaw(key, "env", f"is {show(declaration.env)}; allowed: a variable's name, such as USE_MODULAR_ENGINE")
    elif declaration.env is not None and declaration.env.startswith(RESERVED):
        yield Flaw(
            key, "env", f"is {show(declaration.env)}; what begins with {RESERVED} is said to every worker by the daemon"
        )
    if declaration.min_stable < 0:
        yield Flaw(key, "min_stable", f"is {declaration.min_stable:g}; allowed: seconds, 0 or more")
    yield from _own_prerequisites(declaration)


def _own_values(declaration: Declaration) -> Iterator[Flaw]:
    key, kind, values = declaration.key, declaration.type, declaration.values
    if kind is FlagType.ENUM and not values:
        yield Flaw(key, "values", "an enum names its values")
    strangers = [value for value in values or () if fitted(kind, None, value) is None]
    for value in strangers:
        wanted = f'text, such as "{value}"' if kind is FlagType.ENUM else allowed(kind, None)
        yield Flaw(key, "values", f"{show(value)} is not of type {kind}; allowed: {wanted}")
    if strangers:
        return  # what the others may be is not known
    if values and any(same(one, other) for at, one in enumerate(values) for other in values[:at]):
        yield Flaw(key, "values", "one of them stands there twice")
    given = {"default": declaration.default, "safe": declaration.safe, "on": declaration.on}
    for name, chosen in given.items():
        if chosen is not None and fitted(kind, values, chosen) is None:
            yield Flaw(key, name, f"is {show(chosen)}; allowed: {declaration.allowed}")
    if declaration.on is not None and same(declaration.on, declaration.safe):
        yield Flaw(key, "on", f"is {show(declaration.on)}, the safe value; name the one it is meant to reach")


def _own_prerequisites(declaration: Declaration) -> Iterator[Flaw]:
    named = [needed.flag for needed in declaration.prerequisites]
    for flag in dict.fromkeys(named):
        if flag == declaration.key:
            yield Flaw(declaration.key, "prerequisites", "a flag cannot be a prerequisite of itself")
        elif named.count(flag) > 1:
            yield Flaw(declaration.key, "prerequisites", f"{flag} stands there twice; name all its values in one")
    for needed in declaration.prerequisites:
        if not needed.values:
            yield Flaw(declaration.key, "prerequisites", f"{needed.flag} is named without values that will do")
    if declaration.kill_switch and declaration.prerequisites:
        yield Flaw(declaration.key, "prerequisites", "a kill switch has none: it must always work")


def _against(
    declaration: Declaration, good: Mapping[str, Declaration], known: Mapping[str, Declaration]
) -> Iterator[Flaw]:
    """Yield what is wrong with a declaration's prerequisites, given the others."""
    for needed in declaration.prerequisites:
        other = good.get(needed.flag)
        if other is None:
            guess = Registry(known).nearest(needed.flag)
            why = "is invalid itself" if needed.flag in known else "is not declared"
            hint = f"; did you mean {guess}?" if guess and needed.flag not in known else ""
            yield Flaw(declaration.key, "prerequisites", f"{needed.flag} {why}{hint}")
            continue
        for value in needed.values:
            if fitted(other.type, other.values, value) is None:
                yield Flaw(
                    declaration.key, "prerequisites", f"{needed.flag} cannot be {show(value)}; allowed: {other.allowed}"
                )


def _too_many(known: Mapping[str, Declaration]) -> Iterator[Flaw]:
    """Yield a flaw for every flag whose prerequisites are more than a reader judges for one decision."""
    judged: dict[str, int] = {}
    for first in known:
        waiting = [(first, False)]
        while waiting:
            key, are_judged = waiting.pop()
            needed = [one.flag for one in known[key].prerequisites if one.flag in known]
            if are_judged:
                judged[key] = min(sum(1 + judged[other] for other in needed), MOST_JUDGEMENTS + 1)
            elif key not in judged:
                judged[key] = 0  # until its own are judged; on a circle it stays so
                waiting.append((key, True))
                waiting += [(other, False) for other in needed if other not in judged]
    for key, number in judged.items():
        if number > MOST_JUDGEMENTS:
            yield Flaw(
                key,
                "prerequisites",
                f"with those of its prerequisites they are more than {MOST_JUDGEMENTS}; name fewer of them",
            )


def _cycles(good: Mapping[str, Declaration]) -> Iterator[Flaw]:
    """Yield a flaw for every flag that is, over others, a prerequisite of itself."""
    for key in good:
        way = _way_back(key, good)
        if way:
            yield Flaw(key, "prerequisites", f"they go round in a circle: {' -> '.join(way)}; remove one of them")


def _way_back(key: str, good: Mapping[str, Declaration]) -> list[str]:
    """Return the way from a flag over its prerequisites back to itself, empty when there is none."""
    stack: list[list[str]] = [[key]]
    seen: set[str] = set()
    while stack:
        way = stack.pop()
        for needed in good[way[-1]].prerequisites:
            if needed.flag == key:
                return [*way, key]
            if needed.flag not in seen:
                seen.add(needed.flag)
                stack.append([*way, needed.flag])
    return []


def _kill_switches(good: Mapping[str, Declaration]) -> Iterator[Flaw]:
    """Yield a flaw for every kill switch after the first: one word must be enough."""
    switches = [declaration.key for declaration in good.values() if declaration.kill_switch]
    for key in switches[1:]:
        yield Flaw(key, "kill_switch", f"{switches[0]} is the kill switch already; there is one")


def _defaults(good: Mapping[str, Declaration]) -> Iterator[Flaw]:
    """Yield a flaw for every flag that would begin beside its safe value with a prerequisite unmet."""
    for declaration in good.values():
        if same(declaration.default, declaration.safe):
            continue
        for needed in declaration.prerequisites:
            begins = good[needed.flag].default
            if not any(same(begins, value) for value in needed.values):
                wanted = " or ".join(map(show, needed.values))
                yield Flaw(
                    declaration.key,
                    "default",
                    f"is not the safe value, although {needed.flag} begins as {show(begins)} and not as {wanted}",
                )
