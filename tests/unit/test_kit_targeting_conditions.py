"""Conditions of rules: like is compared with like, what is not known holds for nobody, and nothing ever raises."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum
from typing import Any

import pytest
from flag_documents import NOON, asks, decide, flag, holds, rule, typed_flag
from hypothesis import given, settings
from hypothesis import strategies as st
from switchover_kit.clock_conditions import ConditionError
from switchover_kit.conditions import OPS, condition
from switchover_kit.targeting import Deciders

pytestmark = pytest.mark.requirement("FLAG-4")

CREATED = "2026-11-01T00:00:00Z"


class Agent(StrEnum):
    PLANNER = "planner"


@pytest.mark.parametrize(
    ("op", "wanted", "given_value", "expected"),
    [
        ("eq", 1, 1, True),
        ("eq", 1, 1.0, True),
        ("eq", 1, True, False),
        ("eq", 1, "1", False),
        ("eq", True, 1, False),
        ("eq", True, "true", False),
        ("eq", "1", 1, False),
        ("eq", False, 0, False),
        ("eq", False, False, True),
        ("eq", "planner", "planner", True),
        ("eq", "planner", Agent.PLANNER, True),
        ("eq", "planner", "Planner", False),
        ("ne", "planner", "critic", True),
        ("ne", "planner", 1, False),
        ("ne", 1, True, False),
        ("ne", True, False, True),
        ("in", ["a", "b"], "b", True),
        ("in", ["a", 1], 1, True),
        ("in", ["a", 1], True, False),
        ("in", ["a", 1], "1", False),
        ("in", ["a"], ["a"], False),
        ("not_in", ["a", "b"], "c", True),
        ("not_in", ["a", "b"], "b", False),
        ("not_in", ["a", "b"], 7, False),
        ("not_in", [1, "a"], 7, True),
        ("contains", "plan", "the planner", True),
        ("contains", "1", 1, False),
        ("contains", 1, "1", False),
        ("contains", "beta", ["alpha", "beta"], True),
        ("contains", 1, [True, "1"], False),
        ("contains", 1, (True, 1), True),
        ("contains", "beta", {"beta": 1}, False),
        ("starts_with", "mission-", "mission-1", True),
        ("starts_with", "mission-", ["mission-"], False),
        ("ends_with", "@example.com", "a@example.com", True),
        ("ends_with", "1", 1, False),
        ("gt", 3, 4, True),
        ("gt", 3, 3, False),
        ("gt", 0, True, False),
        ("gt", 3, "4", False),
        ("ge", 3, 3.0, True),
        ("lt", 3, 2.5, True),
        ("lt", 3, float("nan"), False),
        ("le", 3, 3, True),
        ("le", 3, float("-inf"), True),
        ("gt", 1.5, 10**400, True),
    ],
)
def test_a_comparison_is_for_its_own_types_only(op: str, wanted: Any, given_value: Any, expected: bool) -> None:  # noqa: FBT001
    assert holds(asks("given", op, wanted), {"given": given_value}) is expected


@pytest.mark.parametrize(
    ("op", "given_value", "expected"),
    [
        ("after", "2026-11-01T00:00:01Z", True),
        ("after", CREATED, False),
        ("before", CREATED, False),
        ("before", "2026-10-31T23:59:59.999Z", True),
        ("after", "2026-11-01T01:00:00+02:00", False),
        ("after", "2026-10-31T23:00:00-02:00", True),
        ("after", "20261101T000001Z", True),
        ("after", "2026-11-02T00:00:00", False),
        ("after", "2026-11-02", False),
        ("after", "tomorrow", False),
        ("after", "", False),
        ("after", 1_900_000_000, False),
        ("after", None, False),
        ("after", datetime(2026, 11, 2, tzinfo=UTC), True),
        ("before", datetime(2026, 11, 1, 1, tzinfo=timezone(timedelta(hours=2))), True),
        ("after", datetime(2026, 11, 2), False),  # noqa: DTZ001 - without a zone it is no instant
        ("before", "0001-01-01T00:00:00+14:00", True),
        ("after", "9999-12-31T23:59:59-14:00", True),
    ],
)
def test_an_instant_is_one_with_its_offset(op: str, given_value: Any, expected: bool) -> None:  # noqa: FBT001
    assert holds(asks("created", op, CREATED), {"created": given_value}) is expected


def test_new_missions_only_is_a_rule_on_when_they_were_created() -> None:
    targeting = {"rules": [rule(asks("created", "after", CREATED), value=True, name="new missions")]}
    flags = {"USE_MODULAR_ENGINE": typed_flag("bool", safe=False, value=False, targeting=targeting)}
    decided = Deciders(flags)["USE_MODULAR_ENGINE"]
    assert decided("mission-1", {"created": "2026-10-30T08:00:00Z"}, NOON).value is False
    assert decided("mission-2", {"created": "2026-11-03T08:00:00Z"}, NOON).value is True


@pytest.mark.parametrize("op", sorted(set(OPS) - {"time_of_day", "weekday"}))
@pytest.mark.parametrize("attributes", [None, {}, {"other": 1}, {"given": None}])
def test_a_missing_attribute_makes_every_condition_false(op: str, attributes: dict[str, Any] | None) -> None:
    wanted: Any = {"in": ["a"], "not_in": ["a"], "before": CREATED, "after": CREATED}.get(op, "a")
    wanted = 1 if op in {"gt", "ge", "lt", "le"} else wanted
    assert holds(asks("given", op, wanted), attributes) is False


class Hostile:
    """What must never be asked to compare itself."""

    def __eq__(self, other: object) -> bool:
        raise AssertionError

    __hash__ = None  # type: ignore[assignment]
    __lt__ = __gt__ = __le__ = __ge__ = __eq__


@given(
    st.sampled_from(
        [
            *(asks("given", op, wanted) for op in ("eq", "ne", "contains") for wanted in ("a", 1, True)),
            *(asks("given", op, [wanted]) for op in ("in", "not_in") for wanted in ("a", 1, True)),
            *(asks("given", op, 1) for op in ("gt", "ge", "lt", "le")),
            *(asks("given", op, "a") for op in ("starts_with", "ends_with")),
            *(asks("given", op, CREATED) for op in ("before", "after")),
        ]
    ),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.builds(Hostile),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=2),
        max_leaves=5,
    ),
)
@settings(max_examples=80, deadline=None)
def test_no_attribute_makes_a_condition_raise(asked: dict[str, Any], value: Any) -> None:
    assert holds(asked, {"given": value}) in {True, False}


def test_the_subject_key_is_an_attribute_that_nobody_can_pass_off_as_another() -> None:
    flags = {"F": flag(targeting={"rules": [rule(asks("key", "starts_with", "mission-"))]})}
    assert decide(flags, "F", "mission-1").step == "rule"
    assert decide(flags, "F", "user-1", {"key": "mission-1"}).step == "default"


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        ("cohort", '^a condition is "cohort"; it must be an object'),
        ({"attribute": "a", "value": 1}, "^op is null; it must be one of eq, ne, in, .*, after, time_of_day, weekday$"),
        (asks("a", "matches", "x"), '^op is "matches"; it must be one of eq'),
        (asks("", "eq", 1), '^attribute is ""; it must be the name of the attribute'),
        ({"attribute": "a", "op": "eq"}, "^'eq' has no value to compare a with; give it one$"),
        ({**asks("a", "eq", 1), "not": True}, "^'eq' knows no not; it has attribute, op and value$"),
        (asks("a", "eq", None), "^'eq' compares with null; it must be a text, a number, true or false$"),
        (asks("a", "eq", [1]), r"^'eq' compares with \[1\]; it must be a text"),
        (asks("a", "in", "abc"), "^'in' compares with \"abc\"; it must be a list of texts, numbers, true or false$"),
        (asks("a", "in", []), r"^'in' compares with \[\]; it must be a list"),
        (asks("a", "not_in", [None]), r"^'not_in' compares with \[null\]; it must be a list"),
        (asks("a", "contains", ""), "^'contains' asks for an empty text, which every text contains; give it one$"),
        (asks("a", "starts_with", 1), "^'starts_with' compares with 1; it must be a text that is not empty$"),
        (asks("a", "ge", "1.10"), "^'ge' compares with \"1.10\"; it must be a finite number .for instants use before"),
        (asks("a", "gt", True), "^'gt' compares with true; it must be a finite number"),  # noqa: FBT003 - what is refused
        (
            asks("a", "after", "2026-11-01"),
            "^'after' compares with \"2026-11-01\"; it must be an instant with its offset",
        ),
        (asks("a", "before", 7), "^'before' compares with 7; it must be an instant with its offset"),
    ],
)
def test_a_condition_that_cannot_be_meant_is_refused_with_what_it_should_be(raw: Any, why: str) -> None:
    with pytest.raises(ConditionError, match=why):
        condition(raw)
