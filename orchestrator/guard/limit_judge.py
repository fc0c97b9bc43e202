"""One limit in one epoch: its evidence or its figures, and what they say.

The sequential judge speaks where something is drawn or answered by both; elsewhere the threshold judge stands in and
says so.  A limit on a metric that nobody reports has no say: it can neither hold a rollout up nor end it.  Above:
`guard`.  Below: `compared`, `bounded`, `threshold`, `telemetry`, `breaches`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final

import msgspec

from orchestrator.domain.evidence.look import Arm, LimitLook, Verdict
from orchestrator.domain.evidence.units import Block
from orchestrator.domain.plans.limits import MEASURED, JudgeKind, Limit, Source
from orchestrator.guard import bounded, compared, threshold
from orchestrator.guard.bounded import Bounded
from orchestrator.guard.breaches import Breach
from orchestrator.guard.compared import Compared, Seen
from orchestrator.guard.scope import WARM, Scope
from orchestrator.guard.series import Figure, Sides
from orchestrator.guard.telemetry import SILENT, Telemetry
from orchestrator.guard.words import wanted

LEAST_UNITS: Final = 5
"""Units of either side below which nothing is said: so few keys tell more of themselves than of the version."""

GROWING: Final = 1.5
"""Evidence below which nobody can say when it will be enough."""

PATIENCE: Final = 2
"""Times the samples wanted that may come without a call that both answered, before nobody waits for one."""


class LimitState(msgspec.Struct):
    """What is remembered of a limit.

    Attributes:
        compared: its evidence against the baseline; None where it is not judged so.
        bounded: its evidence against a bound; likewise.
        windows: its own window of values; None where it has none.
        breach: how often it was found exceeded.
        apart: values that nobody drew, and that no key was drawn for; None while there are none.
    """

    compared: Compared | None = None
    bounded: Bounded | None = None
    windows: Sides | None = None
    breach: Breach = Breach()
    apart: Sides | None = None

    @classmethod
    def opened(cls, scope: Scope, limit: Limit) -> LimitState:
        """Begin an epoch."""
        windows = Sides.opened(limit.window) if limit.window is not None else None
        if scope.plan.judge_of(limit) is not JudgeKind.SEQUENTIAL:
            return cls(windows=windows)
        if limit.compares:
            return cls(compared=Compared.opened(scope, limit), windows=windows)
        return cls(bounded=Bounded.opened(scope, limit), windows=windows)


@dataclass(frozen=True, slots=True)
class MetricState:
    """What is known of a metric, whatever the limits on it.

    Attributes:
        sides: its values.
        telemetry: how they come.
        before: what the baseline was in an earlier epoch.
    """

    sides: Sides
    telemetry: Telemetry
    before: Figure | None = None


class LimitJudge:
    """Judges one limit."""

    def __init__(self, scope: Scope, limit: Limit, state: LimitState, metric: MetricState, place: int) -> None:
        """Go on with a state.

        Args:
            scope: the epoch.
            limit: the limit.
            state: what is remembered of it; changed in place.
            metric: what is known of its metric.
            place: of its sums in a block.
        """
        self.limit = limit
        self.state = state
        self._scope = scope
        self._tolerances = scope.tolerances(limit)  # asked for with every call while a version is bad
        self._metric = metric
        self._unit = scope.plan.unit_of(limit)
        self._words = limit.told(self._unit)
        self.place = place

    @property
    def width(self) -> int:
        """How many sums of a block it needs."""
        return compared.WIDTH if self.state.compared is not None else bounded.WIDTH if self.state.bounded else 0

    def add(self, block: Block, tool: str, value: float, *, drawn: bool) -> None:
        """Take in a call that counts."""
        if self.state.compared is not None:
            if drawn:
                self.state.compared.add(block.sums, self.place, tool, value, trial=block.trial)
        elif self.state.bounded is not None and block.trial:
            self.state.bounded.add(block.sums, self.place, value)

    def alone(self, block: Block, tool: str, value: float, *, drawn: bool) -> None:
        """Take in a call that is a unit of its own, and bet on it at once: what `add` and `settle` come to."""
        state = self.state
        if state.compared is not None:
            if drawn:
                state.compared.alone(tool, value, block.share, trial=block.trial)
        elif state.bounded is not None and block.trial:
            state.bounded.alone(value)

    def settle(self, block: Block) -> None:
        """Bet on a block that is complete."""
        if self.state.compared is not None:
            if 0.0 < block.share < 1.0:
                self.state.compared.settle(block, self.place)
        elif self.state.bounded is not None and block.trial:
            self.state.bounded.settle(block, self.place)

    def pair(self, new: float, old: float) -> None:
        """Take in a call that both answered."""
        if self.state.compared is not None:
            self.state.compared.pair(new, old)
        elif self.state.bounded is not None and not self._scope.is_served:
            sums = [0.0] * bounded.WIDTH
            self.state.bounded.add(sums, 0, new)
            self.state.bounded.settle(Block(trial=True, share=0.0, opened=0.0, sums=sums), 0)

    def apart(self, value: float, at: float, *, trial: bool) -> None:
        """Take in a measurement that is said to be a version's, and not of one of the keys that were drawn."""
        if self.state.compared is None:
            return
        if self.state.apart is None:
            self.state.apart = Sides.opened()
        (self.state.apart.trial if trial else self.state.apart.baseline).add(value, at)

    def reopen(self) -> None:
        """Open new purses: keys are forgotten."""
        for evidence in (self.state.compared, self.state.bounded):
            if evidence is not None:
                evidence.reopen()

    def decisive(self) -> float:
        """Return the evidence of what is seen to exceed the limit; 0 while it is not, or there is too little of it."""
        if self.state.bounded is not None:
            is_enough = self.state.bounded.units >= LEAST_UNITS and self._missing_bounded() == 0
            return self.state.bounded.evidence if is_enough else 0.0
        known = self.state.compared
        if known is None or not self._has_evidence(known) or self._missing(known) or not self._is_exceeded(known):
            return 0.0
        return known.evidence

    def look(self, now: float, newest: float, *, decides: bool) -> tuple[LimitLook, bool]:
        """Say what it says, and whether the limit is found exceeded.

        Args:
            now: Unix seconds.
            newest: when the newest sample of anything was made.
            decides: whether the evidence of all limits together is enough, and this is the one it rests on.
        """
        look, is_exceeded = self._said(now, newest, decides=decides)
        return replace(look, noun=self._scope.noun(self.limit), unit=self._unit), is_exceeded

    def _said(self, now: float, newest: float, *, decides: bool) -> tuple[LimitLook, bool]:
        sides = self._metric.sides
        trouble = self._metric.telemetry.trouble(sides.trial, sides.baseline, newest)
        found = self._judged(now, decides=decides)
        if trouble:
            return replace(found[0], verdict=Verdict.BROKEN_TELEMETRY, note=trouble, more=None), False
        if found[0].verdict is Verdict.NO_DATA and (why := self._unserved() or self._unreported()):
            return replace(found[0], verdict=Verdict.NOT_YET, note=why, more=None, applies=False), False
        return found

    def _judged(self, now: float, *, decides: bool) -> tuple[LimitLook, bool]:
        known = self.state.compared
        if known is not None and self._has_evidence(known):
            found = None if decides else self._found_apart(now)
            return (self._sequential(known, decides=decides), decides) if found is None else (found, True)
        if self.state.bounded is not None and self._missing_in_bake() == 0:
            return self._against_bound(self.state.bounded, decides=decides), decides
        return self._by_threshold(now)

    def _sequential(self, known: Compared, *, decides: bool) -> LimitLook:
        missing, needed = self._missing(known), self._scope.needed
        baseline, trial = self._seen(known)
        exceeded = not missing and self._is_exceeded(known)
        is_certain = known.within >= self._scope.certain and not exceeded
        verdict = (
            Verdict.NO_DATA if missing
            else Verdict.REGRESSION if decides
            else Verdict.WITHIN_MARGIN if is_certain
            else Verdict.NOT_YET
        )  # fmt: skip
        sides = self._metric.sides
        mine, other = (sides.new, sides.old) if known.drawn is None else (sides.trial, sides.baseline)
        return LimitLook(
            self._words, self.limit.metric, JudgeKind.SEQUENTIAL, verdict,
            Arm(mine.count, trial.units, trial.mean), Arm(other.count, baseline.units, baseline.mean),
            evidence=known.evidence, needed=needed, within=known.within,
            more=missing or self._more(known.evidence if exceeded else 0.0, known.within, trial.units, mine.count),
            doubtful=exceeded and not decides,
            note=self._note(known, missing),
        )  # fmt: skip

    def _against_bound(self, known: Bounded, *, decides: bool) -> LimitLook:
        missing = self._missing_bounded()
        found = threshold.found(self._scope, self.limit, self._windows, None, 0.0)
        verdict = (
            Verdict.NO_DATA if missing
            else Verdict.REGRESSION if decides
            else Verdict.WITHIN_MARGIN if known.within >= self._scope.certain and not found.exceeded
            else Verdict.NOT_YET
        )  # fmt: skip
        trial = replace(found.trial, units=known.units)
        return LimitLook(
            self._words, self.limit.metric, JudgeKind.SEQUENTIAL, verdict, trial,
            evidence=known.evidence, needed=self._scope.needed, within=known.within,
            more=missing
            or self._more(known.evidence if found.exceeded else 0.0, known.within, known.units, trial.samples),
            doubtful=found.exceeded and not decides,
            note=wanted(missing, self._samples, "on trial") if missing else "",
        )  # fmt: skip

    def _by_threshold(self, now: float) -> tuple[LimitLook, bool]:
        stands_in = self._scope.plan.judge_of(self.limit) is JudgeKind.SEQUENTIAL and self.limit.compares
        found = threshold.found(
            self._scope, self.limit, self._windows, self._metric.before, now, stands_in=stands_in
        )  # fmt: skip
        waited = stands_in and self._scope.is_paired and self.state.compared is not None
        if waited and self.state.compared is not None and self.state.compared.paired is not None and self._may_wait():
            found = replace(found, missing=max(1, found.missing), note="no call was answered by both yet")
        verdict = Verdict.NO_DATA if found.missing else Verdict.NOT_YET
        look = LimitLook(
            self._words, self.limit.metric, JudgeKind.THRESHOLD, verdict, found.trial, found.baseline,
            more=found.missing or None,
            note=f"{wanted(found.missing, 'sample')}; {found.note}" if found.missing else found.note,
            applies=found.comparable,
        )  # fmt: skip
        if not found.comparable:
            return replace(look, verdict=Verdict.NOT_YET, more=None, note=found.note), False
        if found.exceeded and not found.missing and stands_in and self._was_under_another_load():
            return replace(look, doubtful=True, note=f"{found.note}; under another load, so it decides nothing"), False
        return look, found.exceeded and not found.missing

    def _found_apart(self, now: float) -> LimitLook | None:
        """Return what measurements that nobody drew say beside the evidence, where they exceed the limit."""
        if self.state.apart is None:
            return None
        found = threshold.found(self._scope, self.limit, self.state.apart, None, now, stands_in=True)
        if not found.comparable or found.missing or not found.exceeded:
            return None
        return LimitLook(
            self._words, self.limit.metric, JudgeKind.THRESHOLD, Verdict.NOT_YET, found.trial, found.baseline,
            note=f"{found.note}; measured of the versions, not of keys",
        )  # fmt: skip

    def _was_under_another_load(self) -> bool:
        """Tell whether figures of before would mislead: all calls are the new version's now, and mirrored besides.

        The old one had a part of them, or none to share the machine with; that is bias, of which no test of chance
        knows anything.
        """
        return self.limit.metric == WARM and self._scope.watch.part == "bake"

    def _may_wait(self) -> bool:
        wanted = PATIENCE * max(threshold.LEAST, self.limit.min_samples)
        return self._metric.sides.trial.count < wanted

    @property
    def _windows(self) -> Sides:
        return self.state.windows if self.state.windows is not None else self._metric.sides

    def _has_evidence(self, known: Compared) -> bool:
        if known.drawn is not None:
            return any(one.calls for one in known.seen) or not self._metric.telemetry.rhythms[True].count
        return known.paired is not None and bool(known.seen_pairs[True].calls)

    def _seen(self, known: Compared) -> list[Seen]:
        return known.seen if known.drawn is not None else known.seen_pairs

    def _is_exceeded(self, known: Compared) -> bool:
        baseline, trial = (one.mean for one in self._seen(known))
        if baseline is None or trial is None:
            return False
        return any(one.exceeded(trial, baseline) for one in self._tolerances)

    def _missing(self, known: Compared) -> int:
        """Return about how many calls on trial are missing until both sides have what they need."""
        sides, share = self._metric.sides, self._scope.watch.share
        if known.drawn is None:
            return max(0, max(LEAST_UNITS, self.limit.min_samples) - known.seen_pairs[True].calls)
        odds = share / (1.0 - share)
        samples = (self.limit.min_samples - sides.trial.count, (self.limit.min_samples - sides.baseline.count) * odds)
        units = (LEAST_UNITS - known.seen[True].units, (LEAST_UNITS - known.seen[False].units) * odds)
        return max(0, *map(math.ceil, (*samples, *units)))

    def _missing_bounded(self) -> int:
        sides = self._metric.sides
        mirrored = 0 if self._scope.is_served else sides.new.count
        samples = sides.trial.count + mirrored  # at weight 0, too, those that are always the canary's are served
        units = self.state.bounded.units if self.state.bounded is not None else 0
        return max(0, self.limit.min_samples - samples, LEAST_UNITS - units)

    def _missing_in_bake(self) -> int:
        """Return 0 unless values come that are no calls', which are bet on by nobody."""
        known = self.state.bounded
        return 0 if known is None or known.units or not self._metric.sides.trial.count else 1

    def _note(self, known: Compared, missing: int) -> str:
        units = [one.units for one in self._seen(known)]
        if not missing:
            return ""
        if not any(self._counts()) and not self._scope.of_calls(self.limit):
            return "nothing came of it yet, of either version"
        if known.drawn is not None and min(units) < LEAST_UNITS and min(self._counts()) >= self.limit.min_samples:
            return f"only {units[True]} keys on trial and {units[False]} others have counted; {LEAST_UNITS} are wanted"
        return f"about {wanted(missing, self._samples, 'on trial')}"

    @property
    def _samples(self) -> str:
        return self._scope.noun(self.limit)

    def _counts(self) -> tuple[int, int]:
        return self._metric.sides.baseline.count, self._metric.sides.trial.count

    def _more(self, worse: float, within: float, units: int, calls: int) -> int | None:
        """Return about how many calls on trial are missing to an answer, if evidence goes on as it came."""
        rate = calls / units if units else 0.0
        aims = ((worse, self._scope.needed), (within, self._scope.certain))
        left = [
            math.log(needed / have) / (math.log(have) / units) * rate
            for have, needed in aims
            if units and GROWING < have < needed < math.inf
        ]
        return math.ceil(min(left)) if left else None

    def _unserved(self) -> str:
        """Say that mirrored calls alone never give this metric; "" where somebody is served, or it has values."""
        if self.limit.metric != WARM or self._scope.is_served or self._metric.sides.trial.count:
            return ""
        return "nobody is served by it, and mirrored calls say nothing of durations"

    def _unreported(self) -> str:
        """Say that nobody reports the metric, or that the baseline never did; "" where it is only early."""
        limit, sides = self.limit, self._metric.sides
        own = next((one for one in self._scope.plan.metrics if one.name == limit.metric), None)
        if limit.metric in MEASURED or (own is not None and own.source is Source.PROMETHEUS):
            return ""
        baseline, trial = self._metric.telemetry.calls
        others = sides.baseline.count + sides.old.count + (self._metric.before.samples if self._metric.before else 0)
        mine = sides.trial.count + sides.new.count
        if trial < SILENT or (self._scope.is_drawn and baseline < SILENT) or (others and limit.compares):
            return ""
        if not mine:
            return "nobody reports it"
        return "the baseline never reported it" if limit.compares and not others else ""
