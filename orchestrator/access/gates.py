"""The gates of tools: which a caller may call, which it may not even see; fits `domain.ports.Gatekeeper`.

Above: the proxy asks through the port.  Below: `judge`.
"""

from __future__ import annotations

from orchestrator.access.judge import Judge
from orchestrator.domain.access import Caller


class ToolGates:
    """Knows the tools that have a gate."""

    def __init__(self, judge: Judge) -> None:
        """Build it; the tools stand in the judge's rules."""
        self._judge = judge

    def closed(self, tool: str, caller: Caller) -> str | None:
        """Return the gate that keeps a caller from a tool, None when it may use it."""
        gate = self._judge.rules.tools.get(tool)
        if gate is None or self._judge.judge(gate, caller).open:
            return None
        return gate

    def hidden(self, caller: Caller) -> frozenset[str]:
        """Return the tools a caller may not see."""
        return frozenset(tool for tool in self._judge.rules.tools if self.closed(tool, caller) is not None)
