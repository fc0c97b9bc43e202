"""Counts the calls that may have written since an exclusive cut-over: what a way back would lose.

A call may write unless its tool says that it only reads.  Above: `cut_over`.  Below: the dispatcher tells of each call
that is sent.
"""

from __future__ import annotations

from orchestrator.domain.words import counted
from orchestrator.proxy import codec
from orchestrator.proxy.dispatch import Dispatcher
from orchestrator.proxy.ledger import Call
from orchestrator.proxy.link import WorkerLink


class Writes:
    """Counts for one generation at a time.

    Attributes:
        generation: whose calls are counted, None while none are.
        calls: how many there were.
        is_all: whether none was missed; a daemon that was killed may have missed its last ones.
    """

    def __init__(self, dispatcher: Dispatcher) -> None:
        self.generation: int | None = None
        self.calls = 0
        self.is_all = True
        self._dispatcher = dispatcher

    def count(self, generation: int, already: int | None = 0) -> None:
        """Count a generation's calls from here on.

        Args:
            generation: whose.
            already: how many an earlier life of the daemon had counted last, None when it is not known.
        """
        self.generation, self.calls, self.is_all = generation, already or 0, already == 0
        if self._sent not in self._dispatcher.on_sent:
            self._dispatcher.on_sent = [*self._dispatcher.on_sent, self._sent]

    def end(self) -> None:
        """Count no more."""
        self.generation = None
        self._dispatcher.on_sent = [one for one in self._dispatcher.on_sent if one != self._sent]

    def words(self) -> str:
        """Say how many there were."""
        return f"{'' if self.is_all else 'at least '}{counted(self.calls, 'call')} that may have written"

    def _sent(self, call: Call, link: WorkerLink) -> None:
        if call.method != codec.CALL or link.generation != self.generation:
            return
        facts = link.tools.get(call.tool)
        if facts is None or not facts.read_only:
            self.calls += 1
