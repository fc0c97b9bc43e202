"""Flags that cannot be used, circles of prerequisites, the kill switch, the environment: what goes wrong stays put."""

from __future__ import annotations

from typing import Any

import pytest
from flag_documents import NOON, asks, decide, flag, needs, rule, typed_flag
from switchover_kit.prerequisites import MOST_JUDGEMENTS
from switchover_kit.targeting import Deciders

BROKEN: list[tuple[Any, str]] = [
    ("flag", 'the flag is "flag"; it must be an object'),
    ({**flag(), "type": "number"}, 'type is "number"; it must be one of enum, string, bool, int, float, object'),
    (flag("third"), 'value: "third" is not one of "off", "on", "other"'),
    (flag(invalid="the registry knows no such owner"), "the registry knows no such owner"),
    (flag(hash_version=2), "hash_version is 2, and this version of switchover_kit knows 1; update it"),
    (flag(targeting={"denied": []}), "targeting has denied, which is not known here"),
    (flag(targeting={"rules": [rule(asks("a", "near", 1))]}), 'rule "some": op is "near"; it must be one of'),
    (flag(prerequisites=[needs("OTHER")]), "prerequisite OTHER has the values []; it must be a list"),
]


@pytest.mark.requirement("FLAG-6")
@pytest.mark.parametrize(("raw", "why"), BROKEN)
def test_an_invalid_flag_says_why_and_leaves_all_others_alone(raw: Any, why: str) -> None:
    flags = {"F": raw, "G": flag("on"), "H": flag("on", targeting={"percentage": {"value": "other", "percent": 100}})}
    found = decide(flags, "F", "m")
    assert (found.step, found.reason) == ("invalid", "UNKNOWN")
    assert found.detail.startswith(f"The flag is invalid ({why}")
    assert decide(flags, "G", "m")[:2] == ("on", "default")
    assert decide(flags, "H", "m")[:2] == ("other", "percentage")


@pytest.mark.requirement("FLAG-6")
@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (flag("third"), "off"),
        (typed_flag("bool", safe=False, value="yes"), False),
        (typed_flag("float", safe=1, value="much"), 1.0),
        (typed_flag("bool", safe="no", value=True), None),
        (flag(safe="third"), None),
        ({"type": ["bool"], "safe": True}, None),
        (None, None),
    ],
)
def test_an_invalid_flag_answers_its_safe_value_or_nothing_where_that_cannot_be_read(raw: Any, value: Any) -> None:
    found = decide({"F": raw}, "F", "m")
    assert (found.value, found.step, type(found.value)) == (value, "invalid", type(value))


@pytest.mark.requirement("FLAG-6")
def test_a_flag_nested_beyond_all_measure_is_invalid_and_disturbs_no_other() -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    for raw in (
        typed_flag("object", safe={}, value=deep, values=[{}, deep]),
        typed_flag("object", safe=deep, value={}, values=[{}, deep], kill_switch=True),
        flag(targeting={"rules": [rule(asks("a", "eq", deep))]}),
        flag(targeting=deep),
        flag(deep),
    ):
        assert decide({"F": raw, "G": flag("on")}, "F", "m").step == "invalid"
        assert decide({"F": raw, "G": flag("on")}, "G", "m")[:2] == ("on", "default")


@pytest.mark.requirement("FLAG-6")
def test_a_flag_that_there_is_not_is_missing_and_nothing_is_kept_of_it() -> None:
    deciders = Deciders({"F": flag()})
    found = [deciders[f"K{number}"]("m", None, NOON) for number in range(3)]
    assert [one[:3] for one in found] == [(None, "missing", "UNKNOWN")] * 3
    assert found[2].detail == "There is no flag K2."
    assert len(deciders) == 0


@pytest.mark.requirement("FLAG-7")
def test_prerequisites_are_judged_for_the_same_subject() -> None:
    flags = {
        "P": flag(targeting={"forced": {"mission-1": "on"}, "rules": [rule(asks("cohort", "eq", "beta"))]}),
        "F": flag("on", prerequisites=[needs("P", "on")]),
    }
    assert decide(flags, "F", "mission-1")[:2] == ("on", "default")
    assert decide(flags, "F", "mission-2", {"cohort": "beta"})[:2] == ("on", "default")
    found = decide(flags, "F", "mission-2")
    assert found[:2] == ("off", "prerequisite")
    assert found.detail == 'It needs P to be "on", which it is not here, so it answers its safe value.'


@pytest.mark.requirement("FLAG-7")
@pytest.mark.parametrize(
    ("other", "values", "step"),
    [
        (typed_flag("bool", safe=False, value=True), [True], "default"),
        (typed_flag("bool", safe=False, value=True), [1, "true"], "prerequisite"),
        (typed_flag("int", safe=0, value=1), [True, "1"], "prerequisite"),
        (typed_flag("int", safe=0, value=1), [1], "default"),
        (typed_flag("float", safe=0, value=1), [1], "default"),
        (typed_flag("object", safe={}, value={"a": 1}), [{"a": 1}], "default"),
        (typed_flag("object", safe={}, value={"a": 1}), [{"a": True}], "prerequisite"),
        (flag("third"), ["off"], "default"),  # invalid, so it answers its safe value
        (flag("third"), ["third"], "prerequisite"),
    ],
)
@pytest.mark.parametrize("targeting", [None, {"deny": ["somebody"]}])
def test_a_prerequisite_holds_for_its_own_types_only(other: Any, values: list[Any], step: str, targeting: Any) -> None:
    flags = {"P": {**other, "targeting": targeting}, "F": flag("on", prerequisites=[needs("P", *values)])}
    assert decide(flags, "F", "m").step == step


@pytest.mark.requirement("FLAG-7")
def test_a_prerequisite_that_there_is_not_never_holds() -> None:
    flags = {"F": flag("on", prerequisites=[needs("P", "on")], targeting={"allow": {"value": "on", "keys": ["m"]}})}
    assert decide(flags, "F", "n")[:2] == ("off", "prerequisite")
    assert decide(flags, "F", "m")[:2] == ("on", "allow")


@pytest.mark.requirement("FLAG-7")
def test_flags_on_a_circle_are_invalid_and_those_that_need_them_get_their_safe_value() -> None:
    flags = {
        "A": flag("on", prerequisites=[needs("B", "on")]),
        "B": flag("on", prerequisites=[needs("C", "on"), needs("D", "on")]),
        "C": flag("on", prerequisites=[needs("A", "on")]),
        "D": flag("on"),
        "E": flag("on", prerequisites=[needs("A", "on")]),
        "F": flag("on", prerequisites=[needs("A", "off")]),
        "G": flag("on", prerequisites=[needs("G", "on")]),
    }
    steps = {key: decide(flags, key, "m")[:2] for key in flags}
    on_a_circle = dict.fromkeys("ABCG", ("off", "invalid"))
    assert steps == on_a_circle | {"D": ("on", "default"), "E": ("off", "prerequisite"), "F": ("on", "default")}
    assert "lead back to it: A needs B needs C needs A)" in decide(flags, "A").detail
    assert "lead back to it: G needs G)" in decide(flags, "G").detail


@pytest.mark.requirement("FLAG-7")
def test_more_prerequisites_than_a_decision_may_ask_are_refused_before_anything_is_asked() -> None:
    asked = {"deny": ["somebody"]}  # so that none of them is one answer for everybody
    chain = {f"C{n}": flag("on", targeting=asked, prerequisites=[needs(f"C{n + 1}", "on")]) for n in range(2_000)}
    chain["C2000"] = flag("on", targeting=asked)
    assert decide(chain, "C0", "m").step == "invalid"
    assert decide(chain, f"C{2_000 - MOST_JUDGEMENTS}", "m")[:2] == ("on", "default")
    # Each level asks both flags of the next one: 2 to the 40th judgements, were they made.
    doubled = {
        f"{side}{n}": flag("on", targeting=asked, prerequisites=[needs(f"L{n + 1}", "on"), needs(f"R{n + 1}", "on")])
        for n in range(40)
        for side in "LR"
    }
    doubled |= {"L40": flag("on", targeting=asked), "R40": flag("on", targeting=asked)}
    found = decide(doubled, "L0", "m")
    assert found.step == "invalid"
    assert f"take more than {MOST_JUDGEMENTS} judgements of other flags; name fewer of them" in found.detail
    assert decide(doubled, "L37", "m")[:2] == ("on", "default")


@pytest.mark.requirement("FLAG-6")
def test_the_kill_switch_makes_every_other_flag_answer_its_safe_value_even_where_something_is_wrong_with_it() -> None:
    others = {"F": flag("on", targeting={"allow": {"value": "on", "keys": ["m"]}}), "G": flag("other", safe="other")}
    for members in ({}, {"invalid": "its owner is unknown"}, {"targeting": {"deny": ["m"]}}, {"hash_version": 9}):
        flags = {"DISABLE_NEW": flag("on", kill_switch=True, **members), **others}
        assert decide(flags, "F", "m")[:2] == ("off", "disable_new")
        assert decide(flags, "G", "m")[:2] == ("other", "disable_new")
    assert decide(flags, "F").detail == "DISABLE_NEW is on, so every other flag answers its safe value."
    assert decide({"DISABLE_NEW": flag("on", kill_switch=True)}, "DISABLE_NEW", "m")[:2] == ("on", "default")


@pytest.mark.requirement("FLAG-6")
@pytest.mark.parametrize(
    "switch",
    [
        flag("off", kill_switch=True),
        flag("on", kill_switch="true"),
        flag("third", kill_switch=True),
        flag("on"),
        typed_flag("bool", safe=False, value=1, kill_switch=True),
        ["on"],
    ],
)
def test_what_is_no_kill_switch_or_not_on_switches_nothing_off(switch: Any) -> None:
    assert decide({"DISABLE_NEW": switch, "F": flag("on")}, "F", "m")[:2] == ("on", "default")


@pytest.mark.requirement("FLAG-8")
def test_the_environment_forces_a_flag_over_all_its_targeting_and_others_see_it() -> None:
    flags = {
        "F": flag("off", targeting={"deny": ["m"]}, prerequisites=[needs("G", "other")]),
        "G": flag("on", prerequisites=[needs("F", "on")], targeting={"deny": ["somebody"]}),
    }
    del flags["F"]["prerequisites"]
    found = decide(flags, "F", "m", F="on")
    assert found == ("on", "environment", "STATIC", 'The environment of this process forces "on".')
    assert decide(flags, "G", "m", F="on")[:2] == ("on", "default")
    assert decide(flags, "G", "m")[:2] == ("off", "prerequisite")


@pytest.mark.requirement("FLAG-8")
def test_a_forced_value_that_the_flag_may_not_have_is_passed_over() -> None:
    flags = {"F": flag("on"), "G": typed_flag("bool", safe=False, value=False)}
    assert decide(flags, "F", "m", F="third")[:2] == ("on", "default")
    assert decide(flags, "G", "m", G=1)[:2] == (False, "default")


@pytest.mark.requirement("FLAG-8")
def test_the_environment_can_switch_the_kill_switch_on_and_cannot_lift_it() -> None:
    on, off = ({"DISABLE_NEW": flag(value, kill_switch=True), "F": flag("on")} for value in ("on", "off"))
    assert decide(off, "F", "m", DISABLE_NEW="on")[:2] == ("off", "disable_new")
    assert decide(on, "F", "m", DISABLE_NEW="off", F="on")[:2] == ("off", "disable_new")
    assert decide(on, "DISABLE_NEW", "m", DISABLE_NEW="off").value == "on"
    assert decide(off, "DISABLE_NEW", "m", DISABLE_NEW="on").value == "on"
