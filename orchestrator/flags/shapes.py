"""From one table of a registry file to a declaration: the shape of each member, before the domain looks at its sense.

Above: `registry_file`.  Below: `domain.flags.declaration`.
"""

from __future__ import annotations

import datetime as dt
import difflib
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from orchestrator.domain.flags.declaration import Declaration, Flaw, Prerequisite
from orchestrator.domain.flags.values import FlagType, Value, fitted, show


class Member(NamedTuple):
    """One member of a declaration: whether something can be it, and what can be, in words."""

    fits: Callable[[Any], bool]
    allowed: str


def _is_text(value: object) -> bool:
    return isinstance(value, str) and "\0" not in value


def _is_seconds(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_day(value: object) -> bool:
    return isinstance(value, dt.date) and not isinstance(value, dt.datetime)


def _is_needs(value: object) -> bool:
    return isinstance(value, list) and all(
        isinstance(one, dict)
        and one.keys() == {"flag", "values"}
        and _is_text(one["flag"])
        and isinstance(one["values"], list)
        for one in value
    )


TYPES: Final = ", ".join(kind.value for kind in FlagType)
ANY: Final = Member(lambda _value: True, "one of the flag's values")
TEXT: Final = Member(_is_text, "text")
MEMBERS: Final[Mapping[str, Member]] = {
    "type": Member(lambda value: isinstance(value, str) and value in set(FlagType), TYPES),
    "values": Member(lambda value: isinstance(value, list), "a list of values"),
    "default": ANY,
    "safe": ANY,
    "on": ANY,
    "risk": TEXT,
    "owner": TEXT,
    "description": TEXT,
    "prerequisites": Member(_is_needs, 'a list such as [{ flag = "SANDBOX_MODE", values = ["pool"] }]'),
    "expires": Member(_is_day, "a day, such as 2027-03-01"),
    "env": TEXT,
    "kill_switch": Member(lambda value: isinstance(value, bool), "true, false"),
    "min_stable": Member(_is_seconds, "seconds"),
}
NEEDED: Final = ("type", "default", "safe")


def flaws_in(key: str, table: object) -> Iterator[Flaw]:
    """Yield what is wrong with the shape of one flag's table."""
    if not isinstance(table, dict):
        yield Flaw(key, "", f"is {show(table)}; allowed: a table, as in [flags.{key}]")
        return
    for name, value in table.items():
        member = MEMBERS.get(name)
        if member is None:
            guess = difflib.get_close_matches(name, MEMBERS, n=1)
            hint = f"did you mean {guess[0]}?" if guess else f"known: {', '.join(MEMBERS)}"
            yield Flaw(key, name, f"a declaration has no such member; {hint}")
        elif not member.fits(value):
            yield Flaw(key, name, f"is {show(value)}; allowed: {member.allowed}")
    for name in NEEDED:
        if name not in table:
            yield Flaw(key, name, f"is missing; allowed: {MEMBERS[name].allowed}")


def declaration_of(key: str, table: Mapping[str, Any]) -> Declaration | None:
    """Return a flag's declaration from a table with flaws or none, None when not even type and safe can be read."""
    good = {name: value for name, value in table.items() if name in MEMBERS and MEMBERS[name].fits(value)}
    if "type" not in good or "safe" not in good:
        return None
    kind = FlagType(good["type"])
    values = tuple(_kept(kind, value) for value in good["values"]) if "values" in good else None
    needs = (Prerequisite(one["flag"], tuple(one["values"])) for one in good.get("prerequisites", ()))
    plain = {
        name: good[name] for name in ("risk", "owner", "description", "expires", "env", "kill_switch") if name in good
    }
    return Declaration(
        key=key,
        type=kind,
        values=values,
        default=_kept(kind, good.get("default", good["safe"])),
        safe=_kept(kind, good["safe"]),
        on=_kept(kind, good["on"]) if "on" in good else None,
        prerequisites=tuple(needs),
        min_stable=float(good.get("min_stable", 0.0)),
        **plain,
    )


def _kept(kind: FlagType, value: Any) -> Value:
    """Return a value as its flag keeps it (`1` of a float flag is `1.0`); what does not fit is found and said later."""
    kept = fitted(kind, None, value)
    return value if kept is None else kept
