"""What a shadow run brings home, and who judges it.

Above: `shadow_run` collects samples and hands them to a `Comparer`.  Below: nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, Protocol

from orchestrator.rehearsal.judge import Stopped
from orchestrator.rehearsal.suite import Case


class Part(StrEnum):
    """Whose answer a sample is."""

    CONTROL = "control"
    """Old code on a snapshot."""
    REHEARSAL = "rehearsal"
    """New code on a snapshot."""
    TOUCHED = "touched"
    """Old code on the snapshot that the new code has worked on."""
    ACTIVE = "active"
    """The process in service, asked only what reads."""


class Answer(StrEnum):
    """How a call ended."""

    RESULT = "result"
    ERROR = "error"
    TIMEOUT = "timeout"
    LOST = "lost"
    UNREADABLE = "unreadable"
    """With a line that is no JSON-RPC message, or is longer than is read."""
    UNASKED = "unasked"
    """Not asked: an argument refers to an answer that did not come."""


@dataclass(frozen=True, slots=True)
class Taken:
    """One answer to one call.

    Attributes:
        case: name of the suite's call.
        tool: the tool.
        part: whose it is.
        run: which process of that part, from 0.
        call: which call in a row of that process, from 0.
        at: when it was asked, seconds since the Unix epoch.
        seconds: how long it took.
        answer: how it ended.
        body: the bytes of the JSON-RPC result or error, or of the line that could not be read.
        failed: whether the tool itself said that it failed.
        stopped: what the sandbox kept the process from meanwhile.
    """

    case: str
    tool: str
    part: Part
    run: int
    call: int
    at: float
    seconds: float
    answer: Answer
    body: bytes = b""
    failed: bool = False
    stopped: tuple[Stopped, ...] = ()

    @property
    def well(self) -> bool:
        """Whether it is an answer a client would call a success."""
        return self.answer is Answer.RESULT and not self.failed


SURE: Final = 5
"""Pairs from which on a value that the old code never varied is seldom noise of two values that chance kept apart."""
NO_TIME: Final = "its answers were not compared: there was no time left; see upgrade.shadow_timeout"
COUNTED: Final = frozenset({"unexpected", "incomplete"})
"""Classes of differences that somebody has to look at."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference between old and new code.

    Attributes:
        case: name of the suite's call.
        tool: the tool.
        kind: what differs: value, type, missing, error, ...
        difference_class: expected, additive, noise, skew, unexpected or incomplete.
        path: where; exactly, where there is one pair only.
        message: which rule found it and what speaks for it, in words.
        seen: in how many pairs.
        pairs: of how many.
        control: the old code's value, as a text.
        rehearsal: the new code's.
        pattern: where, without indexes, as a manifest names it; "" for what no manifest can expect.
        rule: which rule found it, and on which evidence.
        reason: why it has its class, where that is not the plain one.
        places: at how many places of one answer.
        beside: whose answer `rehearsal` is: the new code's, or, where it is skew, that of the process in service.
    """

    case: str
    tool: str
    kind: str
    difference_class: str
    path: str
    message: str
    seen: int = 1
    pairs: int = 1
    control: str = ""
    rehearsal: str = ""
    pattern: str = ""
    rule: str = ""
    reason: str = ""
    places: int = 1
    beside: str = Part.REHEARSAL


@dataclass(frozen=True, slots=True)
class Compared:
    """What a comparer said.

    Attributes:
        differences: all of them, those that are noise or expected too.
        compared: how many pairs were compared to the end.
        notes: what else should be known, such as manifest entries that nothing needed.
        details: more for `shadow.json`, JSON.
        suspected: whether all answers together look different, and are too few to tell.
        late: whether there was no time to compare all.
    """

    differences: Sequence[Difference] = ()
    compared: int = 0
    notes: Sequence[str] = ()
    details: Mapping[str, Any] = field(default_factory=dict)
    suspected: bool = False
    late: bool = False

    @property
    def counted(self) -> list[Difference]:
        """The differences that somebody has to look at."""
        return [one for one in self.differences if one.difference_class in COUNTED]

    @property
    def doubtful(self) -> bool:
        """Whether more answers may tell otherwise: some pairs differ and others do not, or there are few at all."""
        return self.suspected or any(
            (one.difference_class in {"unexpected", "additive"} and one.seen < one.pairs)
            or (one.difference_class == "unexpected" and 1 < one.pairs < SURE)
            for one in self.differences
        )


class OutOfTimeError(Exception):
    """The time of a comparison is over."""


class Comparer(Protocol):
    """Tells what differs; `prepare` is called in a thread of its own, `compare` in a process of its own."""

    def prepare(self, cases: Sequence[Case]) -> None:
        """Read what the first comparison and a later one have to know alike.

        Args:
            cases: the suite's calls.
        """
        ...

    def compare(
        self, cases: Sequence[Case], samples: Sequence[Taken], tell: Callable[[str], None] = lambda _said: None
    ) -> Compared:
        """Compare control with rehearsal, and active with control; what an `OutOfTimeError` breaks off is incomplete.

        Args:
            cases: the suite's calls.
            samples: all answers, in the order in which they came.
            tell: told what is compared.
        """
        ...
