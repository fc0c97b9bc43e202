"""Whether what arrives can be believed: impossible values, a metric that stopped, zeros where there were none.

That a version stops reporting what it should be judged by is neither good nor bad news, but no news, and it must not
pass for good.  Tools report different things, so what is expected of a call is what calls of its tool gave.  Above:
`limit_judge`.  Below: nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import chain
from typing import Final

import msgspec

from orchestrator.domain.evidence.badness import Kind
from orchestrator.domain.evidence.samples import FAILED, Sample
from orchestrator.guard.series import Series

ALWAYS: Final = frozenset({"error", "duration"})
"""Metrics that every call has."""
SILENT: Final = 20
"""Calls in a row without a value after which a metric that nearly every call brought has stopped."""
NEARLY_ALL: Final = 0.8
"""Share of a tool's calls with a value from which on one is expected of each."""
TOOLS: Final = 16
"""Tools that are looked at; those that come later are not."""
IMPOSSIBLE: Final = 0.05
"""Share of impossible values from which on nothing of a metric is believed; the very first few count at once."""
ZEROS: Final = 30
"""Values, all of them 0, that are too many where the other side hardly ever has a 0."""
HARDLY_EVER: Final = 0.1
GAPS: Final = 10.0
"""Usual gaps between two measurements after which a measurement that is made by itself has stopped."""
LEAST_GAP: Final = 30.0
"""Seconds below which no gap counts."""


class Presence(msgspec.Struct):
    """How often calls of one tool bring a metric.

    Attributes:
        calls: there were.
        present: with a value.
        silent: since the last one with a value.
    """

    calls: int = 0
    present: int = 0
    silent: int = 0

    def call(self, *, has_value: bool) -> None:
        """Take a call in."""
        self.calls += 1
        self.present += has_value
        self.silent = 0 if has_value else self.silent + 1

    @property
    def usual(self) -> bool:
        """Whether a value was expected of each call before the last ones went without."""
        heard = self.calls - self.silent
        return heard >= SILENT and self.present >= NEARLY_ALL * heard


class Rhythm(msgspec.Struct):
    """When measurements come that belong to no call.

    Attributes:
        first: when the first was made; 0 before it.
        last: when the newest was.
        count: how many there were.
    """

    first: float = 0.0
    last: float = 0.0
    count: int = 0

    def beat(self, at: float) -> None:
        """Take one in."""
        self.first = self.first or at
        self.last = max(self.last, at)
        self.count += 1

    def stopped(self, now: float) -> bool:
        """Tell whether the next one is long overdue."""
        if self.count < GAPS:
            return False
        usual = (self.last - self.first) / (self.count - 1)
        return now - self.last > max(LEAST_GAP, GAPS * usual)


class Telemetry(msgspec.Struct):
    """What is known about one metric's coming.

    Attributes:
        metric: its name.
        kind: the metric's.
        scale: the largest value, None where nobody knows it.
        tools: by tool, the baseline's side and the trial's.
        rhythms: the baseline's side and the trial's.
        impossible: values on either side that cannot be.
        values: on either side, those included.
    """

    metric: str
    kind: Kind
    scale: float | None
    tools: dict[str, list[Presence]] = {}
    rhythms: list[Rhythm] = []
    impossible: list[int] = []
    values: list[int] = []

    def __post_init__(self) -> None:
        self.rhythms = self.rhythms or [Rhythm(), Rhythm()]
        self.impossible = self.impossible or [0, 0]
        self.values = self.values or [0, 0]

    def takes(self, sample: Sample, value: float | None, *, trial: bool) -> bool:
        """Take in whether a sample brought a value, and which; tell whether it can be believed, where there is one.

        A call that failed need not report anything, and every call has an outcome and a duration.
        """
        if sample.outcome is None:
            if value is not None:
                self.rhythms[trial].beat(sample.at)
        elif self.metric not in ALWAYS and sample.outcome not in FAILED:
            self._call(sample.tool, has_value=value is not None, trial=trial)
        return value is None or self._is_possible(value, trial=trial)

    def _is_possible(self, value: float, *, trial: bool) -> bool:
        self.values[trial] += 1
        top = math.inf if self.kind is Kind.MAGNITUDE or self.scale is None else self.scale
        bottom = 0.0 if top < math.inf or self.metric in ALWAYS else -math.inf
        if math.isfinite(value) and bottom <= value <= top:
            return True
        self.impossible[trial] += 1
        return False

    def _call(self, tool: str, *, has_value: bool, trial: bool) -> None:
        known = self.tools.get(tool)
        if known is None:
            if len(self.tools) >= TOOLS:
                return
            known = self.tools[tool] = [Presence(), Presence()]
        known[trial].call(has_value=has_value)

    def trouble(self, trial: Series, baseline: Series, now: float) -> str:
        """Return why the metric cannot be believed, in words; "" where it can.

        Args:
            trial: the trial's values.
            baseline: the other side's.
            now: when the newest sample of anything was made, seconds.
        """
        return next(chain(self._impossible(), self._stopped(now), self._zeros(trial, baseline)), "")

    @property
    def calls(self) -> tuple[int, int]:
        """Calls that went well, the baseline's side and the trial's."""
        sides = [sum(pair[side].calls for pair in self.tools.values()) for side in (False, True)]
        return sides[0], sides[1]

    def _impossible(self) -> Iterator[str]:
        for side, name in ((True, "on trial"), (False, "in the baseline")):
            wrong, values = self.impossible[side], self.values[side]
            if wrong and wrong >= IMPOSSIBLE * values:
                yield f"{wrong} of {values} values {name} cannot be: not finite, or outside the metric's range"

    def _stopped(self, now: float) -> Iterator[str]:
        for tool, (baseline, trial) in self.tools.items():
            if trial.silent < SILENT or (baseline.calls and baseline.silent >= SILENT):
                continue
            if trial.usual or baseline.usual:
                name = tool or "its tools"
                yield f"the last {trial.silent} calls of {name} on trial came without it; each should have it"
        baseline_rhythm, trial_rhythm = self.rhythms
        if trial_rhythm.stopped(now) and not baseline_rhythm.stopped(now):
            yield f"it has not been measured for {now - trial_rhythm.last:.0f} s"

    def _zeros(self, trial: Series, baseline: Series) -> Iterator[str]:
        if self.kind is not Kind.MAGNITUDE or min(trial.count, baseline.count) < ZEROS:
            return
        if trial.zeros == trial.count and baseline.zeros <= HARDLY_EVER * baseline.count:
            yield f"all {trial.count} values on trial are 0, and hardly any of the baseline's is"
