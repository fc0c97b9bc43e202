"""The planted changes by name: what each is, where it shows, and what is to catch it.

Above: `candidate`, the command, and the tests.  Below: `candidate_answers` and `candidate_inside`, which plant them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any, Final

from candidate_answers import (
    Demanding,
    Failing,
    Leaking,
    Rewritten,
    Slow,
    doubled_tokens,
    ids_as_text,
    without_done,
    without_zones,
)
from candidate_inside import loses_plans, migrates, newest_first

Plant = Callable[[Random], Any]
"""Plants a change in this process; returns a middleware for the server, or None."""


@dataclass(frozen=True)
class Change:
    """One version of the reference worker.

    Attributes:
        name: what `--change` takes.
        what: what is different.
        where: which calls show it.
        caught_by: what is to notice it before all traffic goes there.
        plant: plants it.
    """

    name: str
    what: str
    where: str
    caught_by: str
    plant: Plant


CHANGES: Final = (
    Change("none", "Nothing: the same code.", "nowhere", "nothing may object", lambda _: None),
    Change(
        "tie-order",
        "Equal tasks come newest first, where the oldest has its turn.",
        "`plan_next` and `dispatch` with two equal tasks",
        "comparison: order of `upcoming`",
        lambda _: newest_first(),
    ),
    Change(
        "missing-field",
        "The counts by status lack `done`; the schema allows it.",
        "`orchestrator_status`",
        "comparison: members of `counts`",
        lambda _: Rewritten(without_done, "orchestrator_status"),
    ),
    Change(
        "id-as-text",
        "Task numbers are text, against the tools' own output schemas.",
        "every answer with a task",
        "comparison: type of `id`; integrity: output schema",
        lambda _: Rewritten(ids_as_text),
    ),
    Change(
        "no-zone",
        "Timestamps have lost their zone.",
        "every answer with a timestamp",
        "comparison: format of `updated`; integrity: format `date-time`",
        lambda _: Rewritten(without_zones),
    ),
    Change(
        "errors",
        "6 % of all calls fail before they did anything.",
        "every tool",
        "evidence: error rate",
        Failing,
    ),
    Change("slow", "Every call takes half as long again.", "every tool", "evidence: latency", lambda _: Slow()),
    Change(
        "tokens",
        "Twice the tokens are reported.",
        "`_meta` of every answer",
        "evidence: tokens",
        lambda _: doubled_tokens,
    ),
    Change(
        "leak",
        "Each call leaks 256 KiB, up to 256 MiB.",
        "memory of the process",
        "evidence: memory",
        lambda _: Leaking(),
    ),
    Change(
        "required-argument",
        "`plan` requires an argument `reviewer`.",
        "`tools/list`, and `plan` as it was called before",
        "compatibility check, before any traffic",
        lambda _: Demanding(),
    ),
    Change(
        "lost-write",
        "A fifth of the plans are answered as done and not stored.",
        "`plan_next` with `everything` after `plan`",
        "comparison: state after `plan`",
        loses_plans,
    ),
    Change(
        "migrates",
        "The store is brought to another layout when it is opened.",
        "`tasks.db`: the version before does not open it any more",
        "rehearsal: the old code on the new state",
        lambda _: migrates(),
    ),
)

BY_NAME: Final = {change.name: change for change in CHANGES}


def table() -> str:
    """Return all changes as a table, which is also that of README.md."""
    lines = ["| `--change` | what is different | where it shows | what is to catch it |", "|---|---|---|---|"]
    lines += [f"| `{it.name}` | {it.what} | {it.where} | {it.caught_by} |" for it in CHANGES]
    return "\n".join(lines)
