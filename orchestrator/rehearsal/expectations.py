"""What a suite expects of the new code's answers, and which of them do not hold to it.  Pure.

Above: `report`.  Below: `samples`, `suite`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from orchestrator.rehearsal.samples import Difference, Taken
from orchestrator.rehearsal.suite import Case

SHOWN: Final = 2000
"""Characters of a value that a report shows."""
HIDDEN: Final = 1 << 16
"""Characters of it that secrets are taken out of, before it is cut."""
HALF: Final = 4096
"""Characters at the end of these that may be the first half of a secret."""
MILLISECONDS: Final = 1000


def unmet(case: Case, samples: Sequence[Taken], hide: Callable[[str], str]) -> Iterator[Difference]:
    """Yield what the suite expects of a call and the new code did not hold to, each once with how often.

    Args:
        case: the call.
        samples: the new code's answers to it.
        hide: takes secrets out of a text.
    """
    expect = case.expect
    if expect.error is not None:
        failing = [one for one in samples if one.well == expect.error]
        yield from _told(case, samples, failing, "it must fail" if expect.error else "it must not fail", hide)
    for wanted in expect.contains:
        without = [one for one in samples if not contains(one.body, wanted)]
        yield from _told(case, samples, without, f"{wanted!r} must be in the answer", hide)
    if expect.within is not None:
        late = [one for one in samples if one.seconds > expect.within]
        took = max((one.seconds for one in late), default=0.0) * MILLISECONDS
        said = f"it must answer within {expect.within:g} s and took {took:.0f} ms"
        yield from _told(case, samples, late, said, hide)


def contains(body: bytes, wanted: str) -> bool:
    """Return whether a text is in an answer: as its JSON is written, or in one of its texts as it is read."""
    written = body.decode(errors="replace")
    if wanted in written:
        return True
    try:
        return any(wanted in text for text in _texts(json.loads(written)))
    except (ValueError, RecursionError):
        return False


def _texts(value: Any) -> Iterator[str]:
    """Yield the texts of a JSON value, names of members too."""
    left = [value]
    while left:
        one = left.pop()
        if isinstance(one, str):
            yield one
        elif isinstance(one, dict):
            left += [*one, *one.values()]
        elif isinstance(one, list):
            left += one


def _told(
    case: Case, samples: Sequence[Taken], failing: Sequence[Taken], message: str, hide: Callable[[str], str]
) -> Iterator[Difference]:
    if failing:
        yield Difference(
            case.name,
            case.tool,
            "expectation",
            "unexpected",
            "$",
            f"the suite says: {message}",
            len(failing),
            len(samples),
            rehearsal=_shown(failing[0].body.decode(errors="replace"), hide),
        )


def _shown(text: str, hide: Callable[[str], str]) -> str:
    """Return the beginning of a text without secrets, of which none is cut before it is known as one."""
    hidden = hide(text[:HIDDEN])
    return hidden[: SHOWN if len(text) <= HIDDEN else min(SHOWN, max(0, len(hidden) - HALF))]
