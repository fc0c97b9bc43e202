"""A command whose program has no name, as `"$SERVER"` where SERVER is not set: refused by each verb and endpoint."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from pydantic import BaseModel, ValidationError

from orchestrator.api.comparing.parity_models import ParityBody
from orchestrator.api.models import CanaryBody
from orchestrator.api.rollouts.models import UpgradeBody
from orchestrator.api.rollouts.upgrade_models import Asked
from orchestrator.cli.group import switchover
from orchestrator.domain.errors import SettingsError
from orchestrator.domain.plans.steps import Hold, HoldKind
from orchestrator.settings import load

pytestmark = pytest.mark.requirement("GEN-3")


@pytest.mark.parametrize("body", [CanaryBody, UpgradeBody, Asked, ParityBody])
def test_no_endpoint_takes_a_program_without_a_name(body: type[BaseModel]) -> None:
    with pytest.raises(ValidationError, match="its first text is empty and should name a program"):
        body.model_validate({"command": ["", "server.py"]})
    assert body.model_validate({"command": ["python", ""]})


@pytest.mark.parametrize(
    "words",
    [
        ["canary", "--", ""],
        ["parity", "start", "--", ""],
        ["upgrade", "--", "", "server.py"],
        ["upgrade", "--rehearse", "--", ""],
        ["upgrade", "--rehearse", "--old", "python old.py", "--", ""],
    ],
)
def test_no_verb_asks_for_a_program_without_a_name(words: list[str], tmp_path: Path) -> None:
    done = CliRunner().invoke(switchover, _stated(words, tmp_path))
    assert (done.exit_code, "the name of the program is empty" in done.output) == (2, True), done.output


def test_no_old_version_and_no_setting_is_a_program_without_a_name(tmp_path: Path) -> None:
    words = ["upgrade", "--rehearse", "--old", "'' old.py", "--", "python", "new.py"]
    done = CliRunner().invoke(switchover, _stated(words, tmp_path))
    assert (done.exit_code, "name the old version's command" in done.output) == (2, True), done.output
    for setting in ("worker.command", "upgrade.build", "upgrade.test"):
        with pytest.raises(SettingsError, match="no program is named"):
            load(None, {}, {setting: ["", "server.py"]})
    with pytest.raises(ValueError, match="a command"):
        Hold(kind=HoldKind.COMMAND, command=("",))


def _stated(words: list[str], state_dir: Path) -> list[str]:
    """Return a verb's words with a state directory of its own before the command."""
    at = words.index("--")
    return [*words[:at], "--state-dir", str(state_dir), *words[at:]]
