"""A suite for a server nobody wrote one for: its tools that only read, with arguments made from their schemas.  Pure.

Above: `shadow_run`.  Below: `suite`, `least`.  Arguments are the least that a schema accepts, so that answers stay
small and repeatable.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from orchestrator.rehearsal.least import NoValueError, arguments
from orchestrator.rehearsal.suite import MOST_CALLS, Case, Suite, named
from orchestrator.rehearsal.suite_words import unsendable

REFERENCE_TOOLS: Final = frozenset({
    "health", "plan", "report_mo", "dispatch", "verify", "plan_next", "orchestrator_status", "autopilot_status",
})  # fmt: skip
"""The tools by which the reference worker is known."""
SILENT: Final = "it does not say that it only reads (readOnlyHint)"
SHOWN: Final = 3
"""Tools of which it is said why nothing can be proposed, where there is none for which something can."""
TASK: Final = "${dispatch.structuredContent.task.id}"
AGENT: Final = "rehearsal"


def propose(tools: Sequence[Any], *, network: bool) -> Suite | None:
    """Return a suite for a server's tools, None when none of them can be called.

    Args:
        tools: as the server lists them.
        network: whether rehearsed processes may use it; else tools of the open world are left out.
    """
    known = _known(tools)
    if known.keys() >= REFERENCE_TOOLS:
        return reference()
    cases, left_out = _proposed(known, network=network)
    if not cases:
        return None
    return named(Suite(call=cases, origin="proposed from the server's list of tools", left_out=left_out))


def why_nothing(tools: Sequence[Any], *, network: bool) -> str:
    """Say why no suite can be proposed for a server, and what to do."""
    _, left_out = _proposed(_known(tools), network=network)
    told = {tool: reason for tool, reason in left_out.items() if reason != SILENT} or left_out
    shown = "; ".join(f"{tool}: {reason}" for tool, reason in list(told.items())[:SHOWN])
    if told.keys() == left_out.keys() and set(told.values()) <= {SILENT}:
        shown = "no tool of the server says that it only reads"
    return f"{shown}, so no suite can be proposed: write one and name it with --suite or upgrade.suite"


def _known(tools: Sequence[Any]) -> dict[str, Mapping[str, Any]]:
    listed = (tool for tool in tools if isinstance(tool, dict) and isinstance(tool.get("name"), str))
    return {tool["name"]: tool for tool in listed}


def _proposed(known: Mapping[str, Mapping[str, Any]], *, network: bool) -> tuple[list[Case], dict[str, str]]:
    """Return the calls that can be proposed, and why there are none to the other tools."""
    cases: list[Case] = []
    left_out: dict[str, str] = {}
    for name, tool in known.items():
        reason = _unfit(tool, network=network)
        if reason is None:
            try:
                cases += _cases(name, tool)
            except NoValueError as error:
                reason = str(error)
        if reason is None and len(cases) > MOST_CALLS:
            del cases[MOST_CALLS:]
            reason = f"there are {MOST_CALLS:,} calls without it; write a suite"
        if reason is not None:
            left_out[name.encode(errors="replace").decode()] = reason.encode(errors="replace").decode()
    return cases, left_out


def reference() -> Suite:
    """Return the suite of the reference worker: every tool of its daily round, once each, twice where it changes."""
    evidence = [{"kind": "test", "passed": True, "detail": "rehearsed"}]
    calls = [
        Case(tool="health"),
        Case(tool="plan_next", arguments={"limit": 5}),
        Case(tool="orchestrator_status"),
        Case(tool="autopilot_status"),
        Case(tool="plan", arguments={"title": "rehearsal", "priority": 100}),
        Case(tool="dispatch", arguments={"agent": AGENT}),
        Case(tool="report_mo", arguments={"task_id": TASK, "agent": AGENT, "evidence": evidence}),
        Case(tool="verify", arguments={"task_id": TASK}),
        Case(tool="plan_next", arguments={"limit": 5, "everything": True}),
        Case(tool="orchestrator_status"),
        Case(tool="autopilot_status"),
    ]
    return named(Suite(call=calls, origin="the reference worker's own"))


def _unfit(tool: Mapping[str, Any], *, network: bool) -> str | None:
    if unsendable(tool["name"]) is not None or not tool["name"]:
        return "it has no name that can be sent"
    hints = tool.get("annotations")
    hints = hints if isinstance(hints, dict) else {}
    if hints.get("readOnlyHint") is not True:
        return SILENT
    if hints.get("openWorldHint") is True and not network:
        return "it reaches out of this machine (openWorldHint), which upgrade.allow_network does not allow"
    return None


def _cases(name: str, tool: Mapping[str, Any]) -> list[Case]:
    """Return a call with the least arguments and, where that is another one, with every optional one that is named."""
    schema = tool.get("inputSchema")
    made = [arguments(schema, everything=everything) for everything in (False, True)]
    for one in made:
        if (wrong := unsendable(one)) is not None:
            raise NoValueError(f"what its schema names cannot be sent: {wrong}")
    return [Case(tool=name, arguments=one) for one in (made[:1] if made[0] == made[1] else made)]
