"""Recorded samples sorted by what they are used for: when calls come, what each version gave, what was measured.

Pure.  Above: `traffic` has it happen again, `telling` says what was taken for granted.  Below: `domain.evidence`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from orchestrator.domain.errors import SwitchoverError
from orchestrator.domain.evidence.samples import Origin, Pair, Sample
from orchestrator.domain.routing import Lane

GAP: Final = 1.0
"""Seconds from one call to the next where a recording does not say: it has one call, or all came at once."""

BEGINNING: Final = 1_800_000_000.0
"""Unix seconds at which a rollout begins that has no recording to begin with."""


class RecordingError(SwitchoverError):
    """Samples cannot be used as they were asked for."""


@dataclass(frozen=True, slots=True)
class Measure:
    """What is measured again and again and is no call, such as the memory of a version's processes.

    Attributes:
        offsets: seconds after the recording's beginning, ascending.
        old: of the older version, in order.
        new: of the newer one; of the same where one was recorded.
    """

    offsets: tuple[float, ...]
    old: tuple[Sample, ...]
    new: tuple[Sample, ...]


@dataclass(frozen=True, slots=True)
class Recording:
    """Samples by their use.

    Attributes:
        began: when the first was taken, Unix seconds.
        lasts: seconds after which it begins again.
        calls: every call that counts, with seconds after the beginning: when calls come, of which tool and key.
        numbers: the generations taken as old and new; the same one twice where only one was recorded.
        old: what calls of the older version gave.
        new: what calls of the newer version gave; empty where only one was recorded.
        without: what calls gave that did not have the flag on trial.
        treated: what calls gave that had it; empty where none was recorded.
        pairs: calls that both versions answered.
        measures: what is no call.
        left: calls of further generations, which are not used.
    """

    began: float
    lasts: float
    calls: tuple[tuple[float, Sample], ...]
    numbers: tuple[int, int]
    old: tuple[Sample, ...]
    new: tuple[Sample, ...] = ()
    without: tuple[Sample, ...] = ()
    treated: tuple[Sample, ...] = ()
    pairs: tuple[Pair, ...] = ()
    measures: tuple[Measure, ...] = ()
    left: int = 0

    @property
    def per_second(self) -> float:
        """Calls a second."""
        return len(self.calls) / self.lasts

    @property
    def overlap(self) -> float:
        """Share of the shorter version's time in which the other was recorded too, 0 to 1; 1 where there is one."""
        if not self.new or not self.old:
            return 1.0
        begins, ends = zip(*((arm[0].at, arm[-1].at) for arm in (self.old, self.new)), strict=True)
        shorter = min(end - begin for begin, end in zip(begins, ends, strict=True))
        common = min(ends) - max(begins)
        return 1.0 if shorter <= 0.0 <= common else max(0.0, common / shorter) if shorter else 0.0


def recording_of(told: Iterable[Sample | Pair], old: int | None = None, new: int | None = None) -> Recording:
    """Sort what a file tells.

    Args:
        told: samples and pairs in any order.
        old: the generation taken as the older version; None for the second newest, or the only one.
        new: the one taken as the newer; None for the newest.

    Raises:
        RecordingError: there are no calls of a generation that was asked for.
    """
    samples: list[Sample] = []
    pairs: list[Pair] = []
    for one in told:
        (pairs if isinstance(one, Pair) else samples).append(one)  # type: ignore[arg-type]  # each to its own
    samples.sort(key=lambda one: one.at)
    calls = [one for one in samples if one.origin is Origin.CALL and one.outcome is not None]
    numbers = _numbers(calls, old, new)
    ours = [one for one in calls if one.generation in numbers]
    began = min((one.at for one in (*ours[:1], *samples[:1])), default=BEGINNING)
    lasts = _lasts(ours)
    flagged = [one for one in ours if one.generation == numbers[1] and _is_flagged(one)]
    newer = _plain([one for one in ours if one.generation == numbers[1]])
    is_one = numbers[0] == numbers[1]
    return Recording(
        began=began,
        lasts=lasts,
        calls=tuple((one.at - ours[0].at, one) for one in ours),
        numbers=numbers,
        old=newer if is_one else tuple(one for one in ours if one.generation == numbers[0]),
        new=() if is_one else newer,
        without=tuple(one for one in flagged if not one.treated),
        treated=tuple(one for one in flagged if one.treated),
        pairs=tuple(sorted((one for one in pairs if _is_of(one, numbers)), key=lambda one: one.at)),
        measures=tuple(_measures(samples, numbers, began)),
        left=len(calls) - len(ours),
    )


def _numbers(calls: Sequence[Sample], old: int | None, new: int | None) -> tuple[int, int]:
    known = sorted({one.generation for one in calls})
    for asked in (old, new):
        if asked is not None and asked not in known:
            there = ", ".join(map(str, known)) or "none"
            raise RecordingError(f"no call of generation {asked} was recorded; recorded: {there}")
    if not known:
        return 1, 1
    newer = new if new is not None else max((one for one in known if one != old), default=known[-1])
    earlier = [one for one in known if one < newer]
    return (old if old is not None else earlier[-1] if earlier else newer), newer


def _lasts(calls: Sequence[Sample]) -> float:
    """Return from the first call to the last, and one more gap until it begins again."""
    span = calls[-1].at - calls[0].at if calls else 0.0
    return span * len(calls) / (len(calls) - 1) if span > 0.0 else GAP * max(1, len(calls))


def _is_flagged(one: Sample) -> bool:
    """Tell whether a call of the newer version was part of a flag's trial: a canary is on trial in its own lane."""
    return one.lane is Lane.ACTIVE and one.treated is not None


def _plain(calls: Sequence[Sample]) -> tuple[Sample, ...]:
    """Return the calls without a flag's value on trial; all of them where each had one."""
    return tuple(one for one in calls if not (one.lane is Lane.ACTIVE and one.treated)) or tuple(calls)


def _is_of(pair: Pair, numbers: tuple[int, int]) -> bool:
    return {pair.old.generation, pair.new.generation} <= set(numbers)


def _measures(samples: Iterable[Sample], numbers: tuple[int, int], began: float) -> Iterable[Measure]:
    """Sort what is no call by what it is about; it comes again when the version that has more of it had it."""
    kinds: Mapping[tuple[str, str, tuple[str, ...]], dict[int, list[Sample]]] = defaultdict(lambda: defaultdict(list))
    for one in samples:
        if one.outcome is None and one.generation in numbers:
            kinds[one.origin, one.tool, tuple(sorted(one.metrics))][one.generation].append(one)
    for arms in kinds.values():
        most = max(arms.values(), key=len)
        old, new = arms.get(numbers[0], []), arms.get(numbers[1], [])
        yield Measure(tuple(one.at - began for one in most), tuple(old), tuple(new))
