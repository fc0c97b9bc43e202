"""Profiles as they are kept: they hold nobody's values, and the comparison misses nothing by it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from shadow_story import START, Story, found, sample

from orchestrator.domain.comparison import Sample
from orchestrator.rehearsal.profiles import PROFILES, Profiles, WithheldError
from orchestrator.shadow.compare import Comparer
from orchestrator.shadow.profile import Profile, learn
from orchestrator.shadow.redact import Redactor
from orchestrator.shadow.sealing import Seals
from orchestrator.shadow.values import read

REDACTOR = Redactor(b"k" * 32)
SEALS = Seals(REDACTOR)
MAIL = "anna.schmidt@example.org"
KEY = "sk-live-4eC39HqLyjWDarjtT1zdp7dc"
BEARER = "Bearer abcDEF123456ghiJKL789"
PIN = 739201
CARD = 4111111111111111
PRIVATE = ("anna", "schmidt", "example", "4eC39HqLyjWDarjtT1zdp7dc", "abcDEF123456ghiJKL789", "739201", "411111111111")
"""What no kept profile holds."""


def answer(turn: int, **changed: Any) -> dict[str, Any]:
    """Return an answer in which everything private stands still somewhere, varies elsewhere, and names a member."""
    who = (MAIL, "anna.schmidt@example.com")[turn % 2]
    return {
        "email": MAIL,
        "login": {"pin": PIN, "card": CARD},
        "last": f"{who} with {KEY} and {BEARER}",
        "accounts": {MAIL: {"count": turn, "key": KEY}},
        "seen": [{"by": MAIL, "pin": PIN}, *({"by": f"guest{turn}{at}"} for at in range(turn % 3))],
        "numbers": [CARD, turn],
        **changed,
    }


def samples(begin: int = 0, turns: int = 6, **changed: Any) -> list[Sample]:
    return [sample(answer(turn, **changed), START + turn) for turn in range(begin, begin + turns)]


def kept_and_back(profile: Profile, answers: list[Sample]) -> Profile:
    """Return what a later run makes of a profile that was kept."""
    again = SEALS.opened(SEALS.sealed(profile), profile.tool, profile.fingerprint)
    assert again is not None
    SEALS.reveal(again, [read(one.body) for one in answers])
    return again


@pytest.mark.requirement("SHADOW-10")
def test_a_kept_profile_holds_no_text_of_an_answer_and_no_number_or_name_that_is_personal() -> None:
    profile = learn("who", "f", [samples()])
    plain, sealed = profile.as_json().decode(), SEALS.sealed(profile).decode()
    assert all(one in plain for one in PRIVATE)
    assert [one for one in PRIVATE if one in sealed] == []
    assert "guest" not in sealed
    assert '"email"' in sealed


@pytest.mark.requirement("SHADOW-10")
def test_what_is_seen_again_comes_back_whole() -> None:
    profile = learn("who", "f", [samples()])
    again = kept_and_back(profile, samples())
    assert SEALS.sealed(again) == SEALS.sealed(profile)
    for mine, theirs in ((again, profile),):
        assert mine.links == theirs.links
        assert mine.root.children["accounts"].children.keys() == {MAIL}
        assert mine.root.children["seen"].core == theirs.root.children["seen"].core
    assert "sealed:" not in json.dumps(json.loads(again.as_json())["root"])


def another_mail(value: dict[str, Any]) -> None:
    value["email"] = "eve@example.org"


def another_pin(value: dict[str, Any]) -> None:
    value["login"]["pin"] = 111111


def lost_core(value: dict[str, Any]) -> None:
    value["seen"] = []


@pytest.mark.requirement("SHADOW-10")
@pytest.mark.parametrize(
    ("change", "path"),
    [(another_mail, "$.email"), (another_pin, "$.login.pin"), (lost_core, "$.seen[]"), (lambda _: None, "")],
)
def test_a_private_value_that_is_changed_or_lost_is_found_by_what_was_kept_and_an_unchanged_one_is_not(
    change: Callable[[dict[str, Any]], None], path: str
) -> None:
    value = answer(5)
    change(value)
    control, changed = sample(answer(1), START + 1), sample(value, START + 5)
    profile = learn("who", "f", [samples()])
    told = found(Comparer(kept_and_back(profile, [control, changed])).compare(control, changed))
    assert told == found(Comparer(profile).compare(control, changed))
    assert {one for _, one in told if not one.endswith(".by")} == ({path} if path else set())


@pytest.mark.requirement("SHADOW-10")
def test_noise_that_was_kept_sealed_judges_as_if_it_had_been_kept_whole() -> None:
    before, now = Story(seed=3), Story(seed=4)
    pairs = [(now.controls[0], now.next()) for _ in range(4)]
    pairs += [(now.controls[1], now.next(lambda value: value["tasks"][2].update(title="x", note="gone")))]
    answers = [*now.controls, *(one for pair in pairs for one in pair)]
    whole, sealed = (learn("plan", "f1", [now.controls]) for _ in range(2))
    whole.merge(before.profile)
    sealed.merge(kept_and_back(before.profile, answers))
    told = [[found(Comparer(one).compare(*pair)) for pair in pairs] for one in (whole, sealed)]
    assert told[0] == told[1]
    assert told[0][-1]


@pytest.mark.requirement("SHADOW-10")
def test_a_profile_of_another_key_has_expired() -> None:
    body = SEALS.sealed(learn("who", "f", [samples()]))
    assert Seals(Redactor(b"other")).opened(body, "who", "f") is None


@pytest.mark.requirement("SHADOW-10")
def test_profiles_from_before_are_read_and_rewritten_without_what_they_held(tmp_path: Path) -> None:
    store = Profiles(tmp_path, REDACTOR)
    profile = learn("who", "f", [samples()])
    store.keep(profile)
    (path,) = (tmp_path / PROFILES).iterdir()
    sealed = path.read_bytes()
    path.write_bytes(profile.as_json())
    path.with_suffix(".4711").write_bytes(profile.as_json())
    broken = path.with_name("broken.json")
    broken.write_text(f'{{"tool": "{MAIL}"')
    before = store.kept("who", "f")
    assert before is not None
    assert before.as_json() == profile.as_json()
    (note,) = store.seal_all()
    assert "broken.json cannot be read" in note
    assert list((tmp_path / PROFILES).iterdir()) == [path]
    assert path.read_bytes() == sealed
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.requirement("SHADOW-10")
def test_a_profile_in_which_the_detector_finds_something_is_withheld_and_its_elder_gone(tmp_path: Path) -> None:
    store = Profiles(tmp_path, REDACTOR, ["hunter2hunter2"])
    store.keep(learn("who", "f", [samples()]))
    named = learn("who", "f", [samples(hunter2hunter2=1)])
    with pytest.raises(WithheldError, match="known secret"):
        store.keep(named)
    assert list((tmp_path / PROFILES).iterdir()) == []
