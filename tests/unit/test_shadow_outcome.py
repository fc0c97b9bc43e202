"""Repeats, cases and the manifest: what differences mean and how often they are seen."""

from __future__ import annotations

import datetime as dt

import pytest

from orchestrator.domain.comparison import DifferenceClass, Finding, Kind, Sample, ShadowResult, Verdict
from orchestrator.shadow.explain import explain
from orchestrator.shadow.manifest import Expected, ManifestError, read_manifest
from orchestrator.shadow.outcome import Case, Judged, judge_case, result
from orchestrator.shadow.profile import learn
from orchestrator.shadow.redact import Redactor
from tests.support.shadow_story import Story

TODAY = dt.date(2026, 11, 21)
MANIFEST = """
[[expected]]
path = "$.tasks[].title"
kind = "value"
tool = "plan"
flag = "PROMPT_MODE"
reason = "titles are shorter"
expires = 2026-12-31

[[expected]]
path = "$.**.never"
reason = "nobody knows any more"
expires = 2027-01-01

[[expected]]
path = "$.limit"
kind = ["value", "type"]
reason = "the limit moved"
expires = 2026-11-20
"""


def judged(story: Story, manifest: tuple[Expected, ...] = (), **members: object) -> Judged:
    """Compare four repeats; in the last three a title is another one, and the members are set."""

    def change(value: dict) -> None:
        value["tasks"][1]["title"] = "short"
        value.update(members)

    rehearsals = [story.next(change if at else None) for at in range(4)]
    case = Case("plan 3", "plan", story.controls, rehearsals)
    return judge_case(case, story.profile, manifest=manifest, today=TODAY)


@pytest.fixture(scope="module")
def story() -> Story:
    return Story(seed=7)


@pytest.mark.requirement("SHADOW-7")
def test_a_difference_is_told_once_with_how_often_it_was_seen(story: Story) -> None:
    case = judged(story).result
    assert [(one.path, one.seen, one.pairs) for one in case.findings] == [("$.tasks[].title", 3, 4)]
    assert (case.verdict, case.pairs, case.incomplete, case.controls) == (Verdict.DIFFERENT, 4, 0, 8)


@pytest.mark.requirement("SHADOW-6")
def test_an_expected_difference_has_the_reason_and_flag_of_its_entry(story: Story) -> None:
    manifest = read_manifest(MANIFEST)
    one = judged(story, manifest)
    found = one.result.findings[0]
    assert (found.difference_class, found.reason) == (DifferenceClass.EXPECTED, "titles are shorter (flag PROMPT_MODE)")
    assert one.result.verdict is Verdict.EQUAL
    whole = result([one], manifest, TODAY)
    assert (whole.verdict, whole.counts["expected"], whole.counts["unexpected"]) == (Verdict.EQUAL, 1, 0)


@pytest.mark.requirement("SHADOW-6")
def test_entries_that_expired_or_match_nothing_are_reported_and_excuse_nothing(story: Story) -> None:
    manifest = read_manifest(MANIFEST)
    one = judged(story, manifest, limit=6)
    assert one.result.verdict is Verdict.DIFFERENT
    whole = result([one], manifest, TODAY)
    assert [text.partition(":")[0] for text in whole.unused] == ["entry 2"]
    assert [text.partition(":")[0] for text in whole.expired] == ["entry 3"]


@pytest.mark.requirement("SHADOW-6")
@pytest.mark.parametrize(
    ("path", "pattern", "matches"),
    [
        ("$.a.b", "$.a.b", True),
        ("$.a.b", "$.*.b", True),
        ("$.a.c.b", "$.*.b", False),
        ("$.a[].c.b", "$.**.b", True),
        ("$.a[].b", "$.a[].b", True),
        ("$.axb", "$.a.b", False),
    ],
)
def test_a_path_pattern_matches_whole_members(path: str, pattern: str, matches: bool) -> None:  # noqa: FBT001
    entry = read_manifest(f'[[expected]]\npath = "{pattern}"\nreason = "x"\nexpires = 2027-01-01')[0]
    assert entry.matches("any", Finding(Kind.VALUE, path, path, "")) is matches


@pytest.mark.requirement("SHADOW-6")
def test_a_wrong_manifest_names_every_problem() -> None:
    wrong = '[[expected]]\npath = "tasks"\nkind = "colour"\nwhy = "x"\nexpires = "2026"\ntool = 1\n[other]\n'
    with pytest.raises(ManifestError) as caught:
        read_manifest(wrong)
    for words in ("other:", "entry 1: path:", "kind:", "why:", "reason:", "expires:", "tool:"):
        assert words in str(caught.value)
    with pytest.raises(ManifestError, match="no TOML"):
        read_manifest("= 1")
    with pytest.raises(ManifestError, match="table of its own"):
        read_manifest("expected = 1")
    assert read_manifest("") == ()


@pytest.mark.requirement("SHADOW-7")
def test_a_finding_is_explained_by_rule_evidence_values_and_rate(story: Story) -> None:
    found = judged(story).result.findings[0]
    text = explain(found)
    for words in (
        "$.tasks[].title has another value, in 3 of 4 pairs",
        "control never varied it (40 values)",
        '"short"',
    ):
        assert words in text
    assert "Nothing else explains this but the new code." in text


@pytest.mark.requirement("SHADOW-7")
def test_parts_that_differ_are_reported_in_detail(story: Story) -> None:
    found = story.compare(lambda value: value["tasks"].reverse()).findings[0]
    assert found.kind is Kind.ORDER
    assert "title" in found.report


@pytest.mark.requirement("SHADOW-7")
def test_secrets_and_personal_data_are_hashed_and_equal_ones_stay_equal() -> None:
    redactor = Redactor(b"key")
    value = {"password": "hunter2", "to": "ann@example.org", "log": "login token=abc123def ok", "n": 5}
    shown = redactor.shown(value)
    assert not any(secret in shown for secret in ("hunter2", "ann@", "abc123def"))
    assert '"n":5' in shown
    assert redactor.text("ann@example.org") == redactor.text("ann@example.org") != redactor.text("bob@example.org")
    assert redactor.text("ann@example.org") != Redactor(b"other").text("ann@example.org")
    assert len(redactor.shown("x" * 100_000)) < 200
    assert redactor.shown({"tokens": 812, "passed": 3}) == '{"tokens":812,"passed":3}'
    assert "hunter2" not in redactor.shown({"dbPassword": "hunter2", "api-key": "hunter2", "X_ACCESS_KEY": "hunter2"})


@pytest.mark.requirement("SHADOW-7")
def test_the_process_in_service_is_told_apart_as_skew(story: Story) -> None:
    active = story.next(lambda value: value.update(limit=9))
    case = Case("c", "plan", story.controls, [story.next()], [active])
    one = judge_case(case, story.profile, today=TODAY).result
    assert [found.difference_class for found in one.findings] == [DifferenceClass.SKEW]
    assert one.verdict is Verdict.EQUAL


@pytest.mark.requirement("SHADOW-7")
def test_what_control_does_to_itself_as_often_is_noise() -> None:
    shapes = [{"v": [1]}, {"v": {"a": 1}}, {"v": [1]}, {"v": {"b": 2}}, {"v": [1]}, {"v": {"c": 3}}]
    controls = [Sample(str(one).replace("'", '"').encode()) for one in shapes]
    profile = learn("t", "f", [controls])
    profile.residue["value $.v[]"], profile.checked = 3, 5
    case = Case("c", "t", controls[:1], [Sample(b'{"v": [2]}')])
    one = judge_case(case, profile, today=TODAY).result
    assert [(found.path, found.difference_class) for found in one.findings] == [("$.v[]", DifferenceClass.NOISE)]


@pytest.mark.requirement("SHADOW-1")
@pytest.mark.parametrize(
    ("often", "pairs", "told"), [(1, 5, "noise"), (3, 10, "noise"), (2, 5, "unexpected"), (1, 4, "unexpected")]
)
def test_a_number_that_is_out_of_its_range_in_few_of_many_pairs_is_noise(often: int, pairs: int, told: str) -> None:
    def sample(value: float) -> Sample:
        return Sample(f'{{"v": {value}}}'.encode())

    controls = [sample(one) for one in (51.5, 52.25, 50.75, 53.5, 52.75, 51.25)]
    rehearsals = [sample(999.25 if at < often else 52.25) for at in range(pairs)]
    case = Case("c", "t", controls, rehearsals)
    (found,) = judge_case(case, learn("t", "f", [controls]), today=TODAY).result.findings
    assert (found.kind, found.difference_class.value) == (Kind.RANGE, told)


@pytest.mark.requirement("SHADOW-5")
def test_no_pair_and_no_case_at_all_are_no_pass(story: Story) -> None:
    none = judge_case(Case("c", "plan", [], []), story.profile, today=TODAY)
    assert none.result.verdict is Verdict.INCOMPLETE
    assert ShadowResult(()).verdict is Verdict.INCOMPLETE
    assert ShadowResult(()).counts == {one.value: 0 for one in DifferenceClass}
