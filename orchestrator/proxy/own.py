"""The daemon's own session: the rehearsal's program asks the process in service, and is no client.

What it asks is served, gated and answered like anybody's, and is in no recording, no sample, no mirror and no parity:
those are about what clients do.  Whose session it is, the kernel says (SO_PEERCRED); nothing that a client writes can
make its calls pass for such.  Above: `tool_plane` wires it.  Below: `intake`.
"""

from __future__ import annotations

from collections.abc import Callable

from orchestrator.proxy import codec
from orchestrator.proxy.dispatch import Dispatcher
from orchestrator.proxy.gating import Gating
from orchestrator.proxy.intake import Intake
from orchestrator.proxy.ledger import Call
from orchestrator.proxy.session import Session


class OwnIntake(Intake):
    """Accepts what the daemon's own program asks.

    Attributes:
        is_own: says whether a process, by its id, is that program.
    """

    def __init__(self, dispatcher: Dispatcher, gating: Gating) -> None:
        super().__init__(dispatcher, gating)
        self.is_own: Callable[[int], bool] = lambda _pid: False
        self._route = self._route_apart

    def of(self, session: Session) -> Intake | None:
        """Return who takes a session's messages, where it is the daemon's own; None where a client's."""
        pid = session.value.pid
        return self if pid > 0 and self.is_own(pid) else None

    def _route_apart(self, call: Call) -> None:
        """Route a call under a name that none of those looks for who are told of tool calls.

        They look for it anyway, so that telling the two apart costs clients' calls nothing.  A call that comes while
        all are held has no generation yet, and is not counted.
        """
        if call.method == codec.CALL:
            call.method = codec.OWN_CALL
        self._dispatcher.route(call)
        if call.method == codec.OWN_CALL and call.generation:
            self._dispatcher.tallies[call.generation].own += 1
