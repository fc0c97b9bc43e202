"""A plan's file: TOML in, a plan out, or every problem at once with its file and line and what is allowed.

Above: `shipped`, the verbs.  Below: `form`, `places`, `domain.plans.plan`.
"""

from __future__ import annotations

import difflib
import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from orchestrator.domain.errors import SettingsError
from orchestrator.domain.plans.plan import Plan
from orchestrator.domain.plans.presets import expanded
from orchestrator.plans.form import member_at, members
from orchestrator.plans.places import find_places
from orchestrator.settings.lines import Place, line_of
from orchestrator.settings.problems import Problem, dotted, show
from orchestrator.settings.small_file import small_file

BYTES: Final = 256 * 1024
"""Of a plan's file: thousands of steps."""
AT_LINE: Final = re.compile(r"\(at line (\d+), column \d+\)$")


class PlanError(SettingsError):
    """A plan cannot be used."""


@dataclass(frozen=True, slots=True)
class PlanFile:
    """A plan and where it was written.

    Attributes:
        plan: what it says.
        path: the file.
        lines: the line of every member.
    """

    plan: Plan
    path: Path
    lines: Mapping[Place, int]

    def where(self, place: Place) -> str:
        """Return file and line of a member, or of the table around it."""
        line = line_of(self.lines, place)
        return f"{self.path}:{line}" if line else str(self.path)


def read_plan(path: Path) -> PlanFile:
    """Read a plan's file.

    Raises:
        PlanError: it cannot be read, or is no plan; the message lists every problem with file and line.
    """
    text = _text(path)
    try:
        content = tomllib.loads(text)
    except RecursionError:
        raise PlanError(f"{path}: is nested too deeply") from None
    except ValueError as error:
        found = AT_LINE.search(str(error))
        raise PlanError(f"{path}{f':{found[1]}' if found else ''}: is not valid TOML: {error}") from None
    lines = find_places(text)
    try:
        plan = plan_of({"name": path.stem, **content})
    except ValidationError as error:
        raise PlanError(_report(path, lines, error)) from None
    except RecursionError:
        raise PlanError(f"{path}: is nested too deeply") from None
    return PlanFile(plan, path, lines)


def plan_of(content: Mapping[str, Any]) -> Plan:
    """Return the plan that a document says, its presets expanded: what `document` gives, or a file.

    Raises:
        ValidationError: it is none.
    """
    return expanded(_adapter().validate_json(json.dumps(content, default=str)))


def document(plan: Plan) -> dict[str, Any]:
    """Return a plan as JSON, without what is left to its default."""
    written: dict[str, Any] = _adapter().dump_python(plan, mode="json", exclude_defaults=True)
    return written


@cache
def _adapter() -> TypeAdapter[Plan]:
    return TypeAdapter(Plan)


def _text(path: Path) -> str:
    try:
        data = small_file(path, BYTES)
    except OSError as error:
        raise PlanError(f"{path}: cannot be read: {error.strerror or error}; name a readable TOML file") from error
    if len(data) > BYTES:
        raise PlanError(f"{path}: has more than the {BYTES} bytes that are allowed")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise PlanError(f"{path}:{line}: is not UTF-8 text: {error.reason}") from None


def _report(path: Path, lines: Mapping[Place, int], error: ValidationError) -> str:
    problems = dict.fromkeys(_problems(path, lines, error))
    said = [str(problem) for problem in problems]
    return said[0] if len(said) == 1 else "\n  ".join((f"{len(said)} problems with this plan:", *said))


def _problems(path: Path, lines: Mapping[Place, int], error: ValidationError) -> Iterator[Problem]:
    for details in error.errors(include_url=False):
        place, wrong = _explained(details)
        line = line_of(lines, place)
        yield Problem(f"{path}:{line}" if line else str(path), dotted(place), wrong)


def _explained(details: ErrorDetails) -> tuple[Place, str]:
    """Word one of pydantic's errors, and say where it is."""
    place = details["loc"]
    member, around = member_at(place)
    if details["type"] == "unexpected_keyword_argument":
        return place, _unknown(str(place[-1]), around)
    if details["type"] == "missing":
        return place, f"is missing; allowed: {member.allowed if member else 'text'}"
    reason = str(details["ctx"]["error"]) if details["type"] == "value_error" else ""
    if member is None or (member.table is not None and reason):  # what two members of a table say together
        return place, reason or "is no plan"
    while place and place[-1] != member.name and not isinstance(place[-1], int):  # which of several types did not fit
        place = place[:-1]
    because = f" ({reason})" if reason else ""
    return place, f"is {show(details['input'])}{because}; allowed: {member.allowed}"


def _unknown(name: str, around: type) -> str:
    known = members(around)
    guess = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {guess[0]}?" if guess else f"known here: {', '.join(known)}"
    return f"there is no such member; {hint}"
