"""Tools that are gone: a client that has not listed them again calls the old name, and is told why that fails.

A worker is always asked first, for it may know tools that it does not list.  Above: `answers`.  Below: `link`, `codec`.
"""

from __future__ import annotations

import msgspec
from msgspec import Raw

from orchestrator.proxy import codec
from orchestrator.proxy.ledger import Call
from orchestrator.proxy.link import WorkerLink

KNOWN = 10_000
"""Names that are remembered; the oldest are forgotten first."""


class _Result(msgspec.Struct, gc=False):
    content: list[Raw]


class _Answer(msgspec.Struct, gc=False):
    result: _Result


class GoneTools:
    """Remembers which generation was the last to show a tool."""

    def __init__(self) -> None:
        self._shown: dict[str, int] = {}

    def note(self, link: WorkerLink) -> None:
        """Note the tools a worker shows."""
        for name in link.tools:
            self._shown.pop(name, None)
            self._shown[name] = link.generation
        while len(self._shown) > KNOWN:
            del self._shown[next(iter(self._shown))]

    def explained(self, link: WorkerLink, line: bytes, call: Call) -> bytes:
        """Return a failed call's answer with the reason in it, if that is that its tool is gone.

        Args:
            link: the worker, which answered.
            line: its answer, an error or a result that says `isError`.
            call: the call of a tool.
        """
        last = self._shown.get(call.tool)
        if last is None or call.tool in link.tools:
            return line
        had = "its worker showed it earlier" if last == link.generation else f"generation {last} had it"
        reason = (
            f"the tool {call.tool} is gone: {had}, and generation {link.generation}, which serves now, does not show "
            "it; list the tools again"
        )
        _, error = codec.decode_result(line)
        if error is None:
            return _with_text(line, reason)
        told = {**error, "message": f"{reason} (the worker says: {error.get('message')})"}
        return codec.foreign_error_line(b"%d" % call.number, told)[:-1]


def _with_text(line: bytes, text: str) -> bytes:
    """Return an answer with one more text among its content."""
    try:
        content = msgspec.json.decode(line, type=_Answer).result.content
    except msgspec.MsgspecError:
        return line
    added = Raw(msgspec.json.encode({"type": "text", "text": text}))
    return codec.with_result_member(line, "content", msgspec.json.encode([*content, added]))
