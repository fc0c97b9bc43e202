"""What is mirrored, as values: a call that was answered, its mirrored call, and what both said.

Above: `mirror` makes them, `orchestrator.mirroring` compares what both said.  Below: `domain.evidence.samples` for how
a call ends.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import msgspec
from msgspec import UNSET, UnsetType

from orchestrator.domain.evidence.samples import REPORTED, Outcome
from orchestrator.domain.protocol import Era
from orchestrator.domain.routing import Lane
from orchestrator.proxy import codec
from orchestrator.proxy.ledger import Call
from orchestrator.proxy.sampling import METRICS, NAME, REPORT_BYTES, finite

ACTIVE, CANARY, PREVIOUS = Lane.ACTIVE, Lane.CANARY, Lane.PREVIOUS
OK, ERROR = Outcome.OK, Outcome.ERROR
"""Members of an enum under names of their own: looking one up in its class takes as long as building a value does."""
OTHERS = "other"
"""Label under which tools are counted once there are too many."""
MOST_TOOLS = 100
"""Tools counted by their names: a label's values must not grow without end."""
_ID_ENDS = codec.ID_AT + codec.LONGEST_ID


@dataclass(slots=True)
class Bounds:
    """Bounds of the mirror; replaced on reload.

    Attributes:
        timeout: seconds a mirrored call has to be answered.
        in_flight: mirrored calls that are not answered, at most.
        queue: calls that wait to be mirrored or compared, at most.
        queue_bytes: bytes of calls and answers that are kept meanwhile, at most.
        gather: seconds in which calls are gathered, to be mirrored together; nobody waits for them.
    """

    timeout: float = 30.0
    in_flight: int = 64
    queue: int = 1024
    queue_bytes: int = 32 << 20
    gather: float = 0.01


class Heard(msgspec.Struct, gc=False, eq=False):
    """One version's answer.

    Attributes:
        generation: whose it is.
        lane: the lane it held.
        at: when it was called, monotonic seconds.
        duration: milliseconds until it had answered.
        outcome: how the call ended.
        line: the answer as it came, b"" where there was none.
        meta: `_meta` of the result as it came, b"" where there was none.
    """

    generation: int
    lane: Lane
    at: float
    duration: float
    outcome: Outcome
    line: bytes
    meta: bytes = b""


class Mirrored(msgspec.Struct, gc=False, eq=False):
    """A call and what was said to it.

    Attributes:
        tool: the tool.
        key: assignment key.
        era: wire era.
        tail: the request from after its id on; only while it is queued.
        size: bytes it keeps.
        ended: when the original was over, monotonic seconds.
        target: generation that is to be asked as well.
        to: the lane it holds.
        original: what the client was answered.
        mirrored: what the target said.
        control: what the older of the two said when it was asked once more; None where it was not.
        repeated: whether it is asked once more.
        same: whether the answers of the two are the same bytes, but for their ids.
        disturbed: whether something was written while the two were asked; not looked for where they are the same.
    """

    tool: str
    key: str
    era: Era
    tail: bytes | memoryview
    size: int
    ended: float
    target: int
    to: Lane
    original: Heard
    mirrored: Heard | None = None
    control: Heard | None = None
    repeated: bool = False
    same: bool = False
    disturbed: bool = False

    @property
    def sides(self) -> tuple[Heard, Heard]:
        """The answer of the version that is the baseline, and of the one on trial."""
        assert self.mirrored is not None  # noqa: S101 - asked for only when it is over
        return (self.original, self.mirrored) if self.to is CANARY else (self.mirrored, self.original)


@dataclass(slots=True)
class Flow:
    """What became of the calls that could be mirrored.

    Attributes:
        sampled: calls chosen.
        sent: mirrored calls sent.
        repeated: calls sent once more to the older version, to learn what varies by itself.
        dropped: calls chosen and not compared, by reason.
        unfit: tools that only read in service and do not say so at the target.
    """

    sampled: int = 0
    sent: int = 0
    repeated: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    unfit: set[str] = field(default_factory=set)

    def copy(self) -> Flow:
        """Return what it is now, to compare with later."""
        return replace(self, dropped=self.dropped.copy(), unfit=self.unfit.copy())


class Tap(Protocol):
    """Who is told of every tool call's end, and of answers that no call has (the mirror)."""

    def answered(self, call: Call, link: Any, line: bytes, result: codec.ResultHead | UnsetType, now: float) -> None:
        """A worker's answer was given to its client."""
        ...

    def ended(self, call: Call, outcome: Outcome, now: float) -> None:
        """A call was over without its worker's answer."""
        ...

    def heard(self, link: Any, line: bytes, number: int, result: codec.ResultHead | UnsetType) -> bool:
        """Take an answer that no client waits for; False when it is not ours either."""
        ...


class _Meta(msgspec.Struct, gc=False):
    reported: dict[str, Any] = msgspec.field(default_factory=dict, name=REPORTED)


_NAMED = REPORTED.encode()
_decode_meta = msgspec.json.Decoder(_Meta).decode


def meta_of(result: codec.ResultHead) -> bytes:
    """Return a result's `_meta` as it came, b"" when there is none."""
    return b"" if result.meta is UNSET else bytes(result.meta)


def alike(one: bytes, other: bytes) -> bool:
    """Tell whether two answers are the same but for their ids; two that are not there are not."""
    return bool(one and other) and unnumbered(one) == unnumbered(other)


def unnumbered(line: bytes) -> bytes:
    """Return what an answer says, without its id."""
    comma = line.find(b",", codec.ID_AT, _ID_ENDS)
    if comma > 0 and line.startswith(codec.PREFIX):  # as most workers write it
        return line[comma:]
    return bytes(codec.answer_parts(line, b"0")[1])


def reported(meta: bytes) -> dict[str, float]:
    """Return the numbers that a worker reported in a result's `_meta`; what is no finite number is left out."""
    if len(meta) > REPORT_BYTES or (_NAMED not in meta and b"\\" not in meta):
        return {}
    try:
        members = _decode_meta(meta).reported
    except (ValueError, RecursionError):  # msgspec's errors are ValueErrors
        return {}
    numbers = ((name, finite(value)) for name, value in members.items() if len(name) <= NAME)
    return dict([(name, number) for name, number in numbers if number is not None][:METRICS])


def named(tool: str, known: Mapping[str, object]) -> str:
    """Return the label under which a tool is counted."""
    return tool if tool in known or len(known) < MOST_TOOLS else OTHERS
