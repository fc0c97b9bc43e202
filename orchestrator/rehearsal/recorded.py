"""Live calls made into a suite: what holds secrets is left out, the rest is written so that it reads back the same.

Above: `orchestrator.upgrades` holds the recorder, `api.shadow` asks it, the shell writes the file.  Below:
`proxy.recording` for the calls, `redact` and `detector` for secrets, `suite` for what a file may hold.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import msgspec

from orchestrator.domain.errors import SwitchoverError
from orchestrator.proxy.recording import Recording, Sent
from orchestrator.rehearsal.detector import look
from orchestrator.rehearsal.redact import Redactor, known_secrets
from orchestrator.rehearsal.suite import MOST_CALLS, REFERENCE

PRIVATE: Final = "its arguments hold what looks secret or personal ({})"
REFERS: Final = "its arguments hold ${{...}}, which a suite takes for what an earlier call answered ({})"
NO_NULL: Final = "its arguments hold null, which TOML does not have: write a file that ends with .json"
NO_OBJECT: Final = "its arguments are no JSON object that can be read"
_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")


class RecordingError(SwitchoverError):
    """A recording cannot begin, or there is none; the message says what to do."""


@dataclass(frozen=True, slots=True)
class RecordedCall:
    """One call.

    Attributes:
        tool: the tool.
        arguments: its arguments.
        times: how often it was made.
    """

    tool: str
    arguments: dict[str, Any]
    times: int


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Calls that are not recorded.

    Attributes:
        tool: the tool.
        reason: why.
        times: how many.
    """

    tool: str
    reason: str
    times: int


class Calls(Protocol):
    """Where calls are sent from: the dispatcher.

    Attributes:
        on_sent: who is told of each call; replaced whole, never edited.
        now: monotonic seconds.
    """

    on_sent: list[Sent]
    now: Callable[[], float]


class Recorder:
    """Has live calls recorded, one recording at a time."""

    def __init__(self, calls: Calls, environment: Mapping[str, str]) -> None:
        """Build it; nothing is recorded.

        Args:
            calls: where they are sent from.
            environment: the daemon's, for secrets that are known.
        """
        self._calls = calls
        self._environment = environment
        self._recording: Recording | None = None

    def begin(self, calls: int, seconds: float) -> None:
        """Record from now on.

        Args:
            calls: different calls, after which it is over.
            seconds: after which it is over.

        Raises:
            RecordingError: one is under way.
        """
        if self._recording is not None and self._recording.left:
            raise RecordingError(
                f"calls are being recorded already, for {self._recording.left:.0f} s more; "
                "end that with: switchover shadow record --stop"
            )
        self._off()
        now = self._calls.now
        self._recording = Recording(calls, now() + seconds, now)
        self._calls.on_sent = [*self._calls.on_sent, self._recording]

    def recording(self) -> Recording:
        """Return the recording under way, or one that is over and was not fetched; that one costs nothing any more.

        Raises:
            RecordingError: there is none.
        """
        if self._recording is None:
            raise RecordingError("no calls are being recorded; begin with: switchover shadow record -o SUITE")
        if not self._recording.left:
            self._off()
        return self._recording

    def stop(self) -> Recording:
        """End the recording and leave it to be fetched by `end`: by the shell that waits for it, or another one.

        Raises:
            RecordingError: there is none.
        """
        recording = self.recording()
        recording.stop()
        self._off()
        return recording

    def end(self) -> Recording:
        """End the recording and return it.

        Raises:
            RecordingError: there is none.
        """
        recording = self.recording()
        self._off()
        self._recording = None
        return recording

    def sifted(self, recording: Recording) -> tuple[list[RecordedCall], list[LeftOut]]:
        """Return what of a recording a suite may hold, and what not."""
        return sifted(recording, known_secrets(self._environment))

    def _off(self) -> None:
        self._calls.on_sent = [one for one in self._calls.on_sent if one is not self._recording]


def sifted(recording: Recording, known: Sequence[str] = ()) -> tuple[list[RecordedCall], list[LeftOut]]:
    """Take out calls that hold secrets, and put together those that say the same.

    Args:
        recording: the calls, with their arguments as clients wrote them.
        known: secrets that are known, such as the values of variables.

    Returns:
        The calls, those made most often first, and those left out.
    """
    left_out = Counter(recording.left_out)
    kept: Counter[tuple[str, bytes]] = Counter()
    redactor = Redactor(b"", known)
    for (tool, written), times in recording.calls.items():
        arguments = _read(written)
        reason = _unfit(arguments, redactor, known)
        if reason is not None:
            left_out[tool, reason] += times
        else:
            kept[tool, msgspec.json.encode(arguments, order="sorted")] += times
    calls = [
        RecordedCall(tool, msgspec.json.decode(text), times) for (tool, text), times in kept.most_common(MOST_CALLS)
    ]
    return calls, [LeftOut(tool, reason, times) for (tool, reason), times in left_out.items()]


def _read(written: bytes) -> Any:
    try:
        return msgspec.json.decode(written)
    except (msgspec.MsgspecError, RecursionError):
        return None


def _unfit(arguments: Any, redactor: Redactor, known: Sequence[str]) -> str | None:
    if not isinstance(arguments, dict):
        return NO_OBJECT
    if redactor.value(arguments) != arguments:
        return PRIVATE.format("a secret by its name or its form")
    text = json.dumps(arguments, ensure_ascii=False)
    if leaks := look(text, known):
        return PRIVATE.format(leaks[0].rule)
    found = REFERENCE.search(text)
    return None if found is None else REFERS.format(found[0])


# --- the file -----------------------------------------------------------------------------------


def as_json(calls: Sequence[RecordedCall]) -> str:
    """Return a suite as JSON."""
    return json.dumps({"call": [{"tool": one.tool, "arguments": one.arguments} for one in calls]}, indent=2) + "\n"


def as_toml(calls: Sequence[RecordedCall]) -> tuple[str, list[LeftOut]]:
    """Return a suite as TOML, and the calls that TOML cannot hold."""
    lines, left_out = ["# Live calls that only read, those made most often first."], Counter[tuple[str, str]]()
    for one in calls:
        if _has_null(one.arguments):
            left_out[one.tool, NO_NULL] += one.times
            continue
        times = "once" if one.times == 1 else f"{one.times} times"
        lines += ["", f"[[call]]  # {times}", f"tool = {_text(one.tool)}"]
        lines += [f"arguments = {_value(one.arguments)}"] if one.arguments else []
    text = "\n".join([*lines, ""])
    tomllib.loads(text)  # what cannot be read back is none of ours to write
    return text, [LeftOut(tool, reason, times) for (tool, reason), times in left_out.items()]


def _has_null(value: Any) -> bool:
    if isinstance(value, dict | list):
        return any(map(_has_null, value.values() if isinstance(value, dict) else value))
    return value is None


def _value(value: Any) -> str:
    if isinstance(value, dict):
        members = (f"{_key(key)} = {_value(one)}" for key, one in value.items())
        return f"{{ {', '.join(members)} }}" if value else "{}"
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    return _text(value) if isinstance(value, str) else json.dumps(value)


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else _text(key)


def _text(text: str) -> str:
    """Return a text as a basic string: JSON's, but for DEL, which TOML wants escaped, too."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
