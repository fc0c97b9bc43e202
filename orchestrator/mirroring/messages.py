"""What the daemon and the process that compares say to each other: lists of messages in msgpack, `Begin` alone first.

Above: `examiner`, `examine`.  Below: nothing.
"""

from __future__ import annotations

from typing import Final

import msgspec


class Begin(msgspec.Struct, array_like=True):
    """How to compare.

    Attributes:
        state_dir: where noise of rehearsals is kept, and differing pairs.
        key: of this installation, for redaction.
        secrets: values that are never shown.
        learn: answers of each tool to learn from.
        keep: differing pairs kept.
        decisions: where decisions stand.
        manifest: text of the file of expected differences, "" for none.
        seal: the key of rehearsals, with which they sealed what they learned.
        waiting: pairs, and bytes of them, that may wait for noise to be known.
    """

    state_dir: str
    key: bytes
    secrets: list[str]
    learn: int
    keep: int
    decisions: dict[str, str]
    manifest: str
    seal: bytes
    waiting: tuple[int, int]


class Job(msgspec.Struct, array_like=True, gc=False):
    """One pair to be compared.

    Attributes:
        number: of the pair.
        tool: the tool.
        fingerprint: of the older version.
        old: its answer, a whole line.
        old_at: when it was asked, Unix seconds.
        old_answer: how it answered (`domain.comparison.Answer`).
        new: the other's answer.
        new_at: likewise.
        new_answer: likewise.
        control: what the older said when it was asked once more, b"" when it was not.
        control_at: likewise.
        disturbed: whether something was written meanwhile.
        versions: generation numbers of the two, for the file.
    """

    number: int
    tool: str
    fingerprint: str
    old: bytes
    old_at: float
    old_answer: str
    new: bytes
    new_at: float
    new_answer: str
    control: bytes
    control_at: float
    disturbed: bool
    versions: tuple[int, int]


class Judged(msgspec.Struct, array_like=True, gc=False):
    """What comparing a pair gave.

    Attributes:
        number: of the pair.
        result: the gravest class of difference, `equal` when there is none.
        classes: all classes.
        decisions: decisions that differ.
        agents: the agents of the two; empty where the answers hold no decision.
        learned: answers the tool's noise is known from.
    """

    number: int
    result: str
    classes: tuple[str, ...] = ()
    decisions: tuple[str, ...] = ()
    agents: tuple[str, ...] = ()
    learned: int = 0


encode: Final = msgspec.msgpack.encode
decode_jobs: Final = msgspec.msgpack.Decoder(list[Job]).decode
decode_begin: Final = msgspec.msgpack.Decoder(Begin).decode
decode_judged: Final = msgspec.msgpack.Decoder(list[Judged]).decode
