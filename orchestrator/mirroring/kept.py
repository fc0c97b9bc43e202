"""The last pairs that differ, for people to look at: one JSON object a line, redacted, bounded.

Above: `examine`.  Below: the file `analytics/mirror_differences.jsonl`.  Written whole and seldom, so that a reader
sees the old or the new one, and a flood of differences costs no flood of writes; a pair is put into words only when it
is written, as most of a flood never are.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from orchestrator.domain.comparison import Finding
from orchestrator.mirroring.messages import Job, Judged
from orchestrator.rehearsal.detector import look
from orchestrator.rehearsal.redact import Redactor

DIFFERENCES: Final = Path("analytics", "mirror_differences.jsonl")
FINDINGS: Final = 10
"""Differences told of one pair."""
PAUSE: Final = 2.0
"""Seconds between two writings."""


class _Pair(NamedTuple):
    """A pair that is not in words yet."""

    at: float
    tool: str
    versions: tuple[int, int]
    judged: Judged
    words: Callable[[], Sequence[Finding]]


class Kept:
    """The file and what is to be in it."""

    def __init__(self, state_dir: Path, keep: int, redactor: Redactor, known: Sequence[str] = ()) -> None:
        """Go on with what is kept.

        Args:
            state_dir: where the file is.
            keep: pairs kept.
            redactor: takes out what slipped through where values are shown.
            known: secrets that the detector looks for as they are.
        """
        self._known = known
        self._path = state_dir / DIFFERENCES
        self._redactor = redactor
        self._pairs: deque[_Pair | str] = deque(maxlen=keep)
        self._changed = False
        self._written = 0.0
        with contextlib.suppress(OSError):
            self._pairs.extend(self._path.read_text(errors="replace").splitlines())

    def add(self, job: Job, judged: Judged, words: Callable[[], Sequence[Finding]]) -> None:
        """Take a pair in; `words` returns its differences."""
        self._pairs.append(_Pair(job.old_at, job.tool, job.versions, judged, words))
        self._changed = True

    def _line(self, pair: _Pair) -> str:
        """Put a pair into words; one in which the detector finds something all the same is withheld."""
        judged = pair.judged
        try:
            findings = pair.words()
        except Exception as error:  # noqa: BLE001 - whatever two workers may have said
            return _withheld(pair, f"it cannot be put into words: {type(error).__name__}")
        row = {
            "at": pair.at,
            "tool": pair.tool,
            "old": pair.versions[0],
            "new": pair.versions[1],
            "result": judged.result,
            "classes": judged.classes,
            "decisions": judged.decisions,
            "agents": judged.agents,
            "more": max(0, len(findings) - FINDINGS),
            "differences": [_shown(one) for one in findings[:FINDINGS]],
        }
        line = json.dumps(self._redactor.value(row), separators=(",", ":"))
        if leaks := look(line, self._known):
            return _withheld(pair, ", ".join(sorted({leak.rule for leak in leaks})))
        return line

    def write(self, now: float, *, at_once: bool = False) -> None:
        """Write what has changed, unless that was done just now; a full disk costs the file only.

        Args:
            now: monotonic seconds.
            at_once: whether to write in any case.
        """
        if not self._changed or (now - self._written < PAUSE and not at_once):
            return
        self._changed, self._written = False, now
        lines = [one if isinstance(one, str) else self._line(one) for one in self._pairs]
        self._pairs.clear()
        self._pairs.extend(lines)
        partial = self._path.with_suffix(f".{os.getpid()}")
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            partial.touch(mode=0o600)
            partial.write_text("".join(f"{line}\n" for line in lines))
            partial.replace(self._path)


def _withheld(pair: _Pair, why: str) -> str:
    return json.dumps({"at": pair.at, "result": pair.judged.result, "withheld": why}, separators=(",", ":"))


def _shown(finding: Finding) -> dict[str, Any]:
    return {
        "kind": finding.kind.value,
        "class": finding.difference_class.value,
        "path": finding.path,
        "place": finding.place,
        "rule": finding.rule,
        "reason": finding.reason,
        "old": finding.control,
        "new": finding.rehearsal,
    }
