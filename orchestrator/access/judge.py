"""Whether a gate is open to a caller now; what only a development daemon opens is said aloud.

Above: `service` for tokens, `gates` for tools.  Below: `domain.access`, and the flags through their port.
"""

from __future__ import annotations

from orchestrator.access.rules import Rules
from orchestrator.domain.access import Caller, Verdict, carried, verdict
from orchestrator.domain.ports import Gates
from orchestrator.telemetry.logging import get_logger

log = get_logger("access")


class Judge:
    """Asks the flags.

    Attributes:
        rules: what the configuration says; replaced on a reload.
    """

    def __init__(self, gates: Gates, rules: Rules) -> None:
        """Build it over the flags."""
        self.rules = rules
        self.gates = gates
        self._said: set[str] = set()
        if rules.development:
            log.warning(
                "DEVELOPMENT daemon: gates whose flag is missing are OPEN to everybody",
                mend='set access.environment = "production"',
            )

    def ask_flags(self, gate: str, caller: Caller) -> Verdict:
        """Judge by the flags alone, whatever the caller's token carries."""
        decision = self.gates.decide(gate, caller.subject or None, caller.attributes)
        judged = verdict(decision, development=self.rules.development)
        if judged.overridden and gate not in self._said:
            self._said.add(gate)
            log.warning("gate OPEN without a flag: development daemon", gate=gate, subject=caller.subject)
        return judged

    def judge(self, gate: str, caller: Caller) -> Verdict:
        """Judge by the caller's token where it shows one, else by the flags."""
        return carried(caller, gate) or self.ask_flags(gate, caller)
