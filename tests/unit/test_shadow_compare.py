"""Differences are told from noise, also where everything varies."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.domain.comparison import DifferenceClass, Sample, Verdict
from orchestrator.shadow.compare import compare
from orchestrator.shadow.profile import ProfileError, kept_profile, learn
from tests.support.shadow_story import Change, Story, answer, found, iso, sample


@pytest.fixture(scope="module")
def story() -> Story:
    return Story()


@pytest.mark.requirement("SHADOW-1")
def test_answers_that_differ_as_control_does_are_equal(story: Story) -> None:
    assert [story.compare().verdict for _ in range(100)] == [Verdict.EQUAL] * 100


def _set(member: str, value: Any, at: int = 2) -> Change:
    def change(whole: dict[str, Any]) -> None:
        whole["tasks"][at][member] = value(whole["tasks"][at][member]) if callable(value) else value

    return change


def _swap(whole: dict[str, Any]) -> None:
    one, two = whole["tasks"][1], whole["tasks"][3]
    one["after"], two["after"] = two["after"], one["after"]


FAULTS: dict[str, tuple[Change, str, str]] = {
    "a value": (_set("title", "another"), "value", "$.tasks[].title"),
    "a type": (lambda v: v.update(limit="5"), "type", "$.limit"),
    "true for 1": (lambda v: v.update(ok=1), "type", "$.ok"),
    "1.0 for 1": (lambda v: v.update(limit=5.0), "type", "$.limit"),
    "null": (_set("note", None), "type", "$.tasks[].note"),
    "a member less": (lambda v: v.pop("pid"), "missing", "$.pid"),
    "a member more": (lambda v: v.update(more=1), "extra", "$.more"),
    "a word in a sentence": (_set("note", lambda t: t.replace("wrote", "lost")), "value", "$.tasks[].note"),
    "a directory in a path": (_set("note", lambda t: t.replace("/tmp/", "/var/")), "value", "$.tasks[].note"),
    "a unit in a sentence": (_set("note", lambda t: t.replace("ms", "s")), "range", "$.tasks[].note"),
    "seconds for milliseconds": (lambda v: v.update(now_ms=v["now_ms"] // 1000), "range", "$.now_ms"),
    "another precision": (_set("took_ms", lambda n: n / 1000), "format", "$.tasks[].took_ms"),
    "a negative number": (_set("took_ms", lambda n: -n), "range", "$.tasks[].took_ms"),
    "a clock that stands": (lambda v: v.update(now=iso(1_789_900_000.25)), "range", "$.now"),
    "a clock without zone": (lambda v: v.update(now=v["now"][:-1]), "format", "$.now"),
    "a clock of whole seconds": (lambda v: v.update(now=v["now"][:-5] + "Z"), "format", "$.now"),
    "an old time by an hour": (_set("created", "2024-03-03T11:00:00Z"), "value", "$.tasks[].created"),
    "an id cut short": (_set("id", lambda t: t[:-1]), "format", "$.tasks[].id"),
    "an id without dashes": (_set("id", lambda t: t.replace("-", "")), "format", "$.tasks[].id"),
    "a reference to nothing": (_set("after", "0f0e0d0c-1111-4222-a333-123456789abc"), "identity", "$.tasks[].after"),
    "references exchanged": (_swap, "identity", "$.tasks[].after"),
    "an element twice": (lambda v: v["tasks"].insert(1, dict(v["tasks"][1])), "extra", "$.tasks[]"),
    "an element less": (lambda v: v["tasks"].pop(), "missing", "$.tasks[]"),
    "no element": (lambda v: v["workers"].clear(), "missing", "$.workers[]"),
    "another order": (lambda v: v["tasks"].reverse(), "order", "$.tasks"),
    "a shuffled element's name": (lambda v: v["workers"][1].update(name="eve"), "value", "$.workers[].name"),
    "a member named by an id": (lambda v: v["by_id"].popitem(), "missing", "$.by_id{}"),
}


@pytest.mark.requirement("SHADOW-2")
@pytest.mark.parametrize("name", FAULTS)
def test_one_thing_broken_is_found_where_it_is(story: Story, name: str) -> None:
    change, kind, path = FAULTS[name]
    comparison = story.compare(change)
    assert comparison.verdict is Verdict.DIFFERENT
    assert (kind, path) in found(comparison)


@pytest.mark.requirement("SHADOW-2")
def test_a_new_member_only_adds_and_a_lost_one_does_not(story: Story) -> None:
    added = story.compare(lambda v: v["tasks"][0].update(more=1)).findings
    assert [one.difference_class for one in added] == [DifferenceClass.ADDITIVE]
    lost = story.compare(lambda v: v["tasks"][0].pop("title")).findings
    assert [one.difference_class for one in lost] == [DifferenceClass.UNEXPECTED]


@pytest.mark.requirement("SHADOW-1")
def test_what_stands_still_beside_what_varies_has_to_stay() -> None:
    def updated(at: float) -> dict[str, Any]:
        return {"rows": [{"n": n, "at": f"2024-05-0{n}T00:00:00Z" if n < 5 else iso(at)} for n in range(1, 6)]}

    profile = learn("t", "f", [[sample(updated(1.79e9 + n), 1.79e9 + n) for n in range(6)]])
    control, value = updated(1.79e9 + 9), updated(1.79e9 + 10)
    assert compare(sample(control, 1.79e9 + 9), sample(value, 1.79e9 + 10), profile).verdict is Verdict.EQUAL
    value["rows"][1]["at"] = "2024-05-02T01:00:00Z"
    assert found(compare(sample(control, 1.79e9 + 9), sample(value, 1.79e9 + 10), profile)) == {
        ("value", "$.rows[].at")
    }


@pytest.mark.requirement("SHADOW-1")
def test_a_date_that_all_calls_of_a_day_share_is_a_clock_after_midnight() -> None:
    midnight = 1_790_035_200.0
    days = {n: iso(midnight + n)[:10] for n in (-9.0, -8.0, -7.0, 3.0)}
    profile = learn("t", "f", [[sample({"day": days[n]}, midnight + n) for n in (-9.0, -8.0, -7.0)]])
    control = sample({"day": days[-9.0]}, midnight - 9.0)
    assert compare(control, sample({"day": days[3.0]}, midnight + 3.0), profile).verdict is Verdict.EQUAL
    assert compare(control, sample({"day": "2026-01-01"}, midnight + 3.0), profile).verdict is Verdict.DIFFERENT


@pytest.mark.requirement("SHADOW-1")
def test_json_and_lines_inside_of_texts_are_compared_by_what_they_hold() -> None:
    def text(n: int, state: str, order: str = "ab") -> Sample:
        held = f'{{"state": "{state}", "ms": {n}}}' if order == "ab" else f'{{"ms": {n}, "state": "{state}"}}'
        return sample(
            {"content": [{"type": "text", "text": held}, {"text": f"one\ntook {n} ms\n{state}\nend"}]}, 1.79e9 + n
        )

    profile = learn("t", "f", [[text(n, "done") for n in (21, 35, 28, 44, 39, 26)]])
    assert compare(text(30, "done"), text(33, "done", "ba"), profile).verdict is Verdict.EQUAL
    paths = {"$.content[].text.<json>.state", "$.content[].text.<lines>[]"}
    assert {one.path for one in compare(text(30, "done"), text(33, "lost"), profile).findings} == paths


@pytest.mark.requirement("SHADOW-3")
def test_a_profile_kept_and_read_again_decides_alike(story: Story) -> None:
    body = story.profile.as_json()
    again = kept_profile(body, "plan", "f1")
    assert again is not None
    assert again.as_json() == body
    assert (again.samples, again.cases, again.enough) == (8, 1, True)
    broken = story.next(lambda v: v["tasks"][2].update(title="another"))
    assert compare(story.controls[0], broken, again) == compare(story.controls[0], broken, story.profile)


@pytest.mark.requirement("SHADOW-3")
def test_a_profile_of_another_control_has_expired(story: Story) -> None:
    assert kept_profile(story.profile.as_json(), "plan", "f2") is None
    assert kept_profile(story.profile.as_json(), "other", "f1") is None
    with pytest.raises(ProfileError, match="delete it"):
        kept_profile(b"{}", "plan", "f1")


@pytest.mark.requirement("SHADOW-3")
def test_profiles_of_one_control_are_merged_and_of_two_are_not() -> None:
    one, two = Story(seed=3, controls=6), Story(seed=4, controls=6)
    one.profile.merge(two.profile)
    assert (one.profile.samples, one.profile.cases) == (12, 2)
    control, rehearsal = sample(answer(1.79e9, two.rng), 1.79e9), sample(answer(1.79e9 + 5, two.rng), 1.79e9 + 5)
    assert compare(control, rehearsal, one.profile).verdict is Verdict.EQUAL
    with pytest.raises(ProfileError, match="two controls"):
        one.profile.merge(learn("plan", "f2", []))
