"""One answer of control beside one of the rehearsal: the verdict, and every difference with its rule.

Above: `outcome`, the harness, the mirror.  Below: `walk`, `identity`, `profile`.
"""

from __future__ import annotations

from typing import Any, Final

from orchestrator.domain.comparison import Answer, Comparison, DifferenceClass, Finding, Kind, Sample, Verdict
from orchestrator.shadow.columns import Columns
from orchestrator.shadow.identity import Broken, broken
from orchestrator.shadow.leaves import ABSENT
from orchestrator.shadow.profile import Profile
from orchestrator.shadow.redact import Redactor
from orchestrator.shadow.report import detail
from orchestrator.shadow.values import Unreadable, as_text, read
from orchestrator.shadow.walk import MOST, Difference, Walk

DETAILED: Final = 20
"""Findings of one pair that are reported in detail."""
_KINDS: Final = {
    Answer.ERROR: (Kind.ERROR, "an error"),
    Answer.REFUSED: (Kind.REFUSED, "a refusal of the sandbox"),
    Answer.TIMEOUT: (Kind.TIMEOUT, "no answer in time"),
    Answer.LOST: (Kind.ERROR, "the end of the process"),
    Answer.RESULT: (Kind.ERROR, "a result"),
}
_READ: Final = (Answer.RESULT, Answer.ERROR)
_SILENT: Final = (Answer.REFUSED, Answer.TIMEOUT, Answer.LOST)


class Comparer:
    """Compares pairs of one tool by one profile."""

    def __init__(self, profile: Profile | None, redactor: Redactor | None = None) -> None:
        """Take the profile, None where nothing is known and so everything has to be equal."""
        self._profile = profile
        self._redactor = redactor or Redactor()
        links = {} if profile is None else profile.links
        linked = {path for pair, count in links.items() if count[0] and not count[1] for path in pair.split("\t")}
        self._columns = Columns(frozenset(linked))

    def compare(
        self, control: Sample, rehearsal: Sample, values: tuple[Any, Any] | None = None, *, words: bool = True
    ) -> Comparison:
        """Compare two answers to the same call.

        Args:
            control: the one.
            rehearsal: the other.
            values: what their bodies hold, where that was read before.
            words: whether values are shown; it takes as long as comparing, and far longer where large parts differ.
        """
        if control.answer is rehearsal.answer and control.answer in _READ:
            values = (read(control.body), read(rehearsal.body)) if values is None else values
            return self._results(control, rehearsal, values, words=words)
        kind, rule = _KINDS[rehearsal.answer if rehearsal.answer is not Answer.RESULT else control.answer]
        both = control.answer in _SILENT and rehearsal.answer in _SILENT
        if both or control.answer is Answer.TIMEOUT:
            return _incomplete(
                kind, f"control's answer was {_KINDS[control.answer][1]}, so there is nothing to compare with"
            )
        rule = f"control's answer was {_KINDS[control.answer][1]}, the rehearsal's {_KINDS[rehearsal.answer][1]}"
        shown = (self._body(control), self._body(rehearsal)) if words else ("", "")
        return Comparison(Verdict.DIFFERENT, (Finding(kind, "$", "$", rule, *shown),))

    def _body(self, sample: Sample) -> str:
        value = read(sample.body) if sample.body else None
        return "" if value is None or isinstance(value, Unreadable) else self._redactor.shown(value)

    def _results(self, control: Sample, rehearsal: Sample, values: tuple[Any, Any], *, words: bool) -> Comparison:
        unreadable = _unreadable(*values)
        if unreadable is not None:
            return unreadable
        is_error = control.answer is Answer.ERROR
        profile = None if is_error else self._profile
        walk = Walk(self._columns, (control.at, rehearsal.at))
        walk.walk(None if profile is None else profile.root, *values)
        if profile is not None:
            for one in broken(profile.links, walk.ids):
                walk.note((Kind.IDENTITY, one.rule), *_of(one))
        if not walk.found:
            return Comparison(Verdict.EQUAL, (), len(control.body))
        findings = [self._finding(one, detailed=at < DETAILED, words=words) for at, one in enumerate(walk.found)]
        if is_error:
            findings = [_as_error(one) for one in findings]
        if walk.more:
            findings.append(_bound(f"there are more differences than the {MOST} that are kept"))
        return Comparison(Verdict.DIFFERENT, tuple(findings), len(control.body))

    def _finding(self, one: Difference, *, detailed: bool, words: bool) -> Finding:
        mine = theirs = report = ""
        if words:
            mine, theirs = (self._shown(value, one.path) for value in (one.control, one.rehearsal))
            report = detail(one.control, one.rehearsal, self._redactor) if detailed else ""
        additive = one.kind is Kind.EXTRA and not one.path.endswith(("[]", "{}"))
        found = DifferenceClass.ADDITIVE if additive else DifferenceClass.UNEXPECTED
        reason = "a member that nobody who reads the old ones looks at" if additive else ""
        return Finding(one.kind, one.path, one.place, one.rule, mine, theirs, found, reason, report=report)

    def _shown(self, value: Any, path: str) -> str:
        return "" if value is ABSENT else self._redactor.shown(as_text(value), path)


def compare(control: Sample, rehearsal: Sample, profile: Profile | None) -> Comparison:
    """Compare two answers to the same call; for many pairs make one `Comparer`."""
    return Comparer(profile).compare(control, rehearsal)


def _of(one: Broken) -> tuple[str, str, Any, Any]:
    path = one.found.path.partition("#")[0]
    return path, one.found.place, one.found.control, one.found.rehearsal


def _as_error(finding: Finding) -> Finding:
    return Finding(
        Kind.ERROR, finding.path, finding.place, finding.rule, finding.control, finding.rehearsal, report=finding.report
    )


def _unreadable(mine: Any, theirs: Any) -> Comparison | None:
    """Judge a pair of which a side cannot be read: nobody's pass, and new code's fault where only its answer is bad."""
    if isinstance(mine, Unreadable):
        return _incomplete(Kind.UNREADABLE, f"control's answer cannot be compared: {mine.reason}")
    if not isinstance(theirs, Unreadable):
        return None
    rule = f"the rehearsal's answer cannot be compared: {theirs.reason}"
    if theirs.bound:
        return _incomplete(Kind.UNREADABLE, rule)
    return Comparison(Verdict.DIFFERENT, (Finding(Kind.UNREADABLE, "$", "$", rule),))


def _incomplete(kind: Kind, rule: str) -> Comparison:
    return Comparison(Verdict.INCOMPLETE, (Finding(kind, "$", "$", rule, difference_class=DifferenceClass.INCOMPLETE),))


def _bound(rule: str) -> Finding:
    return Finding(Kind.UNREADABLE, "$", "$", rule, difference_class=DifferenceClass.INCOMPLETE)
