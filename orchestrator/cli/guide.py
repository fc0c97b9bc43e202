"""`switchover guide [PLAN]`: a plan's procedure, with the commands to type."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlencode

import click

from orchestrator.api.rollouts.shown import Guide
from orchestrator.cli.flags.ask import fetch, show_json, understood
from orchestrator.cli.group import json_option, state_dir_option
from orchestrator.cli.rolling import ROLLOUT, plan_named
from orchestrator.cli.terminal import show


@click.command("guide")
@click.argument("plan", required=False)
@json_option
@state_dir_option
def command(*, plan: str | None, as_json: bool, state_dir: Path | None) -> None:
    """Say what PLAN does and which commands carry it out; by itself the plan under way, or the configured one."""
    named = plan_named(plan)
    query = "" if named is None else f"?{urlencode({'plan': named})}"
    answer = fetch(state_dir, "GET", f"{ROLLOUT}/guide{query}")
    if as_json:
        show_json(answer)
    else:
        show("\n".join(understood(Guide, answer).lines))
