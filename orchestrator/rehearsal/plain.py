"""The plainest comparer: equal as JSON or not.  What the old code varies by itself it cannot judge, and says so.

Above: whoever has no better one.  Below: `samples`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Final

from orchestrator.rehearsal.samples import Answer, Compared, Difference, Part, Taken
from orchestrator.rehearsal.suite import Case

SHOWN: Final = 300
"""Characters of a value in a difference."""


class PlainComparer:
    """Compares whole answers."""

    def compare(self, cases: Sequence[Case], samples: Sequence[Taken]) -> Compared:
        """Compare each call's answers of the new code with those of the old."""
        differences: list[Difference] = []
        compared = 0
        for case in cases:
            for call in range(case.repeats):
                mine = [one for one in samples if (one.case, one.call) == (case.name, call)]
                found = _differences(case, mine)
                compared += not any(one.difference_class == "incomplete" for one in found)
                differences += found
        return Compared(tuple(differences), compared)


def _differences(case: Case, samples: Sequence[Taken]) -> list[Difference]:
    control = [one for one in samples if one.part is Part.CONTROL]
    rehearsal = [one for one in samples if one.part is Part.REHEARSAL]
    said: set[str | None] = {_canonical(one) for one in control}
    if any(one.stopped for one in (*control, *rehearsal)):
        return [
            _difference(case, "refused", "incomplete", "the sandbox kept a process from something", control, rehearsal)
        ]
    if not control or not rehearsal or None in said or len(said) > 1:
        why = "the old code's own answers differ, so nothing follows from the new code's"
        return [_difference(case, "value", "incomplete", why, control, rehearsal)]
    return [*_changed(case, control, rehearsal, said), *_skew(case, control, samples, said)]


def _changed(
    case: Case, control: Sequence[Taken], rehearsal: Sequence[Taken], said: set[str | None]
) -> Iterator[Difference]:
    """Yield that the new code answers otherwise than the old always does."""
    different = [one for one in rehearsal if _canonical(one) not in said]
    if different:
        why = f"every one of {len(control)} answers of the old code is the same, and this is another one"
        kind = "value" if all(one.answer is Answer.RESULT for one in different) else str(different[0].answer)
        yield _difference(case, kind, "unexpected", why, control, different, len(rehearsal))


def _skew(
    case: Case, control: Sequence[Taken], samples: Sequence[Taken], said: set[str | None]
) -> Iterator[Difference]:
    """Yield that the process in service answers otherwise than the same code on a snapshot."""
    active = [one for one in samples if one.part is Part.ACTIVE]
    different = [one for one in active if _canonical(one) not in said]
    if different:
        why = "the process in service answers otherwise than the same code on the snapshot"
        yield _difference(case, "value", "skew", why, control, different, len(active))


def _difference(  # noqa: PLR0917 - a value's parts in their order
    case: Case,
    kind: str,
    found: str,
    why: str,
    control: Sequence[Taken],
    rehearsal: Sequence[Taken],
    pairs: int | None = None,
) -> Difference:
    shown = [one[0].body[:SHOWN].decode(errors="replace") if one else "" for one in (control, rehearsal)]
    seen = len(rehearsal)
    return Difference(case.name, case.tool, kind, found, "$", why, seen, pairs or seen, *shown)


def _canonical(sample: Taken) -> str | None:
    """Return an answer such that equal ones are equal texts, None for one that is none."""
    if sample.answer not in {Answer.RESULT, Answer.ERROR}:
        return None
    try:
        return f"{sample.answer} {json.dumps(json.loads(sample.body), sort_keys=True)}"
    except (ValueError, RecursionError):
        return None
