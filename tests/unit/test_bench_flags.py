"""The figures of flags judge rightly: who decides otherwise is left out, and no reader is forgotten."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.flag_decisions import Contender, switchover, wrong
from bench.flag_propagation import delays, readers, source
from bench.flags import percentile


def answering(answer: object) -> Contender:
    """Return a contender that decides by a function."""
    return Contender(lambda _: None, lambda _: None, answer)


def test_the_kit_decides_as_everybody_has_to(tmp_path: Path) -> None:
    assert wrong(switchover(tmp_path)) is None


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (lambda _: True, "it does not follow the lists"),
        (lambda subject: subject[0].startswith("allowed"), "it does not follow the rule"),
        (lambda subject: subject[0].startswith("allowed") or subject[1]["plan"] == "pro", "its quarter is 0%"),
    ],
)
def test_who_decides_otherwise_is_found_out(answer: object, why: str) -> None:
    assert wrong(answering(answer)) == why


def test_a_percentile_is_a_value_that_was_measured() -> None:
    values = [5.0, 1.0, 3.0, 2.0, 4.0]
    assert [percentile(values, percent) for percent in (0, 50, 99, 100)] == [1.0, 3.0, 5.0, 5.0]


@pytest.mark.parametrize(("kind", "mode"), [("page", "push"), ("page", "page")])
def test_every_reader_sees_every_change_after_it_was_made(tmp_path: Path, kind: str, mode: str) -> None:
    with source(kind, tmp_path) as of, readers(mode, of, 2, tmp_path) as running:
        found = delays(of, running, 3)
        assert len(set(running.processes())) == 2
    assert [len(seen.each) for seen in found] == [2, 2, 2]
    assert all(0 < min(seen.each) <= max(seen.each) == seen.all <= seen.asked for seen in found)
