"""Comparing in a process of its own, which ends when its time does or nobody waits any more, whatever it is at.

A comparison of large answers computes for minutes, and a thread can be ended by nobody.  The process is a fork of the
harness's program, as the answers are there already; it has no part in the harness's loop.  Above: `harness`.  Below:
whoever compares (`samples.Comparer`).
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import signal
import time
import traceback
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from multiprocessing.connection import Connection, Pipe
from typing import Final, NoReturn

import anyio

from orchestrator.rehearsal.samples import NO_TIME, Compared, Comparer, Difference, OutOfTimeError, Part, Taken
from orchestrator.rehearsal.suite import Case

LATE: Final = 3.0
"""Seconds, after its time, that it has to tell what it has: one step that cannot be broken off takes one at most."""
LEAST: Final = 1.0
"""Seconds it has at least: a run may have ended just in time."""
SAID_EVERY: Final = 3.0
"""Seconds between what whoever watches is told of it."""
COLLECTED: Final = (200_000, 20, 100)
"""Thresholds of the garbage collector: values read from JSON hold no cycles, and looking for some took a quarter."""
PR_SET_PDEATHSIG: Final = 1
FAILED: Final = "comparing failed: {!r}; logs/upgrade.log says where"
ENDED: Final = (
    "comparing was ended before it was done, as on a machine without memory left: fewer repeats or a smaller "
    "upgrade.answer_bytes need less"
)


class ComparisonError(Exception):
    """Comparing failed; the message says how."""


async def compared(
    comparer: Comparer,
    cases: Sequence[Case],
    samples: Sequence[Taken],
    seconds: float,
    say: Callable[[str], Awaitable[None]],
) -> Compared:
    """Return what differs; what was not compared within its time is incomplete.  Cancelled, it leaves no process.

    Args:
        comparer: tells what differs.
        cases: the suite's calls.
        samples: all answers.
        seconds: how long it may take.
        say: told now and then what is compared.

    Raises:
        ComparisonError: it ended and said nothing.
    """
    await anyio.to_thread.run_sync(comparer.prepare, cases)
    seconds = max(seconds, LEAST)
    ours, theirs = Pipe(duplex=False)
    with ours:
        parent, pid = os.getpid(), os.fork()
        if not pid:
            _work(theirs, parent, seconds, lambda tell: comparer.compare(cases, samples, tell))
        theirs.close()
        try:
            with anyio.move_on_after(seconds + LATE), contextlib.suppress(OutOfTimeError):
                return await _heard(ours, say)
        finally:
            with anyio.CancelScope(shield=True):
                os.kill(pid, signal.SIGKILL)
                await anyio.to_thread.run_sync(os.waitpid, pid, 0)
    return Compared(tuple(_unfinished(cases, samples)), notes=(NO_TIME,), late=True)


async def _heard(ours: Connection, say: Callable[[str], Awaitable[None]]) -> Compared:
    said = time.monotonic()
    while True:
        await anyio.wait_readable(ours.fileno())
        try:
            heard = ours.recv()
        except (EOFError, OSError):
            raise ComparisonError(ENDED) from None
        if isinstance(heard, Compared):
            return heard
        if isinstance(heard, Exception):
            raise heard
        if time.monotonic() - said > SAID_EVERY:
            said = time.monotonic()
            await say(heard)


def _work(
    theirs: Connection, parent: int, seconds: float, work: Callable[[Callable[[str], None]], Compared]
) -> NoReturn:
    """Compare, tell what came of it, and end; never returns to whoever forked."""
    status = 1
    try:
        _settle(parent, seconds)
        told = work(theirs.send)
        signal.setitimer(signal.ITIMER_REAL, 0)
        theirs.send(told)
        status = 0
    except BaseException as error:  # noqa: BLE001 - nobody is above, and its parent has to be told
        traceback.print_exc()
        with contextlib.suppress(OSError):
            theirs.send(error if isinstance(error, OutOfTimeError) else ComparisonError(FAILED.format(error)))
    finally:
        os._exit(status)


def _settle(parent: int, seconds: float) -> None:
    """Leave signals to the parent, which ends it, also with its own end, and have the time run."""
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before we asked
        os._exit(1)
    gc.freeze()
    gc.set_threshold(*COLLECTED)
    signal.signal(signal.SIGALRM, _out_of_time)
    signal.setitimer(signal.ITIMER_REAL, seconds)


def _out_of_time(_number: int, _frame: object) -> NoReturn:
    raise OutOfTimeError


def _unfinished(cases: Sequence[Case], samples: Sequence[Taken]) -> Iterator[Difference]:
    asked = Counter(one.case for one in samples if one.part is Part.REHEARSAL)
    for case in cases:
        pairs = asked[case.name]
        yield Difference(case.name, case.tool, "unreadable", "incomplete", "$", NO_TIME, pairs, pairs)
