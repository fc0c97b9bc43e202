"""What the samples of two arms say about one metric: is what is on trial worse than its baseline?

Who is served by the canary is drawn at random: a key goes there with a known probability, the *share*.  If the canary
is no different, each unit (`units`: the first calls of one key, or one call) would have had the same outcome in either
arm, so a bet that gains the unit's badness r when it was the canary's, and loses r * share / (1 - share) when it was
the baseline's, is fair, whatever load, hour, drift, outage or kind of key it came from: only the draw decides.  Nothing
has to be paired, and no call waits for another one.  (Design-based inference, Fisher 1935; anytime-valid by betting,
see `betting`; compare Ham, Bojinov, Lindon and Tingley 2022, "Design-based confidence sequences".)

Where every call is answered by both (mirroring), a pair's difference is bet on instead: its rank, by sign.

Above: the guard.  Below: `badness` for how bad a unit is, `betting`.
"""

from __future__ import annotations

import math
from typing import Final

import msgspec

from orchestrator.domain.evidence.badness import Kind
from orchestrator.domain.evidence.betting import Purse, together
from orchestrator.domain.evidence.pool import Pool

UP: Final = 1
"""More is worse."""
DOWN: Final = -1
"""Less is worse."""


class Side(msgspec.Struct):
    """The bets that a metric went one way.

    Attributes:
        sign: `UP` or `DOWN`.
        body: on where the units stand.
        tail: on how many are among the largest; None where that is not asked.
    """

    sign: int
    body: Purse
    tail: Purse | None = None

    @property
    def worse(self) -> float:
        """The e-value of this side."""
        return self.body.value if self.tail is None else 0.5 * (self.body.value + self.tail.value)


class MetricEvidence(msgspec.Struct):
    """The evidence that what is on trial is worse by one metric.

    Attributes:
        kind: the metric's.
        sides: which ways are bad ones; with both, the evidence is the mean of theirs.
    """

    kind: Kind
    sides: list[Side]

    @property
    def worse(self) -> float:
        """The e-value against "no worse"; 1/alpha or more is a regression at level alpha."""
        return together([side.worse for side in self.sides])

    @classmethod
    def opened(cls, kind: Kind, signs: tuple[int, ...]) -> MetricEvidence:
        """Begin an epoch."""
        has_tail = kind is Kind.MAGNITUDE
        return cls(kind, [Side(sign, Purse(), Purse() if has_tail and sign == UP else None) for sign in signs])

    def observe(self, body: float, tail: float, share: float, *, trial: bool) -> None:
        """Take in a unit: where it stands (`badness`), and how it was drawn.

        Raises:
            ValueError: its share leaves nothing to draw, or it stands outside [-1, 1].
        """
        self.bet(staked(body, share, trial=trial), staked(tail, share, trial=trial))

    def bet(self, body: float, tail: float) -> None:
        """Take in a unit by what bets on it gain (`staked`)."""
        for side in self.sides:
            side.body.bet(body if side.sign == UP else -body)
            if tail and side.tail is not None:
                side.tail.bet(tail)

    def reopen(self) -> None:
        """Open new purses; see `Purse`."""
        for side in self.sides:
            side.body.reopen()
            if side.tail is not None:
                side.tail.reopen()


class PairEvidence(msgspec.Struct):
    """The same of calls that both answered; if they are alike, either could have given either answer.

    Attributes:
        kind: the metric's.
        signs: which ways are bad ones.
        purses: one for each.
        sizes: how large the newest differences were.
    """

    kind: Kind
    signs: tuple[int, ...]
    purses: list[Purse]
    sizes: Pool

    @classmethod
    def opened(cls, kind: Kind, signs: tuple[int, ...]) -> PairEvidence:
        """Begin an epoch."""
        return cls(kind, signs, [Purse() for _ in signs], Pool())

    @property
    def worse(self) -> float:
        """The e-value against "no worse"."""
        return together([purse.value for purse in self.purses])

    def observe(self, trial: float, baseline: float) -> None:
        """Take in a call that both answered."""
        difference = trial - baseline
        if self.kind is not Kind.RATE:
            size = self.sizes.rank(abs(difference))
            self.sizes.add(abs(difference))
            difference = math.copysign(size, difference) if difference else 0.0
        for sign, purse in zip(self.signs, self.purses, strict=True):
            purse.bet(sign * difference)


def staked(badness: float, share: float, *, trial: bool) -> float:
    """Return what a bet on a unit gains: its mean over the draw is 0, its size at most that of the badness.

    Args:
        badness: in [-1, 1].
        share: probability with which the unit was to have what is on trial.
        trial: whether it had.

    Raises:
        ValueError: the share leaves nothing to draw.
    """
    if not 0.0 < share < 1.0:
        raise ValueError(f"a share of {share!r} leaves nothing to draw; evidence needs both arms served")
    odds = share / (1.0 - share)
    if trial:
        return badness if odds <= 1.0 else badness / odds
    return -badness * odds if odds <= 1.0 else -badness
