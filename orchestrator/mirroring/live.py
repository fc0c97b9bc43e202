"""Mirroring as a whole: who is asked, what is compared, what is counted, and the pairs that come of it.

Above: `daemon` (and the rollout, through `set`).  Below: `proxy.mirror` asks, `examiner` has the answers compared, a
`SampleSink` takes the pairs.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from orchestrator.api.comparing.mirror_models import MirrorStatus
from orchestrator.api.verbs import RefusedError
from orchestrator.domain.comparison import Answer
from orchestrator.domain.evidence.samples import Outcome, Pair, Sample, SampleSink
from orchestrator.domain.routing import Lane
from orchestrator.mirroring.books import Books
from orchestrator.mirroring.messages import Job, Judged
from orchestrator.mirroring.repeats import Key, Repeats, key_of
from orchestrator.proxy.dispatch import Dispatcher
from orchestrator.proxy.mirror import ALONE, Mirror
from orchestrator.proxy.mirrored import Bounds, Heard, Mirrored, reported
from orchestrator.telemetry.logging import get_logger
from orchestrator.telemetry.measured import MirrorCounts

log = get_logger("mirror")

AGAIN: Final = 64
"""One in so many calls is asked twice of the older version once its noise is known: what varies may change with what is
asked."""
TRIES: Final = 4
"""Times as many calls may be asked twice at first as are learned from: some of their answers are lost."""
ANSWERS: Final[Mapping[Outcome, str]] = {
    Outcome.EXPIRED: Answer.TIMEOUT.value,
    Outcome.LOST: Answer.LOST.value,
    Outcome.CANCELLED: Answer.LOST.value,
    Outcome.ERROR: Answer.ERROR.value,
    Outcome.OK: Answer.RESULT.value,
}


EQUAL: Final = Judged(0, "equal")
NOTHING: Final[Mapping[str, float]] = {}


class Teaching(msgspec.Struct, gc=False):
    """How the noise of one tool of one version is learned.

    Attributes:
        asked: calls that could be asked twice.
        taught: calls to which it gave two answers.
    """

    asked: int = 0
    taught: int = 0


class Mirroring:
    """Has live calls mirrored and compared.

    Attributes:
        mirror: the proxy's side.
        books: what came of it.
        sink: who takes pairs.
        wants_pairs: whether it takes the next one; one that nobody takes is not made.
        offset: seconds from the monotonic clock to Unix time.
    """

    def __init__(
        self,
        dispatcher: Dispatcher,
        bounds: Bounds,
        *,
        fingerprint: Callable[[int], str],
        learn: Callable[[], int],
        offset: float,
    ) -> None:
        """Build it; nothing is mirrored.

        Args:
            dispatcher: whose calls.
            bounds: of the mirror and of what waits to be compared.
            fingerprint: of a generation, by its number.
            learn: calls of each tool that are asked twice at first.
            offset: seconds from the monotonic clock to Unix time, fixed when the daemon started.
        """
        self.mirror = Mirror(dispatcher, bounds, self.take)
        self.mirror.repeat = self._asks_twice
        self.books = Books(self.mirror.flow)
        self.sink: SampleSink | None = None
        self.wants_pairs: Callable[[], bool] = lambda: True
        self.offset = offset
        self.examine: Callable[[Job], bool] = lambda _job: False
        self.waiting_bytes: Callable[[], int] = lambda: 0
        self._dispatcher = dispatcher
        self._fingerprint = fingerprint
        self._learn = learn
        self._numbers = itertools.count(1)
        self._pending: dict[int, Mirrored] = {}
        self._repeats = Repeats()
        self._teaching: dict[tuple[str, str], Teaching] = {}
        self._teaches: dict[tuple[str, int], Teaching] = {}
        self._deciders: set[str] = set()
        self.mirror.on_pair = self.books.begin

    # --- who is asked -------------------------------------------------------------------------

    def set(self, target: Lane | None, share: float = 100.0) -> None:
        """Mirror a share of the calls that only read to whoever holds a lane, or (None) nothing."""
        if (target, share) != (self.mirror.target, self.mirror.share):
            log.info("mirror set", to=target.value if target is not None else None, share=share)
        self.mirror.set(target, share)

    def turn(self, target: Lane | None, share: float, actor: str) -> str:
        """Do as a person asks; return what was done, in words.

        Raises:
            RefusedError: nothing could be mirrored, ever.
        """
        if target is not None and self._dispatcher.isolated:
            raise RefusedError(f"nothing can be mirrored: {ALONE}")
        log.info("mirror asked", to=target.value if target is not None else None, share=share, actor=actor)
        self.set(target, share)
        if target is None:
            return "nothing is mirrored any more"
        calls = f"{share:g} % of the calls that only read"
        if self._dispatcher.table.lanes().get(target) is None:
            return f"{calls} will be mirrored as soon as a generation holds the lane {target.value}; none does now"
        but = f"; but {silent}" if (silent := self.mirror.silent) else ""
        return f"{calls} are mirrored to the {target.value} generation{but}"

    def _asks_twice(self, tool: str, generation: int) -> bool:
        """Say whether a call is to be asked twice of the older version."""
        one = self._teaches.get((tool, generation)) or self._begin_teaching(tool, generation)
        one.asked += 1
        return one.asked % AGAIN == 0 or (one.taught < self._learn() and one.asked <= TRIES * self._learn())

    def _begin_teaching(self, tool: str, generation: int) -> Teaching:
        """Begin with a tool; generations of the same files are learned of as one."""
        one = self._teaching.setdefault((tool, self._fingerprint(generation)), Teaching())
        self._teaches[tool, generation] = one
        return one

    # --- what was said ------------------------------------------------------------------------

    def take(self, one: Mirrored) -> None:
        """Take a call that both versions have answered; equal bytes need nobody to compare them."""
        if one.same and one.control is None and one.tool not in self._deciders:
            self._tell(one, EQUAL)
            return
        generation = one.sides[0].generation
        fingerprint, now = self._fingerprint(generation), self._dispatcher.now()
        key = key_of(one, fingerprint)
        verdict = self._repeats.verdict(key, now) if key is not None else None
        if verdict is not None:
            self._tell(one, verdict)
            return
        bounds = self.mirror.bounds
        if self.comparing >= bounds.queue or self.waiting_bytes() > bounds.queue_bytes:
            self.mirror.flow.dropped["comparison"] += 1
        elif key is None or not self._repeats.waits(key, one, now):
            self._compare(one, fingerprint, key, now)
        else:
            _lean(one)

    def _compare(self, one: Mirrored, fingerprint: str, key: Key | None, now: float) -> None:
        """Have a pair compared."""
        number = next(self._numbers)
        if not self.examine(self._job(number, one, fingerprint)):
            self.mirror.flow.dropped["comparison"] += 1
            return
        if one.control is not None:
            self._begin_teaching(one.tool, one.sides[0].generation).taught += 1
        if key is not None:
            self._repeats.begin(key, number, now)
        _lean(one)
        self._pending[number] = one

    @property
    def comparing(self) -> int:
        """Pairs that wait for a verdict."""
        return len(self._pending) + self._repeats.waiting

    def _job(self, number: int, one: Mirrored, fingerprint: str) -> Job:
        old, new = one.sides
        control = one.control
        return Job(
            number,
            one.tool,
            fingerprint,
            old.line,
            old.at + self.offset,
            ANSWERS[old.outcome],
            new.line,
            new.at + self.offset,
            ANSWERS[new.outcome],
            control.line if control is not None else b"",
            control.at + self.offset if control is not None else 0.0,
            one.disturbed,
            (old.generation, new.generation),
        )

    def judged(self, judged: Judged) -> None:
        """Take a verdict in."""
        one = self._pending.pop(judged.number, None)
        if one is None:
            return
        self._tell(one, judged)
        for other in self._repeats.over(judged.number, judged, self._dispatcher.now()):
            self._tell(other, judged)

    def lost(self, numbers: list[int]) -> None:
        """Forget pairs that nobody will compare; what was learned is learned anew."""
        for number in numbers:
            if self._pending.pop(number, None) is not None:
                waited = self._repeats.over(number, None, self._dispatcher.now())
                self.mirror.flow.dropped["comparison"] += 1 + len(waited)
        self._teaching.clear()
        self._teaches.clear()

    def _tell(self, one: Mirrored, judged: Judged) -> None:
        """Count a pair and hand it to the sink."""
        served, target = self.mirror.pair
        counts = self.books.now if one.target == target and one.original.generation == served else self.books.past
        counts.compared += 1
        tool = counts.of(one.tool)
        tool.results[judged.result] += 1
        if judged is not EQUAL:
            for name in judged.decisions:
                tool.differing[name] += 1
            tool.learned = judged.learned or tool.learned
            if judged.agents:
                self._deciders.add(one.tool)
                counts.decided(judged.agents, differs=bool(judged.decisions))
        if self.sink is not None and self.wants_pairs():
            self.sink.pair(self._pair(one, judged))

    def _pair(self, one: Mirrored, judged: Judged) -> Pair:
        old, new = one.sides
        at = one.original.at + self.offset
        return Pair(
            at=at,
            tool=one.tool,
            key=one.key,
            old=_sample(old, one, at),
            new=_sample(new, one, at),
            classes=judged.classes,
            decisions=judged.decisions,
        )

    # --- what is shown ------------------------------------------------------------------------

    def _learning(self) -> int:
        """Count the pairs that wait until their tool's noise is known."""
        taught = {place: one.taught >= self._learn() for place, one in self._teaches.items()}
        places = ((one.tool, one.sides[0].generation) for one in self._pending.values())
        return sum(not taught.get(place, False) for place in places)

    def status(self) -> MirrorStatus:
        """Say how it stands."""
        mirror, books, target = self.mirror, self.books, self.mirror.target
        flow = books.flow_now()
        return MirrorStatus(
            on=target is not None,
            to=target.value if target is not None else None,
            generation=self._dispatcher.table.lanes().get(target) if target is not None else None,
            share=mirror.share,
            silent=mirror.silent,
            sampled=flow.sampled,
            queued=mirror.queued,
            in_flight=mirror.in_flight,
            comparing=self.comparing,
            learning=self._learning(),
            compared=books.now.compared,
            repeated=flow.repeated,
            dropped=dict(flow.dropped),
            not_read_only=sorted(flow.unfit)[:100],
            tools=books.tools(),
            decisions=books.decisions(),
        )

    def metrics(self) -> MirrorCounts:
        """Return what the metrics are made of."""
        counts, flow = self.books.whole(), self.mirror.flow
        return MirrorCounts(counts.results(), dict(counts.decisions), dict(flow.dropped), flow.sampled)


def _lean(one: Mirrored) -> None:
    """Let go of the bytes of both answers while they are being compared elsewhere."""
    one.original.line, one.control = b"", None
    if one.mirrored is not None:
        one.mirrored.line = b""


def _sample(heard: Heard, one: Mirrored, at: float) -> Sample:
    """Return one side's sample."""
    return Sample(
        at=at,
        generation=heard.generation,
        lane=heard.lane,
        tool=one.tool,
        key=one.key,
        outcome=heard.outcome,
        duration=heard.duration,
        metrics=reported(heard.meta) if heard.meta else NOTHING,
    )


def bounds_of(settings: Any) -> Bounds:
    """Return the bounds that the section `mirror` sets."""
    return Bounds(settings.call_timeout, settings.in_flight, settings.queue, settings.queue_bytes)
