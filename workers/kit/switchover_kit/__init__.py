"""For authors of MCP servers that run behind Switchover.  Standard library only, importable alone.

A worker asks two things of it: what it was started for (`environment`), and how to report what a call cost and how
good its answer was (`metrics`).  Everything also works without Switchover, so a worker needs no second code path.
"""

from switchover_kit.environment import ContractError, Environment, Role, environment
from switchover_kit.metrics import METRICS_KEY, MetricsError, metrics

__all__ = [
    "METRICS_KEY",
    "ContractError",
    "Environment",
    "MetricsError",
    "Role",
    "environment",
    "metrics",
]
