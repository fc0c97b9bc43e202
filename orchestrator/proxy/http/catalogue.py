"""Which arguments of which tools are mirrored as headers, as the workers list their tools at present.

Above: `doors` hands it to the door.  Below: the dispatcher's links; `mirrored` reads the schemas.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from weakref import WeakKeyDictionary

from orchestrator.domain.protocol import Era
from orchestrator.proxy.dispatch import Dispatcher
from orchestrator.proxy.http.mirrored import Mirror, mirrors
from orchestrator.proxy.link import WorkerLink

Listed = Sequence[Any]
Known = dict[str, tuple[Mirror, ...]]


class Catalogue:
    """Looks tools up; what was read of a list is kept until the worker lists anew."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        """Build a catalogue of a dispatcher's workers."""
        self._dispatcher = dispatcher
        self._read: WeakKeyDictionary[WorkerLink, tuple[Listed, Known]] = WeakKeyDictionary()

    def mirrors(self, key: str, tool: str) -> tuple[Mirror, ...]:
        """Return what is mirrored of a tool.

        Args:
            key: assignment key of the call, which says whose tool it is.
            tool: its name; one that nobody lists has nothing mirrored.
        """
        link = self._link(key)
        if link is None:
            return ()
        listed: Listed = link.lists.get("tools", ())
        before, known = self._read.get(link, ((), {}))
        if before is not listed:
            known = dict(filter(None, map(_tool, listed)))
            self._read[link] = listed, known
        return known.get(tool, ())

    def _link(self, key: str) -> WorkerLink | None:
        """Return a worker of the generation that serves a key: all of its processes list the same."""
        dispatcher = self._dispatcher
        exact = dispatcher.link_of(key, Era.STATELESS)
        if exact is not None:
            return exact
        generation = dispatcher.choose(key, Era.STATELESS).generation
        return next((link for place, link in dispatcher.links.items() if place.generation == generation), None)


def _tool(listed: Any) -> tuple[str, tuple[Mirror, ...]] | None:
    if not isinstance(listed, dict) or not isinstance(listed.get("name"), str):
        return None
    found = mirrors(listed.get("inputSchema"))
    return (listed["name"], found) if found else None
