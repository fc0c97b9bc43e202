"""Says what is wrong with a setting: where it was written, what stands there, what is allowed.

Above: `layers` and `loading` collect problems and report them all at once.  Below: `keys`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic_core import ErrorDetails

from orchestrator.settings.keys import Key, inside, keys, nearest
from orchestrator.settings.lines import Place

SHOWN: Final = 60
"""Characters shown of a value that cannot be used."""
CONCEALED: Final = ("worker.env.", "http.tokens")
"""Values below these keys may be secrets and are never shown."""

BARE: Final = re.compile(r"[A-Za-z0-9_-]+")
KINDS: Final[Mapping[type, str]] = {
    bool: "the truth value",
    int: "the number",
    float: "the number",
    str: "the text",
    list: "a list",
    tuple: "a list",
    dict: "a table",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        origin: file and line, environment variable, or the command line.
        key: dotted key; empty when the problem is no single key's.
        wrong: what is wrong, and what is allowed.
    """

    origin: str
    key: str
    wrong: str

    def __str__(self) -> str:
        return ": ".join(part for part in (self.origin, self.key, self.wrong) if part)


def report(problems: Iterable[Problem]) -> str:
    """Return one text that lists every problem, one a line."""
    lines = [str(problem) for problem in problems]
    if len(lines) == 1:
        return lines[0]
    return "\n  ".join((f"{len(lines)} settings cannot be used:", *lines))


def explain(error: ErrorDetails, origin: str) -> Problem:
    """Word one of pydantic's errors."""
    place = tuple(part for part in error["loc"] if part != "[key]")
    name = dotted(place)
    if error["type"] == "extra_forbidden":
        return Problem(origin, name, unknown(name))
    reason = f" ({error['ctx']['error']})" if error["type"] == "value_error" else ""
    if place != error["loc"]:
        return Problem(origin, name, f"is no usable name{reason}")
    concealed = name.startswith(CONCEALED)
    key = _key_around(place)
    allowed = "text" if concealed else key.allowed if key else f"table, as in [{name}]"
    return Problem(origin, name, f"is {show(error['input'], concealed=concealed)}{reason}; allowed: {allowed}")


def unknown(name: str) -> str:
    """Say that there is no setting called `name`, and which one was probably meant."""
    if guess := nearest(name):
        return f"there is no such setting; did you mean {guess}?"
    return f"there is no such setting; known here: {', '.join(inside(name.rpartition('.')[0]))}"


def dotted(place: Place) -> str:
    """Return `place` as one writes it: keys joined by dots, quoted where TOML needs it, positions in brackets."""
    text = ""
    for part in place:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}" if BARE.fullmatch(part) else f".{json.dumps(part)}"
    return text.removeprefix(".")


def show(value: Any, *, concealed: bool = False) -> str:
    """Name a value's kind and, unless it is concealed, the value itself, shortened and without control characters."""
    kind = next((words for known, words in KINDS.items() if isinstance(value, known)), f"a {type(value).__name__}")
    if concealed or not isinstance(value, (bool, int, float, str)):
        return kind
    text = json.dumps(value)
    return f"{kind} {text if len(text) <= SHOWN else text[: SHOWN - 3] + '...'}"


def _key_around(place: Place) -> Key | None:
    """Return the setting that `place` is or lies within, None for a section."""
    for end in range(len(place), 0, -1):
        if key := keys().get(dotted(place[:end])):
            return key
    return None
