"""The program that ties a worker's life to the daemon's, run as the daemon runs it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.supervision.process import LAUNCHER

GROUP = Path("/proc/self/autogroup")
TRIES = 5
"""Somebody who is not root may change one such group in a tenth of a second, whoever it was."""


def launched(nice: int, *, session: bool) -> str:
    """Return what a program that is launched reads of its group."""
    command = [sys.executable, "-S", "-I", LAUNCHER, str(os.getpid()), "cat", str(GROUP)]
    niced = ["nice", "-n", str(nice), *command]
    done = subprocess.run(niced, capture_output=True, text=True, timeout=20, check=True, start_new_session=session)
    return done.stdout.rpartition(" ")[2].strip()


@pytest.mark.requirement("MIRROR-9")
@pytest.mark.skipif(not GROUP.exists(), reason="this kernel does not weigh sessions against each other")
def test_a_program_in_a_session_of_its_own_weighs_what_its_niceness_says() -> None:
    wanted = str(min(os.nice(0) + 7, 19))
    assert any(launched(7, session=True) == wanted for _ in range(TRIES))


@pytest.mark.requirement("MIRROR-9")
@pytest.mark.skipif(not GROUP.exists(), reason="this kernel does not weigh sessions against each other")
def test_a_program_that_shares_a_session_leaves_the_others_of_it_their_weight() -> None:
    before = GROUP.read_text().rpartition(" ")[2].strip()
    assert launched(7, session=False) == before
