"""What a switch leaves a session with: its settings, its subscriptions, and news of exactly the lists that changed."""

from __future__ import annotations

import pytest
from plane_story import STATELESS, VERSION, Plane, tools

from orchestrator.domain.protocol import Era, Place

CHANGED = "notifications/tools/list_changed"


@pytest.mark.requirement("ISO-5")
async def test_what_is_set_and_subscribed_while_another_generation_is_warm_is_told_to_that_one_too() -> None:
    plane = Plane()
    plane.table(active=1, canary=2)
    active, canary, client = plane.worker(1), plane.worker(2), plane.client()
    for method, params in (
        ("resources/subscribe", {"uri": "mem://one"}),
        ("logging/setLevel", {"level": "debug"}),
        ("resources/unsubscribe", {"uri": "mem://one"}),
    ):
        client.ask(method, **params)
        assert active.answer()["params"] == params
        (told,) = canary.heard()
        assert (told["method"], told["params"]) == (method, params)
        assert len(client.heard()) == 1


@pytest.mark.requirement("ISO-3")
async def test_a_sessions_former_worker_hears_what_is_set_meanwhile_for_the_way_back() -> None:
    plane = Plane(isolated=True)
    plane.table(active=1)
    plane.worker(1)
    client = plane.client()
    former = plane.worker(1, session=client.end)
    plane.table(active=2, previous=1, previous_warm=True)
    own = plane.worker(2, session=client.end)
    other = plane.client()
    others = plane.worker(2, session=other.end)
    client.ask("logging/setLevel", level="error")
    assert own.answer()["params"] == {"level": "error"}
    assert [message["params"] for message in former.heard()] == [{"level": "error"}]
    assert not others.heard()


@pytest.mark.requirement("ISO-5")
async def test_a_subscription_that_was_refused_and_a_level_that_is_none_are_not_remembered() -> None:
    plane = Plane()
    plane.table(active=1)
    active, client = plane.worker(1), plane.client()
    client.ask("resources/subscribe", uri="mem://none")
    active.refuse(-32002, "there is none")
    client.ask("logging/setLevel", level="info")
    active.answer()
    client.ask("logging/setLevel", level="loud")
    active.refuse(-32602, "no such level")
    assert (client.end.value.subscriptions, client.end.value.log_level) == ([], "info")


@pytest.mark.requirement("ISO-5")
async def test_what_a_client_that_is_gone_had_subscribed_to_is_given_up_unless_another_wants_it() -> None:
    plane = Plane()
    plane.table(active=1)
    active, one, two = plane.worker(1), plane.client(), plane.client()
    for client in (one, two):
        client.ask("resources/subscribe", uri="mem://one")
        active.answer()
    one.end.connection_lost(None)
    assert active.told() == []
    two.end.connection_lost(None)
    assert active.told() == ["resources/unsubscribe"]


@pytest.mark.requirement("SURF-3")
async def test_a_listener_hears_of_a_switch_also_where_sessions_have_workers_of_their_own() -> None:
    plane = Plane(isolated=True)
    plane.table(active=1)
    first = plane.worker(1, era=STATELESS, tools=tools("a"))
    client = plane.client(greeted=False)
    client.ask("subscriptions/listen", _meta=VERSION, notifications={"toolsListChanged": True})
    tag = {"io.modelcontextprotocol/subscriptionId": first.heard()[-1]["id"]}
    first.say(method="notifications/subscriptions/acknowledged", params={"_meta": tag, "notifications": {}})
    client.heard()
    plane.worker(2, era=STATELESS, tools=tools("a", "b"))
    plane.table(active=2, previous=1)
    assert client.told() == [CHANGED]


@pytest.mark.requirement("SURF-3")
async def test_the_news_of_a_sessions_own_worker_are_nobody_elses() -> None:
    plane = Plane(isolated=True)
    plane.table(active=1)
    plane.worker(1, tools=tools("a"))
    one, two = plane.client(), plane.client()
    own, _ = plane.worker(1, session=one.end, tools=tools("a")), plane.worker(1, session=two.end, tools=tools("a"))
    own.say(method=CHANGED)
    assert one.told() == [CHANGED]
    own.end.learn({"tools": tools("a", "mine")})
    plane.lists.learned(own.end)
    assert (one.told(), two.told()) == ([], [])
    plane.worker(2, tools=tools("a"))
    plane.table(active=2, previous=1)
    plane.worker(2, session=two.end, tools=tools("a"))
    assert two.told() == []
    plane.worker(2, session=one.end, tools=tools("a"))
    assert one.told() == [CHANGED]


@pytest.mark.requirement("SURF-3")
async def test_the_two_eras_of_a_generation_are_told_apart_when_one_shows_another_list() -> None:
    plane = Plane()
    plane.table(active=1)
    plane.worker(1, tools=tools("a"))
    plain = plane.client()
    stateless = plane.worker(1, era=STATELESS, tools=tools("a"))
    stateless.end.learn({"tools": tools("a", "b")})
    plane.lists.learned(stateless.end)
    assert plain.told() == []


@pytest.mark.requirement("ISO-6", "SURF-3")
async def test_a_parked_session_is_told_at_once_of_lists_that_a_switch_changed_and_not_again_when_it_wakes() -> None:
    plane = Plane(isolated=True, idle=1.0)
    plane.table(active=1)
    plane.worker(1, tools=tools("a"))
    client = plane.client()
    plane.worker(1, session=client.end, tools=tools("a", "mine"))
    plane.others.park(plane.now + 2)
    assert plane.released == [Place(1, Era.HANDSHAKE, client.end.value.id)]
    plane.worker(2, tools=tools("a", "b"))
    plane.table(active=2, previous=1)
    assert client.told() == [CHANGED]
    plane.worker(2, session=client.end, tools=tools("a", "b", "mine"))
    assert client.told() == []


@pytest.mark.requirement("ISO-3", "SURF-3")
async def test_a_session_whose_worker_is_gone_before_the_next_one_is_there_hears_of_lists_that_differ() -> None:
    plane = Plane(isolated=True)
    plane.table(active=1)
    plane.worker(1, tools=tools("a"))
    client = plane.client()
    own = plane.worker(1, session=client.end, tools=tools("a"))
    plane.dispatcher.detach(own.end, "it was killed")
    plane.worker(2, tools=tools("a", "b"))
    plane.table(active=2, previous=1)
    assert client.told() == [CHANGED]
    again = plane.worker(2, session=client.end, tools=tools("a", "b"))
    assert client.told() == []
    plane.dispatcher.detach(again.end, "it was killed")
    plane.worker(2, session=client.end, tools=tools("a", "c"))
    assert client.told() == [CHANGED]


@pytest.mark.requirement("ISO-3")
async def test_a_worker_that_is_ready_only_after_its_session_has_moved_on_takes_nothing_over() -> None:
    plane = Plane(isolated=True, warm=0)
    plane.table(active=1)
    plane.worker(1, tools=tools("a"))
    client = plane.client()
    plane.worker(2, tools=tools("a", "b"))
    plane.table(active=2, previous=1)
    plane.worker(2, session=client.end, tools=tools("a", "b"))
    client.heard()
    late = Place(1, Era.HANDSHAKE, client.end.value.id)
    plane.kept[late] = plane.kept[Place(2, Era.HANDSHAKE, client.end.value.id)] = object()
    plane.worker(1, session=client.end, tools=tools("a"))
    assert client.told() == []
    assert plane.released == [late]


@pytest.mark.requirement("ISO-1")
async def test_a_session_whose_worker_failed_to_start_hears_so_and_its_next_call_tries_again() -> None:
    plane = Plane(isolated=True)
    plane.table(active=1)
    plane.worker(1)
    client = plane.client()
    place = Place(1, Era.HANDSHAKE, client.end.value.id)
    for _ in range(2):
        client.ask("tools/call", name="a")
        assert plane.wanted[-1] == place
        plane.fail(place, "it exited with status 1")
        error = next(message["error"] for message in client.heard() if "error" in message)
        assert (error["code"], error["data"]["retryable"]) == (-31011, True)
        assert "it exited with status 1" in error["message"]
        plane.wanted.clear()
