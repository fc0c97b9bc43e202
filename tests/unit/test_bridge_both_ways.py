"""What the daemon asks, what the client cancels, and subscriptions of the stateless era, across a loss."""

from __future__ import annotations

import pytest
from bridge_story import STATELESS, SUBSCRIPTION, WORKER_LOST, Message, Story

from orchestrator.bridge.daemon_side import PARTING

ACKNOWLEDGED = "notifications/subscriptions/acknowledged"
FILTER = {"toolsListChanged": True, "promptsListChanged": True, "resourceSubscriptions": ["a:1"]}


def acknowledge(story: Story, call_id: object, **honoured: object) -> None:
    story.daemon(method=ACKNOWLEDGED, params={"_meta": {SUBSCRIPTION: call_id}, "notifications": honoured})


def listening() -> Story:
    story = Story()
    story.connect()
    story.asks("sub", "subscriptions/listen", notifications=FILTER, _meta=STATELESS)
    acknowledge(story, "sub", **FILTER)
    assert [each["method"] for each in story.told()] == [ACKNOWLEDGED]
    story.sent()
    return story


# --- the daemon's requests ----------------------------------------------------------------------------


@pytest.mark.requirement("CONN-1")
def test_the_client_answers_the_daemon_and_the_daemon_may_withdraw_what_it_asked() -> None:
    story = Story().opened()
    story.daemon(id=1, method="roots/list")
    story.replies(1, {"roots": []})
    assert story.sent() == [{"id": 1, "result": {"roots": []}}]
    story.daemon(id=2, method="roots/list")
    story.daemon(method="notifications/cancelled", params={"requestId": 2})
    assert [each.get("params") for each in story.told()] == [None, None, {"requestId": 2}]
    story.lose()
    assert story.told() == []


@pytest.mark.requirement("CONN-2")
def test_a_question_of_a_daemon_that_is_gone_is_withdrawn_and_its_late_answer_reaches_nobody() -> None:
    story = Story().opened()
    story.daemon(id=1, method="elicitation/create", params={"message": "old"})
    story.told()
    story.lose()
    assert [(each["method"], each["params"]["requestId"]) for each in story.told()] == [("notifications/cancelled", 1)]
    story.reopened()
    story.told()
    story.daemon(id=1, method="elicitation/create", params={"message": "new"})
    (asked,) = story.told()
    assert asked["params"] == {"message": "new"}
    assert asked["id"] != 1
    story.replies(1, {"action": "old"})
    assert story.sent() == []
    story.replies(asked["id"], {"action": "new"})
    assert story.sent() == [{"id": 1, "result": {"action": "new"}}]


def test_a_call_for_which_the_client_was_asked_something_is_not_sent_again() -> None:
    story = Story().opened()
    story.calls(1, "look")
    story.daemon(id=1, method="elicitation/create")
    story.asks(2, "resources/read", uri="a:1")
    story.daemon(id=2, method="ping")
    story.lose()
    answered = [each for each in story.told() if each.get("id") == 1 and "error" in each]
    assert [each["error"]["code"] for each in answered] == [WORKER_LOST]
    assert [each["id"] for each in story.reopened() if each["method"] == "resources/read"] == [2]


def test_a_renamed_question_is_withdrawn_by_the_name_the_client_knows() -> None:
    story = Story().opened()
    story.daemon(id=1, method="roots/list")
    story.lose()
    story.reopened()
    story.told()
    story.daemon(id=1, method="roots/list")
    story.daemon(method="notifications/cancelled", params={"requestId": 1, "reason": "late"})
    asked, withdrawn = story.told()
    assert withdrawn["params"] == {"requestId": asked["id"], "reason": "late"}


# --- the client's cancellations -----------------------------------------------------------------------


@pytest.mark.requirement("CONN-1")
def test_a_cancelled_call_has_no_answer_whatever_happens() -> None:
    story = Story().opened()
    for number in range(3):
        story.calls(number, "pay")
    story.sent()
    story.tells("notifications/cancelled", requestId=0)
    assert [each["params"]["requestId"] for each in story.sent()] == [0]
    story.answers(0, {})
    story.lose()
    assert [each["id"] for each in story.told()] == []
    story.tells("notifications/cancelled", requestId=1)
    story.tells("notifications/cancelled", requestId=7)
    story.tells("notifications/cancelled")
    seen = story.reopened()
    assert not any(each["method"] == "notifications/cancelled" for each in seen)
    assert [each["id"] for each in story.told() if "id" in each] == [2]


def test_the_handshake_cannot_be_cancelled() -> None:
    story = Story()
    story.connect()
    story.asks(0, "initialize")
    story.tells("notifications/cancelled", requestId=0)
    story.answers(0, {})
    assert [each["id"] for each in story.told()] == [0]


# --- subscriptions ------------------------------------------------------------------------------------


@pytest.mark.requirement("CONN-2")
def test_a_subscription_goes_on_with_the_next_daemon_and_what_may_have_changed_is_told() -> None:
    story = listening()
    story.lose()
    story.now += 10_000.0
    story.expire()
    assert story.told() == []
    assert [each["id"] for each in story.reopened()] == ["sub"]
    acknowledge(story, "sub", toolsListChanged=True, resourceSubscriptions=["a:1"])
    tag: Message = {"_meta": {SUBSCRIPTION: "sub"}}
    assert story.told() == [
        {"method": "notifications/tools/list_changed", "params": tag},
        {"method": "notifications/resources/updated", "params": {"uri": "a:1", **tag}},
    ]
    assert story.conversation.books.in_flight == 0


def test_a_subscription_that_was_not_acknowledged_yet_is_acknowledged_once() -> None:
    story = Story()
    story.connect()
    story.asks(1, "subscriptions/listen")
    story.lose()
    story.reopened()
    acknowledge(story, 1)
    acknowledge(story, 2)
    assert [each["params"]["_meta"][SUBSCRIPTION] for each in story.told()] == [1, 2]


@pytest.mark.parametrize("ending", ["result", "cancelled"])
def test_a_subscription_that_either_side_ended_is_not_taken_up_again(ending: str) -> None:
    story = listening()
    if ending == "cancelled":
        story.daemon(method="notifications/cancelled", params={"requestId": "sub"})
    else:
        story.tells("notifications/cancelled", requestId="sub")
        story.answers("sub", {"resultType": "complete"})
    assert len(story.told()) == 1
    story.lose()
    assert story.reopened() == []


def test_a_subscription_the_client_ended_is_not_taken_up_again() -> None:
    story = listening()
    story.tells("notifications/cancelled", requestId="sub")
    story.lose()
    assert story.reopened() == []
    assert story.told() == []
    story.lose()
    story.asks("unsent", "subscriptions/listen")
    story.tells("notifications/cancelled", requestId="unsent")
    assert story.reopened() == []


def test_the_last_word_on_a_subscription_the_client_ended_is_told_at_once() -> None:
    story = listening()
    story.tells("notifications/cancelled", requestId="sub")
    story.refuses("sub", WORKER_LOST)
    assert [each["id"] for each in story.told()] == ["sub"]


def test_a_subscription_ended_by_a_daemon_that_leaves_is_only_over_if_it_stays() -> None:
    leaving, staying = listening(), listening()
    for story in (leaving, staying):
        story.refuses("sub", WORKER_LOST)
        assert story.told() == []
    leaving.lose()
    assert [each["id"] for each in leaving.reopened()] == ["sub"]
    staying.now += PARTING
    staying.expire()
    assert [each["id"] for each in staying.told()] == ["sub"]
