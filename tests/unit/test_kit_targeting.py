"""The order in which a flag is evaluated, and which step is said to have decided."""

from __future__ import annotations

from typing import Any

import pytest
from flag_documents import NOON, asks, decide, flag, needs, rule, typed_flag
from flag_reference import SUBJECTS, VALUES, answer, attributes, documents, percent, subjects, targetings
from hypothesis import given, settings
from hypothesis import strategies as st
from switchover_kit.targeting import Deciders, compile_flag

ALL = {
    "deny": ["m"],
    "allow": {"value": "on", "keys": ["m"]},
    "forced": {"m": "other"},
    "rules": [rule(asks("cohort", "eq", "beta"), value="other")],
    "percentage": {"value": "on", "percent": 100},
}


def without(*steps: str) -> dict[str, Any]:
    return {name: member for name, member in ALL.items() if name not in steps}


@pytest.mark.requirement("FLAG-2")
@pytest.mark.parametrize(
    ("others", "targeting", "expected"),
    [
        ({"DISABLE_NEW": flag("on", kill_switch=True)}, ALL, ("off", "disable_new", "DISABLED")),
        ({}, ALL, ("off", "deny", "TARGETING_MATCH")),
        ({}, without("deny"), ("on", "allow", "TARGETING_MATCH")),
        ({}, without("deny", "allow"), ("other", "forced", "TARGETING_MATCH")),
        ({}, without("deny", "allow", "forced"), ("off", "prerequisite", "DISABLED")),
        ({"P": flag("on")}, without("deny", "allow", "forced"), ("other", "rule", "TARGETING_MATCH")),
        ({"P": flag("on")}, without("deny", "allow", "forced", "rules"), ("on", "percentage", "SPLIT")),
        ({"P": flag("on")}, None, ("other", "default", "TARGETING_MATCH")),
    ],
)
def test_each_step_decides_when_none_before_it_does(others: dict[str, Any], targeting: Any, expected: Any) -> None:
    flags = {"P": flag("off"), **others, "F": flag("other", targeting=targeting, prerequisites=[needs("P", "on")])}
    assert decide(flags, "F", "m", {"cohort": "beta"})[:3] == expected


@pytest.mark.requirement("FLAG-2")
@given(documents, subjects, attributes)
@settings(max_examples=100, deadline=None)
def test_any_flag_answers_what_the_plain_reading_of_its_targeting_says(
    flags: dict[str, Any], subject: str | None, given_attributes: dict[str, Any]
) -> None:
    for key in flags:
        decision = decide(flags, key, subject, given_attributes)
        assert (decision.value, decision.step) == answer(flags, key, subject, given_attributes), key


@pytest.mark.requirement("FLAG-3")
@given(targetings, percent, percent, attributes)
@settings(max_examples=100, deadline=None)
def test_raising_a_percentage_moves_nobody_out(targeting: Any, one: float, other: float, known: dict[str, Any]) -> None:
    low, high = sorted((one, other))
    before, after = (
        {"F": flag(targeting={**(targeting or {}), "percentage": {"value": "on", "percent": part}})}
        for part in (low, high)
    )
    for subject in SUBJECTS:
        if decide(before, "F", subject, known).step == "percentage":
            assert decide(after, "F", subject, known)[:2] == ("on", "percentage")


@pytest.mark.requirement("FLAG-3")
def test_all_who_were_in_at_25_percent_are_in_at_50_and_the_rest_of_them_is_new() -> None:
    def those_in(part: float) -> set[str]:
        flags = {"F": flag(targeting={"percentage": {"value": "on", "percent": part}})}
        one = Deciders(flags)["F"]
        return {f"mission-{number}" for number in range(2000) if one(f"mission-{number}", None, NOON).value == "on"}

    quarter, half = those_in(25), those_in(50)
    assert quarter < half
    assert abs(len(quarter) - 500) < 80  # 4 standard deviations
    assert abs(len(half) - 1000) < 90


@pytest.mark.requirement("FLAG-3")
def test_the_part_of_a_rule_takes_the_same_keys_as_the_same_percentage() -> None:
    ruled = {"F": flag(targeting={"rules": [rule(asks("new", "eq", True), percent=30)]})}  # noqa: FBT003 - an attribute
    plain = {"F": flag(targeting={"percentage": {"value": "on", "percent": 30}})}
    for number in range(200):
        key = f"mission-{number}"
        assert decide(ruled, "F", key, {"new": True}).value == decide(plain, "F", key).value


@pytest.mark.requirement("FLAG-2")
def test_one_mission_is_forced_back_while_all_others_go_on() -> None:
    flags = {"USE_MODULAR_ENGINE": typed_flag("bool", safe=False, value=True, targeting={"forced": {"problem": False}})}
    assert decide(flags, "USE_MODULAR_ENGINE", "problem")[:2] == (False, "forced")
    assert decide(flags, "USE_MODULAR_ENGINE", "mission-1")[:2] == (True, "default")


@pytest.mark.requirement("FLAG-2")
def test_a_rule_that_does_not_hold_leaves_it_to_the_next_one() -> None:
    rules = [
        rule(asks("agent_type", "eq", "planner"), value="other", name="first"),
        rule(asks("cohort", "eq", "beta"), asks("agent_type", "ne", "critic"), value="on", name="second"),
    ]
    flags = {"F": flag(targeting={"rules": rules})}
    assert decide(flags, "F", "m", {"cohort": "beta", "agent_type": "planner"}).value == "other"
    found = decide(flags, "F", "m", {"cohort": "beta", "agent_type": "reviewer"})
    assert (found.value, found.detail) == ("on", 'Rule "second" holds.')
    assert decide(flags, "F", "m", {"cohort": "beta", "agent_type": "critic"}).step == "default"


@pytest.mark.requirement("FLAG-8")
@pytest.mark.parametrize("subject", [None, "", 42, ["mission-1"], True])
def test_without_a_subject_key_lists_and_percentages_cannot_apply_and_it_is_said(subject: Any) -> None:
    everybody = {
        "deny": [],
        "allow": {"value": "on", "keys": ["42", "None"]},
        "percentage": {"value": "on", "percent": 100},
    }
    found = decide({"F": flag("other", targeting=everybody)}, "F", subject)
    assert found[:2] == ("other", "default")
    assert found.detail.startswith("There is no subject key, so lists and percentages cannot apply")


@pytest.mark.requirement("FLAG-8")
def test_without_a_subject_key_rules_apply_but_for_their_part_of_the_keys() -> None:
    rules = [
        rule(asks("cohort", "eq", "beta"), value="other", percent=100),
        rule(asks("key", "ne", "mission-1"), value="other"),
        rule(asks("cohort", "eq", "beta"), value="on"),
    ]
    flags = {"F": flag(targeting={"rules": rules})}
    assert decide(flags, "F", None, {"cohort": "beta", "key": "mission-2"})[:2] == ("on", "rule")
    assert decide(flags, "F", None).detail.startswith("There is no subject key")


@pytest.mark.requirement("FLAG-2")
@given(documents, subjects, attributes)
@settings(max_examples=50, deadline=None)
def test_a_flag_compiled_alone_decides_as_one_compiled_with_all(
    flags: dict[str, Any], subject: str | None, known: dict[str, Any]
) -> None:
    others = {key: raw for key, raw in flags.items() if key != "F"}
    for around in (flags, others):
        alone = compile_flag("F", flags["F"], around)
        assert alone(subject, known, NOON) == decide(flags, "F", subject, known)


@pytest.mark.requirement("FLAG-2")
@given(documents, subjects, attributes)
@settings(max_examples=50, deadline=None)
def test_every_decision_has_a_sentence_and_a_static_one_is_the_same_for_everybody(
    flags: dict[str, Any], subject: str | None, known: dict[str, Any]
) -> None:
    deciders = Deciders(flags)
    for key in flags:
        decision = deciders[key](subject, known, NOON)
        assert decision.detail[0].isupper()
        assert decision.detail.endswith(".")
        assert decision.value in VALUES
        if decision.reason in {"STATIC", "DISABLED"} and decision.step != "prerequisite":
            assert all(deciders[key](other, {}, NOON) == decision for other in SUBJECTS)


@pytest.mark.requirement("FLAG-2")
def test_explain_adds_the_bucket_where_a_percentage_was_asked() -> None:
    flags = {"F": flag(targeting={"deny": ["d"], "percentage": {"value": "on", "percent": 100}}), "G": flag()}
    deciders = Deciders(flags)
    told = deciders.explain("F", "mission-42", None, NOON)
    assert told[:3] == deciders["F"]("mission-42", None, NOON)[:3]
    assert told.detail == 'The key is within the 100 %. The bucket of "mission-42" is 62.1679 of 100.'
    for key, subject in [("F", "d"), ("F", None), ("G", "mission-42"), ("H", "mission-42")]:
        assert deciders.explain(key, subject, None, NOON) == deciders[key](subject, None, NOON)


@given(st.text())
@settings(max_examples=50)
def test_any_text_may_be_a_subject_key(key: str) -> None:
    flags = {"F": flag(targeting={"percentage": {"value": "on", "percent": 100}})}
    assert decide(flags, "F", f"{key}\ud800").value == "on"
