"""Lines at level ERROR that workers write to stderr are counted, and told as a metric of their version."""

from __future__ import annotations

from collections import Counter

import pytest

from orchestrator.domain.evidence.samples import Pair, Sample
from orchestrator.domain.routing import Lane, RoutingTable
from orchestrator.sampling.error_lines import ErrorLines
from orchestrator.supervision.stderr import StderrLines

pytestmark = pytest.mark.requirement("SAMPLE-17")


class Kept:
    """A sink that keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[int, Lane, float]] = []

    def sample(self, sample: Sample) -> None:
        self.told.append((sample.generation, sample.lane, sample.metrics["error_logs"]))

    def pair(self, pair: Pair) -> None:
        raise AssertionError(pair)


@pytest.mark.parametrize(
    ("line", "counts"),
    [
        (b"ERROR: no such table", True),
        (b"ERROR:root:no such table", True),
        (b"  [ERROR] no such table", True),
        (b"CRITICAL it is over", True),
        (b"2026-11-21 18:00:00,123 ERROR no such table", True),
        (b"[2026-11-21T18:00:00Z] ERROR no such table", True),
        (b'{"at": 1, "level": "error", "event": "no such table"}', True),
        (b'{"levelname":"CRITICAL"}', True),
        (b"INFO the last ERROR was an hour ago", False),
        (b"ERRORS: 0", False),
        (b"Error handling is on", False),
        (b'{"level": "info", "event": "no error"}', False),
        (b'{"level": "warning", "error": "level"}', False),
        (b"", False),
    ],
)
def test_a_line_counts_by_the_level_it_says(line: bytes, counts: bool) -> None:  # noqa: FBT001 - a table
    errors: Counter[int] = Counter()
    StderrLines(7, 1000, errors).data_received(line + b"\n")
    assert errors == (Counter({7: 1}) if counts else Counter())


@pytest.mark.requirement("LOG-3")
def test_a_line_is_kept_to_explain_a_failure_without_what_may_not_be_told_and_counts_by_what_was_written() -> None:
    errors: Counter[int] = Counter()
    lines = StderrLines(7, 1000, errors, lambda line: line.replace("ERROR of ann", "somebody"))
    lines.data_received(b"ERROR of ann\n")
    assert (lines.last, errors[7]) == ("somebody", 1)


def test_each_look_tells_the_new_lines_of_every_version_that_serves_none_included() -> None:
    errors: Counter[int] = Counter({1: 2, 3: 4})
    kept, table = Kept(), RoutingTable(revision=1, active=1, canary=2)
    lines = ErrorLines(kept, lambda: errors, lambda: table, lambda: 1000.0)
    lines.look()
    errors[2] += 5
    lines.look()
    lines.look()
    assert kept.told == [
        *((1, Lane.ACTIVE, 2.0), (2, Lane.CANARY, 0.0)),
        *((1, Lane.ACTIVE, 0.0), (2, Lane.CANARY, 5.0)),
        *((1, Lane.ACTIVE, 0.0), (2, Lane.CANARY, 0.0)),
    ]
