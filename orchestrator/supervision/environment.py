"""The variables a worker is started with.

Above: `fleet`.  Below: nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.domain.generation import Role, Spec


def environment_of(
    spec: Spec, base: Mapping[str, str], *, number: int, role: Role, contract: Mapping[str, str]
) -> dict[str, str]:
    """Return a worker's complete environment: the daemon's own, the generation's, and the contract on top.

    Args:
        spec: its `env` is set over `base`.
        base: the daemon's environment.
        number: the generation.
        role: what the process is for.
        contract: the remaining `SWITCHOVER_*` members (state, flags, mark).
    """
    dry = "0" if role is Role.SERVING else "1"
    own = {"SWITCHOVER_ROLE": role.value, "SWITCHOVER_GENERATION": str(number), "SWITCHOVER_DRY_RUN": dry}
    hidden = {"NOTIFY_SOCKET", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "WATCHDOG_USEC", "WATCHDOG_PID"}
    return {**{k: v for k, v in base.items() if k not in hidden}, **spec.env, **own, **contract}
