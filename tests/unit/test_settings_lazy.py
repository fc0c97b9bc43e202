"""What every client starts is light: `switchover connect` finds its daemon without the model of all settings."""

from __future__ import annotations

import subprocess
import sys

import pytest

import orchestrator.settings
from orchestrator.settings import paths

HEAVY = ("pydantic", "pydantic_core", "fastapi", "uvicorn", "httpx", "structlog", "psutil", "uvloop", "anyio")


@pytest.mark.requirement("CONN-5")
def test_connect_loads_none_of_the_daemons_libraries() -> None:
    code = f"import sys, orchestrator.cli.connect; print([name for name in {HEAVY} if name in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert loaded.stdout.strip() == "[]"


@pytest.mark.requirement("CONN-5")
def test_every_name_the_settings_offer_is_what_its_module_says() -> None:
    offered = {name: getattr(orchestrator.settings, name) for name in orchestrator.settings.__all__}
    assert offered["locate"] is paths.locate
    assert callable(offered["load"])
    with pytest.raises(AttributeError, match="no attribute 'lode'"):
        _ = orchestrator.settings.lode  # type: ignore[attr-defined]
