"""Batches: several messages as one JSON array, which only the oldest versions of MCP know.

2025-03-26 says that they have to be taken (basic, batching) and 2024-11-05 follows JSON-RPC 2.0, which has them
(section 6); 2025-06-18 did away with them.  Workers never see one: its messages are taken one by one, and what they
are answered with is collected.  Above: the sessions of every door, and the bridge.  Below: `codec`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from msgspec import UNSET, Raw

from orchestrator.domain.errors import INVALID_REQUEST, PARSE_ERROR, Code
from orchestrator.proxy import codec

VERSIONS = frozenset({"2024-11-05", "2025-03-26"})
"""The versions whose clients may send batches."""

MESSAGES = 1000
"""Messages of one batch at most: each costs more than its bytes, `[1,1,1,...]` most of all."""

ANSWER_BYTES = 64 << 20
"""Bytes the answers to one batch may have together: as much as a client may leave unread by default."""


class BatchError(Exception):
    """A batch cannot be taken; the message says why."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code


class _Counter:
    """Stands for a message while messages are counted."""


def is_batch(line: bytes) -> bool:
    """Tell whether a line is, or begins as, a JSON array."""
    return line.lstrip().startswith(b"[")


def messages_in(line: bytes, version: str) -> list[bytes]:
    """Return the messages of a batch.

    Args:
        line: the array.
        version: what its sender has negotiated, "" before that.

    Raises:
        BatchError: the version has no batches, or the batch is no array of a bearable length.
    """
    if version not in VERSIONS:
        known = f"in {version} there are none" if version else "and after a handshake"
        reason = f"batches are not supported: they exist in 2025-03-26 only, {known}; send one JSON-RPC message a line"
        raise BatchError(INVALID_REQUEST, reason)
    try:
        if line.count(b",") >= MESSAGES:
            _count(line)
        members = msgspec.json.decode(line, type=list[Raw])
    except RecursionError:
        raise BatchError(PARSE_ERROR, "the line is nested too deeply to be read") from None
    except msgspec.MsgspecError as error:
        raise BatchError(PARSE_ERROR, f"the line is not JSON: {error}") from None
    if not members:
        raise BatchError(INVALID_REQUEST, "the batch is empty; send at least one message in it")
    return [bytes(member) for member in members]


def refusal_of(message: bytes) -> tuple[bytes, str] | None:
    """Say why a message may not be part of a batch: the id to answer under, and the reason."""
    if is_batch(message):
        return b"null", "a batch may not be part of another one"
    try:
        known = codec.decode_message(message)
    except (msgspec.MsgspecError, RecursionError):
        return None  # whoever reads it will say what is wrong
    if known.method != "initialize":
        return None
    named = b"null" if known.id is UNSET else bytes(known.id)
    return named, "initialize may not be part of a batch: before it there is nothing to send"


def _count(line: bytes) -> None:
    """Give up on a batch of too many messages before there is an object for each of them."""
    seen = 0

    def counted(_kind: type, _value: Any) -> _Counter:
        nonlocal seen
        seen += 1
        if seen > MESSAGES:
            raise BatchError(INVALID_REQUEST, f"a batch has at most {MESSAGES} messages; send them in several")
        return _Counter()

    msgspec.json.decode(line, type=list[_Counter], dec_hook=counted)


class Batch:
    """What the messages of one batch are answered with."""

    def __init__(self, deliver: Callable[[bytes], None]) -> None:
        """Build a batch; `deliver` takes the array of all answers, without newline, once it is whole."""
        self._deliver = deliver
        self._answers: list[bytes] = []
        self._size = 0
        self._open = 0
        self._sealed = False

    @property
    def wanted(self) -> bool:
        """Whether there is, or will be, anything to answer."""
        return bool(self._open or self._answers)

    def expect(self) -> None:
        """Wait for the answer to one more message."""
        self._open += 1

    def add(self, parts: Sequence[bytes | memoryview], client_id: bytes) -> None:
        """Add an answer nobody waited for: an error, or one that was there at once."""
        line = b"".join(parts)
        if self._size + len(line) > ANSWER_BYTES:
            reason = "the answers to this batch are too long together; send its messages one by one"
            line = codec.refusal_line(client_id, Code.REFUSED, reason, retryable=True, generation=None)[:-1]
        self._size += len(line)
        self._answers.append(line)

    def answered(self, parts: Sequence[bytes | memoryview], client_id: bytes) -> None:
        """Take an answer that was expected."""
        self.add(parts, client_id)
        self.dropped()

    def dropped(self) -> None:
        """Expect one answer less: the message gets none."""
        self._open -= 1
        self._finish()

    def seal(self) -> None:
        """Deliver as soon as nothing is expected any more: all messages have been taken."""
        self._sealed = True
        self._finish()

    def _finish(self) -> None:
        if self._sealed and not self._open and self._answers:
            answers, self._answers = self._answers, []
            self._deliver(b"[%b]" % b",".join(answers))
