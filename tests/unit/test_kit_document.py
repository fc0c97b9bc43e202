"""The snapshot document as a whole, and each flag of it by itself."""

from __future__ import annotations

import contextlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
from flag_documents import asks, flag, needs, rule, typed_flag
from hypothesis import given, settings
from hypothesis import strategies as st
from switchover_kit import document
from switchover_kit.conditions import OPS
from switchover_kit.document import Document, DocumentError, is_on, safe_value
from switchover_kit.flag_parts import Percentage, Prerequisite, Targeting, read_targeting
from switchover_kit.values import TYPES, ValueRefusedError, any_of, same, typed

pytestmark = pytest.mark.requirement("FLAG-6")

WHOLE = {"format": 1, "flags_version": 41, "flags": {"F": flag("on"), "G": "no flag at all"}}
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def test_a_document_is_read_as_a_whole_and_its_flags_are_left_for_later() -> None:
    assert document.read(json.dumps(WHOLE)) == Document(41, WHOLE["flags"])  # type: ignore[arg-type]
    assert document.read(json.dumps(WHOLE).encode()).flags_version == 41


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        ("", r"^the document is no JSON \("),
        (b"\xff\xfe\x00", r"^the document is no JSON \("),
        ("[" * 100_000, r"^the document is no JSON \("),
        ("[]", r"^the document is \[\]; it must be an object$"),
        ('{"format": 2, "flags_version": 1, "flags": {}}', "^the document has the format 2, and this reads 1$"),
        ('{"format": true, "flags_version": 1, "flags": {}}', "^the document has the format true, and this reads 1$"),
        ('{"format": 1, "flags": {}}', "^flags_version is null; it must be a whole number, 0 or more$"),
        ('{"format": 1, "flags_version": -1, "flags": {}}', "^flags_version is -1; it must be"),
        ('{"format": 1, "flags_version": 1}', "^flags is null; it must be an object$"),
        ('{"format": 1, "flags_version": 1, "flags": {"F": NaN}}', "NaN is no number of it; give it a finite one"),
    ],
)
def test_what_is_no_document_is_refused_as_a_whole(payload: str | bytes, why: str) -> None:
    with pytest.raises(DocumentError, match=why):
        document.read(payload)


def test_every_member_of_a_flag_is_read() -> None:
    targeting = {
        "deny": ["d"],
        "allow": {"value": "on", "keys": ["a", "b"]},
        "forced": {"f": "other"},
        "rules": [rule(asks("cohort", "eq", "beta"), percent=12)],
        "percentage": {"value": "on", "percent": 25},
    }
    read = document.flag("F", flag("on", env="USE_F", prerequisites=[needs("P", "x", 1)], targeting=targeting))
    assert (read.key, read.kind, read.values) == ("F", "enum", ("off", "on", "other"))
    assert (read.default, read.safe, read.on, read.value) == ("off", "off", "on", "on")
    assert (read.kill_switch, read.salt, read.hash_version, read.env) == (False, "salt", 1, "USE_F")
    assert read.prerequisites == (Prerequisite("P", ("x", 1)),)
    assert (read.targeting.deny, read.targeting.allow) == ({"d"}, {"a": "on", "b": "on"})
    assert (read.targeting.forced, read.targeting.percentage) == ({"f": "other"}, Percentage("on", 25.0))
    only = read.targeting.rules[0]
    assert (only.name, only.value, only.percent) == ("some", "on", 12.0)
    assert only.when[0](None, {"cohort": "beta"}, 0.0)


def test_what_a_flag_may_leave_out_has_its_plain_meaning() -> None:
    read = document.flag("F", {"type": "bool", "default": False, "safe": False, "value": True})
    assert (read.values, read.on, read.kill_switch, read.env, read.prerequisites) == (None, None, False, None, ())
    assert (read.salt, read.hash_version) == ("F", 1)
    assert read.targeting == Targeting()


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (flag(values=None), "^values is null; it must be a list of the values that the flag may have$"),
        (flag(values=[]), r"^values is \[\]; it must be a list"),
        (flag(values=["off", 1]), "^values: 1 is not a text$"),
        (flag(default="x"), '^default: "x" is not one of "off", "on", "other"$'),
        (flag(on="x"), '^on: "x" is not one of'),
        (flag(value=None), "^value has no value; give it one"),
        (flag(kill_switch=1), "^kill_switch is 1; it must be true or false$"),
        (flag(salt=7), "^salt is 7; it must be a text$"),
        (flag(env=7), "^env is 7; it must be the name of a variable$"),
        (flag(hash_version=True), "^hash_version is true; it must be a whole number$"),
        (flag(hash_version="1"), '^hash_version is "1"; it must be a whole number$'),
        (flag(prerequisites={}), "^prerequisites is {}; it must be a list$"),
        (flag(prerequisites=["P"]), '^a prerequisite is "P"; it must be an object$'),
        (flag(prerequisites=[needs("", "on")]), '^a prerequisite names the flag ""; it must be a flag\'s key$'),
        (flag(prerequisites=[needs("P", None)]), r"^prerequisite P has the values \[null\]; it must be a list"),
        (
            flag(prerequisites=[{**needs("P", "on"), "not": 1}]),
            "^a prerequisite has not, which is not known here; it has",
        ),
        (flag(targeting=[]), r"^targeting is \[\]; it must be an object$"),
        (flag(targeting={"deny": "m"}), '^deny has the keys "m"; it must be a list of subject keys, which are texts$'),
        (flag(targeting={"deny": [42]}), r"^deny has the keys \[42\]"),
        (flag(targeting={"deny": [""]}), r"^deny has the keys \[\"\"\]"),
        (flag(targeting={"allow": ["m"]}), r'^allow is \["m"\]; it must be an object$'),
        (flag(targeting={"allow": {"keys": ["m"]}}), "^allow has no value; give it one"),
        (flag(targeting={"forced": ["m"]}), r'^forced is \["m"\]; it must be an object$'),
        (flag(targeting={"forced": {"m": "x"}}), '^the value forced for "m": "x" is not one of'),
        (flag(targeting={"rules": {}}), "^rules is {}; it must be a list$"),
        (flag(targeting={"rules": [{"when": []}]}), "^rule 1 has no name; give it one"),
        (flag(targeting={"rules": [rule()]}), '^rule "some" has no conditions; for all subjects set'),
        (flag(targeting={"rules": [rule(asks("a", "eq", 1), value="x")]}), '^rule "some": "x" is not one of'),
        (
            flag(targeting={"rules": [rule(asks("a", "eq", 1), percent=101)]}),
            '^rule "some" has the percent 101; it must',
        ),
        (flag(targeting={"rules": [rule(asks("a", "eq", 1), per_cent=1)]}), "^rule 1 has per_cent, which is not known"),
        (
            flag(targeting={"percentage": {"value": "on"}}),
            "^percentage has the percent null; it must be a number from 0",
        ),
        (flag(targeting={"percentage": {"value": "on", "percent": True}}), "^percentage has the percent true"),
        (flag(targeting={"percentage": {"value": "on", "percent": "50"}}), '^percentage has the percent "50"'),
        (flag(targeting={"percentage": {"value": "on", "percent": -0.1}}), "^percentage has the percent -0.1"),
        (
            flag(kill_switch=True, targeting={}),
            "^a kill switch is for everybody or for nobody; take its targeting away$",
        ),
    ],
)
def test_a_flag_that_cannot_be_meant_is_refused_with_what_it_should_be(raw: Any, why: str) -> None:
    with pytest.raises(DocumentError, match=why):
        document.flag("F", raw)


@given(json_values, st.sampled_from(sorted(flag())))
@settings(max_examples=80, deadline=None)
def test_whatever_stands_in_a_flag_it_is_read_or_refused_and_nothing_else(junk: Any, member: str) -> None:
    for raw in (junk, {**flag("on"), member: junk}, flag("on", targeting={"rules": [junk], "allow": junk})):
        with contextlib.suppress(DocumentError):
            assert document.flag("F", raw).kind in TYPES
        assert is_on(raw) in {True, False}
        safe_value(raw)


ALL_KINDS: dict[str, list[Any]] = {
    "enum": ["on"],
    "string": ["", "1", "true"],
    "bool": [True, False],
    "int": [0, 1, -(10**20)],
    "float": [0.5, 1.0],
    "object": [{}, [], {"a": [1]}],
}


@pytest.mark.parametrize("kind", TYPES)
def test_a_type_takes_its_own_values_and_no_other(kind: str) -> None:
    for other, values in ALL_KINDS.items():
        for value in values:
            if kind == other or {kind, other} == {"enum", "string"} or (kind, other) == ("float", "int"):
                assert typed(kind, None, value) == value
            else:
                with pytest.raises(ValueRefusedError, match=" is not "):
                    typed(kind, None, value)


def test_a_float_flag_always_answers_a_float() -> None:
    read = document.flag("F", typed_flag("float", safe=0, value=1, values=[0, 1, 0.5]))
    assert [type(value) for value in (read.safe, read.value, *(read.values or ()))] == [float] * 5
    for value in (float("nan"), float("inf"), 10**400):
        with pytest.raises(ValueRefusedError, match="is not a finite number"):
            typed("float", None, value)


@given(json_values, json_values)
@settings(max_examples=80)
def test_values_are_the_same_when_their_json_is_but_for_how_a_number_is_spelt(one: Any, other: Any) -> None:
    assert same(one, one)
    assert same(one, other) == same(other, one)
    if same(one, other):
        assert one == other
        assert isinstance(one, bool) == isinstance(other, bool)


def test_one_true_and_the_text_of_either_are_four_values() -> None:
    mixed = [True, 1, "1", [1]]
    for kind, value in {"bool": True, "int": 1, "float": 1.0, "string": "1", "object": [1]}.items():
        assert value in any_of(kind, mixed)
        assert value not in any_of(kind, [one for one in mixed if not same(one, value)])
    assert not any(
        same(one, other) for one, other in [(1, True), (0, False), (1, "1"), ([1], [True]), ({}, []), (None, 0)]
    )
    assert same(1, 1.0)
    assert same({"a": 1, "b": 2}, {"b": 2, "a": 1})


def test_the_targeting_shown_in_the_documents_is_one() -> None:
    page = (Path(__file__).parents[2] / "docs" / "flags.md").read_text(encoding="utf-8")
    shown = re.findall(r"^```json\n(.*?)^```", page.partition("## Targeting")[2], re.DOTALL | re.MULTILINE)
    read = read_targeting("enum", ["legacy", "wsjf"], json.loads(shown[0]))
    assert (len(read.rules), read.percentage) == (2, Percentage("wsjf", 25.0))
    ops = {op for row in re.findall(r"^\| (`.*?`) \|", page, re.MULTILINE) for op in re.findall(r"`(\w+)`", row)}
    assert set(OPS) <= ops
