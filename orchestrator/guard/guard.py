"""The guard of one epoch: takes samples and pairs in, and says at any moment what they say.

Above: who feeds it and records its looks.  Below: `limit_judge`, `verdict`, `state`.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import accumulate
from typing import Final, NamedTuple

from orchestrator.domain.evidence.betting import bets_below
from orchestrator.domain.evidence.look import Look, Verdict, Watch
from orchestrator.domain.evidence.samples import Origin, Pair, Sample
from orchestrator.domain.evidence.units import Block, Blocks
from orchestrator.domain.plans.plan import Plan
from orchestrator.guard.breaches import Breach, is_immediate
from orchestrator.guard.limit_judge import LimitJudge, LimitState, MetricState
from orchestrator.guard.scope import OF_A_PROCESS, WARM, Scope
from orchestrator.guard.series import Figure, Series, Sides
from orchestrator.guard.state import FORM, Past, State
from orchestrator.guard.telemetry import Telemetry
from orchestrator.guard.verdict import Judged, looked

DIFFERENCES: Final = frozenset({"unexpected", "skew"})
"""Difference classes by which two answers count as different."""


class Watched(NamedTuple):
    """A metric and who hears of its values."""

    name: str
    sides: Sides
    telemetry: Telemetry | None
    judges: list[LimitJudge]


class Guard:
    """Watches one epoch."""

    def __init__(self, plan: Plan, watch: Watch, past: bytes | None = None, *, restored: bytes | None = None) -> None:
        """Begin an epoch, or go on with one.

        Args:
            plan: the rollout's plan.
            watch: what is to be watched.
            past: what the guard of the epoch before gave as its `figures`.
            restored: a snapshot of this epoch.

        Raises:
            ValueError: what was kept is not whole, or the snapshot belongs to another epoch.
        """
        self._scope = scope = Scope(plan, watch)
        if restored is not None:
            self._state = State.from_bytes(scope, restored)
        else:
            limits = [LimitState.opened(scope, limit) for limit in scope.limits]
            self._state = State.opened(scope, 0, limits, Past.from_bytes(past).of(watch) if past is not None else {})
        self._immediate = watch.judged and is_immediate(plan.policy)
        self._judges = self._judges_of(self._state)
        self._watched = [
            Watched(
                name, sides, self._state.telemetry.get(name), [one for one in self._judges if one.limit.metric == name]
            )
            for name, sides in self._state.metrics.items()
        ]
        self._of_calls = [one for one in self._watched if one.name not in OF_A_PROCESS]
        states = [judge.state.compared or judge.state.bounded for judge in self._judges]
        self._evidence = [one for one in states if one is not None]
        self._leaps = any(one.leaps for one in self._evidence)
        self._needed = scope.needed
        self._patience = 0
        self._nothing = self._decisive = [0.0] * len(self._judges)
        self._weigh()

    @classmethod
    def restored(cls, plan: Plan, watch: Watch, data: bytes) -> Guard:
        """Go on where a snapshot was taken.

        Raises:
            ValueError: the bytes are no snapshot of this epoch.
        """
        return cls(plan, watch, restored=data)

    def snapshot(self) -> bytes:
        """Return all that is remembered: wealth, pools, blocks and counts."""
        return self._state.to_bytes()

    @property
    def watch(self) -> Watch:
        """What is watched."""
        return self._scope.watch

    def _judges_of(self, state: State) -> list[LimitJudge]:
        judges = []
        for limit, remembered in zip(self._scope.limits, state.limits, strict=True):
            name = limit.metric
            metric = MetricState(state.metrics[name], state.telemetry[name], state.before.get(name))
            judges.append(LimitJudge(self._scope, limit, remembered, metric, 0))
        places = accumulate((judge.width for judge in judges), initial=0)
        for judge, place in zip(judges, places, strict=False):
            judge.place = place
        state.calls.width = state.posted.width = sum(judge.width for judge in judges)
        return judges

    def sample(self, sample: Sample) -> None:
        """Take a sample in; those of neither side are left out."""
        trial = self._scope.side(sample)
        if trial is None:
            return
        state = self._state
        progress = state.progress
        at = sample.at
        progress.newest = max(progress.newest, at)
        is_call = sample.outcome is not None
        progress.samples += trial
        if is_call:
            progress.trial += trial
            progress.baseline += not trial
        book = state.calls if is_call else state.posted
        block = self._block(book, sample, trial=trial) if is_call or sample.key else None
        drawn = block is not None and 0.0 < block.share < 1.0
        is_apart = not is_call and not sample.key and sample.origin is not Origin.PROCESS
        for name, sides, telemetry, judges in self._of_calls if is_call else self._watched:
            value = sample.value(name)
            if (telemetry is not None and not telemetry.takes(sample, value, trial=trial)) or value is None:
                continue
            (sides.trial if trial else sides.baseline).add(value, at)
            for judge in judges:
                windows = judge.state.windows
                if windows is not None:
                    (windows.trial if trial else windows.baseline).add(value, at)
                if block is not None:
                    (judge.alone if block.alone else judge.add)(block, sample.tool, value, drawn=drawn)
                elif is_apart:
                    judge.apart(value, at, trial=trial)
        if block is not None and book.closed(sample.key, block):
            self._settle(block)
        self._expire(book)

    def pair(self, pair: Pair) -> None:
        """Take in a call that both answered."""
        progress = self._state.progress
        progress.newest = max(progress.newest, pair.at)
        progress.pairs += 1
        progress.differing += not DIFFERENCES.isdisjoint(pair.classes) or bool(pair.decisions)
        is_served = self._scope.is_served
        progress.samples += not is_served
        progress.trial += not is_served
        for name, sides, telemetry, judges in self._of_calls:
            if name == WARM:
                continue
            new, old = pair.new.value(name), pair.old.value(name)
            if telemetry is not None and not is_served:
                is_news = telemetry.takes(pair.new, new, trial=True)
                if not telemetry.takes(pair.old, old, trial=False) or not is_news:
                    continue
            if new is None or old is None:
                continue
            _both(sides, new, old, pair.at)
            for judge in judges:
                if judge.state.windows is not None:
                    _both(judge.state.windows, new, old, pair.at)
                judge.pair(new, old)
        self._weighed()

    def due(self, now: float) -> bool:
        """Tell whether a look should be recorded: after so many calls, or when the evidence has become enough.

        Args:
            now: Unix seconds.
        """
        if not self._scope.watch.judged:
            return False
        progress = self._state.progress
        if progress.samples - progress.looked >= self._scope.plan.judge.look_every:
            return True
        is_new = progress.verdict is not Verdict.REGRESSION
        if is_new and self._immediate and sum(self._decisive) >= self._needed:
            return True
        return self._held_long_enough(now)

    def look(self, now: float) -> Look:
        """Take a look that is to be recorded: it counts, and confirms what looks before it found.

        Args:
            now: Unix seconds.
        """
        for book in (self._state.calls, self._state.posted):
            self._expire(book, now)
        judged = self._judged(now)
        for judge, one in zip(self._judges, judged, strict=True):
            judge.state.breach = one.breach
        progress = self._state.progress
        progress.looks += 1
        progress.looked = progress.samples
        look = looked(self._scope, progress, judged, now)
        progress.verdict = look.verdict
        return look

    def peek(self, now: float) -> Look:
        """Say what a look would say, without taking one: nothing changes by it.

        Args:
            now: Unix seconds.
        """
        return looked(self._scope, self._state.progress, self._judged(now), now)

    def figures(self) -> bytes:
        """Return what both sides were like, for the guards of later epochs to go by where they have no baseline."""
        watch, metrics = self._scope.watch, self._state.metrics
        new = _known({name: sides.trial.figure() for name, sides in metrics.items()})
        old = _known({name: sides.baseline.figure() for name, sides in metrics.items()})
        return Past(FORM, watch.trial, watch.baseline, watch.flag, new, old, self._state.before).to_bytes()

    def _block(self, book: Blocks, sample: Sample, *, trial: bool) -> Block | None:
        is_drawn = sample.treated is trial
        share = sample.share if is_drawn else float(trial)
        return book.block(sample.key, share, self._state.progress.newest, trial=trial)

    def _expire(self, book: Blocks, now: float | None = None) -> None:
        if not book.open:
            return
        for block in book.expired(self._state.progress.newest if now is None else now):
            self._settle(block)

    def _settle(self, block: Block) -> None:
        if not block.alone:
            for judge in self._judges:
                judge.settle(block)
        self._weighed()
        for book in (self._state.calls, self._state.posted):
            if book.is_full():
                book.forget()
                for judge in self._judges:
                    judge.reopen()

    def _weighed(self) -> None:
        """Weigh the evidence after one more bet on everything, unless it surely is not enough by now."""
        if self._patience:
            self._patience -= 1
        else:
            self._weigh()

    def _weigh(self) -> None:
        """Note what each limit's evidence adds to the decision; nothing while all of it together would not do."""
        total = sum([one.evidence for one in self._evidence])
        if total < self._needed:
            self._decisive = self._nothing
            self._patience = 0 if self._leaps else bets_below(total, self._needed)
        else:
            self._decisive = [judge.decisive() for judge in self._judges]
            self._patience = 0

    def _judged(self, now: float) -> list[Judged]:
        progress = self._state.progress
        total, needed, news = sum(self._decisive), self._scope.needed, progress.samples > progress.looked
        heaviest = max(range(len(self._judges)), key=lambda at: self._decisive[at], default=0)
        judged = []
        for at, judge in enumerate(self._judges):
            decides = total >= needed and (at == heaviest or self._decisive[at] >= needed)
            look, exceeded = judge.look(now, self._state.progress.newest, decides=decides)
            judged.append(Judged(look, judge.limit, judge.state.breach.after(now, exceeded=exceeded, news=news)))
        return judged

    def _held_long_enough(self, now: float) -> bool:
        """Tell whether a breach that waited for its time alone has waited long enough."""
        policy = self._scope.plan.policy
        breaches: list[Breach] = [judge.state.breach for judge in self._judges]
        is_new = self._state.progress.verdict is not Verdict.REGRESSION
        return bool(policy.breach_held) and is_new and any(one.counts(policy, now) for one in breaches)


def _known(figures: Mapping[str, Figure | None]) -> dict[str, Figure]:
    return {name: figure for name, figure in figures.items() if figure is not None}


def _both(sides: Sides, new: float, old: float, at: float) -> None:
    pairs: tuple[tuple[Series, float], ...] = ((sides.new, new), (sides.old, old))
    for series, value in pairs:
        series.add(value, at)
