"""Held intake: calls wait, what the old worker alone can go on with reaches it, and then the table in force serves."""

from __future__ import annotations

import pytest
from plane_story import STATELESS, VERSION, Peer, Plane, tools

from orchestrator.conducting.writes import Writes
from orchestrator.proxy.holding import Holding
from orchestrator.proxy.movement import Movement
from orchestrator.proxy.tasks import MARK

pytestmark = pytest.mark.requirement("EXCLUSIVE-4")

READS = [{**tools("look")[0], "annotations": {"readOnlyHint": True}}, *tools("write")]


def held(plane: Plane) -> Holding:
    holding = Holding(plane.dispatcher, Movement(plane.dispatcher))
    holding.hold()
    return holding


def two_versions() -> tuple[Plane, Peer, Peer]:
    """Generation 1 serves one client."""
    plane = Plane()
    plane.table(active=1)
    return plane, plane.worker(1, tools=READS), plane.client()


def called(worker: Peer) -> list[str]:
    return [one["params"]["name"] for one in worker.heard() if one.get("method") == "tools/call"]


async def test_a_call_in_flight_is_answered_and_one_that_comes_waits_for_the_table_that_follows() -> None:
    plane, one, client = two_versions()
    client.ask("tools/call", name="write", arguments={})
    asked = one.heard()[-1]
    holding = held(plane)
    second = client.ask("tools/call", name="look", arguments={})
    assert called(one) == []
    one.say(id=asked["id"], result={"content": []})
    assert [message["id"] for message in client.heard()] == [2]
    plane.dispatcher.suspend(one.end)
    two = plane.worker(2, tools=READS)
    assert called(two) == []
    plane.table(active=2, previous=1)
    assert called(two) == [], "a table alone does not let intake go"
    holding.release(frozenset({1}))
    two.answer(content=[])
    assert [message["id"] for message in client.heard() if "id" in message] == [second]


async def test_a_call_whose_worker_died_before_its_end_waits_too_if_it_may_be_made_again() -> None:
    plane, one, client = two_versions()
    client.ask("tools/call", name="look", arguments={})
    client.ask("tools/call", name="write", arguments={})
    one.heard()
    holding = held(plane)
    plane.dispatcher.detach(one.end, "generation 1: it was retired")
    assert "worker_lost" in client.heard()[-1]["error"]["message"]
    two = plane.worker(2, tools=READS)
    plane.table(active=2)
    holding.release()
    assert called(two) == ["look"]


async def test_a_waiting_call_meets_its_own_deadline_and_is_dropped_when_its_client_takes_it_back() -> None:
    plane, one, client = two_versions()
    held(plane)
    number = client.ask("tools/call", name="look", arguments={})
    gone = client.ask("tools/call", name="look", arguments={})
    client.say(method="notifications/cancelled", params={"requestId": gone})
    (call,) = plane.dispatcher.ledger.open.values()
    plane.dispatcher.ledger._on_deadline(call)
    answer = client.heard()[-1]
    assert (answer["id"], answer["error"]["data"]["retryable"]) == (number, True)
    assert "deadline_exceeded" in answer["error"]["message"]
    assert called(one) == []


async def test_an_end_of_the_daemon_refuses_what_waits_and_it_may_be_made_again() -> None:
    plane, one, client = two_versions()
    holding = held(plane)
    plane.dispatcher.suspend(one.end)
    client.ask("tools/call", name="look", arguments={})
    assert not client.heard()
    holding.refuse("the daemon stops")
    error = client.heard()[-1]["error"]
    assert (error["data"]["retryable"], "the daemon stops" in error["message"]) == (True, True)


async def test_a_listener_waits_with_the_others_and_listens_to_the_new_worker() -> None:
    plane = Plane()
    plane.table(active=1)
    one = plane.worker(1, era=STATELESS)
    client = plane.client(greeted=False)
    client.ask("subscriptions/listen", _meta=VERSION, notifications={"toolsListChanged": True})
    assert one.told() == ["subscriptions/listen"]
    holding = held(plane)
    assert (one.told(), one.end.in_flight) == (["notifications/cancelled"], 0)
    plane.dispatcher.suspend(one.end)
    two = plane.worker(2, era=STATELESS)
    plane.table(active=2, previous=1)
    holding.release(frozenset({1}))
    assert "subscriptions/listen" in two.told()


async def test_what_a_parked_version_alone_could_go_on_with_has_to_be_begun_again() -> None:
    plane, one, client = two_versions()
    client.ask("tools/call", name="write", arguments={}, task={})
    one.answer(task={"taskId": "t-1", "status": "working", "ttl": 60000})
    task = client.heard()[-1]["result"]["task"]["taskId"]
    holding = held(plane)
    client.ask("tasks/get", taskId=task)
    assert one.told() == ["tasks/get"], "the old worker has to come to its end"
    plane.dispatcher.suspend(one.end)
    number = client.ask("tasks/list", cursor=f"1{MARK}page")
    plane.worker(2, tools=READS)
    plane.table(active=2, previous=1)
    client.heard()
    holding.release(frozenset({1}))
    answer = client.heard()[-1]
    assert (answer["id"], "begin again" in answer["error"]["message"]) == (number, True)


@pytest.mark.requirement("EXCLUSIVE-5")
async def test_calls_count_that_may_have_written_by_the_version_that_has_the_state() -> None:
    plane, one, client = two_versions()
    writes = Writes(plane.dispatcher)
    writes.count(1)
    for name in ("look", "write", "unknown", "write"):
        client.ask("tools/call", name=name, arguments={})
    client.ask("tools/list")
    assert (writes.calls, writes.words()) == (3, "3 calls that may have written")
    writes.count(2, already=5)
    client.ask("tools/call", name="write", arguments={})
    assert (writes.calls, writes.words()) == (5, "at least 5 calls that may have written")
    writes.end()
    client.ask("tools/call", name="write", arguments={})
    assert (plane.dispatcher.on_sent, writes.generation) == ([], None)
    assert len(called(one)) == 6
