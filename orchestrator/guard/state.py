"""All that a guard remembers of an epoch, as bytes and back: whoever is killed goes on with the same evidence.

Above: `guard`.  Below: the states of limits and metrics.
"""

from __future__ import annotations

import zlib
from typing import Any, Final

import msgspec

from orchestrator.domain.evidence.betting import Purse
from orchestrator.domain.evidence.look import Verdict, Watch
from orchestrator.domain.evidence.pool import Pool
from orchestrator.domain.evidence.units import Blocks
from orchestrator.guard.book import Book
from orchestrator.guard.limit_judge import LimitState
from orchestrator.guard.scope import Scope, watched
from orchestrator.guard.series import Figure, Sides
from orchestrator.guard.telemetry import Telemetry

FORM: Final = 1
"""Of the bytes of figures; one that is not known is refused."""

SNAPSHOT_FORM: Final = 2
"""Of the bytes of all that is remembered; likewise."""

PACKED: Final = b"z"
"""What packed bytes begin with; no others do."""
MOST_BYTES: Final = 1 << 24
"""What a snapshot may be unpacked to."""


class Progress(msgspec.Struct):
    """How far an epoch has come.

    Attributes:
        trial: calls on trial.
        baseline: calls of the other side.
        pairs: calls that both answered.
        differing: of these, with answers that differ.
        newest: when the newest sample was made, seconds.
        samples: on trial, of any origin.
        looked: how many of them there were at the last look.
        looks: how many there were.
        verdict: the last one's, None before the first.
    """

    trial: int = 0
    baseline: int = 0
    pairs: int = 0
    differing: int = 0
    newest: float = 0.0
    samples: int = 0
    looked: int = 0
    looks: int = 0
    verdict: Verdict | None = None


class Past(msgspec.Struct):
    """What earlier epochs of a rollout tell a later one.

    Attributes:
        form: of the bytes.
        trial: which generation was on trial.
        baseline: which was the other.
        flag: which flag was on trial, "" when none.
        new: what the trial's values were, by metric.
        old: what the baseline's were.
        before: what was known of the baseline before that.
    """

    form: int
    trial: int
    baseline: int
    flag: str
    new: dict[str, Figure]
    old: dict[str, Figure]
    before: dict[str, Figure]

    def of(self, watch: Watch) -> dict[str, Figure]:
        """Return what the baseline of another epoch was like, by metric; newer values go before older ones."""
        goes_on = (watch.trial, watch.baseline, watch.flag) == (self.trial, self.baseline, self.flag)
        if watch.baseline == self.trial and not goes_on:
            return {**self.before, **self.new}
        return {**self.before, **self.old} if watch.baseline == self.baseline else {}

    def to_bytes(self) -> bytes:
        """Return all of it."""
        return msgspec.msgpack.encode(self)

    @classmethod
    def from_bytes(cls, data: bytes) -> Past:
        """Return what was kept.

        Raises:
            ValueError: the bytes are not whole, or of another version.
        """
        try:
            past = msgspec.msgpack.decode(data, type=cls)
        except msgspec.MsgspecError as error:
            raise ValueError(f"the figures of earlier epochs cannot be read: {error}; go on without them") from error
        if past.form != FORM:
            raise ValueError(f"the figures of earlier epochs are of form {past.form}, not {FORM}; go on without them")
        return past


class State(msgspec.Struct):
    """All of it.

    Attributes:
        form: of the bytes.
        epoch: which one it is.
        names: the limits in words, to tell another plan's state.
        limits: what is remembered of each.
        metrics: values by metric.
        telemetry: how each metric comes.
        before: what the baseline was in earlier epochs, by metric.
        calls: the keys' calls.
        posted: the keys' measurements that are no calls.
        progress: how far it has come.
    """

    form: int
    epoch: str
    names: list[str]
    limits: list[LimitState]
    metrics: dict[str, Sides]
    telemetry: dict[str, Telemetry]
    before: dict[str, Figure]
    calls: Blocks
    posted: Blocks
    progress: Progress

    @classmethod
    def opened(cls, scope: Scope, width: int, limits: list[LimitState], before: dict[str, Figure]) -> State:
        """Begin an epoch."""
        names = dict.fromkeys([limit.metric for limit in scope.limits] + list(watched(scope.plan)))
        by_metric = {limit.metric: limit for limit in scope.limits}
        telemetry = {
            name: Telemetry(name, scope.kind(limit), scope.scale(limit)) for name, limit in by_metric.items()
        }  # fmt: skip
        seconds = scope.block_seconds
        return cls(
            SNAPSHOT_FORM,
            scope.watch.epoch,
            [str(limit) for limit in scope.limits],
            limits,
            {name: Sides.opened() for name in names},
            telemetry,
            before,
            Blocks(width, seconds),
            Blocks(width, seconds),
            Progress(),
        )

    def to_bytes(self) -> bytes:
        """Return all of it."""
        limits = [(name.split(" ", 1)[0], one) for name, one in zip(self.names, self.limits, strict=True)]
        by_metric = {
            name: (sides, [one for metric, one in limits if metric == name]) for name, sides in self.metrics.items()
        }
        written = _Written(
            self.form, self.epoch, self.names, by_metric, self.telemetry, self.before, self.progress,
            Book.of(self.calls), Book.of(self.posted),
        )  # fmt: skip
        return _ENCODER.encode(written)

    @classmethod
    def from_bytes(cls, scope: Scope, data: bytes) -> State:
        """Return what was remembered.

        Raises:
            ValueError: the bytes are not whole, or belong to another epoch, plan or version.
        """
        try:
            one = _DECODER.decode(unpacked(data))
        except (msgspec.MsgspecError, ValueError, zlib.error) as error:
            raise ValueError(f"the snapshot cannot be read: {error}; begin the epoch anew") from error
        wanted = (SNAPSHOT_FORM, scope.watch.epoch, [str(limit) for limit in scope.limits])
        if (one.form, one.epoch, one.names) != wanted:
            raise ValueError(
                f"the snapshot belongs to epoch {one.epoch!r} with limits {one.names}, not to "
                f"{scope.watch.epoch!r} with {wanted[2]}; begin the epoch anew"
            )
        by_metric = {name: iter(states) for name, (_, states) in one.metrics.items()}
        limits = [next(by_metric[limit.metric]) for limit in scope.limits]
        metrics = {name: sides for name, (sides, _) in one.metrics.items()}
        return cls(
            one.form, one.epoch, one.names, limits, metrics, one.telemetry, one.before,
            one.calls.blocks(), one.posted.blocks(), one.progress,
        )  # fmt: skip


class _Written(msgspec.Struct, array_like=True):
    """A state as it is written: values stand beside the pools that hold them, too, so that packing finds them twice."""

    form: int
    epoch: str
    names: list[str]
    metrics: dict[str, tuple[Sides, list[LimitState]]]
    telemetry: dict[str, Telemetry]
    before: dict[str, Figure]
    progress: Progress
    calls: Book
    posted: Book


def packed(snapshot: bytes) -> bytes:
    """Return a snapshot as it is kept, a half of its size; takes milliseconds, so this is for a thread."""
    return PACKED + zlib.compress(snapshot, 1)


def unpacked(data: bytes) -> bytes:
    """Return a snapshot, packed or not.

    Raises:
        ValueError: it is larger than any snapshot.
        zlib.error: it is not whole.
    """
    if not data.startswith(PACKED):
        return data
    reader = zlib.decompressobj()
    snapshot = reader.decompress(data[len(PACKED) :], MOST_BYTES)
    if not reader.eof:
        raise ValueError(f"it is cut short, or larger than {MOST_BYTES} bytes")
    return snapshot


def _encoded(value: Any) -> Any:
    if isinstance(value, Pool):
        return list(value)
    if isinstance(value, Purse):
        return value.remembered()
    raise NotImplementedError(f"{type(value)} is no part of a snapshot")


def _decoded(kind: type, value: Any) -> Any:
    if kind is Pool:
        return Pool(value)
    if kind is Purse:
        return Purse.of(value)
    raise NotImplementedError(f"{kind} is no part of a snapshot")


_ENCODER: Final = msgspec.msgpack.Encoder(enc_hook=_encoded)
_DECODER: Final = msgspec.msgpack.Decoder(_Written, dec_hook=_decoded)
