"""How two values differ in detail, for people: DeepDiff on the part that differs, never on a whole answer.

It decides nothing.  Its options are those without which it stays silent about differences: members that begin with
two underscores, lists of different types, few common members; and its own end of comparing is never reached, because
it only gets parts of a bounded size.

Above: `compare`.  Below: `redact`.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from deepdiff import DeepDiff

from orchestrator.shadow.redact import Redactor

SIZE: Final = 4000
"""Bytes of a part that is reported in detail; DeepDiff takes about 1 ms a kilobyte."""
LONGEST: Final = 1500
"""Characters of a report."""


def detail(control: Any, rehearsal: Any, redactor: Redactor) -> str:
    """Return how two values differ, redacted; "" where the values themselves say it or are too large."""
    if not isinstance(control, dict | list) or not isinstance(rehearsal, dict | list):
        return ""
    if max(len(msgspec.json.encode(control)), len(msgspec.json.encode(rehearsal))) > SIZE:
        return ""
    found = DeepDiff(
        redactor.value(control),
        redactor.value(rehearsal),
        zip_ordered_iterables=True,
        report_repetition=True,
        ignore_private_variables=False,
        threshold_to_diff_deeper=0,
        verbose_level=2,
    )
    text = str(found.pretty()) if found else ""
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."
