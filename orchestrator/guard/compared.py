"""The sequential judge of a limit against the baseline: bets on the draw and on pairs.

A regression is called when two things hold: the evidence against "no worse" reaches what is needed, and the difference
that is seen exceeds what the limit tolerates.  The first alone bounds the mistake (a version that is no worse is rolled
back with probability alpha at most, whatever the second does); the second leaves alone what is surely worse, yet by
less than the limit allows.  Above: `limit_judge`.  Below: the domain's evidence.
"""

from __future__ import annotations

import math
from typing import Final

import msgspec

from orchestrator.domain.evidence.badness import Kind, Yardstick
from orchestrator.domain.evidence.betting import Purse, together
from orchestrator.domain.evidence.certainty import MeanWithin, Tolerance, TypicalWithin
from orchestrator.domain.evidence.evidence import MetricEvidence, PairEvidence
from orchestrator.domain.evidence.units import Block
from orchestrator.domain.plans.limits import Limit
from orchestrator.guard.scope import WARM, Scope

WIDTH: Final = 7
"""Sums of a block: calls, body, tail, values, expectations, and where trial's stand with either tolerance taken off."""
TAKEN_OFF: Final = 5
MIDDLE: Final = 0.5


Unit = tuple[float, float, float, float, list[float]]
"""A unit to bet on: body, tail, value, expectation, and where it stands with each tolerance taken off, if on trial."""


class Seen(msgspec.Struct):
    """What was bet on, for people.

    Attributes:
        calls: that count.
        total: of their values.
        units: that were complete.
    """

    calls: int = 0
    total: float = 0.0
    units: int = 0

    @property
    def mean(self) -> float | None:
        """Their mean, None without calls."""
        return self.total / self.calls if self.calls else None


class Compared(msgspec.Struct):
    """The evidence of one limit.

    Attributes:
        yardstick: what values are compared with.
        drawn: the evidence of units; None where nothing is drawn.
        paired: the evidence of pairs; None where there are none.
        means: evidence for a margin by means, one for each bad way; empty without a scale.
        typical: the same of the typical call, with a scale empty.
        typical_pairs: the same of pairs.
        seen: the baseline's side and the trial's.
        seen_pairs: the same of pairs.
    """

    yardstick: Yardstick
    drawn: MetricEvidence | None
    paired: PairEvidence | None
    means: list[MeanWithin]
    typical: list[TypicalWithin]
    typical_pairs: list[PairEvidence]
    seen: list[Seen]
    seen_pairs: list[Seen]

    @classmethod
    def opened(cls, scope: Scope, limit: Limit) -> Compared:
        """Begin an epoch."""
        kind, signs, tolerances = scope.kind(limit), scope.signs(limit), scope.tolerances(limit)
        is_paired = scope.is_paired and limit.metric != WARM
        means = _means(tolerances, scope.scale(limit))
        return cls(
            Yardstick(kind, {}),
            MetricEvidence.opened(kind, signs) if scope.is_drawn else None,
            PairEvidence.opened(kind, signs) if is_paired else None,
            means,
            [] if means else [TypicalWithin(one, Purse()) for one in tolerances],
            [] if means or not is_paired else [PairEvidence.opened(kind, (-one.sign,)) for one in tolerances],
            [Seen(), Seen()],
            [Seen(), Seen()],
        )

    @property
    def evidence(self) -> float:
        """The e-value against "no worse": the mean of those of units and pairs, where there are both."""
        if self.drawn is None or self.paired is None:
            one = self.drawn or self.paired
            return one.worse if one is not None else 1.0
        return together([self.drawn.worse, self.paired.worse])

    @property
    def leaps(self) -> bool:
        """Whether one call can prove everything: never."""
        return False

    @property
    def within(self) -> float:
        """The e-value for "within the margin", the lesser one of two ways; 0 where it cannot be had."""
        sides = [one.purse.value for one in self.means]
        for at, one in enumerate(self.typical):
            live = [one.purse.value] if self.drawn is not None else []
            pairs = [self.typical_pairs[at].worse] if self.typical_pairs else []
            sides.append(together([*live, *pairs]))
        return min(sides, default=0.0)

    def add(self, sums: list[float], at: int, tool: str, value: float, *, trial: bool) -> None:
        """Take in a call that counts: add to its block's sums, from a place on."""
        if trial:
            for place, stands in enumerate(self._taken_off(tool, value), at + TAKEN_OFF):
                sums[place] += stands
        body, tail, expected = self._takes(tool, value, trial=trial)
        sums[at] += 1.0
        sums[at + 1] += body
        sums[at + 2] += tail
        sums[at + 3] += value
        sums[at + 4] += expected

    def settle(self, block: Block, at: int) -> None:
        """Bet on a block that is complete."""
        calls = block.sums[at]
        if not calls or self.drawn is None:
            return
        _, body, tail, values, expected = block.sums[at : at + TAKEN_OFF]
        # Rare failures of a key add up; of ranks the mean is taken, stretched as means of more calls are nearer to 0.
        stretch = 1.0 if calls == 1.0 or self.yardstick.kind is Kind.RATE else 1.0 / math.sqrt(calls)
        taken_off = [one * stretch for one in block.sums[at + TAKEN_OFF : at + TAKEN_OFF + len(self.typical)]]
        self._bet((body * stretch, tail, values / calls, expected / calls, taken_off), block.share, trial=block.trial)

    def alone(self, tool: str, value: float, share: float, *, trial: bool) -> None:
        """Take in a call that is a unit of its own: what `add` and `settle` come to, without a block."""
        taken_off = self._taken_off(tool, value) if trial and self.typical else []
        body, tail, expected = self._takes(tool, value, trial=trial)
        if self.drawn is not None:
            self._bet((body, tail, value, expected, taken_off), share, trial=trial)

    def _taken_off(self, tool: str, value: float) -> list[float]:
        """Return where a call on trial would stand with each tolerance taken off."""
        rank = self.yardstick.rank
        return [rank(tool, one.tolerance.taken_off(value)) for one in self.typical]

    def _takes(self, tool: str, value: float, *, trial: bool) -> tuple[float, float, float]:
        """Return where a value stands, and what it was expected to be; let later ones be compared with it."""
        seen = self.seen[trial]
        seen.calls += 1
        seen.total += value
        body, tail, expected = self.yardstick.takes(tool, value)
        if expected is None:
            expected = self.means[0].scale * MIDDLE if self.means else value
        return body, tail, expected

    def _bet(self, unit: Unit, share: float, *, trial: bool) -> None:
        body, tail, value, expected, taken_off = unit
        # What a bet gains (`staked`): of the arm that is the rarer one all of its badness, of the other one its odds.
        odds = share / (1.0 - share)
        by = max(1.0, odds) if trial else min(1.0, odds)
        body = _cut(body)
        won = body / by if trial else -body * by
        if self.drawn is not None:
            tail = _cut(tail)
            self.drawn.bet(won, tail / by if trial else -tail * by)
        for one in self.means:
            one.observe(value, expected, share, trial=trial)
        for at, each in enumerate(self.typical):
            each.bet(_cut(taken_off[at]) / by if trial else won)
        self.seen[trial].units += 1

    def pair(self, new: float, old: float) -> None:
        """Bet on a call that both answered."""
        if self.paired is None:
            return
        self.paired.observe(new, old)
        for one in self.means:
            one.observe_pair(new, old)
        for typical, pairs in zip(self.typical, self.typical_pairs, strict=True):
            pairs.observe(typical.tolerance.taken_off(new), old)
        for seen, value in zip(self.seen_pairs, (old, new), strict=True):
            seen.calls += 1
            seen.units += 1
            seen.total += value

    def reopen(self) -> None:
        """Open new purses for all bets on units: their keys are forgotten and may come again."""
        if self.drawn is not None:
            self.drawn.reopen()
        for purse in [one.purse for one in self.means] + [one.purse for one in self.typical]:
            purse.reopen()


def _means(tolerances: tuple[Tolerance, ...], scale: float | None) -> list[MeanWithin]:
    if scale is None or any(not 0.0 < max(one.margin, one.relative * scale) < scale for one in tolerances):
        return []
    return [MeanWithin(one, scale, Purse()) for one in tolerances]


def _cut(value: float) -> float:
    return value if -1.0 <= value <= 1.0 else math.copysign(1.0, value)
