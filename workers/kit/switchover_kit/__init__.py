"""For authors of MCP servers that run behind Switchover.  Standard library only, importable alone.

A worker asks it what it was started for (`environment`) and what its flags say now (`flags`, `FeatureGates`), for
whoever the call under way is made for (`subject`), reports what a call cost and how good its answer was (`metrics`),
and ends when its calls are through (`Drain`).  Everything also works without Switchover, so a worker needs no second
code path.
"""

from switchover_kit.decision import Decision
from switchover_kit.drain import Drain
from switchover_kit.environment import ContractError, Environment, Role, environment
from switchover_kit.flags import Flags, flags
from switchover_kit.gates import FeatureGates
from switchover_kit.listeners import Changed
from switchover_kit.metrics import METRICS_KEY, MetricsError, metrics
from switchover_kit.subject import Subject, subject, subject_of

__all__ = [
    "METRICS_KEY",
    "Changed",
    "ContractError",
    "Decision",
    "Drain",
    "Environment",
    "FeatureGates",
    "Flags",
    "MetricsError",
    "Role",
    "Subject",
    "environment",
    "flags",
    "metrics",
    "subject",
    "subject_of",
]
