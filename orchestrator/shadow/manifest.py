"""Expected differences: what new code is meant to change, written down before it is compared, with an end.

    [[expected]]
    path = "$.tasks[].prompt"      # `*` is any one member, `**` anything below
    kind = "value"                 # or several; left out: any
    tool = "plan_next"             # left out: every tool
    flag = "PROMPT_MODE"           # what makes the difference, if a flag does
    reason = "prompts are shorter"
    expires = 2026-12-31           # from the day after on it is a difference again

An entry that matched nothing, or has expired, is reported: a manifest that only grows hides regressions.

Above: `outcome`, the harness reads the file.  Below: `domain.comparison`.
"""

from __future__ import annotations

import datetime as dt
import json
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from orchestrator.domain.comparison import DifferenceClass, Finding, Kind
from orchestrator.domain.errors import SwitchoverError

TABLE: Final = "expected"
MEMBERS: Final = ("path", "kind", "tool", "flag", "reason", "expires")
_KINDS: Final = tuple(one.value for one in Kind)


class ManifestError(SwitchoverError):
    """A manifest of expected differences cannot be used; the message has every problem, one a line."""


@dataclass(frozen=True, slots=True)
class Expected:
    """One entry.

    Attributes:
        number: which entry of the file it is, from 1.
        path: a pattern of paths without indexes.
        kinds: kinds of differences; none is any.
        tool: the tool it is about, "" for every one.
        flag: the flag that makes the difference, "" for none.
        reason: why it is expected, for people.
        expires: the last day on which it is.
    """

    number: int
    path: str
    kinds: frozenset[Kind]
    tool: str
    flag: str
    reason: str
    expires: dt.date

    def matches(self, tool: str, finding: Finding) -> bool:
        """Return whether a finding of a tool is this one."""
        if self.tool not in {"", tool} or (self.kinds and finding.kind not in self.kinds):
            return False
        return re.fullmatch(_pattern(self.path), finding.path) is not None

    def __str__(self) -> str:
        about = f" of {self.tool}" if self.tool else ""
        return f"entry {self.number}: {self.path}{about} ({self.reason}), until {self.expires.isoformat()}"


def read_manifest(text: str) -> tuple[Expected, ...]:
    """Read a manifest.

    Raises:
        ManifestError: it is no TOML, or an entry is wrong.
    """
    try:
        content = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise ManifestError(f"the manifest of expected differences is no TOML: {error}") from None
    problems = [f"{name}: there are only entries [[{TABLE}]]" for name in content if name != TABLE]
    tables = content.get(TABLE, [])
    if not isinstance(tables, list) or not all(isinstance(one, dict) for one in tables):
        raise ManifestError(f"write each expected difference as a table of its own, [[{TABLE}]]")
    for number, table in enumerate(tables, 1):
        problems += [f"entry {number}: {one}" for one in _problems(table)]
    if problems:
        raise ManifestError("\n".join(problems))
    return tuple(_entry(number, table) for number, table in enumerate(tables, 1))


def entry(path: str, kind: str, tool: str, reason: str, expires: dt.date) -> str:
    """Return an entry that expects one difference, as TOML to be pasted into a manifest.

    Args:
        path: where, without indexes.
        kind: what differs.
        tool: the tool it is about.
        reason: why it is expected, for people.
        expires: the last day on which it is.
    """
    members = {"path": path, "kind": kind, "tool": tool, "reason": reason}
    lines = [f"{name} = {_quoted(value)}" for name, value in members.items()]
    return "\n".join([f"[[{TABLE}]]", *lines, f"expires = {expires.isoformat()}"])


def _quoted(text: str) -> str:
    """Return a text as TOML writes it: like JSON, but for DEL."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _problems(table: Mapping[str, Any]) -> list[str]:
    found = [f"{name}: there is no such member; allowed: {', '.join(MEMBERS)}" for name in table if name not in MEMBERS]
    path = table.get("path")
    if not isinstance(path, str) or not path.startswith("$"):
        found.append('path: say where, as a path that begins with $, such as "$.tasks[].prompt"')
    kinds = _kinds(table)
    if not all(one in _KINDS for one in kinds):
        found.append(f"kind: allowed: {', '.join(_KINDS)}, or a list of them")
    if not isinstance(table.get("reason"), str) or not str(table["reason"]).strip():
        found.append("reason: say why this difference is expected")
    if type(table.get("expires")) is not dt.date:
        found.append("expires: name the last day on which it is expected, such as 2026-12-31, without quotes")
    found += [f"{name}: allowed: a text" for name in ("tool", "flag") if not isinstance(table.get(name, ""), str)]
    return found


def _kinds(table: Mapping[str, Any]) -> list[Any]:
    kinds = table.get("kind", [])
    return kinds if isinstance(kinds, list) else [kinds]


def _entry(number: int, table: Mapping[str, Any]) -> Expected:
    kinds = frozenset(Kind(one) for one in _kinds(table))
    words = (table["path"], kinds, table.get("tool", ""), table.get("flag", ""), table["reason"], table["expires"])
    return Expected(number, *words)


def _pattern(path: str) -> str:
    words = re.split(r"(\*\*|\*)", path)
    return "".join({"**": ".*", "*": r"[^.\[\]{}]+"}.get(word, re.escape(word)) for word in words)


@dataclass(frozen=True, slots=True)
class Applied:
    """What a manifest made of findings.

    Attributes:
        findings: the findings; expected ones have that class, and the entry's reason.
        used: the numbers of the entries that matched.
    """

    findings: tuple[Finding, ...]
    used: frozenset[int]


def apply(manifest: Sequence[Expected], tool: str, findings: Iterable[Finding], today: dt.date) -> Applied:
    """Class the findings of a tool that the manifest expects; what is incomplete or noise stays what it is."""
    used: set[int] = set()
    classed = []
    for finding in findings:
        entry = next((one for one in manifest if one.expires >= today and one.matches(tool, finding)), None)
        open_ = finding.difference_class in {DifferenceClass.UNEXPECTED, DifferenceClass.ADDITIVE}
        if entry is None or not open_:
            classed.append(finding)
            continue
        used.add(entry.number)
        by = f" (flag {entry.flag})" if entry.flag else ""
        reason = f"{entry.reason}{by}"
        classed.append(replace(finding, difference_class=DifferenceClass.EXPECTED, reason=reason))
    return Applied(tuple(classed), frozenset(used))
