"""What came of mirroring: of the two generations that are compared now, which is shown, and of all, for the metrics.

Another canary begins anew: nobody is to read of it what an earlier one did.  Above: `live`.  Below: `counts`,
`proxy.mirrored` for what became of the calls.
"""

from __future__ import annotations

from orchestrator.api.comparing.mirror_models import DecisionsShown, ToolMirrored
from orchestrator.mirroring.counts import Counts
from orchestrator.proxy.mirrored import Flow

SHOWN = 50
"""Pairs of agents shown, the commonest first."""


class Books:
    """Counts of now and before.

    Attributes:
        now: what comparing gave of the two generations that are compared, or were last.
        past: what it gave of all before them.
    """

    def __init__(self, flow: Flow) -> None:
        """Begin; `flow` is counted by the mirror, from the daemon's start on."""
        self.now, self.past = Counts(), Counts()
        self._flow = flow
        self._before = flow.copy()

    def begin(self) -> None:
        """Begin anew with two other generations."""
        self.past.add(self.now)
        self.now = Counts()
        self._flow.unfit.clear()
        self._before = self._flow.copy()

    def whole(self) -> Counts:
        """Return what comparing gave since the daemon started."""
        whole = Counts()
        for one in (self.past, self.now):
            whole.add(one)
        return whole

    def flow_now(self) -> Flow:
        """Return what became of the calls of these two generations."""
        now, before = self._flow, self._before
        return Flow(
            now.sampled - before.sampled,
            now.sent - before.sent,
            now.repeated - before.repeated,
            now.dropped - before.dropped,
            now.unfit,
        )

    def tools(self) -> list[ToolMirrored]:
        """Return each tool's counts, by name."""
        return [
            ToolMirrored(tool=tool, learned_from=one.learned, results=dict(one.results), decisions=dict(one.differing))
            for tool, one in sorted(self.now.tools.items())
        ]

    def decisions(self) -> list[DecisionsShown]:
        """Return the commonest pairs of agents."""
        return [
            DecisionsShown(agent_old=old, agent_new=new, changed=changed, pairs=pairs)
            for (old, new, changed), pairs in self.now.decisions.most_common(SHOWN)
        ]
