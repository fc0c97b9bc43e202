"""What the daemon and the program that follows its writes say to each other.

Above: `live`, `follow`.  Below: `parity.values`.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from orchestrator.domain.generation import Spec
from orchestrator.parity.values import Difference
from orchestrator.supervision.process import Grace


class Begin(msgspec.Struct, tag=True):
    """What to follow, and how.  It holds the daemon's environment, so it is never written anywhere.

    Attributes:
        spec: the new code.
        generation: the number it is told it has: the old code's, which would differ in every row otherwise.
        live: the state in service.
        folder: directory of the copy.
        resume: whether to go on with the copy that is there.
        last: number of the last write call before.
        since: when the copy was made, Unix seconds; 0 when it is to be made.
        environ: the daemon's environment, with its mark.
        settings: the section `parity`.
        network: whether the new code may use the network.
        write: further places it may change.
        call_timeout: seconds one call may take.
        start_timeout: seconds it has for its handshake.
        grace: how it is stopped.
        answer_bytes: longest answer that is read.
        flags: page of the flags it reads, None for none.
        key: of this installation, for redaction.
    """

    spec: Spec
    generation: int
    live: str
    folder: str
    resume: bool
    last: int
    since: float
    environ: dict[str, str]
    settings: dict[str, Any]
    network: bool
    write: tuple[str, ...]
    call_timeout: float
    start_timeout: float
    grace: Grace
    answer_bytes: int
    flags: str | None
    key: bytes


class Write(msgspec.Struct, tag=True):
    """A call that may have changed something.

    Attributes:
        number: 1, 2, ... in the order in which they were over.
        tool: the tool.
        tail: the request from after its id on.
    """

    number: int
    tool: str
    tail: bytes


class Quiet(msgspec.Struct, tag=True):
    """The answer to `Ask`: the last write call that was over, and whether one is under way."""

    last: int
    busy: bool


class Ask(msgspec.Struct, tag=True):
    """Asks how things stand."""


class Copied(msgspec.Struct, tag=True):
    """The state was copied between two write calls.

    Attributes:
        last: number of the last one it holds.
        since: when, Unix seconds.
        held: what holds the new code, in words.
    """

    last: int
    since: float
    held: str


class Did(msgspec.Struct, tag=True):
    """The new code has done a write call.

    Attributes:
        number: of the call.
    """

    number: int


class Found(msgspec.Struct, tag=True):
    """The states were compared.

    Attributes:
        call: number of the last write call that both had done.
        tool: its tool.
        at: when, Unix seconds.
        differences: how they differ; none when they are the same.
    """

    call: int
    tool: str
    at: float
    differences: tuple[Difference, ...] = ()


class Unknown(msgspec.Struct, tag=True):
    """Nobody knows whether the states are the same.

    Attributes:
        reason: why.
        over: whether it will never be known: the program ends.
    """

    reason: str
    over: bool = False


ToFollow = Begin | Write | Quiet
ToDaemon = Ask | Copied | Did | Found | Unknown
encode: Final = msgspec.msgpack.encode
to_follow: Final = msgspec.msgpack.Decoder(ToFollow).decode
to_daemon: Final = msgspec.msgpack.Decoder(ToDaemon).decode
