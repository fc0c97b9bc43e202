"""The gates that every registry ships with: each opens by one value only, and is safe by default."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from flag_documents import typed_flag
from flags_page import Clock, Page
from switchover_kit import FeatureGates, Flags
from switchover_kit.gates import SAFE

pytestmark = pytest.mark.requirement("FLAG-16")

README = Path(__file__).parents[2] / "workers" / "kit" / "README.md"
SHIPPED = {
    "PROMPT_MODE": ["compact", "verbose"],
    "SANDBOX_MODE": ["none", "pool"],
    "SCHEDULER_MODE": ["legacy", "wsjf"],
    "SELECTIVE_TESTS": ["0", "1"],
    "DANGER_GATES": ["0", "1"],
    "MO_ENGINE": ["0", "1"],
}
"""Every flag that is asked, its safe value first."""
GATES = {
    "is_compact_prompt_mode": ("PROMPT_MODE", "compact"),
    "is_sandbox_pool_enabled": ("SANDBOX_MODE", "pool"),
    "is_wsjf_scheduler_enabled": ("SCHEDULER_MODE", "wsjf"),
    "is_selective_testing_enabled": ("SELECTIVE_TESTS", "1"),
    "is_danger_gates_enabled": ("DANGER_GATES", "1"),
    "is_mo_engine_enabled": ("MO_ENGINE", "1"),
}
MODES = {"get_prompt_mode": "PROMPT_MODE", "get_sandbox_mode": "SANDBOX_MODE", "get_scheduler_mode": "SCHEDULER_MODE"}


def declared(key: str, value: str, **members: Any) -> dict[str, Any]:
    return typed_flag("enum", SHIPPED[key][0], value, values=SHIPPED[key], **members)


def gates_of(path: Path, flags: dict[str, Any], *subject: Any) -> tuple[FeatureGates, Page]:
    clock = Clock()
    page = Page(path / "live", clock, flags)
    return FeatureGates(Flags(page.path, push=False, environ={}, clock=clock), *subject), page


@pytest.mark.parametrize("name", GATES)
def test_a_gate_follows_its_flag_and_opens_by_one_value(tmp_path: Path, name: str) -> None:
    key, opening = GATES[name]
    gates, page = gates_of(tmp_path, {key: declared(key, SHIPPED[key][0])})
    for value in SHIPPED[key] * 2:
        page.publish({key: declared(key, value)})
        assert getattr(gates, name)() is (value == opening)


@pytest.mark.parametrize("name", MODES)
def test_a_mode_is_the_flags_value(tmp_path: Path, name: str) -> None:
    key = MODES[name]
    gates, page = gates_of(tmp_path, {})
    for value in SHIPPED[key]:
        page.publish({key: declared(key, value)})
        assert getattr(gates, name)() == value


def test_without_flags_every_answer_is_the_safe_one() -> None:
    gates = FeatureGates(Flags(None, environ={}))
    assert gates.get_snapshot() == SAFE == {key: values[0] for key, values in SHIPPED.items()}
    assert {name: getattr(gates, name)() for name in GATES} == {
        name: name == "is_compact_prompt_mode" for name in GATES
    }


def test_a_snapshot_is_every_flags_value(tmp_path: Path) -> None:
    gates, _ = gates_of(tmp_path, {key: declared(key, values[1]) for key, values in SHIPPED.items()})
    assert gates.get_snapshot() == {key: values[1] for key, values in SHIPPED.items()}


def test_a_flag_of_another_type_opens_nothing(tmp_path: Path) -> None:
    gates, _ = gates_of(
        tmp_path, {"MO_ENGINE": typed_flag("int", 0, 1), "PROMPT_MODE": typed_flag("bool", safe=False, value=True)}
    )
    assert gates.is_mo_engine_enabled() is False
    assert gates.get_prompt_mode() == "compact"


def test_gates_may_be_asked_for_one_subject(tmp_path: Path) -> None:
    flags = {"SCHEDULER_MODE": declared("SCHEDULER_MODE", "legacy", targeting={"forced": {"mission-42": "wsjf"}})}
    assert gates_of(tmp_path, flags, "mission-42")[0].is_wsjf_scheduler_enabled() is True
    assert gates_of(tmp_path, flags, "mission-43")[0].is_wsjf_scheduler_enabled() is False
    assert gates_of(tmp_path, flags)[0].is_wsjf_scheduler_enabled() is False


def test_the_readme_names_every_gate_with_the_name_it_has_in_other_languages() -> None:
    text = README.read_text()
    for name in (*GATES, *MODES, "get_snapshot"):
        camel = re.sub(r"_(.)", lambda found: found[1].upper(), name)
        assert f"`{name}`" in text
        assert f"`{camel}`" in text
