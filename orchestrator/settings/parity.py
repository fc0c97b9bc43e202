"""The settings of state parity: what is compared, and how much of it.

Above: `model`.  Below: `declare`.
"""

from __future__ import annotations

from orchestrator.settings.declare import Section, Texts, seconds, setting


class Parity(Section):
    """How the state that new code writes is compared with the one in service."""

    ignore: Texts = setting(
        (),
        "Patterns of what is not compared: files, `file:table` and `file:table.column`.",
        reloadable=True,
        allowed='list of patterns, such as ["*.log", "*:runs.took_ms"]',
    )
    every: float = seconds(60.0, "Seconds between two comparisons while nothing is written.", least=0.1)
    rows: int = setting(
        500_000, "Rows compared at most; with more the states are not known to be the same.", reloadable=True, ge=1000
    )
    queue: int = setting(
        10_000, "Write calls the new code may lie behind; with more, parity ends.", reloadable=True, ge=1, le=10_000_000
    )
