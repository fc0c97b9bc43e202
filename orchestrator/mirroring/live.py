"""Mirroring as a whole: who is asked, what is compared, what is counted, and the pairs that come of it.

Above: `daemon` (and the rollout, through `set`).  Below: `proxy.mirror` asks, `examiner` has the answers compared, a
`SampleSink` takes the pairs.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from orchestrator.api.mirror_models import DecisionsShown, MirrorStatus, ToolMirrored
from orchestrator.api.verbs import RefusedError
from orchestrator.domain.comparison import Answer
from orchestrator.domain.evidence.samples import Outcome, Pair, Sample, SampleSink
from orchestrator.domain.routing import Lane
from orchestrator.mirroring.messages import Job, Judged
from orchestrator.proxy import codec
from orchestrator.proxy.dispatch import Dispatcher
from orchestrator.proxy.mirror import ALONE, Mirror
from orchestrator.proxy.mirrored import OTHERS, Bounds, Heard, Mirrored, named, reported
from orchestrator.telemetry.logging import get_logger
from orchestrator.telemetry.measured import MirrorCounts

log = get_logger("mirror")

AGAIN: Final = 64
"""One in so many calls is asked twice of the older version once its noise is known: what varies may change with what is
asked."""
TRIES: Final = 4
"""Times as many calls may be asked twice at first as are learned from: some of their answers are lost."""
MOST_AGENTS: Final = 200
"""Pairs of agents counted by their names; a label's values must not grow without end."""
ANSWERS: Final[Mapping[Outcome, str]] = {
    Outcome.EXPIRED: Answer.TIMEOUT.value,
    Outcome.LOST: Answer.LOST.value,
    Outcome.CANCELLED: Answer.LOST.value,
    Outcome.ERROR: Answer.ERROR.value,
    Outcome.OK: Answer.RESULT.value,
}


@dataclass(slots=True)
class Counts:
    """What comparing gave since the daemon started."""

    results: Counter[tuple[str, str]] = dataclasses.field(default_factory=Counter)
    decisions: Counter[tuple[str, str, bool]] = dataclasses.field(default_factory=Counter)
    differing: Counter[tuple[str, str]] = dataclasses.field(default_factory=Counter)
    compared: int = 0


class Mirroring:
    """Has live calls mirrored and compared.

    Attributes:
        mirror: the proxy's side.
        counts: what came of it.
        sink: who takes pairs.
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
        self.mirror.repeat = self._repeats
        self.counts = Counts()
        self.sink: SampleSink | None = None
        self.offset = offset
        self.examine: Callable[[Job], bool] = lambda _job: False
        self.waiting_bytes: Callable[[], int] = lambda: 0
        self._dispatcher = dispatcher
        self._fingerprint = fingerprint
        self._learn = learn
        self._numbers = itertools.count(1)
        self._pending: dict[int, Mirrored] = {}
        self._asked: Counter[tuple[str, str]] = Counter()
        self._taught: Counter[tuple[str, str]] = Counter()
        self._deciders: set[str] = set()
        self._tools: dict[str, int] = {}

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
        but = f"; but {silent}" if (silent := self.mirror.silent) else ""
        return f"{share:g} % of the calls that only read are mirrored to the {target.value} generation{but}"

    def _repeats(self, tool: str, generation: int) -> bool:
        """Say whether a call is to be asked twice of the older version."""
        key = (tool, self._fingerprint(generation))
        self._asked[key] += 1
        begins = self._taught[key] < self._learn() and self._asked[key] <= TRIES * self._learn()
        return begins or self._asked[key] % AGAIN == 0

    # --- what was said ------------------------------------------------------------------------

    def take(self, one: Mirrored) -> None:
        """Take a call that both versions have answered; equal bytes need nobody to compare them."""
        old, new = one.sides
        key = (one.tool, self._fingerprint(old.generation))
        if one.control is None and one.tool not in self._deciders and same(old.line, new.line):
            self._tell(one, Judged(0, "equal"))
            return
        bounds = self.mirror.bounds
        if len(self._pending) >= bounds.queue or self.waiting_bytes() > bounds.queue_bytes:
            self.mirror.flow.dropped["comparison"] += 1
            return
        number = next(self._numbers)
        if not self.examine(self._job(number, one, key[1])):
            self.mirror.flow.dropped["comparison"] += 1
            return
        self._taught[key] += one.control is not None
        one.original, one.control = _lean(one.original), None
        one.mirrored = None if one.mirrored is None else _lean(one.mirrored)
        self._pending[number] = one

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
        if one is not None:
            self._tell(one, judged)

    def lost(self, numbers: list[int]) -> None:
        """Forget pairs that nobody will compare; what was learned is learned anew."""
        for number in numbers:
            if self._pending.pop(number, None) is not None:
                self.mirror.flow.dropped["comparison"] += 1
        self._asked.clear()
        self._taught.clear()

    def _tell(self, one: Mirrored, judged: Judged) -> None:
        """Count a pair and hand it to the sink."""
        counts = self.counts
        tool = named(one.tool, self._tools)
        self._tools.setdefault(tool, 0)
        counts.compared += 1
        counts.results[tool, judged.result] += 1
        for name in judged.decisions:
            counts.differing[tool, name] += 1
        if judged.agents:
            self._deciders.add(one.tool)
            self._decided(judged)
        if judged.learned:
            self._tools[tool] = judged.learned
        if self.sink is not None:
            self.sink.pair(self._pair(one, judged))

    def _decided(self, judged: Judged) -> None:
        decisions = self.counts.decisions
        label = (judged.agents[0], judged.agents[1], bool(judged.decisions))
        known = label in decisions or len(decisions) < MOST_AGENTS
        decisions[label if known else (OTHERS, OTHERS, label[2])] += 1

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

    def status(self) -> MirrorStatus:
        """Say how it stands."""
        mirror, counts = self.mirror, self.counts
        target = mirror.target
        number = self._dispatcher.table.lanes().get(target) if target is not None else None
        return MirrorStatus(
            on=target is not None,
            to=target.value if target is not None else None,
            generation=number,
            share=mirror.share,
            silent=mirror.silent,
            sampled=mirror.flow.sampled,
            queued=mirror.queued,
            in_flight=mirror.in_flight,
            comparing=len(self._pending),
            compared=counts.compared,
            repeated=mirror.flow.repeated,
            dropped=dict(mirror.flow.dropped),
            not_read_only=sorted(mirror.flow.unfit)[:100],
            tools=[self._tool(tool) for tool in sorted(self._tools)],
            decisions=[
                DecisionsShown(agent_old=old, agent_new=new, changed=changed, pairs=pairs)
                for (old, new, changed), pairs in counts.decisions.most_common(50)
            ],
        )

    def _tool(self, tool: str) -> ToolMirrored:
        counts = self.counts
        return ToolMirrored(
            tool=tool,
            learned_from=self._tools[tool],
            results={name: n for (of, name), n in counts.results.items() if of == tool},
            decisions={name: n for (of, name), n in counts.differing.items() if of == tool},
        )

    def metrics(self) -> MirrorCounts:
        """Return what the metrics are made of."""
        counts, flow = self.counts, self.mirror.flow
        return MirrorCounts(dict(counts.results), dict(counts.decisions), dict(flow.dropped), flow.sampled)


def same(one: bytes, other: bytes) -> bool:
    """Tell whether two answers are the same but for their ids; two that are not there are not."""
    if not one or not other:
        return False
    mine, theirs = codec.answer_parts(one, b"0")[1], codec.answer_parts(other, b"0")[1]
    return len(mine) == len(theirs) and bytes(mine) == bytes(theirs)


def _lean(heard: Heard) -> Heard:
    """Return an answer without its bytes, while it is being compared elsewhere."""
    return msgspec.structs.replace(heard, line=b"")


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
        metrics=reported(heard.meta) if heard.meta else {},
    )


def bounds_of(settings: Any) -> Bounds:
    """Return the bounds that the section `mirror` sets."""
    return Bounds(settings.call_timeout, settings.in_flight, settings.queue, settings.queue_bytes)
