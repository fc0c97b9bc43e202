"""Holding intake: while one version hands its state over to another, calls wait, and their clients see a delay.

What goes on with something only the old process knows (a task's outcome, a question it asked) still reaches it, so that
it can come to an end.  Above: `conducting.cut_over`.  Below: `dispatch`, and `movement` for listeners.
"""

from __future__ import annotations

from orchestrator.proxy.dispatch import Dispatcher
from orchestrator.proxy.movement import Movement


class Holding:
    """Holds intake and lets it go."""

    def __init__(self, dispatcher: Dispatcher, movement: Movement) -> None:
        self._dispatcher = dispatcher
        self._movement = movement

    def hold(self) -> None:
        """Have every call that comes wait, each until its own deadline at the longest; listeners wait with them."""
        dispatcher = self._dispatcher
        if dispatcher.held:
            return
        dispatcher.held = True
        dispatcher.replace(dispatcher.table)
        for call in self._movement.listeners():
            if call.link is not None:
                dispatcher.tell_cancelled(call.link, call, "the worker is replaced")
                self._movement.listen_elsewhere(call)

    def release(self, parked: frozenset[int] = frozenset()) -> None:
        """Route what waits, and what comes from here on.

        Args:
            parked: generations without a process: what only they could go on with has to be begun again.
        """
        self._dispatcher.held, self._dispatcher.parked = False, parked
        self._dispatcher.replace(self._dispatcher.table)

    def refuse(self, reason: str) -> None:
        """Hold no more; calls whose worker has been stopped are refused, and may be made again."""
        if self._dispatcher.held:
            self._dispatcher.held = False
            self._dispatcher.give_up(self._dispatcher.table.active or 0, reason)

    def park(self, parked: frozenset[int]) -> None:
        """Know generations without a process, as after the daemon's restart."""
        self._dispatcher.parked = parked
