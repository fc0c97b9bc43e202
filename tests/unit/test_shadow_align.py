"""Which element of one list is which of the other, where nothing but their place says so."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.domain.comparison import Kind, Sample
from orchestrator.shadow.align import align
from orchestrator.shadow.between import likeness
from orchestrator.shadow.compare import Comparer
from orchestrator.shadow.explain import explain
from orchestrator.shadow.outcome import together
from orchestrator.shadow.profile import learn

pytestmark = pytest.mark.requirement("SHADOW-2")

OLD = "History:" + "".join(
    f"\nCommit: '{n}f{n}'\nAuthor: <Ada>\nDate: 2026-0{n}-01\nMessage: 'line {n}'\n" for n in (3, 2, 1)
)
NEW = "History:" + "".join(
    f"\nCommit: {n}f{n}\nAuthor: Ada\nDate: 2026-0{n}-01\nMessage: line {n}\n\n" for n in (3, 2, 1)
)


def sample(text: str) -> Sample:
    return Sample(json.dumps({"content": [{"type": "text", "text": text}]}).encode())


def test_rewritten_lines_with_empty_ones_between_are_found_where_they_are_and_no_order_is_blamed() -> None:
    comparer = Comparer(learn("log", "f", [[sample(OLD)] * 3]))
    found = together([comparer.compare(sample(OLD), sample(NEW))] * 2)
    assert {(one.kind, one.places) for one in found} == {(Kind.VALUE, 9), (Kind.EXTRA, 3)}
    value = next(one for one in found if one.kind is Kind.VALUE)
    assert (value.control, value.rehearsal) == ("\"Commit: '3f3'\"", '"Commit: 3f3"')
    assert value.also[0] == '$.content[0].text.<lines>[2]: "Author: <Ada>" -> "Author: Ada"'
    told = explain(value)
    assert "has another value, in 2 of 2 pairs, at 9 places." in told
    assert "  also at $.content[0].text.<lines>[2]: " in told
    assert "  and at 4 more\n" in told


def test_the_same_lines_in_another_order_are_still_an_order_also_beside_repeated_ones() -> None:
    first = ["a", "", "b", "", "c", ""]
    assert align(first, ["a", "", "c", "", "b", ""], None).moved
    assert align(first, ["c", "", "b", "", "a", "", ""], None).moved
    assert not align(first, ["a", "", "", "b", "", "", "c", ""], None).moved


def test_a_name_that_tells_all_elements_apart_outweighs_a_number_that_two_have_by_chance() -> None:
    first = [{"cmd": "xenon", "cpu": 12.0}, {"cmd": "onyx", "cpu": 3.5}, {"cmd": "harbor", "cpu": 29.2}]
    other = [{"cmd": "harbor", "cpu": 12.0}, {"cmd": "onyx", "cpu": 1.5}, {"cmd": "xenon", "cpu": 26.5}]
    assert align(first, other, None).pairs == [(0, 2), (1, 1), (2, 0)]


def test_a_gap_is_paired_from_the_side_that_is_more_alike() -> None:
    first, other = ["<", "key: 1", "name: x", ">"], ["<", "note", "key: 2", "name: y", ">"]
    assert align(first, other, None).pairs == [(0, 0), (1, 2), (2, 3), (3, 4)]
    assert align(first, other, None).gained == [1]
    other = ["<", "key: 2", "name: y", "note", ">"]
    assert align(first, other, None).gained == [3]


def test_what_is_alike_is_told_by_beginning_and_end_or_by_members() -> None:
    assert likeness("Message: 'x'", "Message: x") > likeness("Message: 'x'", "Author: x") == 0.0
    assert likeness({"a": 1, "b": 2}, {"a": 1, "b": 3}) == 0.5
    assert (likeness(1, 1), likeness(1, 2), likeness(1, "1"), likeness("", "a")) == (1.0, 0.0, 0.0, 0.0)


@given(st.lists(st.sampled_from("abc "), max_size=12), st.lists(st.sampled_from("abc "), max_size=12))
def test_every_element_is_in_one_pair_or_alone_and_nothing_moved_means_that_pairs_keep_their_order(
    first: list[str], other: list[str]
) -> None:
    found = align(first, other, None)
    assert sorted([*(i for i, _ in found.pairs), *found.lost]) == list(range(len(first)))
    assert sorted([*(j for _, j in found.pairs), *found.gained]) == list(range(len(other)))
    if sorted(first) == sorted(other):
        assert found.moved == (first != other)
    same = [(i, j) for i, j in found.pairs if first[i] == other[j] and first.count(first[i]) == other.count(first[i])]
    if not found.moved:
        assert all(one < two for (_, one), (_, two) in pairwise(same))


def test_a_text_that_has_more_lines_than_before_is_written_otherwise_and_shown_as_it_is() -> None:
    plain, long = sample("cannot convert <x>"), sample("line 1\nline 2\nline 3\n")
    comparer = Comparer(learn("show", "f", [[plain] * 3]))
    (finding,) = comparer.compare(plain, long).findings
    assert (finding.kind, finding.path) == (Kind.FORMAT, "$.content[].text")
    assert finding.rule == "control has a text of a line or two here, this is a text of several lines"
    assert finding.rehearsal == '"line 1\\nline 2\\nline 3\\n"'
    (finding,) = comparer.compare(plain, sample('{"a": 1}')).findings
    assert finding.rule.endswith("this is a text that is JSON")
