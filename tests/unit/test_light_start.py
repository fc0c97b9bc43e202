"""What `switchover serve` loads before it serves: nothing that it can do without until somebody asks for it."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

LATER = (
    "fastapi",  # the control plane's app, when somebody first asks it for more than a probe
    "opentelemetry",  # FastAPI's
    "orchestrator.api.app",
    "orchestrator.api.tcp.tcp",  # where it is served over TCP
    "orchestrator.proxy.http.door",  # where MCP is served over HTTP
    "httptools",
    "apprise",  # when there is a notice to send
    "httpx",
    "jwt",  # when there is a token to read
    "prometheus_client",  # when somebody asks for metrics
    "deepdiff",  # in the process that compares
    "orchestrator.simulating",
)
NEVER = ("rich", "greenlet", "pygments")
"""What structlog takes along where it is installed, as it is beside these tests."""
CODE = f"""
import gc, json, sys
from orchestrator.cli.group import switchover
switchover.get_command(None, "serve")
import orchestrator.api.planes  # what is loaded while the worker starts
print(json.dumps({{
    "loaded": [name for name in {LATER + NEVER} if name in sys.modules],
    "barred": [name for name, module in sys.modules.items() if module is None],
    "frozen": gc.get_freeze_count() > 10_000,
    "collects": gc.isenabled(),
}}))
"""


@pytest.mark.requirement("START-1")
def test_the_daemon_starts_without_what_nobody_has_asked_for_yet() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, timeout=60, check=True)
    assert json.loads(done.stdout) == {"loaded": [], "barred": [], "frozen": True, "collects": True}


@pytest.mark.requirement("START-2")
@pytest.mark.parametrize("verb", ["call", "switch"])
def test_a_verb_that_asks_one_thing_loads_none_of_the_daemons_libraries(verb: str) -> None:
    heavy = ("pydantic", "fastapi", "uvicorn", "httpx", "structlog", "psutil", "uvloop", "anyio", "sqlite3", "rich")
    code = f"import sys, orchestrator.cli.{verb}; print([name for name in {heavy} if name in sys.modules])"
    alone = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}  # it has a database
    done = subprocess.run(
        [sys.executable, "-c", code], env=alone, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "[]"
