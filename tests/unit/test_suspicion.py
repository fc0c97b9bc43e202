"""When a worker that lets deadlines pass is to be asked for a sign of life."""

from __future__ import annotations

from typing import Any, cast

import pytest

from orchestrator.domain.ports import Link
from orchestrator.supervision.suspicion import Suspicion, after_deadline


class Spoken:
    """As much of a link as suspicion looks at."""

    def __init__(self, last_heard: float = 0.0) -> None:
        self.last_heard = last_heard


def link(last_heard: float = 0.0) -> Any:
    return cast("Link", Spoken(last_heard))


def deadlines(worker: Any, count: int, before: Suspicion | None = None) -> Suspicion | None:
    """Let `count` calls of a worker meet their deadlines."""
    for _ in range(count):
        before = after_deadline(before, worker)
    return before


@pytest.mark.requirement("SUP-4")
def test_deadlines_without_an_answer_between_them_add_up() -> None:
    suspicion = deadlines(link(), 3)
    assert suspicion is not None
    assert suspicion.expired == 3


@pytest.mark.requirement("SUP-4")
def test_an_answer_between_two_deadlines_begins_anew() -> None:
    worker = link()
    before = deadlines(worker, 2)
    worker.last_heard = 1.5
    assert after_deadline(before, worker).expired == 1


@pytest.mark.requirement("SUP-4")
def test_a_new_process_does_not_inherit_what_spoke_against_the_old_one() -> None:
    before = deadlines(link(), 5)
    assert after_deadline(before, link()).expired == 1
