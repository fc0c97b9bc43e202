"""The environment contract as a worker reads it."""

from __future__ import annotations

from pathlib import Path

import pytest
from switchover_kit import ContractError, Environment, Role, environment

pytestmark = pytest.mark.requirement("KIT-1")

SERVING = {
    "SWITCHOVER_ROLE": "serving",
    "SWITCHOVER_GENERATION": "7",
    "SWITCHOVER_DRY_RUN": "0",
    "SWITCHOVER_WORKER_STATE": "/state/worker",
    "SWITCHOVER_FLAGS": "/state/flags",
}


def test_everything_the_daemon_says_is_read() -> None:
    assert environment(environ=SERVING) == Environment(
        role=Role.SERVING,
        generation=7,
        dry_run=False,
        state_dir=Path("/state/worker"),
        flags_path=Path("/state/flags"),
    )


def test_without_switchover_a_worker_serves_from_its_default_directory() -> None:
    assert environment("state", environ={"PATH": "/bin"}) == Environment(
        role=Role.SERVING, generation=0, dry_run=False, state_dir=Path("state"), flags_path=None
    )


def test_the_process_environment_is_read_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWITCHOVER_GENERATION", "12")
    assert environment().generation == 12


@pytest.mark.parametrize("role", [Role.REHEARSAL, Role.CONTROL])
def test_a_dry_run_names_its_private_state(role: Role) -> None:
    read = environment(environ={**SERVING, "SWITCHOVER_ROLE": str(role), "SWITCHOVER_DRY_RUN": "1"})
    assert (read.role, read.dry_run) == (role, True)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("SWITCHOVER_ROLE", "canary"),
        ("SWITCHOVER_ROLE", "SERVING"),
        ("SWITCHOVER_GENERATION", "-1"),
        ("SWITCHOVER_GENERATION", "1_000"),
        ("SWITCHOVER_GENERATION", "2.0"),
        ("SWITCHOVER_GENERATION", "9" * 5000),
        ("SWITCHOVER_GENERATION", "\u0663"),
        ("SWITCHOVER_DRY_RUN", "true"),
        ("SWITCHOVER_DRY_RUN", "2"),
        ("SWITCHOVER_WORKER_STATE", "state"),
        ("SWITCHOVER_FLAGS", "./flags"),
    ],
)
def test_nonsense_is_refused_with_the_variable_its_value_and_what_it_may_be(name: str, text: str) -> None:
    with pytest.raises(ContractError) as refused:
        environment(environ={**SERVING, name: text})
    assert str(refused.value).startswith(f"{name} is {text!r}; it must be ")


@pytest.mark.parametrize("name", sorted(SERVING))
@pytest.mark.parametrize("text", ["", "  "])
def test_an_empty_variable_is_refused_by_name(name: str, text: str) -> None:
    with pytest.raises(ContractError, match=f"^{name} is set but empty; give it a value or unset it$"):
        environment(environ={**SERVING, name: text})


@pytest.mark.parametrize("role", ["rehearsal", "control"])
@pytest.mark.parametrize("dry_run", [{}, {"SWITCHOVER_DRY_RUN": "0"}])
def test_a_rehearsal_that_is_no_dry_run_is_refused(role: str, dry_run: dict[str, str]) -> None:
    variables = {"SWITCHOVER_ROLE": role, "SWITCHOVER_WORKER_STATE": "/state/private", **dry_run}
    with pytest.raises(ContractError, match=f"'{role}', which is always a dry run, but SWITCHOVER_DRY_RUN is not 1"):
        environment(environ=variables)


def test_a_dry_run_without_a_private_state_is_refused_rather_than_run_on_the_default() -> None:
    with pytest.raises(ContractError, match="SWITCHOVER_WORKER_STATE is not set; name a private directory"):
        environment("state", environ={"SWITCHOVER_DRY_RUN": "1"})
