"""Flags that the environment forces in one process: by type, said, and ignored with the reason where they cannot be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from flag_documents import flag, needs, typed_flag
from flags_page import Clock, Page
from switchover_kit import Flags

pytestmark = pytest.mark.requirement("FLAG-15")


def forced(path: Path, flags: dict[str, Any], **environ: str) -> Flags:
    clock = Clock()
    page = Page(path / "live", clock, flags)
    return Flags(page.path, push=False, environ=environ, clock=clock)


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("bool", "true", True),
        ("bool", "True", True),
        ("bool", " 1 ", True),
        ("bool", "on", True),
        ("bool", "0", False),
        ("bool", "no", False),
        ("int", "-12", -12),
        ("float", "0.5", 0.5),
        ("float", "2", 2.0),
        ("string", " as it is ", " as it is "),
        ("string", "", ""),
        ("object", '{"a": [1]}', {"a": [1]}),
    ],
)
def test_a_variables_text_is_read_by_the_flags_type(tmp_path: Path, kind: str, text: str, value: Any) -> None:
    flags = forced(tmp_path, {"F": typed_flag(kind, value, value)}, SWITCHOVER_FLAG_F=text)
    assert (flags.value("F"), type(flags.value("F"))) == (value, type(value))
    assert flags.decide("F", "anybody")[:3] == (value, "environment", "STATIC")
    assert flags.forced == {"F": value}


@pytest.mark.parametrize(
    ("declared", "text", "why"),
    [
        (flag("on"), "verbose", '"verbose" is not one of "off", "on", "other"'),
        (
            typed_flag("bool", safe=False, value=False),
            "maybe",
            '"maybe" is not one of true, 1, yes, on, false, 0, no, off',
        ),
        (typed_flag("int", 1, 1), "1_000", '"1_000" is not a number'),
        (typed_flag("int", 1, 1), "", '"" is not a number'),
        (typed_flag("float", 1.0, 1.0), "inf", '"inf" is not a number'),
        (typed_flag("object", {}, {}), "{", '"{" is not JSON'),
        (typed_flag("object", {}, {}), '{"a": NaN}', "is not JSON"),
        (typed_flag("object", {}, {}), "1", "1 is not an object or a list"),
        (typed_flag("string", "a", "a"), "caf\udce9", r"'caf\udce9' is not UTF-8; give it text that is"),
        (typed_flag("string", "a", "a"), "\udcff" * 1000, "is not UTF-8"),
        (typed_flag("object", {}, {}), '{"a": "\udcff"}', "is not UTF-8"),
        (typed_flag("object", {}, {}), '{"\\ud800": 1}', "is not UTF-8"),
        (flag("on"), "\udcff", "is not UTF-8"),
    ],
)
def test_a_text_that_means_no_value_is_ignored_and_said_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], declared: dict[str, Any], text: str, why: str
) -> None:
    flags = forced(tmp_path, {"F": declared}, SWITCHOVER_FLAG_F=text)
    assert flags.decide("F").step == "default"
    assert flags.value("F") == declared["value"]
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("switchover_kit: SWITCHOVER_FLAG_F is ignored: for flag F, ")
    assert why in line


def test_the_variable_that_the_flag_names_forces_it_too_and_the_general_one_goes_first(tmp_path: Path) -> None:
    modular = typed_flag("bool", safe=False, value=False, env="USE_MODULAR_ENGINE")
    assert forced(tmp_path, {"F": modular}, USE_MODULAR_ENGINE="true").value("F") is True
    both = {"USE_MODULAR_ENGINE": "true", "SWITCHOVER_FLAG_F": "false"}
    assert forced(tmp_path, {"F": modular}, **both).value("F") is False


def test_what_no_shell_can_set_in_a_name_is_an_underscore(tmp_path: Path) -> None:
    flags = forced(tmp_path, {"new-engine.v2": flag()}, SWITCHOVER_FLAG_new_engine_v2="on")
    assert flags.value("new-engine.v2") == "on"


def test_other_flags_see_a_forced_one_as_it_is_forced(tmp_path: Path) -> None:
    flags = forced(tmp_path, {"F": flag("on", prerequisites=[needs("G", "on")]), "G": flag()}, SWITCHOVER_FLAG_G="on")
    assert flags.value("F") == "on"


def test_a_forced_flag_goes_before_its_targeting_but_not_before_the_kill_switch(tmp_path: Path) -> None:
    declared = flag(targeting={"deny": ["somebody"]})
    environ = {"SWITCHOVER_FLAG_F": "on"}
    assert forced(tmp_path, {"F": declared}, **environ).decide("F", "somebody")[:2] == ("on", "environment")
    stop = typed_flag("bool", safe=False, value=True, kill_switch=True)
    assert forced(tmp_path, {"F": declared, "STOP": stop}, **environ).decide("F")[:2] == ("off", "disable_new")


def test_a_flag_that_is_declared_later_is_forced_from_then_on(tmp_path: Path) -> None:
    clock = Clock()
    page = Page(tmp_path / "live", clock, {})
    flags = Flags(page.path, push=False, environ={"SWITCHOVER_FLAG_F": "on"}, clock=clock)
    assert flags.forced == {}
    page.publish({"F": flag()})
    assert flags.value("F") == "on"
    assert flags.forced == {"F": "on"}


@pytest.mark.parametrize(
    ("default", "text", "value"),
    [(False, "true", True), (1, "5", 5), (0.5, "2", 2.0), ("compact", "verbose", "verbose"), ([], "[1]", [1])],
)
def test_without_a_document_the_default_tells_the_type(default: Any, text: str, value: Any) -> None:
    flags = Flags(None, environ={"SWITCHOVER_FLAG_F": text})
    assert flags.value("F", default) == value
    assert flags.value("G", default) == default


def test_without_a_document_a_text_that_is_not_utf8_is_ignored_as_well(capsys: pytest.CaptureFixture[str]) -> None:
    flags = Flags(None, environ={"SWITCHOVER_FLAG_F": "\udcff"})
    assert flags.value("F", "compact") == "compact"
    assert "SWITCHOVER_FLAG_F is ignored: " in capsys.readouterr().err


@pytest.mark.parametrize("default", [None, 1, False])
def test_without_a_document_a_text_that_does_not_fit_the_default_is_ignored_and_said(
    capsys: pytest.CaptureFixture[str], default: Any
) -> None:
    flags = Flags(None, environ={"SWITCHOVER_FLAG_F": "many"})
    assert [flags.value("F", default) for _ in range(5)] == [default] * 5
    assert flags.is_open("F") is False
    assert capsys.readouterr().err.count("SWITCHOVER_FLAG_F is ignored: ") == 1
