"""All repeats of a case, and all cases of a suite: which differences there are, how often, and what they mean.

Above: the harness.  Below: `compare`, `repeats`, `profile`, `manifest`.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from orchestrator.domain.comparison import (
    CaseResult,
    Comparison,
    DifferenceClass,
    Finding,
    Kind,
    Sample,
    ShadowResult,
    Verdict,
)
from orchestrator.shadow.compare import Comparer
from orchestrator.shadow.manifest import Expected, apply
from orchestrator.shadow.numbers import trimmed
from orchestrator.shadow.profile import ENOUGH, Profile
from orchestrator.shadow.redact import Redactor
from orchestrator.shadow.repeats import second_look
from orchestrator.shadow.texts import changing

AS_OFTEN: Final = 0.5
"""Share of a difference's rate with which control has to differ from itself in the same way for it to be noise."""

RARE: Final = 1 / 3
"""Share of the pairs up to which a number that varies may be out of its range, at one place, by chance."""
LOT: Final = 1e-3
"""Probability above which another wording is chance: in seven of ten answers and none of eleven it is that much."""
ALSO: Final = 4
"""Places of a difference that are shown beside the first."""
_TELLING: Final = (DifferenceClass.UNEXPECTED, DifferenceClass.INCOMPLETE)
NOTHING: Final = "(nothing)"


@dataclass(frozen=True, slots=True)
class Case:
    """What was called, and what came.

    Attributes:
        name: of the suite's entry.
        tool: the tool that was called.
        controls: answers of the old code on fresh copies of the snapshot, in order.
        rehearsals: answers of the new code, likewise; the k-th is compared with control's k-th.
        actives: answers of the process in service, if it was asked.
    """

    name: str
    tool: str
    controls: Sequence[Sample]
    rehearsals: Sequence[Sample]
    actives: Sequence[Sample] = ()


@dataclass(frozen=True, slots=True)
class Judged:
    """A case's result, and which entries of the manifest it used."""

    result: CaseResult
    used: frozenset[int]


def judge_case(
    case: Case,
    profile: Profile | None,
    *,
    manifest: Sequence[Expected] = (),
    today: dt.date,
    redactor: Redactor | None = None,
) -> Judged:
    """Compare all repeats of a case.

    Args:
        case: the answers.
        profile: the tool's noise; None where nothing is known, and everything has to be equal.
        manifest: expected differences.
        today: the day on which they have to be still expected.
        redactor: how values are shown.
    """
    comparer = Comparer(profile, redactor)
    pairs = _pairs(comparer, case.controls, case.rehearsals)
    found = _known(pairs, profile)
    if profile is not None and not any(one.difference_class in _TELLING for one in found):
        found += second_look(case.controls, case.rehearsals, profile, redactor or Redactor(), together)
    applied = apply(manifest, case.tool, found, today)
    skew = [
        replace(one, difference_class=DifferenceClass.SKEW, reason="the process in service differs from the control")
        for one in together(_pairs(comparer, case.controls, case.actives))
    ]
    incomplete = sum(_is_incomplete(one) for one in pairs)
    known = 0 if profile is None else profile.root.samples
    result = CaseResult(case.name, case.tool, (*applied.findings, *skew), len(pairs), incomplete, known)
    return Judged(result, applied.used)


def classed(
    tool: str, pair: Comparison, profile: Profile | None, manifest: Sequence[Expected], today: dt.date
) -> tuple[Finding, ...]:
    """Return the differences of a single pair, each with its class.

    Args:
        tool: the tool that was called.
        pair: what comparing its answers gave.
        profile: the tool's noise.
        manifest: expected differences.
        today: the day on which they have to be still expected.
    """
    return tuple(apply(manifest, tool, _known([pair], profile), today).findings)


def _known(pairs: Sequence[Comparison], profile: Profile | None) -> list[Finding]:
    """Return the findings of several pairs, those that are noise as such."""
    samples = 0 if profile is None else profile.root.samples
    return [_as_chance(_as_noise(one, profile), samples) for one in together(pairs)]


def _pairs(comparer: Comparer, controls: Sequence[Sample], others: Sequence[Sample]) -> list[Comparison]:
    if not controls:
        return []
    return [comparer.compare(controls[at % len(controls)], other) for at, other in enumerate(others)]


def _is_incomplete(one: Comparison) -> bool:
    bounds = (finding.difference_class is DifferenceClass.INCOMPLETE for finding in one.findings)
    return one.verdict is Verdict.INCOMPLETE or any(bounds)


def together(pairs: Sequence[Comparison]) -> list[Finding]:
    """Return one finding for each path and kind, the first of them, with how many pairs had one."""
    groups: dict[tuple[str, Kind, DifferenceClass], list[list[Finding]]] = {}
    for pair in pairs:
        mine: dict[tuple[str, Kind, DifferenceClass], list[Finding]] = {}
        for one in pair.findings:
            mine.setdefault((one.path, one.kind, one.difference_class), []).append(one)
        for key, found in mine.items():
            groups.setdefault(key, []).append(found)
    return [_one(found, len(pairs)) for found in groups.values()]


def _one(found: Sequence[Sequence[Finding]], pairs: int) -> Finding:
    """Return one finding for those of several pairs."""
    first, *others = found[0]
    also = tuple(f"{one.place}: {one.control or NOTHING} -> {one.rehearsal or NOTHING}" for one in others[:ALSO])
    return replace(first, seen=len(found), pairs=pairs, places=len(found[0]), also=also)


def _as_noise(finding: Finding, profile: Profile | None) -> Finding:
    """Class a finding as noise when control was seen to differ from itself like this, and about as often."""
    if profile is None or not profile.checked or finding.difference_class is DifferenceClass.INCOMPLETE:
        return finding
    own = profile.residue.get(f"{finding.kind} {finding.path}", 0)
    if not own or own / profile.checked < AS_OFTEN * finding.seen / finding.pairs:
        return finding
    reason = f"control differed from itself like this in {own} of {profile.checked} pairs"
    return replace(finding, difference_class=DifferenceClass.NOISE, reason=reason)


def _as_chance(finding: Finding, samples: int) -> Finding:
    """Class a number that is out of its range in few of many pairs as noise: of many numbers one is, now and then.

    So is one that ends in zeros once, and of a text that changes its wording one that control's samples lack by chance.
    """
    if finding.places > 1 or finding.difference_class is not DifferenceClass.UNEXPECTED:
        return finding
    times = f"in {finding.seen} of {finding.pairs} pairs a value that varies"
    if finding.kind is Kind.RANGE and finding.pairs >= ENOUGH and finding.seen <= RARE * finding.pairs:
        return replace(
            finding, difference_class=DifferenceClass.NOISE, reason=f"{times} is farther out than control's were"
        )
    if trimmed(finding.rule) and finding.seen == 1 and finding.pairs > ENOUGH:
        return replace(
            finding, difference_class=DifferenceClass.NOISE, reason=f"{times} has fewer decimals, which may be zeros"
        )
    if changing(finding.rule) and finding.pairs > ENOUGH and by_lot(finding.seen, finding.pairs, samples) > LOT:
        reason = f"in {finding.seen} of {finding.pairs} pairs a text is worded as none of control's {samples}"
        return replace(finding, difference_class=DifferenceClass.NOISE, reason=reason)
    return finding


def by_lot(seen: int, pairs: int, samples: int) -> float:
    """Return the probability that what `seen` of all answers have is by lot in the rehearsal's only.

    Fisher's exact test: all of them are drawn from the `pairs` of `pairs + samples` answers.
    """
    return math.comb(pairs, seen) / math.comb(pairs + samples, seen)


def result(judged: Iterable[Judged], manifest: Sequence[Expected], today: dt.date) -> ShadowResult:
    """Put all cases together; say which entries of the manifest are of no use any more."""
    cases = list(judged)
    used = frozenset(number for one in cases for number in one.used)
    expired = tuple(str(one) for one in manifest if one.expires < today)
    unused = tuple(str(one) for one in manifest if one.expires >= today and one.number not in used)
    return ShadowResult(tuple(one.result for one in cases), unused, expired)
