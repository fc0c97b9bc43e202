"""Whatever the order of calls, answers, cancellations, losses and returns: no id is answered twice, or never."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
from bridge_story import NO_WORKER, OTHER, READ_ONLY, WELCOME, Message, Story
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from orchestrator.bridge.books import HOLD

OWN = "switchover-connect-"
RESULTS = {"initialize": WELCOME, "tools/list": {"tools": [READ_ONLY, OTHER]}}
METHODS = [
    "tools/list",
    "resources/subscribe",
    "resources/unsubscribe",
    "logging/setLevel",
    "prompts/get",
    "of/tomorrow",
]


class AnyOrder(RuleBasedStateMachine):
    """A client that goes on whatever happens, and daemons that come, answer in any order, and go."""

    def __init__(self) -> None:
        super().__init__()
        self.story = Story()
        self.there = False
        self.inbox: list[Message] = []
        self.asked: list[Any] = []
        self.cancelled: set[Any] = set()
        self.answers: Counter[Any] = Counter()
        self.deliveries: Counter[Any] = Counter()
        self.paying: set[Any] = set()

    # --- the client -------------------------------------------------------------------------------

    @initialize(handshake=st.booleans())
    def begin(self, *, handshake: bool) -> None:
        if handshake:
            self.request("initialize")
            self.story.tells("notifications/initialized")

    @rule(method=st.sampled_from(METHODS))
    def request(self, method: str) -> None:
        self.asked.append(len(self.asked))
        self.story.asks(self.asked[-1], method, uri="a:1")
        self.look()

    @rule(tool=st.sampled_from(["look", "pay", "unlisted"]), key=st.sampled_from([None, "k"]))
    def call(self, tool: str, key: str | None) -> None:
        self.asked.append(len(self.asked))
        if tool != "look":
            self.paying.add(self.asked[-1])
        self.story.calls(self.asked[-1], tool, **({"io.switchover/key": key} if key else {}))
        self.look()

    @precondition(lambda self: self.asked)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        chosen = data.draw(st.sampled_from(self.asked))
        if chosen:  # 0 may be the handshake, which nobody may cancel
            self.cancelled.add(chosen)
            self.story.tells("notifications/cancelled", requestId=chosen)
            self.look()

    # --- the daemons ------------------------------------------------------------------------------

    @precondition(lambda self: not self.there)
    @rule()
    def come(self) -> None:
        self.there = True
        self.story.connect()
        self.look()

    @precondition(lambda self: self.there)
    @rule(unread=st.booleans())
    def go(self, *, unread: bool = False) -> None:
        self.there = False
        last = json.loads(self.story.last_line or "{}").get("id")
        answered = last is not None and all(message["id"] != last for message in self.inbox)
        if unread and self.story.last_line and not answered:  # a daemon has read what it answered
            self.deliveries[last] -= 1
            self.story.conversation.unsent([self.story.last_line], self.story.now)
        self.inbox.clear()
        self.story.lose()
        self.look()

    @precondition(lambda self: self.inbox)
    @rule(data=st.data(), how=st.sampled_from(["result", "result", "error", "leaving"]))
    def answer(self, data: st.DataObject, how: str) -> None:
        message = self.inbox.pop(data.draw(st.integers(0, len(self.inbox) - 1)))
        if how == "result":
            self.story.answers(message["id"], RESULTS.get(message["method"], {}))
        elif how == "leaving":
            self.story.refuses(message["id"], NO_WORKER, retryable=True)
            self.deliveries[message["id"]] -= 1  # it says that it has not taken it
        else:
            self.story.daemon(id=message["id"], error={"code": -32602, "message": "no"})
        self.look()

    @precondition(lambda self: self.there)
    @rule(stray=st.integers(0, 30))
    def answer_anything(self, stray: int) -> None:
        if not any(message["id"] == stray for message in self.inbox):
            self.story.answers(stray, {})
            self.look()

    @rule(seconds=st.sampled_from([0.5, HOLD]))
    def pass_time(self, seconds: float) -> None:
        self.story.now += seconds
        self.story.expire()
        self.look()

    # --- what must hold ---------------------------------------------------------------------------

    def look(self) -> None:
        """Take what was said, and check it."""
        for message in self.story.told():
            if "method" not in message:
                assert not str(message["id"]).startswith(OWN)
                self.answers[message["id"]] += 1
                assert self.answers[message["id"]] == 1
        for message in self.story.sent():
            if "id" in message:
                assert self.there
                self.inbox.append(message)
                self.deliveries[message["id"]] += 1
                assert message["id"] not in self.paying or self.deliveries[message["id"]] == 1

    def teardown(self) -> None:
        """Let a daemon that stays answer everything, and count."""
        if self.there:
            self.go()
        self.come()
        while self.inbox:
            message = self.inbox.pop(0)
            self.story.answers(message["id"], RESULTS.get(message["method"], {}))
            self.look()
        missing = [each for each in self.asked if not self.answers[each] and each not in self.cancelled]
        assert missing == []
        assert self.story.conversation.books.pending == {}
        assert self.story.conversation.books.next_deadline() is None


AnyOrder.TestCase.settings = settings(max_examples=25, stateful_step_count=40, deadline=None)


@pytest.mark.requirement("CONN-2")
class TestAnyOrder(AnyOrder.TestCase):  # type: ignore[misc, name-defined]
    """Each id is answered at most once, what may have an effect is delivered at most once, and nothing is left."""
