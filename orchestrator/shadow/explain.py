"""A finding in words: what differs, by which rule, how often, and what follows.

Above: the harness's report, `shadow explain`.  Below: `domain.comparison`.
"""

from __future__ import annotations

from typing import Final

from orchestrator.domain.comparison import DifferenceClass, Finding, Kind

_WHAT: Final = {
    Kind.VALUE: "has another value",
    Kind.TYPE: "has another type",
    Kind.FORMAT: "is written otherwise",
    Kind.RANGE: "is beyond what is plausible",
    Kind.MISSING: "is missing",
    Kind.EXTRA: "is new",
    Kind.LENGTH: "has another length",
    Kind.ORDER: "is in another order",
    Kind.IDENTITY: "refers to something else",
    Kind.ERROR: "ends otherwise",
    Kind.REFUSED: "was refused",
    Kind.TIMEOUT: "took too long",
    Kind.UNREADABLE: "cannot be compared",
}
_MEANS: Final = {
    DifferenceClass.EXPECTED: "This is expected",
    DifferenceClass.ADDITIVE: "This only adds",
    DifferenceClass.NOISE: "This is noise",
    DifferenceClass.SKEW: "This is no difference of the new code",
    DifferenceClass.UNEXPECTED: "Nothing else explains this but the new code",
    DifferenceClass.INCOMPLETE: "This was not compared to the end, so it is no pass",
}


def explain(finding: Finding) -> str:
    """Return a finding as a few lines for people."""
    often = f"in {finding.seen} of {finding.pairs} pairs" if finding.pairs > 1 else "in the one pair there is"
    places = f", at {finding.places} places" if finding.places > 1 else ""
    lines = [f"{finding.path} {_WHAT[finding.kind]}, {often}{places}.", f"  rule: {finding.rule}"]
    if finding.control or finding.rehearsal:
        lines += [f"  control:   {finding.control or '(nothing)'}", f"  rehearsal: {finding.rehearsal or '(nothing)'}"]
    if finding.place != finding.path:
        lines.append(f"  first seen at {finding.place}")
    lines += [f"  also at {one}" for one in finding.also]
    if len(finding.also) + 1 < finding.places:
        lines.append(f"  and at {finding.places - 1 - len(finding.also)} more")
    lines += [f"  {line}" for line in finding.report.splitlines()]
    reason = f": {finding.reason}" if finding.reason else ""
    lines.append(f"  {_MEANS[finding.difference_class]}{reason}.")
    return "\n".join(lines)
