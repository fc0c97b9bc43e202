"""What the artifacts of a run say: pure functions from what was found to JSON.

Above: `harness`.  Below: `domain.rehearsal`, `samples`, `shadow_run`'s values.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import Any, Final

from orchestrator.domain.generation import Spec
from orchestrator.domain.rehearsal import Outcome, Promotion, Status, Step, alarm, closing, exit_code, highest
from orchestrator.domain.words import counted
from orchestrator.rehearsal.artifacts import iso
from orchestrator.rehearsal.expectations import MILLISECONDS, SHOWN, unmet
from orchestrator.rehearsal.job import Job
from orchestrator.rehearsal.judge import Stopped
from orchestrator.rehearsal.processes import held_words
from orchestrator.rehearsal.samples import Answer, Compared, Difference, Part, Taken
from orchestrator.rehearsal.sandbox import Hold
from orchestrator.rehearsal.sentry import Attempt
from orchestrator.rehearsal.shadow_run import Ran
from orchestrator.rehearsal.suite import Case, Suite
from orchestrator.rehearsal.workspace import Workspace

TOLD: Final = ("additive", "expected", "skew")
"""Classes that are told where nothing worse was found; noise is no difference of the new code."""
NOBODY: Final = "neither the old nor the new code lists this tool: the suite names it wrongly, or it is gone from both"
VAIN: Final = "old and new code fail at it each time, so only failures were compared; a suite can give other arguments"


def steps(run: str, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Return `steps.json`."""
    told = [{**asdict(one), "started": iso(one.started) if one.started else None} for one in outcomes]
    return {"id": run, "status": highest(one.status for one in outcomes), "steps": told}


def whole(job: Job, outcomes: Sequence[Outcome], known: Promotion, kept: Workspace | None) -> dict[str, Any]:
    """Return `report.json`: everything one should know without opening another file."""
    statuses = [one.status for one in outcomes]
    return {
        "id": job.run,
        "status": highest(statuses),
        "message": closing(outcomes),
        "exit_code": exit_code(statuses, nightly=job.options.nightly),
        "options": asdict(job.options),
        "old": {"generation": job.generation, **_spec(job.old)},
        "new": _spec(job.new),
        "differences": known.differences,
        "shared_state": known.shared_state,
        "broken": list(known.broken),
        "held": known.held,
        "copies": str(kept.path) if kept is not None else None,
        "steps": [{"step": one.step, "status": one.status, "message": one.message} for one in outcomes],
    }


def shadow(run: str, job: Job, ran: Ran, compared: Compared, hold: Hold) -> dict[str, Any]:
    """Return `shadow.json`: every difference, every call, and what was stopped."""
    classes = Counter(one.difference_class for one in compared.differences)
    return {
        "id": run,
        "count": len(compared.counted),
        "classes": dict(classes),
        "compared": compared.compared,
        "suite": {"origin": ran.suite.origin, "calls": len(ran.suite.call), "left_out": _left_out(ran.suite)},
        "flags": ran.suite.flags,
        "sandbox": held_words(hold),
        "differences": [_difference(number, one) for number, one in enumerate(compared.differences, 1)],
        "attempts": {name: [_attempt(one) for one in attempts] for name, attempts in ran.attempts.items()},
        "state": {"shared": ran.shared, "broken": ran.broken},
        "notes": [*compared.notes, *ran.notes],
        "calls": [_calls(case, ran.samples) for case in ran.suite.call],
        "details": dict(compared.details),
        "generation": job.generation,
    }


def _left_out(suite: Suite) -> list[dict[str, str]]:
    """Return the tools that are not called; as values, for a member that is called like a secret would be hidden."""
    return [{"tool": tool, "reason": reason} for tool, reason in suite.left_out.items()]


def shadow_outcome(ran: Ran, compared: Compared, hold: Hold, in_a_row: int = 0) -> Outcome:
    """Return what the shadow run came to: differences, stopped attempts and a sandbox with gaps are warnings.

    Args:
        ran: the run.
        compared: what comparing said.
        hold: what held the processes.
        in_a_row: runs in a row that had differences, this one the last.
    """
    attempts = stopped(ran)
    said = []
    if compared.counted:
        said.append(f"{counted(len(compared.counted), 'difference')}, see shadow.json")
    if compared.late:
        said.append("there was no time left to compare all answers; give it more with upgrade.shadow_timeout")
    if (alarmed := alarm(in_a_row)) is not None:
        said.append(alarmed)
    if attempts:
        shown = ", ".join(sorted(f"{one.call} {one.target}" for one in attempts)[:3])
        made = counted(len(attempts), "attempt")
        said.append(f"{made} to reach beyond the snapshot {'was' if len(attempts) == 1 else 'were'} stopped ({shown})")
    if ran.broken:
        said.append(f"the old code breaks on what the new code wrote ({ran.broken[0]})")
    if not hold.whole:
        said.append(hold.words)
    asked = f"{counted(len(ran.samples), 'call')}, {compared.compared} compared to the end"
    if not said:
        return Outcome(Step.SHADOW, Status.OK, f"{asked}, {_harmless(compared, ran)}")
    return Outcome(Step.SHADOW, Status.WARNING, "; ".join([*said, asked]))


def _harmless(compared: Compared, ran: Ran) -> str:
    """Say what differs that nobody has to look at, and that there is more to be known."""
    classes = Counter(one.difference_class for one in compared.differences)
    found = ", ".join(f"{classes[name]} {name}" for name in TOLD if classes[name])
    notes = len(compared.notes) + len(ran.notes)
    more = f"; {counted(notes, 'note')} in shadow.json" if notes else ""
    return (f"nothing unexpected ({found})" if found else "no difference") + more


def stopped(ran: Ran) -> set[Stopped]:
    """Return what was stopped, each once."""
    return {one.stopped for made in ran.attempts.values() for one in made}


def with_expectations(compared: Compared, ran: Ran, hide: Callable[[str], str]) -> Compared:
    """Return a comparison with what the suite expects of the new code added, and what it asks of nobody.

    Args:
        compared: the comparison.
        ran: the answers.
        hide: takes secrets out of a text.
    """
    answers = ran.of(Part.REHEARSAL)
    failed = [
        found
        for case in ran.suite.call
        for found in unmet(case, [one for one in answers if one.case == case.name], hide)
    ]
    well = {one.case for one in ran.samples if one.well}
    nobody = [case for case in ran.suite.call if case.tool not in ran.listed and case.name not in well]
    failed += [Difference(case.name, case.tool, "missing", "incomplete", "$", NOBODY, 0, 0) for case in nobody]
    if vain := [case.name for case in ran.suite.call if case not in nobody and _is_vain(case, ran)]:
        compared = replace(compared, notes=(*compared.notes, f"{', '.join(vain)}: {VAIN}"))
    return replace(compared, differences=(*compared.differences, *failed)) if failed else compared


def _is_vain(case: Case, ran: Ran) -> bool:
    """Tell whether a call failed whoever was asked, though nobody said that it must."""
    mine = [one for one in (*ran.of(Part.CONTROL), *ran.of(Part.REHEARSAL)) if one.case == case.name]
    answered = all(one.answer in {Answer.RESULT, Answer.ERROR} for one in mine)
    return case.expect.error is not True and bool(mine) and answered and not any(one.well for one in mine)


def _spec(spec: Spec) -> dict[str, Any]:
    return {"command": list(spec.command), "cwd": spec.cwd, "source": spec.source, "fingerprint": spec.fingerprint}


def _difference(number: int, one: Difference) -> dict[str, Any]:
    told = asdict(one)
    told["class"] = told.pop("difference_class")
    return {"number": number, **told, "control": one.control[:SHOWN], "rehearsal": one.rehearsal[:SHOWN]}


def _attempt(one: Attempt) -> dict[str, Any]:
    what = one.stopped
    told = {"kind": what.kind, "call": what.call, "target": what.target}
    return {**told, "times": one.times, "first": iso(one.first)}


def _calls(case: Case, samples: Sequence[Taken]) -> dict[str, Any]:
    """Return how often a call was answered how, and how long it took in the median, by part."""
    told: dict[str, Any] = {"name": case.name, "tool": case.tool, "arguments": case.arguments}
    for part in Part:
        mine = [one for one in samples if one.case == case.name and one.part is part]
        if mine:
            times = sorted(one.seconds for one in mine)
            answers = Counter("failed" if one.failed else str(one.answer) for one in mine)
            told[part] = {"answers": dict(answers), "median_ms": round(times[len(times) // 2] * MILLISECONDS, 2)}
    return told
