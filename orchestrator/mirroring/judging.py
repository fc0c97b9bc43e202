"""Compares pairs of live answers: noise is learned tool by tool, the rest has a class.

What is noise is known from two sources, taken together: what rehearsals of the same older version have learned, and its
answers to the same live calls, asked twice.  Until a tool's noise is known, its pairs wait.  Above: `examine`.  Below:
`orchestrator.shadow`.
"""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple

import msgspec

from orchestrator.domain.comparison import Answer, DifferenceClass, Finding, Sample
from orchestrator.domain.comparison import Verdict as Said
from orchestrator.mirroring.decisions import differing, find, may_hold
from orchestrator.mirroring.messages import Job, Judged
from orchestrator.mirroring.room import Room
from orchestrator.proxy import codec
from orchestrator.rehearsal.profiles import Profiles
from orchestrator.shadow import outcome
from orchestrator.shadow.compare import Comparer
from orchestrator.shadow.manifest import Expected
from orchestrator.shadow.profile import Profile, ProfileError, learn, usable
from orchestrator.shadow.redact import Redactor
from orchestrator.shadow.sealing import Index
from orchestrator.shadow.values import read

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


Words = Callable[[], Sequence[Finding]]
"""Puts the differences of a pair into words."""
Note = Callable[[Job, Judged, Words], None]
"""Is told of each pair that differs."""
Values = tuple[Any, Any]
"""What two answers hold."""
SPOKEN: Final = 1 << 16
"""Bytes of a pair above which it is put into words at once, so that it need not be kept until then."""


class Pair(NamedTuple):
    """Two answers to be compared.

    Attributes:
        tool: that gave them.
        old: of the older version.
        new: of the newer one.
        values: what they hold, where both are results.
        disturbed: whether something was written while they were asked.
        size: their bytes.
    """

    tool: str
    old: Sample
    new: Sample
    values: Values | None
    disturbed: bool
    size: int


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
        room: Room,
        note: Note,
    ) -> None:
        """Build it.

        Args:
            profiles: what rehearsals learned.
            redactor: how values are shown.
            learn_from: calls of each tool, asked twice, after which its noise is taken for known.
            decisions: where decisions stand.
            manifest: expected differences.
            room: for pairs that wait until their tool's noise is known; those it does not hold are incomplete.
            note: is told of pairs that differ.
        """
        self._profiles = profiles
        self._redactor = redactor
        self._learn_from = learn_from
        self._decisions = decisions
        self._manifest = manifest
        self._room = room
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
            if not self._room.take(known.waiting, job):
                yield Judged(job.number, DifferenceClass.INCOMPLETE.value, (DifferenceClass.INCOMPLETE.value,))
            return
        for one in (*self._room.clear(known.waiting), job):
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
        for case in known.cases if known.sealed else ():
            self._reveal(known, (read(one.body) for one in case))
        known.cases = []
        for before in (known.kept, known.profile):
            if before is not None:
                learned.merge(before)
        known.kept, known.profile, known.comparer, known.index = None, learned, None, {}

    def _reveal(self, known: Known, answers: Iterable[Any]) -> None:
        """Have the profile know again what some answers hold of what it keeps sealed."""
        values = [one for one in answers if usable(one)]
        for one in (known.kept, known.profile):
            if one is not None and self._profiles.seals.reveal(one, values, known.index):
                known.comparer = None

    # --- one pair -----------------------------------------------------------------------------

    def _judge(self, job: Job, known: Known, today: dt.date) -> Judged:
        if known.profile is None and known.kept is not None:
            known.profile, known.kept = known.kept, None
        pair = _pair(job)
        find = functools.partial(self._findings, pair, self._comparer(known, pair), known.profile, today)
        findings = find(words=False)
        classes = tuple(dict.fromkeys(one.difference_class.value for one in findings))
        loud = [one.path for one in findings if one.difference_class not in QUIET]
        decisions, agents = self._decided(pair, [] if job.disturbed else loud)
        result = next((name for name in GRAVITY if name in classes), "equal")
        samples = 0 if known.profile is None else known.profile.samples
        judged = Judged(job.number, result, classes, decisions, agents, samples)
        if loud:
            self._note(job, judged, find if pair.size <= SPOKEN else functools.partial(_as_said, find()))
        return judged

    def _comparer(self, known: Known, pair: Pair) -> Comparer:
        """Return what compares by everything that is known of a tool, this pair's sealed values included."""
        if known.sealed and pair.values is not None:
            self._reveal(known, pair.values)
        if known.comparer is None:
            known.comparer = Comparer(known.profile, self._redactor)
        return known.comparer

    def _findings(
        self, pair: Pair, comparer: Comparer, profile: Profile | None, today: dt.date, *, words: bool = True
    ) -> Sequence[Finding]:
        """Return the differences, each with its class; what may come from a write in between is skew."""
        said = comparer.compare(pair.old, pair.new, pair.values, words=words)
        if said.verdict is Said.EQUAL:
            return ()
        found = outcome.classed(pair.tool, said, profile, self._manifest, today)
        return [_as_skew(one) for one in found] if pair.disturbed else found

    def _decided(self, pair: Pair, paths: list[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return which decisions differ, and the two agents."""
        bodies = (pair.old.body, pair.new.body)
        if pair.values is None or not any(may_hold(one, self._decisions) for one in bodies):
            return (), ()
        mine, theirs = (find(one, pair.tool, self._decisions) for one in pair.values)
        if not mine and not theirs:
            return (), ()
        agents = tuple(self._agent(one["agent"].value) if "agent" in one else "" for one in (mine, theirs))
        return differing(mine, theirs, paths), agents

    def _agent(self, value: object) -> str:
        return self._redactor.text(value if isinstance(value, str) else self._redactor.shown(value))[:AGENT]


def _pair(job: Job) -> Pair:
    old, new = _sample(job.old, job.old_at, job.old_answer), _sample(job.new, job.new_at, job.new_answer)
    values = (read(old.body), read(new.body)) if Answer.RESULT is old.answer is new.answer else None
    return Pair(job.tool, old, new, values, job.disturbed, len(job.old) + len(job.new))


def _as_said(findings: Sequence[Finding]) -> Sequence[Finding]:
    return findings


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
