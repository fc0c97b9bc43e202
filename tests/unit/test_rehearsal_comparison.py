"""Answers are compared in a process of its own: it ends when its time does, and when nobody waits any more."""

from __future__ import annotations

import datetime as dt
import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import pytest

from orchestrator.comparing import LearnedComparer
from orchestrator.rehearsal import comparison
from orchestrator.rehearsal.comparison import ComparisonError, compared
from orchestrator.rehearsal.samples import NO_TIME, Answer, Compared, OutOfTimeError, Part, Taken
from orchestrator.rehearsal.suite import Case
from orchestrator.shadow.redact import Redactor

pytestmark = pytest.mark.requirement("REH-20")

CASES = [Case(tool="quick", name="quick"), Case(tool="slow", name="slow")]
TAKEN = [
    Taken(case.name, case.tool, part, run, 0, 1.0, 0.1, Answer.RESULT, b'{"a":1}')
    for run in range(2)
    for case in CASES
    for part in (Part.CONTROL, Part.REHEARSAL)
]
PATIENCE = 20.0


@dataclass
class Busy:
    """Compares by what it is given to do."""

    work: Callable[[Callable[[str], None]], Compared]
    prepared: list[str] = field(default_factory=list)

    def prepare(self, cases: Sequence[Case]) -> None:
        self.prepared += [case.tool for case in cases]

    def compare(
        self, cases: Sequence[Case], samples: Sequence[Taken], tell: Callable[[str], None] = lambda _said: None
    ) -> Compared:
        assert (list(cases), list(samples)) == (CASES, TAKEN)
        return self.work(tell)


async def ignore(_said: str) -> None:
    """Nobody watches."""


def forever(_tell: Callable[[str], None] = lambda _said: None) -> Compared:
    while True:
        pass


def has_children() -> bool:
    try:
        os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return False
    return True


async def test_what_it_found_comes_back_and_what_it_is_at_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparison, "SAID_EVERY", 0.0)
    said: list[str] = []

    async def say(text: str) -> None:
        said.append(text)

    def work(tell: Callable[[str], None]) -> Compared:
        tell("slow, 1 of 2")
        return Compared(compared=os.getpid())

    busy = Busy(work)
    with anyio.fail_after(PATIENCE):
        found = await compared(busy, CASES, TAKEN, PATIENCE, say)
    assert (said, busy.prepared) == (["slow, 1 of 2"], ["quick", "slow"])
    assert found.compared != os.getpid()
    assert not has_children()


async def test_cancelled_it_ends_whatever_it_is_at_and_leaves_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparison, "SAID_EVERY", 0.0)
    begun = anyio.Event()

    async def say(_text: str) -> None:
        begun.set()

    def work(tell: Callable[[str], None]) -> Compared:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT, signal.SIGALRM})
        tell("at work")
        return forever()

    with anyio.fail_after(PATIENCE):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(compared, Busy(work), CASES, TAKEN, PATIENCE, say)
            await begun.wait()
            tasks.cancel_scope.cancel()
    assert not has_children()


@pytest.mark.parametrize("heeds", [True, False])
async def test_what_has_no_time_left_is_incomplete_and_no_pass(monkeypatch: pytest.MonkeyPatch, *, heeds: bool) -> None:
    monkeypatch.setattr(comparison, "LEAST", 0.01)
    monkeypatch.setattr(comparison, "LATE", PATIENCE if heeds else 0.1)

    def work(_tell: Callable[[str], None]) -> Compared:
        while True:
            try:
                forever()
            except OutOfTimeError:
                if heeds:
                    raise

    with anyio.fail_after(PATIENCE):
        found = await compared(Busy(work), CASES, TAKEN, 0.0, ignore)
    assert found.late
    assert {(one.case, one.difference_class, one.pairs, one.message) for one in found.counted} == {
        ("quick", "incomplete", 2, NO_TIME),
        ("slow", "incomplete", 2, NO_TIME),
    }
    assert not has_children()


def fail(_tell: Callable[[str], None]) -> Compared:
    raise KeyError("nobody foresaw it")


def end(_tell: Callable[[str], None]) -> Compared:
    os.kill(os.getpid(), signal.SIGKILL)
    return Compared()


@pytest.mark.parametrize(("work", "words"), [(fail, "nobody foresaw it"), (end, "without memory left")])
async def test_one_that_fails_or_is_killed_fails_with_words(
    work: Callable[[Callable[[str], None]], Compared], words: str
) -> None:
    with anyio.fail_after(PATIENCE), pytest.raises(ComparisonError, match=words):
        await compared(Busy(work), CASES, TAKEN, PATIENCE, ignore)
    assert not has_children()


def test_tools_that_were_compared_in_time_are_told_and_the_others_are_incomplete(tmp_path: Path) -> None:
    comparer = LearnedComparer("f", tmp_path, (), dt.date(2026, 11, 21), Redactor(b"k"))

    def tell(said: str) -> None:
        if "slow" in said:
            raise OutOfTimeError

    found = comparer.compare(CASES, TAKEN, tell)
    assert found.late
    assert found.compared == 2
    assert [(one.case, one.difference_class, one.pairs) for one in found.counted] == [("slow", "incomplete", 2)]
    assert NO_TIME in found.counted[0].message


def test_what_was_known_before_is_read_once_for_all_comparisons_of_a_run(tmp_path: Path) -> None:
    comparer = LearnedComparer("f", tmp_path, (), dt.date(2026, 11, 21), Redactor(b"k"))
    comparer.prepare(CASES)
    LearnedComparer("f", tmp_path, (), dt.date(2026, 11, 21), Redactor(b"k")).compare(CASES, TAKEN)
    assert comparer.compare(CASES, TAKEN).details["profiles"]["quick"]["answers"] == 2
