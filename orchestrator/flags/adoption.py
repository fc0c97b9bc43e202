"""What becomes of rows of the table `settings` that somebody wrote by hand, or a former program: pure.

They are changes like any other, by the actor "database": checked by the same rules, and refused by the same sentences.

Above: `book`.  Below: `domain.flags.flags`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from orchestrator.domain.flags.change import FlagRefusedError, SetValue
from orchestrator.domain.flags.declaration import Registry
from orchestrator.domain.flags.flags import FlagSet, apply, parse


@dataclass(frozen=True, slots=True)
class Adopted:
    """What strays came to.

    Attributes:
        flags: the flags with all that could be taken over.
        taken: the keys of these, also where the text only spells the present value otherwise.
        refused: why others could not, by key.
        undeclared: rows of no declared flag; they are left alone.
    """

    flags: FlagSet
    taken: tuple[str, ...]
    refused: Mapping[str, str]
    undeclared: dict[str, str]


def adopt(registry: Registry, flags: FlagSet, strays: Mapping[str, str], missing: Collection[str] = ()) -> Adopted:
    """Take over what may be: all together where that goes, else one by one in the order of declaration.

    A row that was taken away says no value: the flag stays as it is, and its row is put back.
    """
    values: list[SetValue] = []
    refused = {
        key: f"the row of {key} was taken away; to reset a flag, reset it"
        for key in registry.declarations
        if key in missing
    }
    for key in (key for key in registry.declarations if key in strays):
        try:
            values += [SetValue(key, value) for value in parse(registry, {key: strays[key]}).values()]
        except FlagRefusedError as error:
            refused[key] = str(error)
    after, taken = flags, [one.key for one in values]
    try:
        after = apply(registry, flags, values)
    except FlagRefusedError:
        taken = []
        for one in values:
            try:
                after = apply(registry, after, [one])
            except FlagRefusedError as error:
                refused[one.key] = str(error)
            else:
                taken.append(one.key)
    undeclared = {key: text for key, text in strays.items() if key not in registry.declarations}
    return Adopted(after, tuple(taken), refused, undeclared)
