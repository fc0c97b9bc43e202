"""The daemon's end of the process that compares, with a real one."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import psutil
import pytest
from structlog.testing import capture_logs
from waiting import eventually

from orchestrator.mirroring.examiner import Examiner
from orchestrator.mirroring.messages import Begin, Job, Judged

ENDED = "the process that compares mirrored answers ended"
RESULT = b'{"jsonrpc":"2.0","id":1,"result":{"a":%d}}'


def job(number: int) -> Job:
    """Return a pair of answers that differ."""
    old, new = RESULT % 1, RESULT % 2
    return Job(number, "t", "f", old, 1.0, "result", new, 1.0, "result", b"", 0.0, disturbed=False, versions=(1, 2))


@asynccontextmanager
async def examining(folder: Path, verdicts: list[Judged], lost: list[int]) -> AsyncIterator[Examiner]:
    begin = Begin(str(folder), b"k", [], 0, 10, {}, "", b"s", (9, 9999))
    async with anyio.create_task_group() as tasks:
        places, environment = (folder, folder / "logs"), dict(os.environ)
        one = Examiner(tasks, environment, places, begin=lambda: begin, done=verdicts.append, lost=lost.extend)
        try:
            yield one
        finally:
            await one.close()


@pytest.mark.requirement("MIRROR-7")
async def test_a_process_that_dies_after_a_reload_while_it_was_started_is_told_and_left_for_a_while(
    tmp_path: Path,
) -> None:
    verdicts: list[Judged] = []
    lost: list[int] = []
    with anyio.fail_after(30), capture_logs() as logs:
        async with examining(tmp_path, verdicts, lost) as examiner:
            assert examiner.put(job(1))
            examiner.restart()
            await eventually(lambda: verdicts or None)
            (process,) = [
                one for one in psutil.Process().children() if "orchestrator.mirroring.examine" in one.cmdline()
            ]
            process.kill()
            await eventually(lambda: not examiner.runs or None)
            assert not examiner.put(job(2))
    assert [one["event"] for one in logs if one["log_level"] == "warning"] == [ENDED]


@pytest.mark.requirement("MIRROR-7")
async def test_a_process_that_begins_anew_with_other_settings_takes_the_next_pair(tmp_path: Path) -> None:
    verdicts: list[Judged] = []
    lost: list[int] = []
    with anyio.fail_after(30):
        async with examining(tmp_path, verdicts, lost) as examiner:
            assert examiner.put(job(1))
            await eventually(lambda: verdicts or None)
            examiner.restart()
            await eventually(lambda: not examiner.runs or None)
            assert examiner.put(job(2))
            await eventually(lambda: len(verdicts) == 2 or None)
    assert [(one.number, one.result) for one in verdicts] == [(1, "unexpected"), (2, "unexpected")]
    assert not lost
