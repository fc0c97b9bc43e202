"""A run's `shadow.json` as the verbs read it: found by the run's id, or the newest one.

Above: `diff`, `explain`.  Below: `rehearsal.artifacts` for where things are.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from orchestrator.cli.control import paths_of
from orchestrator.cli.errors import FailedError
from orchestrator.domain.rehearsal import RUN
from orchestrator.rehearsal.artifacts import FOLDER
from orchestrator.rehearsal.summary import SUMMARY, SummaryError, read_summary

NAMED: Final = 5
"""Runs that are named where the one that was asked for is not there."""


def load(state_dir: Path | None, run: str | None) -> dict[str, Any]:
    """Return what a run's shadow comparison found.

    Args:
        state_dir: the daemon's, as it was given.
        run: the run's id; None for the newest that came so far.

    Raises:
        FailedError: there is no such run, or it did not come to a comparison; the message says what there is.
    """
    place = paths_of(state_dir).state_dir
    path = _newest(place) if run is None else _of(place, run)
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise FailedError(_without(path.parent)) from None
    except (OSError, ValueError) as error:
        raise FailedError(f"{path} cannot be read: {error}") from error
    if not isinstance(content, dict) or not isinstance(content.get("differences"), list):
        why = content.get("withheld", "it is no report") if isinstance(content, dict) else "it is no report"
        raise FailedError(f"{path} has no differences to show: {why}")
    return content


def _without(folder: Path) -> str:
    """Say why a run has no comparison: it failed before, or it is not so far."""
    run, report = folder.name, folder / "report.json"
    if report.exists():
        return f"rehearsal {run} came to no shadow comparison; {report} says why"
    return f"rehearsal {run} is not so far; see how it goes on: switchover upgrade --follow {run}"


def _newest(place: Path) -> Path:
    try:
        summary = read_summary((place / SUMMARY).parent)
    except SummaryError as error:
        raise FailedError(f"{error}; name the rehearsal's id") from error
    if summary is None:
        raise FailedError(f"nothing was compared yet in {place}; begin with: switchover upgrade --rehearse -- COMMAND")
    return place / summary.path


def _of(place: Path, run: str) -> Path:
    folder = place / FOLDER / run
    if RUN.fullmatch(run) and folder.is_dir():
        return folder / "shadow.json"
    runs = sorted((path for path in (place / FOLDER).glob("*/")), key=lambda path: path.stat().st_mtime_ns)
    known = ", ".join(path.name for path in reversed(runs[-NAMED:])) or "none"
    raise FailedError(f"there is no rehearsal {run!r} in {place}; the newest are: {known}")


def tools(found: dict[str, Any]) -> list[str]:
    """Return the tools of a run, in the order in which they were called."""
    return list(dict.fromkeys(str(call.get("tool")) for call in found.get("calls", [])))


def other(difference: dict[str, Any]) -> str:
    """Return who was compared with the control: the new code, or the process in service."""
    return str(difference.get("beside") or "rehearsal")


def often(difference: dict[str, Any]) -> str:
    """Return in how many pairs a difference was seen, in words."""
    return f"{difference.get('seen', 1)} of {difference.get('pairs', 1)}"
