"""What a reader of flags and the daemon say to each other beside a page: one JSON object a line, newline-delimited.

Both sides use this file: `push` in a worker's process, and the daemon, which imports the kit.  Below it only json.

    reader -> daemon   {"hello": {"pid": 71, "generation": 3, "role": "serving", "version": 40, "forced": {"KEY": 1}}}
    daemon -> reader   {"version": 41}
    reader -> daemon   {"applied": 41, "read": ["KEY", ...]}

A reader says hello first, and again whenever what it said has changed.  `applied` comes once for every `version` that
has taken effect in the reader's process, and now and then without one, when there is something in `read`.  A peer that
receives anything else closes the connection.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

MOST_LINE: Final = 1 << 20
"""Bytes of a line, its end included."""
MOST_READ: Final = 1000
"""Keys in one `applied`; a reader that has more says them in the next."""
SHOWN: Final = 80
"""Characters of a bad line that its error repeats."""
_READ: Final = json.JSONDecoder().decode
_WRITTEN: Final = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode
_NUMBER: Final = rb"(0|[1-9][0-9]{0,17})"
_TOLD: Final = re.compile(rb'\{"version":' + _NUMBER + rb"\}\n").fullmatch
_APPLIED: Final = re.compile(rb'\{"applied":' + _NUMBER + rb',"read":\[\]\}\n').fullmatch
"""The lines that come from and to every reader at each change, as `encode` writes them: JSON would take its time."""
_MOST_INT: Final = (1 << 63) - 1


class MessageError(ValueError):
    """A line is no message of this protocol; the message says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Hello:
    """Who a reader is.

    Attributes:
        pid: its process.
        generation: the generation it belongs to, 0 for one that Switchover did not start.
        role: what its process was started for.
        version: the flags version it has applied, 0 for none.
        forced: the flags that its environment forces, with their values.
    """

    pid: int
    generation: int
    role: str
    version: int
    forced: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Version:
    """There is a new snapshot on the page.

    Attributes:
        version: its flags version.
    """

    version: int


@dataclass(frozen=True, slots=True)
class Applied:
    """A snapshot has taken effect in the reader's process: no read that begins now answers by an older one.

    Attributes:
        version: its flags version.
        read: keys of flags that were read since the reader said so last.
    """

    version: int
    read: tuple[str, ...] = ()


FromReader: TypeAlias = Hello | Applied


def encode(message: Hello | Version | Applied) -> bytes:
    """Return a message's line, its end included.

    Raises:
        MessageError: it would be longer than `MOST_LINE`, or a forced value is not JSON.
    """
    if isinstance(message, Applied) and not message.read:
        return applied(message.version)
    shape: dict[str, Any]
    match message:
        case Hello(pid, generation, role, version, forced):
            about = {"pid": pid, "generation": generation, "role": role, "version": version, "forced": dict(forced)}
            shape = {"hello": about}
        case Version(version):
            shape = {"version": version}
        case Applied(version, read):
            shape = {"applied": version, "read": list(read)}
    try:
        line = _WRITTEN(shape).encode() + b"\n"
    except (TypeError, ValueError) as error:
        raise MessageError(f"the message cannot be written as JSON: {error}") from error
    if len(line) > MOST_LINE:
        raise MessageError(f"the message has {len(line)} bytes; at most {MOST_LINE} are allowed")
    return line


def applied(version: int) -> bytes:
    """Return the line of an acknowledgement without more, by far the most frequent: one a reader and change."""
    return b'{"applied":%d,"read":[]}\n' % version


def decode_from_reader(line: bytes) -> FromReader:
    """Read a line that a reader sent.

    Raises:
        MessageError: it is neither hello nor applied.
    """
    shape = _object(line)
    if set(shape) == {"hello"}:
        return _hello(shape["hello"])
    if set(shape) == {"applied", "read"}:
        read = shape["read"]
        if not isinstance(read, list) or not all(isinstance(key, str) for key in read) or len(read) > MOST_READ:
            raise MessageError(f"'read' is {_shown(read)}; it must be a list of at most {MOST_READ} keys")
        return Applied(_number(shape, "applied"), tuple(read))
    raise MessageError(f"{_shown(shape)} is neither {{'hello': ...}} nor {{'applied': ..., 'read': [...]}}")


def decode_from_daemon(line: bytes) -> Version:
    """Read a line that the daemon sent; names it has beside the version are for readers of a later kit.

    Raises:
        MessageError: it tells no version.
    """
    return Version(_number(_object(line), "version"))


class Lines:
    """Cuts a stream of bytes into lines."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield every line that is whole now, without its end.

        Raises:
            MessageError: a line is longer than `MOST_LINE`.
        """
        self._rest += data
        whole: list[bytearray] = []
        if b"\n" in data:  # a long line is looked through once, however many pieces it comes in
            *whole, self._rest = self._rest.split(b"\n")
        for line in (*whole, self._rest):
            if len(line) >= MOST_LINE:
                raise MessageError(f"a line has more than {MOST_LINE} bytes")
        yield from map(bytes, whole)

    def applied(self, data: bytes) -> int | None:
        """Return the version of an acknowledgement without more, None where there is anything else to `feed`."""
        plain = None if self._rest else _APPLIED(data)
        return None if plain is None else int(plain[1])

    def versions(self, data: bytes) -> bool:
        """Take in what the daemon sent; return whether it has told a version.

        Raises:
            MessageError: a line is too long, or tells no version.
        """
        # Nearly always one whole line, as `encode` writes it: a change reaches every reader at the same moment.
        if not self._rest and _TOLD(data):
            return True
        return bool([decode_from_daemon(line) for line in self.feed(data)])


def _hello(about: Any) -> Hello:
    """Check what a reader says of itself."""
    if not isinstance(about, dict):
        raise MessageError(f"'hello' is {_shown(about)}; it must be an object")
    role, forced = about.get("role"), about.get("forced", {})
    if not isinstance(role, str) or not role:
        raise MessageError(f"'role' is {_shown(role)}; it must be a text")
    if not isinstance(forced, dict):
        raise MessageError(f"'forced' is {_shown(forced)}; it must be an object of values by key")
    return Hello(_number(about, "pid"), _number(about, "generation"), role, _number(about, "version"), forced)


def _object(line: bytes) -> dict[str, Any]:
    """Return the object that a line holds."""
    try:
        # Not `json.loads`, which looks for the encoding first: a change reaches every reader at the same moment.
        shape = _READ(line.decode())
    except (ValueError, RecursionError) as error:
        raise MessageError(f"{_shown(line)} is not JSON: {error}") from None
    if not isinstance(shape, dict):
        raise MessageError(f"{_shown(shape)} is not a JSON object")
    return shape


def _number(shape: Mapping[str, Any], name: str) -> int:
    """Return a whole number of 0 or more."""
    value = shape.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _MOST_INT:
        raise MessageError(f"'{name}' is {_shown(value)}; it must be a whole number of 0 or more")
    return value


def _shown(value: object) -> str:
    """Return something as an error repeats it."""
    text = repr(value)
    return text if len(text) <= SHOWN else text[: SHOWN - 3] + "..."
