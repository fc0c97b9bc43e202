"""What a switch did to the calls around it, read from the times at which calls were sent and answered.

Below `bench.switch`; above nothing.  The rows come from `load.py --timeline`: caller, sent, done (monotonic
nanoseconds) and the generation that answered.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from pathlib import Path

BEFORE = 20_000_000
"""Nanoseconds before a verb that count as around it."""
AFTER = 150_000_000
"""Nanoseconds after its answer that count as around it."""


@dataclass(frozen=True)
class Done:
    """One answered call."""

    caller: int
    sent: int
    done: int
    generation: int


@dataclass(frozen=True)
class Verb:
    """One verb: when it was sent, when its answer was there."""

    sent: int
    answered: int


@dataclass(frozen=True)
class Effect:
    """What one switch did, in milliseconds.

    Attributes:
        answered: from sending the verb to its answer.
        routed: from sending the verb to sending the last call that the old generation answered.
        gap_any: longest time between two calls completed one after the other, whoever made them.
        gap_caller: longest time between two completed calls of the same caller.
        before_any: `gap_any` in a time as long just before, without a verb, to compare with.
        before_caller: likewise.
    """

    answered: float
    routed: float
    gap_any: float
    gap_caller: float
    before_any: float
    before_caller: float


def read(path: Path) -> list[Done]:
    """Return the answered calls, in the order of their answers."""
    values = array("q")
    values.frombytes(path.read_bytes())
    rows = (Done(*values[index : index + 4]) for index in range(0, len(values), 4))
    return sorted(rows, key=lambda row: row.done)


def gaps(rows: list[Done]) -> tuple[float, float]:
    """Return the longest gap of all calls and the longest of one caller's, in milliseconds."""
    last_of: dict[int, int] = {}
    longest_any = longest_caller = 0
    previous = rows[0].done if rows else 0
    for row in rows:
        longest_any = max(longest_any, row.done - previous)
        previous = row.done
        longest_caller = max(longest_caller, row.done - last_of.get(row.caller, row.done))
        last_of[row.caller] = row.done
    return longest_any / 1e6, longest_caller / 1e6


def between(rows: list[Done], start: int, end: int) -> list[Done]:
    """Return the calls answered from `start` to `end`."""
    return [row for row in rows if start <= row.done <= end]


def effect(rows: list[Done], verb: Verb) -> Effect:
    """Return what one switch did.

    Raises:
        ValueError: calls around it were answered by fewer or more than two generations.
    """
    start, end = verb.sent - BEFORE, verb.answered + AFTER
    quiet = between(rows, start - (end - start), start)
    around = between(rows, start, end)
    generations = {row.generation for row in around}
    if not quiet or len(generations) != 2:
        raise ValueError(f"the calls around a switch were answered by {sorted(generations)}")
    routed = max(row.sent for row in around if row.generation == quiet[-1].generation)
    answered = (verb.answered - verb.sent) / 1e6
    return Effect(answered, max(0, routed - verb.sent) / 1e6, *gaps(around), *gaps(quiet))
