"""Samples and pairs as lines of JSON: what `samples export` writes and `simulate` reads.

The first line is a header with the version of the form; each further line is a sample or a pair as `samples` describes
it, with its `type`.  Above: the control plane writes lines, the simulation reads them.  Below: `samples`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from orchestrator.domain.errors import SwitchoverError
from orchestrator.domain.evidence.samples import Pair, Sample

FORMAT: Final = "switchover-samples"
VERSION: Final = 1


class SampleLineError(SwitchoverError):
    """A line is none of a file of samples."""


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """The first line.

    Attributes:
        format: always `FORMAT`.
        version: of the form; a reader refuses a later one.
        exported: when, Unix seconds.
    """

    format: str
    version: int
    exported: float = 0.0


class _Kind(msgspec.Struct):
    type: str


_encode = msgspec.json.encode
_decode_kind = msgspec.json.Decoder(_Kind).decode
_decode_header = msgspec.json.Decoder(Header).decode
_decode_sample = msgspec.json.Decoder(Sample).decode
_decode_pair = msgspec.json.Decoder(Pair).decode


def header(exported: float) -> bytes:
    """Return the first line of a file, newline included; `exported` is Unix seconds."""
    return b'{"type":"header",' + _encode(Header(format=FORMAT, version=VERSION, exported=exported))[1:] + b"\n"


def line(told: Sample | Pair) -> bytes:
    """Return one line, newline included."""
    kind = b'{"type":"sample",' if isinstance(told, Sample) else b'{"type":"pair",'
    return kind + _encode(told)[1:] + b"\n"


def decoded(lines: Iterable[bytes]) -> Iterator[Sample | Pair]:
    """Yield what the lines of a file tell, such as those of `open(path, "rb")`; empty lines are skipped.

    Raises:
        SampleLineError: a line is not what it should be; the message names it.
    """
    headed = False
    for number, written in enumerate(lines, start=1):
        if not written.strip():
            continue
        try:
            if not headed:
                _check_header(written)
                headed = True
                continue
            yield _told(written)
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise SampleLineError(f"line {number}: {error}; export the samples again") from error
    if not headed:
        raise SampleLineError("line 1: the file is empty; write one with `switchover samples export -o FILE`")


def _check_header(written: bytes) -> None:
    if _decode_kind(written).type != "header":
        raise ValueError(f"this is no file of samples: its first line is no header of {FORMAT}")
    found = _decode_header(written)
    if found.format != FORMAT:
        raise ValueError(f"this is a file of {found.format[:40]!r}, not of {FORMAT}")
    if not 1 <= found.version <= VERSION:
        raise ValueError(f"version {found.version} of the form is unknown here; known is {VERSION}")


def _told(written: bytes) -> Sample | Pair:
    kind = _decode_kind(written).type
    if kind == "sample":
        return _checked(_decode_sample(written))
    if kind == "pair":
        pair = _decode_pair(written)
        _checked(pair.old)
        _checked(pair.new)
        return pair
    raise ValueError(f"there is no type {kind[:40]!r}; there are sample and pair")


def _checked(sample: Sample) -> Sample:
    if not 0.0 <= sample.share <= 1.0:
        raise ValueError(f"a share is from 0 to 1, not {sample.share:g}")
    if not math.isfinite(sample.at) or (sample.duration is not None and sample.duration < 0):
        raise ValueError("a time is not finite, or a duration negative")
    return sample
