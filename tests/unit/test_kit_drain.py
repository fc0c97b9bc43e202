"""Calls under way, waiting for their end, and SIGTERM in between."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
from switchover_kit import Drain

pytestmark = pytest.mark.requirement("KIT-3")

PATIENCE = 60.0
"""Seconds anything may take before the test fails."""

WORKER = """
import os, signal, sys
from switchover_kit import Drain

drain = Drain()
mode, grace = sys.argv[1], float(sys.argv[2])
if mode == "before":
    signal.signal(signal.SIGTERM, lambda *_: (print("ended as before", flush=True), os._exit(3)))
drain.on_sigterm(grace, (lambda: (print("ended by end", flush=True), os._exit(4))) if mode == "end" else None)
if mode == "fork":
    ready, tell = os.pipe()
    child = os.fork()
    if not child:
        os.write(tell, b"x")  # Python drops what comes before it has set the child up
        signal.alarm(20)
        signal.pause()
    os.read(ready, 1)
    os.kill(child, signal.SIGTERM)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
with drain.call():
    print("under way", flush=True)
    for line in sys.stdin:
        print(drain.under_way, drain.draining, flush=True)
        if line == "finish\\n":
            break
print("finished", drain.under_way, flush=True)
signal.pause()
"""


class Worker:
    """A process with one call under way."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        assert process.stdin is not None
        assert process.stdout is not None
        self._stdin, self._stdout = process.stdin, process.stdout

    def said(self) -> str:
        return self._stdout.readline().strip()

    def asked(self, word: str) -> str:
        self._stdin.write(f"{word}\n")
        self._stdin.flush()
        return self.said()

    def term(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def draining(self) -> bool:
        """Ask until it has heard the signal; the kernel delivers it at once, Python between two bytecodes."""
        while (said := self.asked("?")) == "1 False":
            pass
        return said == "1 True"

    def ended_by_a_signal(self) -> int:
        """Wake it, then wait: Python hears no signal that comes just as a read begins, until there is something."""
        with suppress(BrokenPipeError):
            os.write(self._stdin.fileno(), b"?\n")
        return self.ended()

    def ended(self) -> int:
        return self.process.wait(PATIENCE)


@contextmanager
def worker(mode: str = "plain", grace: float = PATIENCE) -> Iterator[Worker]:
    """Run a worker until it says that its call is under way; kill it at the end, if it is there still."""
    command = [sys.executable, "-c", WORKER, mode, str(grace)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        timer = threading.Timer(PATIENCE, process.kill)  # so that no read waits for ever
        timer.start()
        try:
            running = Worker(process)
            if mode != "fork":
                assert running.said() == "under way"
            yield running
        finally:
            timer.cancel()
            with suppress(ProcessLookupError):
                process.kill()


def test_sigterm_waits_for_the_call_and_then_ends_the_process_as_it_would_have() -> None:
    with worker() as running:
        running.term()
        assert running.draining()
        assert running.asked("finish") == "1 True"
        assert running.said() == "finished 0"
        assert running.ended() == -signal.SIGTERM


def test_a_call_that_goes_on_is_ended_when_the_grace_is_over() -> None:
    with worker(grace=0.05) as running:
        running.term()
        assert running.ended_by_a_signal() == -signal.SIGTERM


def test_a_second_sigterm_ends_at_once() -> None:
    with worker() as running:
        running.term()
        assert running.draining()
        running.term()
        assert running.ended_by_a_signal() == -signal.SIGTERM


def test_what_sigterm_did_before_is_done_when_calls_are_through() -> None:
    with worker("before") as running:
        running.term()
        assert running.draining()
        assert running.asked("finish") == "1 True"
        assert [running.said(), running.said(), running.ended()] == ["finished 0", "ended as before", 3]


def test_a_worker_may_end_in_its_own_way() -> None:
    with worker("end") as running:
        running.term()
        assert running.draining()
        assert running.asked("finish") == "1 True"
        assert [running.said(), running.said(), running.ended()] == ["finished 0", "ended by end", 4]


def test_a_forked_child_ends_at_once_and_its_parent_goes_on() -> None:
    with worker("fork") as running:
        assert running.said() == str(-signal.SIGTERM)
        assert running.said() == "under way"
        assert running.asked("?") == "1 False"


def test_calls_are_counted_however_they_end() -> None:
    drain = Drain()

    @drain.counted
    def fail() -> None:
        assert drain.under_way == 2
        raise KeyError

    with drain.call(), pytest.raises(KeyError):
        fail()
    assert drain.under_way == 0
    assert drain.wait_idle(0)


async def test_an_async_function_counts_until_it_is_through_or_cancelled() -> None:
    drain, begun = Drain(), asyncio.Event()

    @drain.counted
    async def work(number: int) -> int:
        """Work."""
        begun.set()
        await asyncio.Event().wait()
        return number

    assert (work.__name__, work.__doc__) == ("work", "Work.")
    task = asyncio.ensure_future(work(3))
    async with asyncio.timeout(PATIENCE):
        await begun.wait()
        assert drain.under_way == 1
        assert not await drain.until_idle(0)
        waiting = asyncio.ensure_future(drain.until_idle(PATIENCE))
        task.cancel()
        assert await waiting
        assert await drain.until_idle()


async def test_a_thread_and_a_loop_wait_for_a_call_in_another_thread() -> None:
    drain, begun, finish = Drain(), threading.Event(), threading.Event()

    @drain.counted
    def work() -> None:
        begun.set()
        finish.wait(PATIENCE)

    thread = threading.Thread(target=work)
    thread.start()
    assert begun.wait(PATIENCE)
    assert not drain.wait_idle(0)
    waiting = asyncio.ensure_future(drain.until_idle(PATIENCE))
    blocked = asyncio.ensure_future(asyncio.to_thread(drain.wait_idle, PATIENCE))
    finish.set()
    assert await waiting
    assert await blocked
    thread.join(PATIENCE)


@pytest.mark.parametrize("grace", [0, -1, float("nan")])
def test_a_grace_that_is_none_is_refused(grace: float) -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(ValueError, match="give the seconds that calls may take, more than 0"):
        Drain().on_sigterm(grace)
    assert signal.getsignal(signal.SIGTERM) is before
