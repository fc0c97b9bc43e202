"""The critics that need nothing but what was reported: evidence, its completeness, and whether it got worse.

Pure.  Above it stands `review`, below it `opinion` and `tasks`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from workers.reference.critics.opinion import Critic, Opinion, abstains
from workers.reference.tasks import Evidence

MOST_NAMED = 5
"""Lost tests that a reason names; the others are counted."""


def evidence(pieces: Sequence[Evidence]) -> Opinion:
    """Judge by the evidence itself: there has to be some, and all of it has to have passed."""
    if not pieces:
        return Opinion(Critic.EVIDENCE, passed=False, reasons=("no evidence was recorded",))
    failed = tuple(f"{piece.kind} failed: {piece.detail}" for piece in pieces if not piece.passed)
    return Opinion(Critic.EVIDENCE, not failed, share(pieces), failed)


def completeness(pieces: Sequence[Evidence], required: Sequence[str]) -> Opinion:
    """Judge by whether every kind of evidence that the task requires was handed in."""
    if not required:
        return abstains(Critic.COMPLETENESS, "the task requires no kind of evidence")
    kinds = {piece.kind for piece in pieces}
    missing = tuple(f"evidence of the kind {kind} is missing" for kind in required if kind not in kinds)
    return Opinion(Critic.COMPLETENESS, not missing, 1 - len(missing) / len(required), missing)


def regression(now: Sequence[Evidence], before: Sequence[Evidence]) -> Opinion:
    """Judge by whether a smaller part of the evidence passed than in the attempt before."""
    if not now or not before:
        return abstains(Critic.REGRESSION, "there is no earlier attempt to compare with")
    if share(now) >= share(before):
        return Opinion(Critic.REGRESSION, passed=True)
    fell = f"{100 * share(now):.0f} % of the evidence passed, {100 * share(before):.0f} % in the attempt before"
    return Opinion(Critic.REGRESSION, passed=False, reasons=(fell,))


def test_regression(passed: Collection[str], ran: Collection[str], before: Collection[str], *, whole: bool) -> Opinion:
    """Judge by the tests that passed when work in this tree was last accepted.

    Args:
        passed: the tests that passed now.
        ran: the tests that ran now, whatever came of them.
        before: the tests that passed then.
        whole: whether every test was to run now, so that one that did not run is gone.
    """
    if not before:
        return abstains(Critic.REGRESSION, "no work in this tree was accepted with tests before")
    lost = sorted(test for test in before if test not in passed and (whole or test in ran))
    if not lost:
        return Opinion(Critic.REGRESSION, passed=True)
    more = f" and {len(lost) - MOST_NAMED} more" if len(lost) > MOST_NAMED else ""
    named = ", ".join(lost[:MOST_NAMED])
    return Opinion(Critic.REGRESSION, passed=False, reasons=(f"passed before and not now: {named}{more}",))


def share(pieces: Sequence[Evidence]) -> float:
    """Return the part of the evidence that passed; there has to be some."""
    return sum(piece.passed for piece in pieces) / len(pieces)
