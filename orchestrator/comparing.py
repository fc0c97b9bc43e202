"""The comparison by learned noise, as the harness asks for it; what was learned is kept for the next rehearsal.

Above: `rehearse`.  Below: `rehearsal.samples` for what the harness says, `shadow` for who decides.
"""

from __future__ import annotations

import contextlib
import copy
import datetime as dt
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from orchestrator.domain.comparison import Answer, CaseResult, DifferenceClass, Finding, Kind, Sample
from orchestrator.rehearsal.profiles import Profiles, WithheldError
from orchestrator.rehearsal.samples import NO_TIME, Compared, Difference, OutOfTimeError, Part, Taken
from orchestrator.rehearsal.samples import Answer as Told
from orchestrator.rehearsal.suite import Case
from orchestrator.shadow import outcome
from orchestrator.shadow.explain import explain
from orchestrator.shadow.manifest import Expected
from orchestrator.shadow.noise import noise_of
from orchestrator.shadow.profile import ENOUGH, Profile, ProfileError, learn, usable
from orchestrator.shadow.redact import Redactor
from orchestrator.shadow.repeats import in_doubt
from orchestrator.shadow.values import read

NOISE: Final = 100
"""Paths of a tool whose noise the report tells."""

STOPPED: Final = 4
"""Attempts that are named at a refusal; all of them are in the report."""

ANSWERS: Final = {
    Told.RESULT: Answer.RESULT,
    Told.ERROR: Answer.ERROR,
    Told.TIMEOUT: Answer.TIMEOUT,
    Told.LOST: Answer.LOST,
    Told.UNREADABLE: Answer.RESULT,  # the comparison itself says of such a body that it cannot be read
}
"""What a sample is for the comparison; one that was never asked is none."""

ROLES: Final = {('"control"', '"rehearsal"'), ('"control"', '"serving"')}
"""What a process that tells its role says here and there."""


IN_REHEARSAL, IN_ACTIVE = "\n  rehearsal: ", "\n  active:    "
"""Whose value a line of an explanation shows: of skew it is the process in service's."""


@dataclass(frozen=True, slots=True)
class LearnedComparer:
    """Fits `rehearsal.samples.Comparer`.

    Attributes:
        fingerprint: of the old code; noise that other code was seen to make says nothing.
        state_dir: where profiles are kept.
        manifest: expected differences.
        today: the day on which they have to be still expected.
        redactor: how values are shown, and with which key they are kept.
        known: secrets that the detector looks for as they are.
        before: what was known of each tool before this run, which may be compared more than once.
        early: what is to be noted of that.
    """

    fingerprint: str
    state_dir: Path
    manifest: Sequence[Expected]
    today: dt.date
    redactor: Redactor
    known: Sequence[str] = ()
    before: dict[str, Profile | None] = field(default_factory=dict)
    early: list[str] = field(default_factory=list)

    def prepare(self, cases: Sequence[Case]) -> None:
        """Read what was known of each tool before this run; what cannot be read is noted when it is compared."""
        if not (new := {case.tool for case in cases} - self.before.keys()):
            return
        store = Profiles(self.state_dir, self.redactor, self.known)
        self.early.extend(store.seal_all())
        for tool in new:
            with contextlib.suppress(OSError, ProfileError):
                self.before[tool] = store.kept(tool, self.fingerprint)

    def compare(
        self, cases: Sequence[Case], samples: Sequence[Taken], tell: Callable[[str], None] = lambda _said: None
    ) -> Compared:
        """Learn the noise of each tool from the old code, and compare the new code with it."""
        asked = list(_cases(cases, samples))
        self.prepare(cases)
        notes, profiles = list(dict.fromkeys(self.early)), dict[str, Profile]()
        judged = self._judged(asked, notes, profiles, tell)
        late = len(judged) < len(asked)
        if few := [tool for tool, one in profiles.items() if not one.enough]:
            notes.append(f"{', '.join(few)}: learned from fewer than {ENOUGH} answers of one call; see upgrade.repeats")
        results = [judged[at] if at in judged else _unfinished(one) for at, one in enumerate(asked)]
        whole = outcome.result(results, self.manifest, self.today)
        notes += [f"expected, but nothing was so: {entry}" for entry in whole.unused if not late]
        notes += [f"expected no longer: {entry}" for entry in whole.expired]
        return Compared(
            tuple(_told(difference, samples) for one in whole.cases for difference in _differences(one)),
            sum(one.pairs - one.incomplete for one in whole.cases),
            tuple(notes),
            {
                "verdict": whole.verdict,
                "counts": whole.counts,
                "profiles": _known(profiles),
                "noise": {tool: _noise(one, self.redactor) for tool, one in profiles.items()},
            },
            suspected=any(in_doubt(finding) for one in whole.cases for finding in one.findings),
            late=late,
        )

    def _judged(
        self, asked: Sequence[outcome.Case], notes: list[str], profiles: dict[str, Profile], tell: Callable[[str], None]
    ) -> dict[int, outcome.Judged]:
        """Return what was judged of each call while there was time, tool by tool."""
        judged: dict[int, outcome.Judged] = {}
        with contextlib.suppress(OutOfTimeError):
            for tool in dict.fromkeys(one.tool for one in asked):
                tell(f"answers are compared: {tool}, {len(judged)} of {len(asked)} calls done")
                profile = profiles[tool] = self._profile(tool, asked, notes)
                for at, one in enumerate(asked):
                    if one.tool == tool:
                        judged[at] = outcome.judge_case(
                            one, profile, manifest=self.manifest, today=self.today, redactor=self.redactor
                        )
        return judged

    def _profile(self, tool: str, asked: Sequence[outcome.Case], notes: list[str]) -> Profile:
        """Learn from this run, add what was known before of the same code, and keep it."""
        mine = [one for one in asked if one.tool == tool]
        profile = learn(tool, self.fingerprint, [one.controls for one in mine])
        store = Profiles(self.state_dir, self.redactor, self.known)
        try:
            if tool not in self.before:
                self.before[tool] = store.kept(tool, self.fingerprint)
            before = copy.deepcopy(self.before[tool])
            if before is not None:
                store.seals.reveal(before, _answers(mine))
                profile.merge(before)
        except (OSError, ProfileError) as error:
            notes.append(str(error))
        try:
            store.keep(profile)
        except (OSError, WithheldError) as error:
            notes.append(f"the noise of {tool} is not kept for the next rehearsal: {error}")
        return profile


def _unfinished(case: outcome.Case) -> outcome.Judged:
    """Return what is to be told of a call for which there was no time."""
    pairs = len(case.rehearsals) if case.controls else 0
    why = Finding(
        Kind.UNREADABLE, "$", "$", NO_TIME, difference_class=DifferenceClass.INCOMPLETE, seen=pairs, pairs=pairs
    )
    return outcome.Judged(CaseResult(case.name, case.tool, (why,), pairs, pairs, 0), frozenset())


def _answers(asked: Sequence[outcome.Case]) -> list[object]:
    """Return all answers that can be read."""
    samples = (one for case in asked for one in (*case.controls, *case.rehearsals, *case.actives))
    return [value for one in samples if one.answer is Answer.RESULT and usable(value := read(one.body))]


def _cases(cases: Sequence[Case], samples: Sequence[Taken]) -> Iterator[outcome.Case]:
    """Put together what belongs together: the same call in a row, of each process that was asked it."""
    for case in cases:
        for call in range(case.repeats):
            mine = [one for one in samples if (one.case, one.call) == (case.name, call) and one.answer in ANSWERS]
            parts = {part: [_sample(one) for one in mine if one.part is part] for part in Part}
            name = case.name if case.repeats == 1 else f"{case.name}#{call + 1}"
            yield outcome.Case(name, case.tool, parts[Part.CONTROL], parts[Part.REHEARSAL], parts[Part.ACTIVE])


def _sample(taken: Taken) -> Sample:
    answer = Answer.REFUSED if taken.stopped else ANSWERS[taken.answer]
    return Sample(taken.body, taken.at, answer)


def _differences(result: CaseResult) -> Iterator[Difference]:
    for found in result.findings:
        finding, is_active = _own_role(found), found.difference_class is DifferenceClass.SKEW
        told = explain(finding)
        yield Difference(
            result.case,
            result.tool,
            finding.kind,
            finding.difference_class,
            finding.place if finding.pairs == 1 else finding.path,
            told.replace(IN_REHEARSAL, IN_ACTIVE) if is_active else told,
            finding.seen,
            finding.pairs,
            finding.control,
            finding.rehearsal,
            finding.path,
            finding.rule,
            finding.reason,
            finding.places,
            Part.ACTIVE if is_active else Part.REHEARSAL,
        )
    if result.incomplete and not any(_is_bound(one) for one in result.findings):
        why = f"{result.incomplete} of {result.pairs} pairs could not be compared to the end"
        yield Difference(
            result.case, result.tool, "unreadable", "incomplete", "$", why, result.incomplete, result.pairs
        )
    if not result.pairs:
        yield Difference(
            result.case, result.tool, "missing", "incomplete", "$", "there is no pair to be compared", 0, 0
        )


def _told(one: Difference, samples: Sequence[Taken]) -> Difference:
    """Say of a refusal what was refused, and of a call that was not made why it was not."""
    mine = [taken for taken in samples if one.case in {taken.case, f"{taken.case}#{taken.call + 1}"}]
    said = ""
    if one.kind == Kind.REFUSED:
        stopped = {f"{taken.part}: {what.call} {what.target}" for taken in mine for what in taken.stopped}
        said = f"\n  stopped: {', '.join(sorted(stopped)[:STOPPED])}"
    elif not one.pairs and (unasked := next((taken for taken in mine if taken.answer is Told.UNASKED), None)):
        said = f": {json.loads(unasked.body)['message']}"
    return replace(one, message=one.message + said)


def _own_role(finding: Finding) -> Finding:
    """Class it as noise that each process says what it was started for: the harness made that difference itself."""
    if finding.kind is not Kind.VALUE or (finding.control, finding.rehearsal) not in ROLES:
        return finding
    return replace(finding, difference_class=DifferenceClass.NOISE, reason="each process says its own role")


def _is_bound(finding: Finding) -> bool:
    return finding.difference_class is DifferenceClass.INCOMPLETE


def _noise(profile: Profile, redactor: Redactor) -> list[dict[str, Any]]:
    return [asdict(one) for one in noise_of(profile, redactor, NOISE)]


def _known(profiles: dict[str, Profile]) -> dict[str, Any]:
    return {tool: {"answers": one.samples, "calls": one.cases, "enough": one.enough} for tool, one in profiles.items()}
