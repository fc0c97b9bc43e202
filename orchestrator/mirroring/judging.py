"""Compares pairs of live answers: noise is learned tool by tool, the rest has a class.

What is noise is known from two sources, taken together: what rehearsals of the same older version have learned, and its
answers to the same live calls, asked twice.  Until a tool's noise is known, its pairs wait.  Above: `examine`.  Below:
`orchestrator.shadow`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import msgspec

from orchestrator.domain.comparison import Answer, DifferenceClass, Finding, Sample
from orchestrator.domain.comparison import Verdict as Said
from orchestrator.mirroring.decisions import differing, find
from orchestrator.mirroring.messages import Job, Judged
from orchestrator.proxy import codec
from orchestrator.rehearsal.profiles import Profiles
from orchestrator.shadow import outcome
from orchestrator.shadow.compare import Comparer
from orchestrator.shadow.manifest import Expected
from orchestrator.shadow.profile import Profile, ProfileError, learn, usable
from orchestrator.shadow.redact import Redactor
from orchestrator.shadow.sealing import Index
from orchestrator.shadow.values import read

WAITING: Final = 64
"""Pairs of a tool that wait for its noise to be known; further ones are incomplete."""
AGENT: Final = 60
"""Characters of an agent's name that are shown."""
GRAVITY: Final = tuple(
    one.value
    for one in (
        DifferenceClass.UNEXPECTED,
        DifferenceClass.INCOMPLETE,
        DifferenceClass.SKEW,
        DifferenceClass.ADDITIVE,
        DifferenceClass.EXPECTED,
        DifferenceClass.NOISE,
    )
)
"""Which class names a pair: the first that it has."""
QUIET: Final = frozenset({DifferenceClass.NOISE, DifferenceClass.EXPECTED})


@dataclass(slots=True)
class Known:
    """What is known of one tool of one version.

    Attributes:
        kept: what rehearsals learned, None for nothing.
        cases: pairs of its own answers.
        tried: how many there would be if all of them had been results.
        sealed: whether there is something sealed in what rehearsals learned.
        index: of that.
        waiting: pairs that wait.
        profile: everything learned.
        comparer: compares by it.
    """

    kept: Profile | None
    cases: list[list[Sample]] = field(default_factory=list)
    tried: int = 0
    sealed: bool = False
    index: Index = field(default_factory=dict)
    waiting: list[Job] = field(default_factory=list)
    profile: Profile | None = None
    comparer: Comparer | None = None


Note = Callable[[Job, Judged, Sequence[Finding]], None]
"""Is told of each pair that differs."""


class Judge:
    """Compares what it is given."""

    def __init__(
        self,
        profiles: Profiles,
        redactor: Redactor,
        *,
        learn_from: int,
        decisions: Mapping[str, str],
        manifest: Sequence[Expected],
        note: Note,
    ) -> None:
        """Build it.

        Args:
            profiles: what rehearsals learned.
            redactor: how values are shown.
            learn_from: calls of each tool, asked twice, after which its noise is taken for known.
            decisions: where decisions stand.
            manifest: expected differences.
            note: is told of pairs that differ.
        """
        self._profiles = profiles
        self._redactor = redactor
        self._learn_from = learn_from
        self._decisions = decisions
        self._manifest = manifest
        self._note = note
        self._known: dict[tuple[str, str], Known] = {}

    def take(self, job: Job, today: dt.date) -> Iterator[Judged]:
        """Take a pair in; yield what is known of it, and of those that waited for it."""
        key = (job.tool, job.fingerprint)
        known = self._known.get(key)
        if known is None:
            kept = self._kept(*key)
            known = self._known[key] = Known(kept, sealed=kept is not None)
        if job.control:
            self._learn(job, known)
        if known.tried < self._learn_from:
            if len(known.waiting) < WAITING:
                known.waiting.append(job)
            else:
                yield Judged(job.number, DifferenceClass.INCOMPLETE.value, (DifferenceClass.INCOMPLETE.value,))
            return
        waiting, known.waiting = [*known.waiting, job], []
        for one in waiting:
            yield self._judge(one, known, today)

    # --- noise --------------------------------------------------------------------------------

    def _kept(self, tool: str, fingerprint: str) -> Profile | None:
        """Return what rehearsals of this version have learned of a tool."""
        try:
            return self._profiles.kept(tool, fingerprint)
        except (OSError, ProfileError):
            return None

    def _learn(self, job: Job, known: Known) -> None:
        """Learn from the older version's two answers to one call; later ones are added to what is known."""
        known.tried += 1
        pair = [_sample(job.old, job.old_at, job.old_answer), _sample(job.control, job.control_at, "")]
        if any(one.answer is not Answer.RESULT for one in pair):
            return
        known.cases.append(pair)
        if known.tried < self._learn_from:
            return
        learned = learn(job.tool, job.fingerprint, known.cases)
        for case in known.cases:
            self._reveal(known, case)
        known.cases = []
        for before in (known.kept, known.profile):
            if before is not None:
                learned.merge(before)
        known.kept, known.profile, known.comparer, known.index = None, learned, None, {}

    def _reveal(self, known: Known, samples: Sequence[Sample]) -> None:
        """Have the profile know again what some answers hold of what it keeps sealed."""
        if not known.sealed:
            return
        values = [value for one in samples if one.answer is Answer.RESULT and usable(value := read(one.body))]
        for one in (known.kept, known.profile):
            if one is not None and self._profiles.seals.reveal(one, values, known.index):
                known.comparer = None

    # --- one pair -----------------------------------------------------------------------------

    def _judge(self, job: Job, known: Known, today: dt.date) -> Judged:
        if known.profile is None and known.kept is not None:
            known.profile, known.kept = known.kept, None
        old, new = _sample(job.old, job.old_at, job.old_answer), _sample(job.new, job.new_at, job.new_answer)
        self._reveal(known, (old, new))
        if known.comparer is None:
            known.comparer = Comparer(known.profile, self._redactor)
        samples = 0 if known.profile is None else known.profile.samples
        said = known.comparer.compare(old, new)
        findings = () if said.verdict is Said.EQUAL else self._classed(job, known.profile, (old, new), today)
        classes = tuple(dict.fromkeys(one.difference_class.value for one in findings))
        loud = [one.path for one in findings if one.difference_class not in QUIET]
        decisions, agents = self._decided(job.tool, old, new, [] if job.disturbed else loud)
        result = next((name for name in GRAVITY if name in classes), "equal")
        judged = Judged(job.number, result, classes, decisions, agents, samples)
        if loud:
            self._note(job, judged, findings)
        return judged

    def _classed(
        self, job: Job, profile: Profile | None, pair: tuple[Sample, Sample], today: dt.date
    ) -> tuple[Finding, ...]:
        """Return the differences, each with its class; what may come from a write in between is skew."""
        case = outcome.Case(job.tool, job.tool, [pair[0]], [pair[1]])
        judged = outcome.judge_case(case, profile, manifest=self._manifest, today=today, redactor=self._redactor)
        if not job.disturbed:
            return judged.result.findings
        return tuple(_as_skew(one) for one in judged.result.findings)

    def _decided(
        self, tool: str, old: Sample, new: Sample, paths: list[str]
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return which decisions differ, and the two agents."""
        if Answer.RESULT is not old.answer or Answer.RESULT is not new.answer:
            return (), ()
        mine, theirs = (find(read(one.body), tool, self._decisions) for one in (old, new))
        if not mine and not theirs:
            return (), ()
        agents = tuple(self._agent(one["agent"].value) if "agent" in one else "" for one in (mine, theirs))
        return differing(mine, theirs, paths), agents

    def _agent(self, value: object) -> str:
        return self._redactor.text(value if isinstance(value, str) else self._redactor.shown(value))[:AGENT]


def _as_skew(finding: Finding) -> Finding:
    if finding.difference_class is not DifferenceClass.UNEXPECTED:
        return finding
    reason = "something was written while the two were asked"
    return replace(finding, difference_class=DifferenceClass.SKEW, reason=reason)


def _sample(line: bytes, at: float, answer: str) -> Sample:
    """Return an answer as the comparison takes it: the bytes of its result or error."""
    if not line:
        return Sample(b"", at, Answer(answer) if answer else Answer.LOST)
    try:
        message = codec.decode_message(line)
    except (msgspec.MsgspecError, RecursionError):
        return Sample(line, at)
    if message.error is not msgspec.UNSET:
        return Sample(bytes(message.error), at, Answer.ERROR)
    return Sample(b"" if message.result is msgspec.UNSET else bytes(message.result), at)
