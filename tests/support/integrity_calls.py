"""What the integrity suite asks: a story in which every tool does its work, and mistakes that every tool has to refuse.

Above: `integrity_survey`.  Below: the example tasks of the reference worker's store.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

PASSED: Final = {"kind": "test", "passed": True, "detail": "12 passed"}
LONG: Final = "x" * 10_001
PAGE: Final = "<html><title>Home</title><body><p>Welcome home</p></body></html>"


@dataclass(frozen=True)
class Ask:
    """One call.

    Attributes:
        tool: the tool.
        arguments: what it is given.
        says: what its refusal says; empty for a call that is to succeed.
    """

    tool: str
    arguments: dict[str, Any] = field(default_factory=dict)
    says: str = ""


def story(*, tests: bool) -> list[Ask]:
    """Return calls that succeed, in an order in which they do.

    Args:
        tests: whether `verify` also runs the tests of the work tree.
    """
    return [
        Ask("plan", {"title": "Sort the mail", "priority": 10, "depends_on": [1], "files": ["a.py"], "job_size": 3}),
        Ask("plan_update", {"task_id": 5, "title": "Write a guide", "details": "short", "reason": "it was long"}),
        Ask("plan_next", {"limit": 50, "everything": True}),
        Ask("context", {"task_id": 5}),
        Ask("dispatch", {"agent": "eve", "prefer": "speed"}),
        Ask("report_mo", {"task_id": 7, "agent": "grace", "evidence": [PASSED], "tokens": 9, "cost": 0.1}),
        Ask("verify", {"task_id": 7, "work_tree": ".", "changed": ["shop.py"]} if tests else {"task_id": 7}),
        Ask("orchestrator_status"),
        Ask("autopilot_status"),
        Ask("health"),
        Ask("fs_write", {"path": "notes/today.txt", "content": "hello\n"}),
        Ask("fs_read", {"path": "notes/today.txt"}),
        Ask("cmd_run", {"command": "ls notes"}),
    ]


def on_the_web(url: str, *, picture: bool) -> list[Ask]:
    """Return calls that look at a page.

    Args:
        url: a page that there is.
        picture: whether to start a browser for its picture.
    """
    return [Ask("web_fetch", {"url": url}), *([Ask("screenshot", {"url": url, "width": 200})] if picture else [])]


TYPE = "Input should be a valid"
MISTAKES: Final = (
    Ask("plan", {"title": 5}, TYPE),
    Ask("plan", {"title": "x", "depends_on": [98]}, "there is no task 98"),
    Ask("plan", {"title": "x", "details": LONG}, "at most 10000 characters"),
    Ask("plan", {"title": "x", "urgent": True}, "urgent: Extra inputs are not permitted"),
    Ask("plan_update", {"task_id": "5", "title": "x"}, TYPE),
    Ask("plan_update", {"task_id": 99, "title": "x"}, "there is no task 99"),
    Ask("plan_update", {"task_id": 5}, "nothing is to be changed"),
    Ask("plan_next", {"limit": "many"}, TYPE),
    Ask("plan_next", {"limit": 51}, "less than or equal to 50"),
    Ask("context", {"task_id": [3]}, TYPE),
    Ask("context", {"task_id": 2**53}, "less than or equal to"),
    Ask("context", {"task_id": 99}, "there is no task 99"),
    Ask("dispatch", {"agent": None}, TYPE),
    Ask("dispatch", {"agent": "../eve"}, "String should match pattern"),
    Ask("report_mo", {"task_id": 2, "agent": "ada", "evidence": "fine"}, TYPE),
    Ask("report_mo", {"task_id": 99, "agent": "ada", "evidence": [PASSED]}, "there is no task 99"),
    Ask("verify", {"task_id": {}}, TYPE),
    Ask("verify", {"task_id": 99}, "there is no task 99"),
    Ask("verify", {"task_id": 2, "work_tree": "../.."}, "leads outside the work tree"),
    Ask("orchestrator_status", {"deep": 1}, "deep: Extra inputs are not permitted"),
    Ask("autopilot_status", {"deep": 1}, "deep: Extra inputs are not permitted"),
    Ask("health", {"deep": 1}, "deep: Extra inputs are not permitted"),
    Ask("cmd_run", {"command": ["ls"]}, TYPE),
    Ask("cmd_run", {"command": "ls; rm -rf ."}, "commands cannot be chained"),
    Ask("cmd_run", {"command": "cat ../../secret"}, "climbs out of its folder"),
    Ask("fs_read", {"path": 1}, TYPE),
    Ask("fs_read", {"path": "../tasks.db"}, "climbs out of its folder"),
    Ask("fs_read", {"path": "/etc/passwd"}, "/etc/passwd"),
    Ask("fs_read", {"path": "nothing"}, "there is no file nothing"),
    Ask("fs_write", {"path": "x"}, "content: Field required"),
    Ask("fs_write", {"path": "a/../../x", "content": ""}, "climbs out of its folder"),
    Ask("web_fetch", {"url": 1}, TYPE),
    Ask("web_fetch", {"url": "file:///etc/passwd"}, "is no web address"),
    Ask("web_fetch", {"url": "http://10.0.0.1/"}, "which is no public address"),
    Ask("screenshot", {"url": ["http://x/"]}, TYPE),
    Ask("screenshot", {"url": "http://[::1]/"}, "which is no public address"),
    Ask("screenshot", {"url": "http://x/", "width": 1}, "greater than or equal to 100"),
)
"""Wrong types, unknown numbers, paths and commands that lead out: at least two for each tool that takes anything."""
