"""The daemon's log: structlog in front, one line of JSON an event, written by threads of its own.

Above: every room speaks through `get_logger`; `daemon` calls `configure` once.  Below: `log_line` words, `log_writer`
writes, `render` shows.  Until `configure` and after `close`, warnings and errors go straight to stderr.
"""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Protocol, Self, TextIO

from orchestrator.telemetry.bare_structlog import structlog
from orchestrator.telemetry.log_line import to_line
from orchestrator.telemetry.log_sinks import RotatingFile, Sink, Stream
from orchestrator.telemetry.log_writer import FLUSH, Writer
from orchestrator.telemetry.render import LEVELS, render

DEBUG, INFO, WARNING, ERROR = LEVELS.values()


class LogOptions(Protocol):
    """What `configure` has to know; the settings' log section fits."""

    @property
    def level(self) -> str:
        """Least level written: debug, info, warning or error."""
        ...

    @property
    def file(self) -> bool:
        """Whether to write a file at all."""
        ...

    @property
    def file_bytes(self) -> int:
        """Size at which the file is rotated."""
        ...

    @property
    def file_count(self) -> int:
        """Files kept, the current one included."""
        ...

    @property
    def format(self) -> str:
        """How the stream looks: auto, json or text."""
        ...


class _Outlet:
    """Where lines leave the loggers; one for the process, because a logger may be older than the configuration."""

    def __init__(self) -> None:
        self.level = INFO
        self.writers: tuple[Writer, ...] | None = None

    def debug(self, line: bytes) -> None:
        for writer in self.writers or ():
            writer.put(line)

    info = debug

    def warning(self, line: bytes) -> None:
        if self.writers is None and sys.stderr:
            print(render(line), file=sys.stderr)  # noqa: T201  # nobody else will say it
        self.debug(line)

    error = warning


_OUTLET: Final = _Outlet()
_PROCESSORS: Final[list[structlog.typing.Processor]] = [to_line]
structlog.configure(processors=_PROCESSORS)  # the same list, so that structlog.testing.capture_logs sees our lines


class RoomLogger(structlog.BoundLoggerBase):
    """Says what happens, as an event's name and its facts; `bind` gives one that carries more context.

    The context keys are the same everywhere: `generation`, `revision`, `session`, `call`, `pid`.
    """

    def debug(self, event: str, **facts: Any) -> None:
        """Say what only somebody who looks for a fault wants to know; free while the level is above."""
        if _OUTLET.level <= DEBUG:
            self._proxy_to_logger("debug", event, **facts)

    def info(self, event: str, **facts: Any) -> None:
        """Say what happened."""
        if _OUTLET.level <= INFO:
            self._proxy_to_logger("info", event, **facts)

    def warning(self, event: str, **facts: Any) -> None:
        """Say what somebody should look at."""
        if _OUTLET.level <= WARNING:
            self._proxy_to_logger("warning", event, **facts)

    def error(self, event: str, **facts: Any) -> None:
        """Say what went wrong; `exc_info=error` adds an exception with its traceback."""
        self._proxy_to_logger("error", event, **facts)

    def exception(self, event: str, **facts: Any) -> None:
        """Say what went wrong, from within an `except` block, with its traceback."""
        self._proxy_to_logger("error", event, **{"exc_info": True, **facts})


def get_logger(room: str, **context: Any) -> RoomLogger:
    """Return the logger of a room, such as `proxy`; it may be made before `configure` is called."""
    return RoomLogger(_OUTLET, _PROCESSORS, {"room": room, **context})


def set_level(level: str) -> None:
    """Change the least level written, at once and for all loggers: debug, info, warning or error."""
    _OUTLET.level = LEVELS[level]


class LogSetup:
    """A configured log, until it is closed."""

    def __init__(self, writers: tuple[Writer, ...]) -> None:
        self._writers = writers
        self._bridge = _Bridge(logging.WARNING)
        _OUTLET.writers = writers
        logging.getLogger().addHandler(self._bridge)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def set_level(self, level: str) -> None:
        """Change the least level written, at once."""
        set_level(level)

    def flush(self, timeout: float = FLUSH) -> bool:
        """Wait at most `timeout` seconds a sink until what was said is written; never call it from the loop."""
        flushed = [writer.flush(timeout) for writer in self._writers]
        return all(flushed)

    def close(self, timeout: float = FLUSH) -> bool:
        """Write what waits, for at most `timeout` seconds a sink, and let go of file and stream.

        Returns:
            Whether everything was written in time.
        """
        logging.getLogger().removeHandler(self._bridge)
        if _OUTLET.writers is self._writers:
            _OUTLET.writers = None
        closed = [writer.close(timeout) for writer in self._writers]
        return all(closed)


def configure(options: LogOptions, file: Path | None, stream: TextIO | None) -> LogSetup:
    """Begin to write the log.  A file that cannot be written is no error: it is said on the stream, and tried again.

    Args:
        options: the settings' log section.
        file: the log file; not written when None or when `options.file` is off.
        stream: stderr, or another stream with a file descriptor; None for none.
    """
    sinks: list[Sink] = []
    if file and options.file:
        sinks.append(RotatingFile(file, options.file_bytes, options.file_count))
    if stream:
        sinks.append(_stream(stream, options.format))
    set_level(options.level)
    return LogSetup(tuple(Writer(sink, _say_failing) for sink in sinks))


def _say_failing(sink: str, reason: str) -> None:
    """Tell the sinks that still write; the failing one only counts one line more."""
    get_logger("log").warning("log lines cannot be written", to=sink, reason=reason)


def _stream(stream: TextIO, how: str) -> Stream:
    terminal = stream.isatty()
    if how == "json" or (how == "auto" and not terminal):
        return Stream(stream.fileno())
    colour = terminal and not os.environ.get("NO_COLOR")  # https://no-color.org
    return Stream(stream.fileno(), lambda line: render(line, colour=colour).encode() + b"\n")


class _Bridge(logging.Handler):
    """Takes what libraries say through the standard library's logging (uvicorn, asyncio), from WARNING up."""

    def emit(self, record: logging.LogRecord) -> None:
        """Say it as our own line, the library's logger in place of the room."""
        try:
            event = record.getMessage()
        except Exception:  # noqa: BLE001  # arguments that do not fit the text are the library's fault, not a reason to fail
            event = str(record.msg)
        logger = get_logger(record.name)
        say = logger.error if record.levelno >= logging.ERROR else logger.warning
        say(event, **({"exc_info": record.exc_info} if record.exc_info else {}))
