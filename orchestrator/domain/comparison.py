"""What a shadow comparison is about: samples in, findings and their classes out.

A *case* is one entry of a suite: a tool and its arguments.  It is called several times, in processes of the roles
control (old code) and rehearsal (new code); each answer is a `Sample`.  What the control varies by itself is noise;
everything else that differs is a finding, and every finding has a class.

Above: `orchestrator.shadow` compares, the harness calls and reports.  Below: nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum


class Answer(StrEnum):
    """How a call ended."""

    RESULT = "result"
    """With a JSON-RPC result, whatever is in it."""
    ERROR = "error"
    """With a JSON-RPC error."""
    REFUSED = "refused"
    """Not at all: the sandbox or the dry run refused what it wanted to do."""
    TIMEOUT = "timeout"
    """Not within its deadline."""
    LOST = "lost"
    """The process died under it."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One answer to one call.

    Attributes:
        body: the bytes of the JSON-RPC `result` or `error`; empty where there was none.
        at: wall time of the call in seconds since the epoch, None where nobody wrote it down; it tells clocks from
            dates that stand still.
        answer: how the call ended.
    """

    body: bytes
    at: float | None = None
    answer: Answer = Answer.RESULT


class Kind(StrEnum):
    """What about a place differs."""

    VALUE = "value"
    """Control never varies it, and it is another one."""
    TYPE = "type"
    """Another JSON type; 1, 1.0, true and "1" are four."""
    FORMAT = "format"
    """Varies, and is written otherwise than ever before: another pattern, precision, zone, length."""
    RANGE = "range"
    """Varies, and lies outside of what control's values make likely: another unit, a clock that stands still."""
    MISSING = "missing"
    """A member or element that control always has."""
    EXTRA = "extra"
    """A member or element that control never has."""
    LENGTH = "length"
    """A list's length outside of what control's lengths make likely."""
    ORDER = "order"
    """The elements of a list in another order than the one control keeps."""
    IDENTITY = "identity"
    """An id that varies, but no longer refers to what it did: dangling, swapped, no longer unique."""
    ERROR = "error"
    """An error on one side, or another error."""
    REFUSED = "refused"
    """The sandbox refused a call on one side, or on both."""
    TIMEOUT = "timeout"
    """No answer in time on one side, or on both."""
    UNREADABLE = "unreadable"
    """A body that is no JSON one can rely on, or that is beyond the bounds of comparing."""


class DifferenceClass(StrEnum):
    """What a finding means for an upgrade."""

    EXPECTED = "expected"
    """The manifest of expected differences names it."""
    ADDITIVE = "additive"
    """Something new beside the old; whoever reads the old sees no difference."""
    NOISE = "noise"
    """Control differs from itself like this as often."""
    SKEW = "skew"
    """Active against control: the snapshot is not the live state."""
    UNEXPECTED = "unexpected"
    """Nothing explains it but the new code."""
    INCOMPLETE = "incomplete"
    """It could not be compared to the end; never a pass."""


class Verdict(StrEnum):
    """What comparing said."""

    EQUAL = "equal"
    """Compared to the end, equal up to what control varies itself."""
    DIFFERENT = "different"
    INCOMPLETE = "incomplete"
    """Not compared to the end, and no difference was seen so far."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One difference.

    Attributes:
        kind: what differs.
        path: where, without indexes: `$.tasks[].id`; members named by ids are `{}`.
        place: where exactly, in the control's answer: `$.tasks[3].id`.
        rule: which rule found it, as a sentence's end: "control never varied it (48 values)".
        control: the control's value for people, redacted.
        rehearsal: the other one, likewise.
        difference_class: what it means.
        reason: why it has that class, where it is not the plain one.
        seen: in how many pairs.
        pairs: of how many.
        places: at how many places of one answer, in the first pair that has it.
        also: some of those places beside the first, each with both values, for people.
        report: how the two values differ in detail; long ones are cut.
    """

    kind: Kind
    path: str
    place: str
    rule: str
    control: str = ""
    rehearsal: str = ""
    difference_class: DifferenceClass = DifferenceClass.UNEXPECTED
    reason: str = ""
    seen: int = 1
    pairs: int = 1
    places: int = 1
    also: tuple[str, ...] = ()
    report: str = ""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What comparing one pair gave.

    Attributes:
        verdict: ours; no library's.
        findings: all differences, in the order of the control's answer.
        values: how many values of the control's answer were compared; 0 where none could be.
    """

    verdict: Verdict
    findings: tuple[Finding, ...] = ()
    values: int = 0


@dataclass(frozen=True, slots=True)
class CaseResult:
    """What comparing all repeats of a case gave.

    Attributes:
        case: its name.
        tool: the tool that was called.
        findings: one for each path and kind, with how often it was seen.
        pairs: how many pairs were compared.
        incomplete: how many of them not to the end.
        controls: from how many answers of the control its noise is known.
    """

    case: str
    tool: str
    findings: tuple[Finding, ...]
    pairs: int
    incomplete: int
    controls: int

    @property
    def verdict(self) -> Verdict:
        """The case's verdict: noise, skew and what is expected do not count."""
        classes = {finding.difference_class for finding in self.findings}
        if classes & {DifferenceClass.UNEXPECTED, DifferenceClass.ADDITIVE}:
            return Verdict.DIFFERENT
        if self.incomplete or not self.pairs or DifferenceClass.INCOMPLETE in classes:
            return Verdict.INCOMPLETE
        return Verdict.EQUAL


@dataclass(frozen=True, slots=True)
class ShadowResult:
    """What the whole suite gave.

    Attributes:
        cases: each case's result.
        unused: entries of the manifest that nothing matched, in words.
        expired: entries of the manifest that were not applied because they had expired, in words.
    """

    cases: tuple[CaseResult, ...]
    unused: tuple[str, ...] = ()
    expired: tuple[str, ...] = ()
    counts: dict[str, int] = field(init=False)
    """Findings by class, every class named."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "counts", by_class(finding for case in self.cases for finding in case.findings))

    @property
    def verdict(self) -> Verdict:
        """`different` before `incomplete` before `equal`; no case at all is `incomplete`."""
        verdicts = {case.verdict for case in self.cases} or {Verdict.INCOMPLETE}
        return next(one for one in (Verdict.DIFFERENT, Verdict.INCOMPLETE, Verdict.EQUAL) if one in verdicts)


def by_class(findings: Iterable[Finding]) -> dict[str, int]:
    """Count findings by class; a class without any is there with 0."""
    counts = Counter(finding.difference_class for finding in findings)
    return {one.value: counts[one] for one in DifferenceClass}
