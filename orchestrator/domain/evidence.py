"""What the samples of two arms say about one metric: is the canary worse, and is it surely no worse than a margin?

Who is served by the canary is drawn at random: a key goes there with a known probability, the *share*.  If the canary
is no different, each unit (`units`: the first calls of one key, or one call) would have had the same outcome in either
arm, so a bet that gains the unit's badness r when it was the canary's, and loses r * share / (1 - share) when it was
the baseline's, is fair, whatever load, hour, drift, outage or kind of key it came from: only the draw decides.  Nothing
has to be paired, and no call waits for another one.  (Design-based inference, Fisher 1935; anytime-valid by betting,
see `betting`; compare Ham, Bojinov, Lindon and Tingley 2022, "Design-based confidence sequences".)

How bad a unit is depends on the kind of metric, and is known before the unit's own value joins what later ones are
judged by:

- a *rate* (errors): the value less the mean so far;
- a *magnitude* (latency, tokens, cost): its rank among the newest of both arms (`pool`); and, as some regressions only
  show in the slowest calls, whether it exceeds their 95th percentile; the mean of both e-values;
- a *score* (quality): its rank from the other end.

Where every call is answered by both (mirroring), a pair's difference is bet on instead: its rank, by sign.

Above: the guard.  Below: `betting`, `pool`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from orchestrator.domain.betting import OPENING, Wealth, bet, evidence, together
from orchestrator.domain.pool import Pool

TAIL: Final = 0.95
"""Share of the pool beyond which a unit is one of the slowest."""

BEFORE: Final = (0.5, 25.0)
"""What a rate is believed to be before anything is seen: half a failure in 25 units."""


class Kind(StrEnum):
    """How a metric is compared."""

    RATE = "rate"
    """A number in [0, 1], more is worse; such as 1.0 for a failed call."""
    MAGNITUDE = "magnitude"
    """Any number, more is worse; its slowest calls matter on their own."""
    SCORE = "score"
    """Any number, less is worse."""


@dataclass(frozen=True, slots=True)
class Unit:
    """One thing that was assigned at random.

    Attributes:
        canary: whether the canary served it.
        value: what was measured.
        share: probability with which the canary was to serve it, in (0, 1).
    """

    canary: bool
    value: float
    share: float


class MetricEvidence:
    """The evidence that the canary is worse by one metric, since its epoch began."""

    __slots__ = ("_body", "_kind", "_pairs", "_pool", "_sum", "_tail", "_units")

    def __init__(self, kind: Kind) -> None:
        """Begin an epoch."""
        self._kind = kind
        self._pool = Pool()
        self._pairs = Pool()
        self._body: Wealth = OPENING
        self._tail: Wealth = OPENING
        self._sum, self._units = BEFORE

    @property
    def worse(self) -> float:
        """The e-value against "the canary is no worse"; 1/alpha or more is a regression at level alpha."""
        if self._kind is Kind.MAGNITUDE:
            return together([evidence(self._body), evidence(self._tail)])
        return evidence(self._body)

    def observe(self, unit: Unit) -> None:
        """Take in a unit.

        Raises:
            ValueError: its share leaves nothing to draw, or its value is none of the metric's.
        """
        if self._kind is Kind.RATE:
            self._body = bet(self._body, _stake(unit, unit.value - self._sum / self._units))
            self._sum += unit.value
            self._units += 1.0
            return
        rank = 2.0 * self._pool.rank(unit.value) - 1.0
        self._body = bet(self._body, _stake(unit, -rank if self._kind is Kind.SCORE else rank))
        slowest = self._pool.quantile(TAIL) if self._kind is Kind.MAGNITUDE else None
        if slowest is not None:
            self._tail = bet(self._tail, _stake(unit, (unit.value > slowest) - (1.0 - TAIL)))
        self._pool.add(unit.value)

    def observe_pair(self, canary: float, baseline: float) -> None:
        """Take in one request that both answered; if they are alike, either could have given either answer."""
        difference = baseline - canary if self._kind is Kind.SCORE else canary - baseline
        if self._kind is Kind.RATE:
            self._body = bet(self._body, difference)
            return
        size = self._pairs.rank(abs(difference))
        self._body = bet(self._body, size if difference > 0 else -size if difference < 0 else 0.0)
        self._pairs.add(abs(difference))


class MarginEvidence:
    """The evidence that the canary is worse by less than a margin: what lets a step end early.

    The null is "worse by the margin or more on average"; the estimate of the difference weighs each unit by how
    probable its arm was (Horvitz and Thompson 1952), so it too rests on the draw alone.
    """

    __slots__ = ("_margin", "_scale", "_wealth")

    def __init__(self, margin: float, scale: float) -> None:
        """Begin an epoch.

        Args:
            margin: the rise that would be tolerated, in the metric's unit.
            scale: the largest value the metric can take; 1 for a rate, 100 for a score in points.  The least is 0.

        Raises:
            ValueError: the margin does not lie between 0 and the scale.
        """
        if not 0.0 < margin < scale:
            raise ValueError(f"a margin of {margin!r} does not lie between 0 and the scale {scale!r}")
        self._margin = margin / scale
        self._scale = scale
        self._wealth: Wealth = OPENING

    @property
    def within(self) -> float:
        """The e-value against "worse by the margin or more"; 1/alpha or more certifies the margin at level alpha."""
        return evidence(self._wealth)

    def observe(self, unit: Unit, expected: float, *, more_is_worse: bool = True) -> None:
        """Take in a unit.

        Args:
            unit: the unit.
            expected: what it was expected to be before it was seen, in the metric's unit; the nearer the faster.
            more_is_worse: False for a score.

        Raises:
            ValueError: its share leaves nothing to draw.
        """
        _check(unit)
        level = min(1.0, max(0.0, expected / self._scale))
        surprise = unit.value / self._scale - level
        most, least = 1.0 - level, -level  # what a surprise can be
        if not more_is_worse:
            surprise, most, least = -surprise, -least, -most
        estimate = surprise / unit.share if unit.canary else -surprise / (1.0 - unit.share)
        worst = max(most / unit.share, -least / (1.0 - unit.share))
        # Only a loss must not exceed the whole wealth; a gain beyond 1 is cut, which keeps the bet on the safe side.
        self._wealth = bet(self._wealth, min(1.0, (self._margin - estimate) / max(worst - self._margin, self._margin)))


def _stake(unit: Unit, badness: float) -> float:
    """Return what a bet on this unit gains: its mean over the draw is 0, its size at most that of the badness."""
    _check(unit)
    odds = unit.share / (1.0 - unit.share)
    if unit.canary:
        return badness if odds <= 1.0 else badness / odds
    return -badness * odds if odds <= 1.0 else -badness


def _check(unit: Unit) -> None:
    if not 0.0 < unit.share < 1.0:
        raise ValueError(f"a share of {unit.share!r} leaves nothing to draw; evidence needs both arms served")
