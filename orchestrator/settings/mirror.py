"""The settings of live mirroring: its bounds, what is learned of noise, and where decisions stand in answers.

Above: `model`.  Below: `declare`.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from orchestrator.settings.declare import GIB, MIB, Section, Text, seconds, setting

DECISIONS = ("agent", "steps", "tools", "dry_run")
"""What a planner decides."""


def _named(name: str) -> str:
    if name.rpartition(".")[2] not in DECISIONS:
        raise ValueError(f"no decision; they are {', '.join(DECISIONS)}, each alone or behind a tool's name and a dot")
    return name


def _place(path: str) -> str:
    if not path or any(not part for part in path.split(".")):
        raise ValueError("no path such as plan.agent")
    return path


class Mirror(Section):
    """What mirroring live calls may take, and how the answers are compared."""

    call_timeout: float = seconds(30.0, "Seconds a mirrored call has to be answered.")
    in_flight: int = setting(
        64, "Mirrored calls that are unanswered at once; further ones wait, for a second at most.",
        reloadable=True, ge=1, le=10_000,
    )  # fmt: skip
    queue: int = setting(
        1024, "Calls that wait to be mirrored, and pairs that wait to be compared; further ones are dropped.",
        reloadable=True, ge=1, le=1_000_000,
    )  # fmt: skip
    queue_bytes: int = setting(
        32 * MIB, "Bytes of calls and answers kept meanwhile, for each of the two.", reloadable=True, ge=MIB, le=GIB
    )
    learn: int = setting(
        8,
        "Calls of each tool that are asked twice of the older version, to learn what it varies by itself; later one "
        "call in 64.",
        reloadable=True,
        ge=2,
        le=1000,
    )
    keep: int = setting(200, "Differing pairs kept for people to look at.", reloadable=True, ge=1, le=100_000)
    decisions: dict[Annotated[Text, AfterValidator(_named)], Annotated[Text, AfterValidator(_place)]] = Field(
        default_factory=dict,
        description="Where a decision stands in a tool's answer, if not in a member of its name.",
        json_schema_extra={"reloadable": True, "allowed": 'table of texts, such as "plan_next.agent" = "plan.agent"'},
    )
