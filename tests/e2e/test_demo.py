"""The demo as a newcomer plays it, rehearsals left out; it wants a quiet machine for a minute: `make soak` plays it."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from orchestrator.domain.plans.findings import Severity
from orchestrator.domain.plans.lint import lint
from orchestrator.flags.registry_file import read_registry
from orchestrator.plans.plan_file import read_plan

ROOT = Path(__file__).parents[2]
PATIENCE = 240.0
"""Seconds that the demo may take on a machine that does other things, too."""


@pytest.mark.soak
@pytest.mark.requirement("DEMO-1")
@pytest.mark.timeout(300)
def test_the_demo_takes_a_good_version_over_and_a_bad_one_back_and_loses_no_call(tmp_path: Path) -> None:
    record = tmp_path / "recording.txt"
    asked = f"DEMO=--without-rehearsal --record {record}"
    out = tmp_path / "out"
    with out.open("w") as printed:
        demo = subprocess.Popen(
            ["make", "demo", asked], cwd=ROOT, stdout=printed, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            status = demo.wait(PATIENCE)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(demo.pid, signal.SIGKILL)
            demo.wait(PATIENCE)
    assert status == 0, out.read_text()
    told = record.read_text()
    assert re.search(r"calls lost: +0$", told, re.MULTILINE)
    assert re.search(r"why: +error rate", told)
    assert "active: 1 -> 2" in told
    assert str(ROOT) not in told


@pytest.mark.requirement("DEMO-1")
def test_the_demo_s_plan_has_no_mistakes() -> None:
    plan = read_plan(ROOT / "workers/examples/demo/plan.toml").plan
    findings = lint(plan, read_registry(None).registry, rate=12_000, reported={"tokens"})
    assert [one for one in findings if one.severity is Severity.ERROR] == []
