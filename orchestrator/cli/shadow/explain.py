"""`switchover shadow explain ID [NUMBER|PATH]`: why something is a difference, or why it is none."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import click

from orchestrator.cli.errors import FailedError
from orchestrator.cli.group import state_dir_option
from orchestrator.cli.shadow.artifact import load
from orchestrator.cli.terminal import show
from orchestrator.domain.words import counted
from orchestrator.shadow.manifest import entry

EXPECTED_DAYS: Final = 30
"""Days after which a pasted entry ends unless its end is changed: by then the old code should be gone."""
WHY: Final = "say here why"
OPEN: Final = frozenset({"unexpected", "additive"})
"""Classes that a manifest can make expected."""
NEEDS: Final = {
    "refused": "let the call do what was refused (upgrade.write, upgrade.allow_network), or leave it out of the suite",
    "timeout": "give calls more time (upgrade.call_timeout), or leave this one out of the suite",
    "expectation": "change what the suite expects of this call (`expect`)",
    "missing": "look at why one side was not asked or did not answer: the calls below say how they ended",
    "unreadable": "have both sides answer JSON that every reader takes alike, within upgrade.answer_bytes",
}
"""What is needed where no entry helps, by kind."""


@click.command("explain")
@click.argument("run", metavar="ID")
@click.argument("which", metavar="[NUMBER|PATH]", required=False)
@click.option("--reason", default=WHY, help="Why it is expected, for the entry to paste.")
@state_dir_option
def command(*, run: str, which: str | None, reason: str, state_dir: Path | None) -> None:
    """Say of a difference, or of what was taken as noise at PATH, by which rule and on which evidence.

    NUMBER is the one that `shadow diff` shows. Without either, every difference is explained and the noise is listed.
    """
    found = load(state_dir, run)
    expires = dt.datetime.now(dt.UTC).date() + dt.timedelta(days=EXPECTED_DAYS)
    differences = [one for one in found["differences"] if is_meant(one, which)]
    noise = [(tool, one) for tool, one in _noise(found) if which is None or one["path"] == unindexed(which)]
    if not differences and not noise:
        raise FailedError(_nothing(found, str(which)) if which is not None else f"nothing differed in {found['id']}")
    blocks = [explanation(found, one, reason, expires) for one in differences]
    if noise:
        blocks.append(list(noise_lines(noise, whole=which is not None)))
    show("\n\n".join("\n".join(block) for block in blocks))


def is_meant(one: dict[str, Any], which: str | None) -> bool:
    """Tell whether a difference is the one that somebody means by its number or its path."""
    if which is None:
        return True
    number = which.removeprefix("#")
    if number.isdecimal():
        return one.get("number") == int(number)
    return which in {one["path"], one.get("pattern")} or one.get("pattern") == unindexed(which)


def unindexed(path: str) -> str:
    """Return a path with its indexes taken out, as patterns have it: `$.a[3].b` is `$.a[].b`."""
    parts = path.split("[")
    return "[".join([parts[0], *(part[part.index("]") :] if _is_index(part) else part for part in parts[1:])])


def _is_index(part: str) -> bool:
    inside, bracket, _ = part.partition("]")
    return bool(bracket) and inside.isdecimal()


def explanation(found: dict[str, Any], one: dict[str, Any], reason: str, expires: dt.date) -> list[str]:
    """Return everything about one difference, line by line."""
    case = "" if one["case"] == one["tool"] else f", call {one['case']!r}"
    return [
        f"#{one.get('number', '-')}  {one['tool']}{case}: {one['kind']}, {one['class']}",
        *str(one["message"]).splitlines(),
        *(f"  {line}" for line in _evidence(found, one)),
        *_expecting(one, reason, expires),
    ]


def _evidence(found: dict[str, Any], one: dict[str, Any]) -> Iterator[str]:
    learned = found.get("details", {}).get("profiles", {}).get(one["tool"])
    if learned:
        enough = "" if learned["enough"] else "; too few to know rare noise, upgrade.repeats gives more"
        calls = "1 call" if learned["calls"] == 1 else f"{learned['calls']} calls"
        yield f"evidence: {learned['answers']} answers of the old code to {calls}{enough}"
    for _, noise in (pair for pair in _noise(found, one["tool"]) if pair[1]["path"] == one.get("pattern")):
        yield f"known noise here: {_noise_words(noise)}"
    for call in found.get("calls", []):
        if one["case"] in {call["name"], *(f"{call['name']}#{n}" for n in range(1, 101))}:
            yield f"ended: {'; '.join(_ended(call))}"


def _ended(call: dict[str, Any]) -> Iterator[str]:
    for part in ("control", "rehearsal", "active"):
        if part in call:
            answers = ", ".join(f"{count} {what}" for what, count in call[part]["answers"].items())
            yield f"{part} {answers}, {call[part]['median_ms']:g} ms"


def _expecting(one: dict[str, Any], reason: str, expires: dt.date) -> Iterator[str]:
    """Say what would make it no difference to look at."""
    if one["class"] in OPEN and one.get("pattern"):
        yield "  to expect it, put this into the file that upgrade.expected names:"
        yield ""
        yield from entry(one["pattern"], one["kind"], one["tool"], reason, expires).splitlines()
    elif one["class"] in {"unexpected", "incomplete"}:
        needed = NEEDS.get(one["kind"], "mend what kept it from being compared")
        yield f"  no manifest can expect this; {needed}"


def _noise(found: dict[str, Any], tool: str | None = None) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, all_of_it in found.get("details", {}).get("noise", {}).items():
        if tool in {None, name}:
            yield from ((name, one) for one in all_of_it)


def noise_lines(noise: list[tuple[str, dict[str, Any]]], *, whole: bool) -> Iterator[str]:
    """Yield what was taken as noise; with values where one path is asked for."""
    yield "taken as noise, because the old code differs from itself there:"
    tool = None
    for name, one in noise:
        if name != tool:
            yield f"{name}"
            tool = name
        yield f"  {one['path']}  {_noise_words(one)}"
        if whole and one["seen"]:
            yield f"    such as {', '.join(one['seen'])}"
            yield "    still checked there: that it stays within what is said here (docs/shadow.md)"


def _noise_words(one: dict[str, Any]) -> str:
    return f"{one['varies']} ({one['differing']} of {one['pairs']} pairs differ, {one['answers']} answers)"


def _nothing(found: dict[str, Any], which: str) -> str:
    if which.removeprefix("#").isdecimal():
        has = counted(len(found["differences"]), "difference")
        return f"rehearsal {found['id']} has {has}, none of them is number {which}"
    return f"nothing differed at {which} in {found['id']}, neither between old and new nor in the old code itself"
