"""One log line: what was said, when and by whom, as JSON bytes.  Whatever is said, a line comes out of it.

Above: `logging` runs every event through it.  Below: `render` for what is printable.
"""

from __future__ import annotations

import json
import sys
import time
import traceback
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from structlog.typing import EventDict, WrappedLogger


def stamp(at: float) -> str:
    """Return seconds since the Unix epoch as ISO 8601 in UTC with milliseconds."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


def to_line(_logger: WrappedLogger, level: str, event_dict: EventDict) -> bytes:
    """Turn an event into its line; a structlog processor, the last of its chain.

    The keys `ts`, `level` and `event` come first and are never what a caller passed under those names.
    """
    head = {"ts": stamp(time.time()), "level": level, "event": event_dict.pop("event", "")}
    if error := event_dict.pop("exc_info", None):
        event_dict["exception"] = _exception(error)
    return encode({**head, **event_dict, **head})


def encode(record: dict[str, Any]) -> bytes:
    """Return `record` as one JSON line, ending in a newline, in which every character is printable."""
    try:
        text = msgspec.json.encode(record, enc_hook=str).decode()
    except Exception:  # noqa: BLE001  # anything can be logged, an error in saying it must not become another one
        text = _stubborn(record)
    return (text if text.isprintable() else _escaped(text)).encode() + b"\n"


def _stubborn(record: dict[str, Any]) -> str:
    """Encode what the fast encoder refuses: lone surrogates, huge numbers, cycles, objects that cannot be shown."""
    try:
        return json.dumps(record, default=str, skipkeys=True)
    except Exception:  # noqa: BLE001  # as above
        return json.dumps({key: _shown(value) for key, value in record.items()})


def _shown(value: Any) -> str:
    try:
        return str(value)
    except Exception:  # noqa: BLE001  # as above
        return f"a {type(value).__name__} that cannot be shown"


def _escaped(text: str) -> str:
    """Escape what could do more than show itself; in JSON such characters stand only inside strings."""
    return "".join(character if character.isprintable() else json.dumps(character)[1:-1] for character in text).replace(
        "\x7f", "\\u007f"
    )


def _exception(error: Any) -> str:
    if isinstance(error, tuple):
        error = error[1]
    elif not isinstance(error, BaseException):
        error = sys.exc_info()[1]
    return "".join(traceback.format_exception(error)).rstrip() if error else ""
