"""Recorded calls happen again: at their times, drawn anew by the routing table, with what the drawn version gave.

A call comes when one was recorded, with its tool and key; the table says which version serves it; its outcome, duration
and metrics are those of that version's next recorded call of the same tool.  The recording begins again at its end.
With one version alone its keys are other ones then, drawn anew as new sessions would be, which is fair as both versions
give the same.  With two they stay, so that what differed by chance is not taken for evidence because it is told again.
Above: `simulation` lets time pass.  Below: `recording`, `subjects`, the routing rules.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final, NamedTuple

import msgspec

from orchestrator.domain.evidence.samples import Pair, Sample
from orchestrator.domain.routing import BUCKETS, Lane, RoutingTable, bucket, chance, choose
from orchestrator.simulating.recording import Measure, Recording
from orchestrator.simulating.subjects import Introduced, Subjects

NOBODY: Final = Subjects()
"""Nothing is known of any subject."""

Told = Sample | Pair


@dataclass(slots=True)
class Served:
    """What the traffic goes by at one moment.

    Attributes:
        table: the routing table in force.
        old: the generation that was active when the rollout began.
        mirror: the lane that read-only calls go to as well, None when they do not.
        flag: the flag on trial, "" for none.
        share: probability with which a key has it.
    """

    table: RoutingTable = field(default_factory=RoutingTable)
    old: int = 1
    mirror: Lane | None = None
    flag: str = ""
    share: float = 0.0


class Assigned(NamedTuple):
    """Who serves a call.

    Attributes:
        at: when it comes, Unix seconds.
        generation: who serves it.
        lane: the lane it was routed to.
        treated: whether it has what is on trial; None when nothing is.
        share: probability with which it was to have it.
    """

    at: float
    generation: int
    lane: Lane
    treated: bool | None = None
    share: float = 0.0


class Pool:
    """What one version's calls gave, taken in order, from the beginning again at the end."""

    def __init__(self, calls: Sequence[Sample]) -> None:
        self._calls: dict[str, list[Sample]] = defaultdict(list)
        for one in calls:
            self._calls[one.tool].append(one)
        self._all = list(calls)
        self._at: dict[str, int] = defaultdict(int)
        self.foreign = 0

    def __bool__(self) -> bool:
        return bool(self._all)

    def next(self, tool: str) -> Sample:
        """Return the next call of a tool; of any tool, which is counted, where this version was not asked for that."""
        known = self._calls.get(tool)
        if known is None:
            self.foreign += 1
            known, tool = self._all, ""
        at = self._at[tool]
        self._at[tool] = at + 1
        return known[at % len(known)]


class Traffic:
    """Gives samples and pairs in the order in which they would be told.

    Attributes:
        served: what decides where calls go; the rollout changes it.
        calls: how many came.
        rounds: how often the recording began again.
    """

    def __init__(
        self, recording: Recording, seed: int, begin: float, speed: float = 1.0, subjects: Subjects = NOBODY
    ) -> None:
        """Build it.

        Args:
            recording: what happens again.
            seed: decides which keys have a flag's value on trial.
            begin: when the first call comes, Unix seconds.
            speed: how many times as fast calls come as they were recorded.
            subjects: what calls say of their subjects.
        """
        self.served = Served()
        self.calls = self.rounds = 0
        self._recording = recording
        self._salt = f"simulated {seed}"
        self._introduced = Introduced(subjects, self._salt)
        self._speed = speed
        self._begin = begin
        self._old = Pool(recording.old)
        self._new = Pool(recording.new) if recording.new else self._old
        self._flagged = (Pool(recording.without), Pool(recording.treated))
        self._pairs = Pool([pair.new for pair in recording.pairs])
        self._paired = {id(pair.new): pair for pair in recording.pairs}
        self._credit = 0.0
        self._turns: dict[int, int] = defaultdict(int)
        self._coming = self._script()
        self._next = next(self._coming, None)
        self._under_way: list[tuple[float, int, Told]] = []
        self._number = count()

    @property
    def foreign(self) -> int:
        """Calls whose version was never recorded with their tool."""
        return self._old.foreign + (self._new.foreign if self._new is not self._old else 0)

    @property
    def next_at(self) -> float | None:
        """When the next thing happens, Unix seconds; None when nothing was recorded."""
        ahead = self._next[0] + self._begin if self._next is not None else None
        if self._under_way and (ahead is None or self._under_way[0][0] <= ahead):
            return self._under_way[0][0]
        return ahead

    def happen(self) -> Told | None:
        """Let the next thing happen; return what is told by it, None when a call was only accepted."""
        ahead = self._next[0] + self._begin if self._next is not None else None
        if self._under_way and (ahead is None or self._under_way[0][0] <= ahead):
            return heapq.heappop(self._under_way)[2]
        if self._next is None or ahead is None:
            return None
        what = self._next[1]
        self._next = next(self._coming, None)
        if isinstance(what, Sample):
            self._accept(what, ahead)
        else:
            self._measure(what, ahead)
        return None

    def leave_out(self, seconds: float) -> None:
        """Have everything from now on come later: what would have come in between is left out."""
        self._begin += seconds

    def _script(self) -> Iterator[tuple[float, Sample | Measure]]:
        """Yield what comes and when, seconds after the beginning, again and again."""
        script: list[tuple[float, Sample | Measure]] = list(self._recording.calls)
        for measure in self._recording.measures:
            script += [(at % self._recording.lasts, measure) for at in measure.offsets]
        script.sort(key=lambda one: one[0])
        while script:
            passed = self.rounds * self._recording.lasts
            for at, what in script:
                yield (passed + at) / self._speed, what
            self.rounds += 1

    # --- calls --------------------------------------------------------------------------------

    def _accept(self, recorded: Sample, at: float) -> None:
        self.calls += 1
        if self.rounds and self._new is self._old and recorded.key:
            recorded = msgspec.structs.replace(recorded, key=f"{recorded.key} {self.rounds}")
        served = self.served
        attributes = self._introduced.attributes(recorded.key, at)
        key = self._introduced.key(recorded.key, served.table)
        recorded = recorded if key == recorded.key else msgspec.structs.replace(recorded, key=key)
        choice = choose(served.table, key, attributes)
        if choice.generation is None:
            return
        treated, share = self._drawn(key, choice.lane, attributes)
        flagged = self._flagged[bool(treated)] if served.flag and treated is not None else None
        is_old = choice.generation == served.old and not served.flag
        pool = flagged or (self._old if is_old else self._new)
        assigned = Assigned(at, choice.generation, choice.lane, treated, share)
        made = _again(pool.next(recorded.tool), recorded, assigned)
        self._tell(at + (made.duration or 0.0) / 1000, made)
        if served.mirror is not None and choice.lane is not served.mirror:
            self._mirror(recorded, made, served.mirror)

    def _drawn(self, key: str, lane: Lane, attributes: Mapping[str, Any] | None = None) -> tuple[bool | None, float]:
        """Return whether a call has what is on trial, and with which probability it was to have it."""
        served = self.served
        if served.flag:
            if not 0.0 < served.share < 1.0:
                return None, 0.0
            return bucket(key, f"{self._salt} {served.flag}") < served.share * BUCKETS, served.share
        share = chance(served.table, key, attributes)
        return (None, 0.0) if share is None else (lane is Lane.CANARY, share)

    def _mirror(self, recorded: Sample, given: Sample, lane: Lane) -> None:
        """Have a call answered by the other version as well: as recorded, else with that one's next call."""
        other = self.served.table.lanes().get(lane)
        if other is None:
            return
        if self._paired:
            self._mirror_recorded(given, other, lane)
            return
        pool = self._old if other == self.served.old else self._new
        second = _again(pool.next(recorded.tool), recorded, Assigned(given.at, other, lane))
        self._tell_pair(given, second)

    def _mirror_recorded(self, given: Sample, other: int, lane: Lane) -> None:
        """Tell the next recorded pair, as seldom as pairs were recorded among calls."""
        self._credit += min(1.0, len(self._paired) / len(self._recording.calls))
        if self._credit < 1.0:
            return
        self._credit -= 1.0
        pair = self._paired[id(self._pairs.next(given.tool))]
        is_old = other == self.served.old
        mirrored, served = (pair.old, pair.new) if is_old else (pair.new, pair.old)
        first = _again(served, given, Assigned(given.at, given.generation, given.lane, given.treated, given.share))
        second = _again(mirrored, given, Assigned(given.at, other, lane))
        self._tell_pair(first, second, pair)

    def _tell_pair(self, given: Sample, second: Sample, like: Pair | None = None) -> None:
        old, new = (second, given) if second.generation == self.served.old else (given, second)
        classes, decisions = (like.classes, like.decisions) if like is not None else ((), ())
        pair = Pair(at=given.at, tool=given.tool, key=given.key, old=old, new=new, classes=classes, decisions=decisions)
        self._tell(given.at + max(given.duration or 0.0, second.duration or 0.0) / 1000, pair)

    def _tell(self, at: float, told: Told) -> None:
        heapq.heappush(self._under_way, (at, next(self._number), told))

    # --- what is no call ----------------------------------------------------------------------

    def _measure(self, measure: Measure, at: float) -> None:
        turn = self._turns[id(measure)]
        self._turns[id(measure)] += 1
        for lane, generation in self.served.table.lanes().items():
            known = measure.old if generation == self.served.old else measure.new
            if not known:
                continue
            one = known[turn % len(known)]
            treated, share = self._drawn(one.key, lane) if one.key else (None, 0.0)
            self._tell(at, _again(one, one, Assigned(at, generation, lane, treated, share)))


def _again(gave: Sample, asked: Sample, assigned: Assigned) -> Sample:
    """Return a recorded sample as it is told this time.

    Args:
        gave: says what came of it.
        asked: says of which tool and key it was.
        assigned: says when, and to whom it went.
    """
    return Sample(
        at=assigned.at,
        generation=assigned.generation,
        lane=assigned.lane,
        origin=gave.origin,
        tool=asked.tool,
        key=asked.key,
        treated=assigned.treated,
        share=assigned.share,
        outcome=gave.outcome,
        duration=gave.duration,
        metrics=gave.metrics,
    )
