"""What was learned as noise, told in words; and entries that expect what they were printed for."""

from __future__ import annotations

import datetime as dt

import pytest

from orchestrator.domain.comparison import DifferenceClass
from orchestrator.shadow.manifest import apply, entry, read_manifest
from orchestrator.shadow.noise import Noise, noise_of
from orchestrator.shadow.profile import Profile
from orchestrator.shadow.redact import Redactor
from tests.support.shadow_story import Story

pytestmark = pytest.mark.requirement("SHADOW-9")


def told(story: Story, most: int = 100) -> dict[str, Noise]:
    return {one.path: one for one in noise_of(story.profile, Redactor(b"k"), most)}


def test_every_path_that_varies_is_told_with_what_varies_how_often_and_some_values() -> None:
    noise = told(Story(seed=3))
    assert set(noise) == {
        "$.tasks[].id", "$.tasks[].after", "$.tasks[].took_ms", "$.tasks[].note", "$.workers", "$.workers[].load",
        "$.now", "$.now_ms", "$.pid", "$.by_id", "$.warning",
    }  # fmt: skip
    assert noise["$.warning"].varies == "comes and goes"
    assert noise["$.workers"].varies == "its order"
    assert noise["$.tasks[].id"].varies == "a text of one pattern, in which varies: a UUID"
    assert noise["$.now"].varies == "a text of one pattern, in which varies: a point in time"
    assert noise["$.now_ms"].varies.startswith("a point in time, counted in ms, -0.0")
    assert noise["$.pid"].varies.startswith("an integer from ")
    assert noise["$.tasks[].took_ms"].varies.startswith("a number from ")
    assert "5 digits" in noise["$.tasks[].note"].varies or "digits" in noise["$.tasks[].note"].varies
    note = noise["$.tasks[].note"]
    assert (note.answers, note.values, note.differing) == (8, 40, 35)
    assert len(note.seen) == 3
    assert all(one.seen for path, one in noise.items() if path not in {"$.workers", "$.by_id", "$.warning"})


def test_no_more_paths_are_told_than_asked_for_and_none_of_a_tool_that_never_varies() -> None:
    assert len(told(Story(seed=3), most=2)) == 2
    assert noise_of(Profile("t", "f"), Redactor(b"k"), 9) == []


def test_a_printed_entry_expects_the_difference_it_was_printed_for_until_its_end() -> None:
    story = Story(seed=4)
    (finding,) = story.compare(lambda value: value["tasks"][1].update(title="short")).findings
    until = dt.date(2026, 12, 1)
    text = entry(finding.path, finding.kind, "plan", 'they are "shorter" \\ now\x7f', until)
    manifest = read_manifest(text)
    assert manifest[0].reason == 'they are "shorter" \\ now\x7f'
    for today, wanted in ((until, DifferenceClass.EXPECTED), (until + dt.timedelta(1), DifferenceClass.UNEXPECTED)):
        assert apply(manifest, "plan", [finding], today).findings[0].difference_class is wanted
