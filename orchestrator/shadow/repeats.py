"""A second look at a case in which every pair is within the noise that is known of its tool.

A tool's noise is learned from all of its calls together, so what one of them varies another one may vary, too.  This
looks at the answers to one call alone: what its own noise does not explain in any pair, and where all answers of the
one side are apart from all of the other.  It takes several answers of each side, and believes nothing that one pair
shows.  What so few answers may have by chance is noise for now, and a reason to ask for more.

Above: `outcome`.  Below: `apart`, `compare`, `profile`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from orchestrator.domain.comparison import Answer, Comparison, DifferenceClass, Finding, Kind, Sample
from orchestrator.shadow.apart import FEWEST, SUSPECTED, Apart, apart
from orchestrator.shadow.compare import Comparer
from orchestrator.shadow.learn import learn_case
from orchestrator.shadow.leaves import ABSENT, SAME
from orchestrator.shadow.profile import ENOUGH, Profile, learn, usable
from orchestrator.shadow.redact import Redactor
from orchestrator.shadow.texts import changing
from orchestrator.shadow.values import read

_OF_A_LIST: Final = (Kind.MISSING, Kind.EXTRA)
_BELIEVED: Final = (Kind.FORMAT, Kind.RANGE, Kind.IDENTITY, Kind.LENGTH, Kind.ORDER)
MAYBE: Final = "so few answers may have it by chance"
_NEVER_VARIED: Final = SAME.partition("(")[0]


def second_look(
    controls: Sequence[Sample],
    rehearsals: Sequence[Sample],
    profile: Profile,
    redactor: Redactor,
    together: Callable[[Sequence[Comparison]], list[Finding]],
) -> list[Finding]:
    """Return what only all answers of a case show.

    Args:
        controls: the old code's answers.
        rehearsals: the new code's.
        profile: what is known of the tool.
        redactor: how values are shown.
        together: puts the findings of several pairs together.
    """
    if len(controls) <= SUSPECTED or len(rehearsals) < SUSPECTED:
        return []
    values = [
        [(read(one.body), one.at) for one in side if one.answer is Answer.RESULT] for side in (controls, rehearsals)
    ]
    whole = [len(side) for side in values] == [len(controls), len(rehearsals)]
    if not whole or not all(usable(value) for side in values for value, _ in side):
        return []
    pairs = len(rehearsals)
    many = len(controls) >= ENOUGH and pairs >= FEWEST
    found = [
        _finding(one, pairs, redactor, sure=many and one.sure)
        for one in dict.fromkeys(apart(learn_case(values[0]), learn_case(values[1])))
    ]
    if not many or any(not in_doubt(one) for one in found):
        return found
    if profile.cases < 2:  # noqa: PLR2004 - of one case the tool's noise is the case's own
        return found
    own = Comparer(learn(profile.tool, profile.fingerprint, [controls]), redactor)
    compared = together([own.compare(one, two) for one, two in zip(controls, rehearsals, strict=False)])
    return [one for one in compared if one.seen == pairs and _sure(one)] or found


def in_doubt(finding: Finding) -> bool:
    """Return whether more answers are needed to tell whether a finding is noise."""
    return finding.reason == MAYBE or (
        changing(finding.rule)
        and finding.difference_class is DifferenceClass.UNEXPECTED
        and 1 < finding.pairs <= ENOUGH
    )


def _finding(one: Apart, pairs: int, redactor: Redactor, *, sure: bool) -> Finding:
    values = (one.control, one.rehearsal)
    mine, theirs = ("" if value is ABSENT else redactor.shown(value, one.path) for value in values)
    known = DifferenceClass.UNEXPECTED if sure else DifferenceClass.NOISE
    return Finding(
        *(one.misfit[0], one.path, one.path, one.misfit[1], mine, theirs, known, "" if sure else MAYBE),
        seen=pairs,
        pairs=pairs,
    )


def _sure(one: Finding) -> bool:
    """Return whether chance hardly does that to every pair: it does with values of which there are two."""
    if one.difference_class is not DifferenceClass.UNEXPECTED:
        return False
    if one.kind in _OF_A_LIST:
        return one.path.endswith(("[]", "{}"))
    return one.kind in _BELIEVED or (one.kind is Kind.VALUE and not one.rule.startswith(_NEVER_VARIED))
