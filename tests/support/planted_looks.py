"""How to see each planted change: a look at a candidate, what the unchanged worker shows, and what this one does.

Above: the integrity suite, which proves that no candidate is a dud.  Below: a `Speaker`, and the compatibility check.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from candidates import Speaker, resident_bytes
from integrity_survey import said
from switchover_kit import METRICS_KEY

from orchestrator.domain.compatibility import Surface, compare
from workers.reference.tokens import count_tokens

PLANS: Final = 30
CALLS: Final = 200
LEAKY_CALLS: Final = 64
LEAKED_MEBIBYTES: Final = 12
"""64 calls leak 16 MiB; without a leak they need less than one."""


@dataclass(frozen=True)
class Look:
    """One look.

    Attributes:
        see: looks at a candidate.
        usual: what the unchanged worker shows.
        planted: what the candidate shows.
    """

    see: Callable[[Speaker], Any]
    usual: Any
    planted: Any


def order_of_equals(speaker: Speaker) -> str:
    """Plan two equal tasks and say which comes first."""
    old, new = (speaker.asked("plan", title="twin", priority=42)["task"]["id"] for _ in range(2))
    listed = [line["task"]["id"] for line in speaker.asked("plan_next", limit=50)["upcoming"]]
    return "oldest first" if listed.index(old) < listed.index(new) else "newest first"


def counted(speaker: Speaker) -> list[str]:
    """Return the statuses that are counted."""
    return sorted(speaker.asked("orchestrator_status")["counts"])


def type_of_ids(speaker: Speaker) -> str:
    """Return the type of a task's number."""
    return type(speaker.asked("plan_next")["upcoming"][0]["task"]["id"]).__name__


def have_zone(speaker: Speaker) -> bool:
    """Tell whether a timestamp names its zone."""
    return datetime.fromisoformat(speaker.asked("plan_next")["upcoming"][0]["task"]["updated"]).tzinfo is not None


def is_failing_now_and_then(speaker: Speaker) -> bool:
    """Tell whether some 6 % of the calls fail."""
    failed = sum(bool(speaker.call("health").get("isError")) for _ in range(CALLS))
    return 0.02 * CALLS < failed < 0.12 * CALLS


def tokens_reported(speaker: Speaker) -> float:
    """Return how many tokens are reported for each that there is."""
    result = speaker.call("plan_next")
    reported: float = result["_meta"][METRICS_KEY]["tokens"]
    return reported / count_tokens(said(result))


def is_growing(speaker: Speaker) -> bool:
    """Tell whether calls cost memory that does not come back."""
    pid = speaker.asked("health")["pid"]
    for _ in range(8):  # what every process takes once
        speaker.call("plan_next")
    before = resident_bytes(pid)
    for _ in range(LEAKY_CALLS):
        speaker.call("plan_next")
    return resident_bytes(pid) - before > LEAKED_MEBIBYTES << 20


def refusals_of_plan(speaker: Speaker) -> str:
    """Call `plan` as it was always called and return what it refuses."""
    result = speaker.call("plan", {"title": "as ever"})
    return said(result).rpartition(": ")[0] if result.get("isError") else ""


def are_plans_lost(speaker: Speaker) -> bool:
    """Tell whether some plans, and not all, were answered and not stored."""
    titles = {f"errand {number}" for number in range(PLANS)}
    for title in sorted(titles):
        speaker.asked("plan", title=title)
    stored = {line["task"]["title"] for line in speaker.asked("plan_next", limit=50, everything=True)["upcoming"]}
    return 0 < len(titles - stored) < PLANS / 2


STATUSES: Final = ["done", "in_progress", "needs_improvement", "needs_review", "pending"]
LOOKS: Final = {
    "tie-order": Look(order_of_equals, "oldest first", "newest first"),
    "missing-field": Look(counted, STATUSES, STATUSES[1:]),
    "id-as-text": Look(type_of_ids, "int", "str"),
    "no-zone": Look(have_zone, usual=True, planted=False),
    "errors": Look(is_failing_now_and_then, usual=False, planted=True),
    "tokens": Look(tokens_reported, 1.0, 2.0),
    "leak": Look(is_growing, usual=False, planted=True),
    "required-argument": Look(
        refusals_of_plan, "", "Error executing tool plan: plan cannot take these arguments: reviewer"
    ),
    "lost-write": Look(are_plans_lost, usual=False, planted=True),
}
"""By change; `slow` is looked at under a clock of the test's own."""


def breaking(old: Speaker, new: Speaker) -> tuple[str, ...]:
    """Return what the check of compatibility has against a candidate."""
    return compare(Surface(tools=old.tools()), Surface(tools=new.tools())).breaking
