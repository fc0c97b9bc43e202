"""Lets tests of every kind find the parts they share: the running daemon, clients of its socket, workers' commands."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from candidates import Forks

HERE = Path(__file__).parent

sys.path[:0] = [str(HERE / folder) for folder in ("candidates", "e2e", "support")]

# Enough examples to find what is wrong, few enough for two minutes; `--hypothesis-profile default` has 100 of each.
settings.register_profile("short", max_examples=40, deadline=None)
settings.load_profile("short")

# A shell's background job ignores Ctrl-C, and so would every process the tests start and interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)
# And what `nohup` runs ignores the end of its terminal; what is handled here is as it was in the processes started.
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, lambda *_: None)


@pytest.fixture(scope="session")
def forks() -> Iterator[Forks]:
    """Reference workers that start at once; what they import takes seconds, and is shared by all tests."""
    from candidates import Forks  # noqa: PLC0415 - few tests need it

    with Forks() as running:
        yield running
