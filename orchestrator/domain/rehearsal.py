"""A rehearsal as values: its steps in their order, what each came to, what follows from that for the whole.

Above: `orchestrator.rehearsing` runs the steps and asks here what they mean.  Below: nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from orchestrator.domain.words import counted

RUN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""Ids of runs: they become names of folders."""
RUN_WORDS: Final = "use letters, digits, '.', '_' and '-', 64 at most, and begin with a letter or digit"


class Step(StrEnum):
    """The steps, in the order in which they run."""

    PREFLIGHT = "preflight"
    COPY = "copy"
    BUILD = "build"
    TEST = "test"
    SHADOW = "shadow"
    SUMMARY = "summary"


class Status(StrEnum):
    """What a step, or a check within one, came to."""

    OK = "ok"
    SKIPPED = "skipped"
    WARNING = "warning"
    FAILED = "failed"


SEVERITY: Final = {Status.OK: 0, Status.SKIPPED: 0, Status.WARNING: 1, Status.FAILED: 2}
"""What is skipped is not worse than what is well: somebody asked for it."""

PASSED: Final = "[upgrade] All checks passed."
WARNED: Final = "[upgrade] Completed with warnings (review noted shadow differences)."
KILLED: Final = (
    "[upgrade] Failed: the harness was killed, or could not write (then logs/upgrade.log says why); the next rehearsal "
    "clears up after it"
)
"""Said for a run that could not say its last line itself."""

EXIT_OK: Final = 0
EXIT_FAILED: Final = 1
EXIT_WARNING: Final = 4
"""The first number that the command line does not use for something else (2 usage, 3 daemon not reachable)."""

ALERT_BEYOND: Final = 2
"""Runs in a row with differences beyond which people are warned: one may be noise, two a change that is under way."""


def alarm(in_a_row: int) -> str | None:
    """Return what people are warned with when so many runs in a row had differences, None while it is no matter."""
    return f"shadow differences in {in_a_row} runs in a row" if in_a_row > ALERT_BEYOND else None


@dataclass(frozen=True, slots=True)
class Options:
    """What was asked for.

    Attributes:
        allow_dirty: go on with a work tree that has changes that are not committed.
        skip_build: do not build.
        skip_tests: do not run the tests.
        keep_copy: leave copy and snapshots where they are.
        nightly: warnings do not change the exit status.
        planned: a rollout's plan says so, and not somebody at a shell.
    """

    allow_dirty: bool = False
    skip_build: bool = False
    skip_tests: bool = False
    keep_copy: bool = False
    nightly: bool = False
    planned: bool = False


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at.

    Attributes:
        name: what was looked at, in one or two words.
        status: what it came to.
        message: in words, with what to do where it is not well.
    """

    name: str
    status: Status
    message: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a step came to.

    Attributes:
        step: which.
        status: how it ended.
        message: in one sentence.
        seconds: how long it took.
        started: when it began, seconds since the Unix epoch.
        details: what else is worth keeping, JSON.
    """

    step: Step
    status: Status
    message: str
    seconds: float = 0.0
    started: float = 0.0
    details: Mapping[str, Any] = field(default_factory=dict)


def highest(statuses: Iterable[Status]) -> Status:
    """Return the most severe status; `ok` where there is none, `skipped` only where all are."""
    found = list(statuses)
    worst = max(found, key=SEVERITY.__getitem__, default=Status.OK)
    if SEVERITY[worst]:
        return worst
    return Status.SKIPPED if found and all(one is Status.SKIPPED for one in found) else Status.OK


def exit_code(statuses: Iterable[Status], *, nightly: bool) -> int:
    """Return the exit status of the whole run: 0, 4 with warnings (0 when nightly), 1 when something failed."""
    worst = highest(statuses)
    if worst is Status.FAILED:
        return EXIT_FAILED
    return EXIT_WARNING if worst is Status.WARNING and not nightly else EXIT_OK


def closing(outcomes: Sequence[Outcome]) -> str:
    """Return the run's last line."""
    failed = next((one for one in outcomes if one.status is Status.FAILED), None)
    if failed is not None:
        return f"[upgrade] Failed in {failed.step}: {failed.message}"
    return WARNED if highest(one.status for one in outcomes) is Status.WARNING else PASSED


def why_skipped(step: Step, options: Options, *, commands: Mapping[Step, object]) -> str | None:
    """Return why a step is not run, None when it is.

    Args:
        step: which.
        options: what was asked for.
        commands: the commands of the steps that need one, by step; empty where none is configured.
    """
    asked = {Step.BUILD: (options.skip_build, "--skip-build"), Step.TEST: (options.skip_tests, "--skip-tests")}
    if step not in asked:
        return None
    skipped, option = asked[step]
    if skipped:
        return f"the plan says {step} = false" if options.planned else f"{option} was given"
    return None if commands.get(step) else f"upgrade.{step} names no command"


def not_reached(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Return the outcomes of the steps after one that failed: each skipped, and why."""
    failed = next((one for one in outcomes if one.status is Status.FAILED), None)
    if failed is None:
        return []
    done = {one.step for one in outcomes}
    message = f"not reached, as {failed.step} failed"
    return [Outcome(step, Status.SKIPPED, message) for step in Step if step not in done and step is not Step.SUMMARY]


def overall(checks: Sequence[Check]) -> tuple[Status, str]:
    """Return what a step's checks come to together, and the sentence that says so."""
    worst = highest(one.status for one in checks)
    if not SEVERITY[worst]:
        return Status.OK, f"{len(checks)} checks passed"
    return worst, "; ".join(f"{one.name}: {one.message}" for one in checks if one.status is worst)


@dataclass(frozen=True, slots=True)
class Promotion:
    """What is known about whether the version may be promoted.

    Attributes:
        outcomes: the steps.
        differences: how many the shadow comparison found.
        shared_state: whether the old code works on what the new code wrote; None when that was not tried.
        held: whether the operating system held the dry run.
        attempts: how many different attempts to reach beyond the snapshot were stopped.
        broken: what the old code cannot do on what the new code wrote, or has lost there.
    """

    outcomes: Sequence[Outcome]
    differences: int
    shared_state: bool | None
    held: bool
    attempts: int = 0
    broken: Sequence[str] = ()


def _the(count: int, noun: str) -> str:
    return f"the {noun}" if count == 1 else f"the {counted(count, noun)}"


def promotion_plan(known: Promotion) -> dict[str, Any]:
    """Return what would come next, and what stands against it, as JSON: the checklist of a promotion."""
    against = [f"{one.step} failed: {one.message}" for one in known.outcomes if one.status is Status.FAILED]
    first = []
    by_step = {one.step: one for one in known.outcomes}
    first += [
        f"rehearse again without skipping {step}: {by_step[step].message}"
        for step in (Step.BUILD, Step.TEST)
        if step in by_step and by_step[step].status is Status.SKIPPED and "was given" in by_step[step].message
    ]
    if known.differences:
        first.append(f"read {_the(known.differences, 'difference')} in shadow.json and say which are expected")
    if known.attempts:
        stopped = _the(known.attempts, "stopped attempt")
        first.append(f"see what {stopped} in shadow.json would have done to live state")
    if not known.held:
        first.append("rehearse where bubblewrap or Landlock works: nothing held this dry run")
    return {
        "may_promote": not against and not first,
        "against": against,
        "first": first,
        "state": _state(known),
        "then": _then(known),
    }


def _then(known: Promotion) -> list[str]:
    """Return the way from here; where the two may not serve at a time, it is none with a canary."""
    watch = "watch for at least 10 minutes, then set flags one at a time: switchover flags set"
    if known.shared_state is False:
        return ['cut over by a plan with state = "exclusive": switchover upgrade --plan PLAN -- COMMAND', watch]
    return [
        "start the version as a canary on live state: switchover canary -- COMMAND",
        "give it a share of calls and watch errors, times and quality: switchover weight N",
        "move all traffic: switchover switch; the old version stays warm",
        watch,
    ]


def _state(known: Promotion) -> dict[str, Any]:
    if known.shared_state is None:
        return {"shared": None, "message": "the old code was not tried on what the new code wrote"}
    if known.shared_state:
        return {"shared": True, "message": "the old code works on what the new code wrote"}
    return {"shared": False, "message": "the old code breaks on what the new code wrote: both may not serve at a time"}
