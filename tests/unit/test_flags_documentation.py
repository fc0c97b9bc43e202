"""The examples of docs/flags.md: the registry file declares what it says, and the code runs as printed."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from switchover_kit.flag_parts import read_targeting
from switchover_kit.page import PageWriter

from orchestrator.domain.flags.document import document, payload
from orchestrator.domain.flags.flags import FlagSet
from orchestrator.flags.registry_file import SHIPPED, read_registry

PAGE = Path(__file__).parents[2] / "docs" / "flags.md"
OTHERS = "openfeature"
"""What an example of another room needs."""


def examples(language: str) -> list[str]:
    """Return the page's examples in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)


@pytest.mark.requirement("FLAG-77")
def test_the_registry_file_that_is_shown_declares_its_flags_without_a_mistake(tmp_path: Path) -> None:
    (text,) = examples("toml")
    (tmp_path / "flags.toml").write_text(text)
    found = read_registry(tmp_path / "flags.toml")
    assert found.problems == ()
    assert list(found.registry.declarations) == ["DISABLE_NEW", "ENGINE", "ENGINE_CACHE", "RETRY_RATE"]


@pytest.mark.requirement("FLAG-77")
def test_the_targeting_that_is_shown_can_be_used() -> None:
    (text,) = examples("json")
    read_targeting("enum", ("legacy", "wsjf"), json.loads(text))


@pytest.mark.requirement("FLAG-77")
def test_the_code_that_is_shown_runs_beside_a_page(tmp_path: Path) -> None:
    shown, shipped = tmp_path / "flags.toml", SHIPPED.read_text()
    shown.write_text(examples("toml")[0] + shipped[: shipped.index("[flags.DISABLE_NEW]")])
    registry = read_registry(shown).registry
    page = PageWriter.create(tmp_path / "live", payload(document(registry, FlagSet(1))), version=1)
    code = "\n".join(block for block in examples("python") if OTHERS not in block)
    environment = {"SWITCHOVER_FLAGS": str(tmp_path / "live"), "SWITCHOVER_FLAG_ENGINE_CACHE": "yes"}
    kit = "import sys; sys.path[:0] = " + repr([one for one in sys.path if one.endswith("kit")])
    done = subprocess.run(
        [sys.executable, "-c", f"{kit}\n{code}"],
        env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    page.close()
    assert done.returncode == 0, done.stderr
    decided, cached, snapshot = done.stdout.splitlines()
    assert decided.startswith("legacy default ")
    assert cached == "cached"
    assert "'PROMPT_MODE': 'compact'" in snapshot
