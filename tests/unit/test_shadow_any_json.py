"""Whatever JSON a tool answers: itself is equal to it, and one change is found."""

from __future__ import annotations

import copy
import json
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.domain.comparison import Sample, Verdict
from orchestrator.shadow.columns import Columns
from orchestrator.shadow.compare import compare
from orchestrator.shadow.node import Node
from orchestrator.shadow.profile import learn
from orchestrator.shadow.walk import Walk
from tests.support.shadow_story import fresh_id, iso

SINGLE = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8)
)
JSON = st.recursive(
    SINGLE,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)
NOISE = ("none", "id", "clock", "number")


def body(value: Any, at: float = 0.0) -> Sample:
    return Sample(json.dumps(value).encode(), at)


def with_noise(value: Any, kinds: list[str], rng: random.Random, at: float) -> Any:
    """Return the value with members beside each map's own that vary."""
    made = {"id": lambda: fresh_id(rng), "clock": lambda: iso(at), "number": lambda: rng.randint(100, 900)}
    if isinstance(value, dict):
        noise = {f"\u2022{kind}": made[kind]() for kind in kinds if kind in made}
        return {**{key: with_noise(one, kinds, rng, at) for key, one in value.items()}, **noise}
    return [with_noise(one, kinds, rng, at) for one in value] if isinstance(value, list) else value


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the paths of all single values that are no noise."""
    if isinstance(value, dict):
        return [one for key, inner in value.items() if key[:1] != "\u2022" for one in places(inner, (*path, key))]
    if isinstance(value, list):
        return [one for at, inner in enumerate(value) for one in places(inner, (*path, at))]
    return [path]


def changed(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    whole = [copy.deepcopy(value)]
    owner: Any = whole
    for step in (0, *path[:-1]) if path else ():
        owner = owner[step]
    owner[path[-1] if path else 0] = new
    return whole[0]


@pytest.mark.requirement("SHADOW-8")
@settings(max_examples=30, deadline=None)
@given(JSON)
def test_any_answer_equals_itself_with_and_without_a_profile(value: Any) -> None:
    one = body(value)
    assert compare(one, one, None).verdict is Verdict.EQUAL
    assert compare(one, one, learn("t", "f", [[one] * 3])).verdict is Verdict.EQUAL


@pytest.mark.requirement("SHADOW-8")
@settings(max_examples=30, deadline=None)
@given(JSON, st.lists(st.sampled_from(NOISE), max_size=3), st.integers(0, 99), st.data())
def test_one_single_value_changed_beside_any_noise_is_found_and_nothing_else(
    value: Any, kinds: list[str], seed: int, data: st.DataObject
) -> None:
    rng = random.Random(seed)
    whole = {"value": value}
    samples = [body(with_noise(whole, kinds, rng, 1.79e9 + at), 1.79e9 + at) for at in range(8)]
    profile = learn("t", "f", [samples])
    later = with_noise(whole, kinds, rng, 1.79e9 + 9)
    assert compare(samples[0], body(later, 1.79e9 + 9), profile).verdict is Verdict.EQUAL
    spots = places(later)
    if not spots:
        return
    path = data.draw(st.sampled_from(spots))
    broken = changed(later, path, "\u2020 something else \u2020")
    assert compare(samples[0], body(broken, 1.79e9 + 9), profile).verdict is Verdict.DIFFERENT


@pytest.mark.requirement("SHADOW-8")
@settings(max_examples=30, deadline=None)
@given(JSON, JSON)
def test_two_answers_are_equal_only_if_they_are_the_same_json(one: Any, two: Any) -> None:
    same = json.dumps(one, sort_keys=True) == json.dumps(two, sort_keys=True)
    assert (compare(body(one), body(two), None).verdict is Verdict.EQUAL) is same


@pytest.mark.requirement("SHADOW-8")
@settings(max_examples=30, deadline=None)
@given(st.lists(JSON, max_size=6), st.lists(JSON, max_size=6))
def test_a_column_names_every_row_that_differs(mine: list[Any], theirs: list[Any]) -> None:
    rows = list(zip(mine, theirs, strict=False))
    node = Node(seen=1, noisy=True, optional=True)
    bad = Columns(frozenset()).bad(node, [a for a, _ in rows], [b for _, b in rows], (None, None))
    for at, (a, b) in enumerate(rows):
        walk = Walk(Columns(frozenset()), (None, None))
        walk.walk(node, a, b)
        assert at in bad or not walk.found
