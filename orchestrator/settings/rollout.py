"""The settings of rollouts: which plan is carried out when nobody names one, and where one's own plans are.

Above: `model`.  Below: `declare`.
"""

from __future__ import annotations

from orchestrator.settings.declare import Directory, Section, Text, setting


class Rollout(Section):
    """What a rollout goes by."""

    plan: Text = setting(
        "default", "Plan that `switchover upgrade` carries out unless another is named: a name, or an absolute path.",
        reloadable=True,
    )  # fmt: skip
    keep_snapshots: int = setting(
        3, "Rollouts whose states from before and after an exclusive cut-over are kept, newest first.",
        reloadable=True, ge=1, le=1000,
    )  # fmt: skip
    plans_dir: Directory | None = setting(
        None, "Directory of one's own plans, `NAME.toml` each; looked at before those that ship.", reloadable=True
    )
