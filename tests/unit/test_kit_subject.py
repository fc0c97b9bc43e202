"""The subject of the call under way: named once, asked for by every read of a flag inside, in threads and tasks too."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest
from flag_documents import typed_flag
from flags_page import Clock, Page
from switchover_kit import FeatureGates, Flags, Subject, subject, subject_of
from switchover_kit.subject import ATTRIBUTES, KEY, NOBODY, current

pytestmark = pytest.mark.requirement("KIT-5")

TARGETED = {
    "allow": {"value": "verbose", "keys": ["mission-1"]},
    "rules": [{"name": "beta", "when": [{"attribute": "cohort", "op": "eq", "value": "beta"}], "value": "verbose"}],
}


@pytest.fixture
def flags(tmp_path: Path) -> Flags:
    clock = Clock()
    mode = typed_flag("enum", "compact", "compact", values=["compact", "verbose"], targeting=TARGETED)
    gate = typed_flag("bool", safe=False, value=False, targeting={"allow": {"value": True, "keys": ["mission-1"]}})
    page = Page(tmp_path / "live", clock, {"PROMPT_MODE": mode, "GATE": gate})
    return Flags(page.path, push=False, environ={"SWITCHOVER_FLAG_OTHER": "7"}, clock=clock)


def answers(flags: Flags) -> list[Any]:
    """Ask in every way that names nobody."""
    asked = [flags.value("PROMPT_MODE"), flags["PROMPT_MODE"], flags.decide("PROMPT_MODE").value]
    asked += [flags.value_for("PROMPT_MODE"), FeatureGates(flags).get_prompt_mode()]
    assert len(set(asked)) == 1
    return [asked[0], flags.is_open("GATE")]


def test_every_read_inside_is_for_the_subject_and_none_outside(flags: Flags) -> None:
    assert answers(flags) == ["compact", False]
    with subject("mission-1"):
        assert answers(flags) == ["verbose", True]
        with subject("mission-2"):
            assert answers(flags) == ["compact", False]
        assert answers(flags) == ["verbose", True]
    assert answers(flags) == ["compact", False]
    with subject(None, {"cohort": "beta"}):
        assert answers(flags) == ["verbose", False]


def test_whoever_is_named_in_the_question_goes_before_the_subject(flags: Flags) -> None:
    with subject("mission-1"):
        assert flags.value_for("PROMPT_MODE", "mission-2") == "compact"
        assert flags.is_open("GATE", None, {}) is False
        assert FeatureGates(flags, "mission-2").is_compact_prompt_mode()


def test_a_flag_that_there_is_not_is_as_it_is_without_a_subject(flags: Flags) -> None:
    with subject("mission-1"):
        assert flags.value("NONE", "mine") == "mine"
        assert flags.value("OTHER", 1) == 7, "forced by the environment"
        assert flags.is_open("NONE") is False


@pytest.mark.parametrize(
    ("meta", "expected"),
    [
        (None, NOBODY),
        ({}, NOBODY),
        ({KEY: "mission-1"}, Subject("mission-1")),
        ({KEY: ""}, NOBODY),
        ({KEY: 7, ATTRIBUTES: ["no object"]}, NOBODY),
        ({KEY: "m", ATTRIBUTES: {"cohort": "beta"}, "progressToken": 1}, Subject("m", {"cohort": "beta"})),
        ("no object", NOBODY),
    ],
)
def test_a_calls_meta_says_whose_it_is_and_what_is_odd_is_left_out(meta: Any, expected: Subject) -> None:
    assert subject_of(meta) == expected


def test_what_the_worker_knows_goes_before_what_the_client_says() -> None:
    meta = {KEY: "m", ATTRIBUTES: {"tool": "mine", "cohort": "beta"}}
    assert subject_of(meta, tool="plan") == Subject("m", {"tool": "plan", "cohort": "beta"})
    with subject(subject_of(meta), {"tool": "plan"}) as made:
        assert made == current() == Subject("m", {"tool": "plan", "cohort": "beta"})


async def test_tasks_and_their_threads_take_it_along_and_a_bare_thread_begins_without(flags: Flags) -> None:
    async def asked(key: str) -> list[Any]:
        with subject(key):
            await asyncio.sleep(0)
            return await asyncio.to_thread(answers, flags)

    first, second = await asyncio.gather(asked("mission-1"), asked("mission-2"))
    assert (first, second) == (["verbose", True], ["compact", False])
    heard: list[Any] = []
    with subject("mission-1"):
        bare = threading.Thread(target=lambda: heard.append(answers(flags)))
        bare.start()
        bare.join(timeout=60)
    assert heard == [["compact", False]]


def test_an_error_inside_ends_it_as_well(flags: Flags) -> None:
    with pytest.raises(LookupError), subject("mission-1"):
        raise LookupError
    assert answers(flags) == ["compact", False]
