"""What people hear of a rollout: that it began, paused, went back, is done; each once, and nothing of mere steps."""

from __future__ import annotations

import json
from typing import Any

import pytest
from rollout_plans import (
    ABORT,
    CUT_BACK,
    LOSE,
    PAUSE,
    REHEARSED,
    RESUME,
    TICK,
    Story,
    asked,
    cut_over,
    plan,
    serving,
)
from rollout_story import ready

from orchestrator.chronicle import notice_of
from orchestrator.domain.evidence.look import Verdict
from orchestrator.domain.rollouts import events as ev
from orchestrator.notify.message import message


def told(story: Story, *happened: ev.Event) -> list[dict[str, Any]]:
    """Return the notices that events lead to."""
    notices = []
    for event in happened:
        before = story.state.rollout
        story.happen(event)
        notices.append(notice_of(before, story.state.rollout))
    return [notice for notice in notices if notice is not None]


@pytest.mark.requirement("VERB-12")
def test_a_rollout_is_told_of_when_it_begins_pauses_and_goes_back_and_of_each_once() -> None:
    notices = told(serving(), asked(plan(flags=())), REHEARSED, ready(2), TICK, PAUSE, RESUME, ABORT)
    assert [notice["event"] for notice in notices] == ["rollout.began", "rollout.paused", "rollout.rolled_back"]
    assert notices[0]["detail"] == "rollout r (plan small) has begun, asked for by ann"
    assert notices[1]["detail"] == "rollout r (plan small) is paused at step 1 of 2 (10 %): ann paused: lunch"
    assert notices[2]["detail"] == "rollout r (plan small) went back at step 1 of 2 (10 %): ann rolled back: a hunch"
    assert (notices[2]["what"], notices[2]["by"]) == ("person", "ann")


@pytest.mark.requirement("VERB-12")
def test_a_way_back_that_takes_long_is_told_of_once_and_the_end_when_it_is_there() -> None:
    story = serving().happen(asked(), REHEARSED, ready(2), TICK, ev.PromoteAsked(actor="ann"))
    story.wait(95, Verdict.WITHIN_MARGIN)
    assert story.rollout.moved
    assert [notice["event"] for notice in told(story, ABORT, ev.FlagsReset("r"))] == ["rollout.rolled_back"]
    story = serving().happen(asked(plan(flags=())), REHEARSED, ready(2), TICK, ev.PromoteAsked(actor="ann"))
    before = story.state.rollout
    story.wait(61, Verdict.WITHIN_MARGIN)
    notice = notice_of(before, story.state.rollout)
    assert notice is not None
    assert (notice["event"], notice["detail"]) == (
        "rollout.done", "rollout r (plan small) is done: generation 2 serves all calls",
    )  # fmt: skip
    assert notice_of(None, None) is None


@pytest.mark.requirement("EXCLUSIVE-6")
def test_a_way_back_that_does_not_succeed_is_told_of_once() -> None:
    full, busy = ev.CutBackStuck("r", "the disk is full"), ev.CutBackStuck("r", "it is busy")
    went, stuck = told(cut_over(), LOSE, full, busy, ready(1), CUT_BACK)
    assert went["event"] == "rollout.rolled_back"
    assert (stuck["event"], stuck["what"]) == ("rollout.stuck", "state")
    assert stuck["detail"] == "rollout r (plan alone) cannot go back yet, and calls wait: the disk is full"


@pytest.mark.requirement("VERB-12")
@pytest.mark.parametrize(
    ("event", "title", "alarming"),
    [
        ("rollout.began", "A rollout has begun", False),
        ("rollout.paused", "A rollout is paused", True),
        ("rollout.rolled_back", "A rollout was rolled back", True),
        ("rollout.stuck", "A rollout cannot go back, and calls wait", True),
        ("rollout.done", "A rollout is done", False),
    ],
)
def test_people_read_a_title_and_a_sentence_and_see_what_is_alarming(event: str, title: str, *, alarming: bool) -> None:
    shown = message(json.dumps({"event": event, "rollout": "r", "detail": "rollout r ...", "at": "now"}))
    assert (shown.title, shown.text, shown.alarming) == (title, "rollout r ...", alarming)
