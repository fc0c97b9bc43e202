"""The tap on the hot path: one sample of each tool call that reached a worker, at its end or its deadline.

What a call was assigned to is noted when it is routed (`dispatch`), what became of it when it leaves the ledger.  An
answer is sent before its sample is made, and whatever goes wrong here costs the sample, not the call.  Above:
`dispatch` and `answers` say how a call ended.  Below: `domain.evidence.samples`, whose sink the daemon attaches;
without one nothing is made.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec
from msgspec import UNSET, Raw, UnsetType

from orchestrator.domain.errors import Code
from orchestrator.domain.evidence.samples import REPORTED, Outcome, Sample, SampleSink
from orchestrator.proxy import codec
from orchestrator.proxy.ledger import Call
from orchestrator.telemetry.logging import get_logger

log = get_logger("proxy")

REPORT_BYTES: Final = 4096
"""Longest report of one call's metrics that is read: it is read on the loop, and 32 numbers with long names fit."""
METRICS: Final = 32
"""Metrics taken of one call."""
NAME: Final = 64
"""Characters of a metric's name."""

OUTCOMES: Final[Mapping[Code, Outcome]] = {
    Code.DEADLINE_EXCEEDED: Outcome.EXPIRED,
    Code.REFUSED: Outcome.ERROR,  # the worker answered, with what cannot be passed on
}
"""What the daemon's own answers mean for the worker a call was with; it was lost otherwise."""

NOTHING: Final[Mapping[str, float]] = {}
OK, ERROR = Outcome.OK, Outcome.ERROR
_NEEDLE: Final = b"io.switchover"
"""Found before anything is decoded; the slash that follows in `REPORTED` may be written as `\\/`."""


class _Meta(msgspec.Struct, gc=False):
    reported: Raw | UnsetType = msgspec.field(default=UNSET, name=REPORTED)


_decode_meta = msgspec.json.Decoder(_Meta).decode
_decode_report = msgspec.json.Decoder(dict[str, Any]).decode
_decode_parts = msgspec.json.Decoder(dict[str, Raw]).decode
_decode_any = msgspec.json.Decoder(Any).decode

EVERY: Final = 1 << 62
"""More samples than anybody will make: all are wanted."""

Trial = Callable[[str], bool | None]
"""Says whether an assignment key has what is on trial; None where no draw decided that."""


class Sampling:
    """Makes the samples of calls.

    Attributes:
        sink: who is told; None makes nothing.
        rejected: reported metrics that were dropped: no finite number, too many, or no object at all.
        wanted: samples still wanted of answered calls on which nothing is on trial.  Making one costs such a call a
            tenth of its time at full speed, so `answers` asks for none that nobody wants.
        passed: answers whose sample nobody wanted.
        offset: seconds from the monotonic clock to Unix time.
        on_trial: whether calls are told apart by a flag; workers then need to know the assignment key of each.
    """

    __slots__ = ("_broken", "_share", "_since", "_trial", "offset", "on_trial", "passed", "rejected", "sink", "wanted")

    def __init__(self) -> None:
        self.sink: SampleSink | None = None
        self.rejected = 0
        self.wanted = 0
        self.passed = 0
        self.offset = 0.0
        self.on_trial = False
        self._trial: Trial | None = None
        self._share = 0.0
        self._since = 0.0
        self._broken = False

    def attach(self, sink: SampleSink | None, offset: float) -> None:
        """Tell `sink` of every call from now on; with None make nothing.

        Args:
            sink: who is told.
            offset: seconds from the monotonic clock to Unix time, as the daemon counts it.
        """
        self.sink, self.offset = sink, offset
        self.wanted = 0 if sink is None else EVERY

    def put_on_trial(self, trial: Trial | None, share: float, now: float) -> None:
        """Have the calls accepted from now on told apart by a flag instead of by their generation.

        Args:
            trial: says whether a key has the flag's new value; None ends the trial.
            share: probability with which it has, 0 to 1.
            now: monotonic seconds; calls accepted before belong to no trial.
        """
        self._trial, self._share, self._since = trial, share, now
        self.on_trial = trial is not None

    def assigned(self, sample: Sample) -> Sample:
        """Return a sample of no call as what it is about was assigned: in a flag's trial by the flag."""
        if self._trial is None or not sample.key:
            return sample
        treated = self._trial(sample.key)
        return msgspec.structs.replace(sample, treated=treated, share=0.0 if treated is None else self._share)

    def answered(self, call: Call, now: float, result: codec.ResultHead | UnsetType) -> None:
        """Take in a call that its worker has answered."""
        if self.sink is None or call.method != codec.CALL:
            return
        if call.treated is None:
            self.wanted -= 1
        if result is UNSET:
            self._tell(call, ERROR, now, NOTHING)
        else:
            reported = NOTHING if result.meta is UNSET else self._reported(result.meta)
            self._tell(call, ERROR if result.failed else OK, now, reported)

    def ended(self, call: Call, outcome: Outcome, now: float) -> None:
        """Take in a call that left the ledger without its worker's answer.

        One that had reached no worker counts only when its deadline passed while it waited for the one it was routed
        to: a version whose worker does not come back must not look better for it.
        """
        if self.sink is None or call.method != codec.CALL or not call.generation:
            return
        if call.attempts or outcome is Outcome.EXPIRED:
            self._tell(call, outcome, now, NOTHING)

    def _tell(self, call: Call, outcome: Outcome, now: float, metrics: Mapping[str, float]) -> None:
        accepted, trial = call.accepted, self._trial
        treated, share = call.treated, call.share
        try:
            if trial is not None:
                treated = trial(call.key) if accepted >= self._since else None
                share = 0.0 if treated is None else self._share
            sample = Sample(
                at=accepted + self.offset,
                generation=call.generation,
                lane=call.lane,
                tool=call.tool,
                key=call.key,
                treated=treated,
                share=share,
                outcome=outcome,
                duration=(now - accepted) * 1000.0,
                metrics=metrics,
            )
            self.sink.sample(sample)  # type: ignore[union-attr]  # both callers have looked
        except Exception:
            if not self._broken:
                self._broken = True
                log.exception("a call's sample is lost; further ones are not logged")

    def _reported(self, meta: Raw) -> Mapping[str, float]:
        """Return what a worker reported with its result; what is no finite number is dropped and counted."""
        if bytes(meta).find(_NEEDLE) < 0:
            return NOTHING
        try:
            reported = _decode_meta(meta).reported
            if reported is UNSET:
                return NOTHING
            members = _members(reported) if len(memoryview(reported)) <= REPORT_BYTES else None
        except (msgspec.MsgspecError, RecursionError):
            members = None
        if members is None:
            self.rejected += 1
            return NOTHING
        taken = {
            name: number
            for name, value in members.items()
            if len(name) <= NAME and (number := finite(value)) is not None
        }
        while len(taken) > METRICS:
            taken.popitem()
        self.rejected += len(members) - len(taken)
        return taken


def _members(reported: Raw) -> dict[str, Any]:
    """Read a report; a number that no double holds spoils only itself."""
    try:
        return _decode_report(reported)
    except msgspec.ValidationError:
        return {name: _one(part) for name, part in _decode_parts(reported).items()}


def _one(part: Raw) -> Any:
    try:
        return _decode_any(part)
    except msgspec.MsgspecError:
        return None


def finite(value: object) -> float | None:
    """Return a value as a finite number, None when it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None
