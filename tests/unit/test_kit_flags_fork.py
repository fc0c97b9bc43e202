"""Flags in forked children: they see every later change, without a word, and hold nothing of their parent's."""

from __future__ import annotations

import os
import signal
import threading
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flag_documents import flag
from flags_page import Clock, Page, PushSocket
from switchover_kit import Changed, Flags
from switchover_kit.push_messages import Hello

pytestmark = pytest.mark.requirement("FLAG-14")

LIMIT = 60
"""Seconds after which a child is ended by its alarm."""


class Child:
    """A forked child that does one thing when it is told to, and answers with a text."""

    def __init__(self, work: Callable[[Callable[[], None]], str]) -> None:
        told, self._tell = os.pipe()
        self._answer, answers = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            self._live(lambda: self._wait(told), work, answers)
        os.close(told)
        os.close(answers)

    def go(self) -> None:
        """Let the child pass its next wait."""
        os.write(self._tell, b".")

    def answer(self) -> str:
        """Return what the child answered, once it has ended."""
        with os.fdopen(self._answer) as answers:
            text = answers.read()
        os.close(self._tell)
        assert os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1]) == 0
        return text

    @staticmethod
    def _wait(told: int) -> None:
        assert os.read(told, 1) == b"."

    @staticmethod
    def _live(wait: Callable[[], None], work: Callable[[Callable[[], None]], str], answers: int) -> None:
        code = 1
        try:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)  # the test run may have one of its own
            signal.alarm(LIMIT)
            os.write(answers, work(wait).encode())
            code = 0
        except BaseException:  # noqa: BLE001 - nothing of a child may come back into the test run
            traceback.print_exc()
        finally:
            os._exit(code)


@pytest.fixture
def page(tmp_path: Path) -> Page:
    return Page(tmp_path / "live", Clock(), {"F": flag("on")})


@pytest.fixture
def flags(page: Page) -> Flags:
    return Flags(page.path, push=False, environ={}, clock=page.clock)


@pytest.fixture
def daemon(page: Page) -> Iterator[PushSocket]:
    with PushSocket(page.path) as opened:
        yield opened


def test_a_child_sees_what_changed_after_it_was_forked(flags: Flags, page: Page) -> None:
    def work(wait: Callable[[], None]) -> str:
        seen = [flags.value("F")]
        for _ in range(2):
            wait()
            seen.append(flags.value("F"))
        return f"{seen} {threading.active_count()}"

    child = Child(work)
    page.publish({"F": flag("off")})
    child.go()
    # The child may have read before or after the first change, but surely after it when told.
    page.publish({"F": flag("other")})
    child.go()
    answer = child.answer()
    assert answer.endswith("'other'] 1")
    assert flags.value("F") == "other"


def test_a_child_of_a_child_sees_it_too_and_follows_the_page_to_another_file(flags: Flags, page: Page) -> None:
    def work(wait: Callable[[], None]) -> str:
        grandchild = Child(lambda grand_wait: (grand_wait(), str(flags.value("F")))[1])
        wait()
        grandchild.go()
        return f"{grandchild.answer()} {flags.value('F')}"

    child = Child(work)
    page.publish({f"F{number}": flag() for number in range(500)} | {"F": flag("other")})
    child.go()
    assert child.answer() == "other other"


def test_a_child_reads_though_another_thread_was_applying_a_snapshot_when_it_was_forked(
    flags: Flags, page: Page
) -> None:
    page.publish({"F": flag("other")})
    with flags._lock, flags._listeners._telling:
        flags._applied = -1  # what the other thread had done so far
        child = Child(lambda _: f"{flags.value('F')} {flags.version} {flags.refresh()}")
    assert child.answer() == "other 2 2"


def test_a_child_has_the_safe_values_its_parent_knew_when_there_is_no_page_any_more(flags: Flags, page: Page) -> None:
    page.writer.close()
    page.path.unlink()
    child = Child(lambda _: f"{flags.value('F')} {flags.decide('F').step}")
    assert child.answer() == "off gone"


def test_a_child_calls_the_callbacks_it_was_forked_with(flags: Flags, page: Page) -> None:
    heard: list[Changed] = []
    flags.on_change(heard.append)

    def work(wait: Callable[[], None]) -> str:
        wait()
        flags.value("F")
        return str([changed.changes for changed in heard])

    child = Child(work)
    page.publish({"F": flag("off")})
    child.go()
    assert child.answer() == "[(('F', 'on', 'off'),)]"
    assert heard == []


def test_a_child_starts_a_thread_of_its_own_with_its_first_read_and_speaks_for_itself(
    page: Page, daemon: PushSocket
) -> None:
    flags = Flags(page.path, environ={}, clock=page.clock)
    parent = daemon.accept()
    assert parent.receive() == Hello(os.getpid(), 0, "serving", 1, {})

    def work(wait: Callable[[], None]) -> str:
        before = threading.active_count()
        flags.value("F")
        wait()
        return f"{before} {threading.active_count()} {flags.value('F')}"

    child = Child(work)
    own = daemon.accept()
    assert own.receive() == Hello(child.pid, 0, "serving", 1, {})
    version = page.publish({"F": flag("other")})
    for peer in (own, parent):
        peer.tell(version)
        peer.acknowledged(version)
    child.go()
    assert child.answer() == "1 2 other"
    flags.close()


def test_a_child_that_never_reads_does_not_keep_its_parents_connection_open(page: Page, daemon: PushSocket) -> None:
    flags = Flags(page.path, environ={}, clock=page.clock)
    peer = daemon.accept()
    peer.receive()
    child = Child(lambda wait: (wait(), "done")[1])
    flags.close()
    with pytest.raises(EOFError):
        peer.receive()
    child.go()
    assert child.answer() == "done"
