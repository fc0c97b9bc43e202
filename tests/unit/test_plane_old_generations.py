"""What clients bring along from a generation that no longer serves them: cursors, names of tools, states."""

from __future__ import annotations

import pytest
from plane_story import STATELESS, VERSION, Peer, Plane, tools

INVALID_PARAMS = -32602
LONG = "9" * 5000


def page(client: Peer, worker: Peer, cursor: str) -> None:
    client.ask("resources/list")
    worker.answer(resources=[], nextCursor=cursor)
    assert client.heard()[-1]["result"]["nextCursor"] == cursor


@pytest.mark.requirement("SURF-4")
async def test_a_cursor_is_void_once_another_generation_serves_its_client() -> None:
    plane = Plane()
    plane.table(active=1)
    one, client = plane.worker(1), plane.client()
    page(client, one, "at-2")
    client.ask("resources/list", cursor="at-2")
    assert one.answer(resources=[])["params"] == {"cursor": "at-2"}
    page(client, one, "at-3")
    two = plane.worker(2)
    plane.table(active=2, previous=1)
    client.heard()
    client.ask("resources/list", cursor="at-3")
    error = client.heard()[-1]["error"]
    assert error["code"] == INVALID_PARAMS
    assert "the cursor is void: generation 1 gave it" in error["message"]
    assert not two.heard()
    client.ask("resources/list", cursor="never given")
    assert two.answer(resources=[])["params"] == {"cursor": "never given"}  # the worker's to judge
    page(client, two, "at-3")
    client.ask("resources/list", cursor="at-3")
    assert two.answer(resources=[])["params"] == {"cursor": "at-3"}


@pytest.mark.requirement("SURF-4")
async def test_a_cursor_is_judged_when_its_request_goes_out_and_not_when_it_came() -> None:
    plane = Plane(isolated=True)
    plane.table(active=1)
    plane.worker(1)
    client = plane.client()
    own = plane.worker(1, session=client.end)
    page(client, own, "at-2")
    plane.dispatcher.suspend(own.end)
    client.ask("resources/list", cursor="at-2")
    plane.table(active=2, previous=1)
    plane.worker(2, session=client.end)
    assert "the cursor is void" in client.heard()[-1]["error"]["message"]


@pytest.mark.requirement("SURF-4")
async def test_a_call_of_a_tool_that_is_gone_says_so_beside_what_the_worker_says() -> None:
    plane = Plane()
    plane.table(active=1)
    plane.worker(1, tools=tools("old", "both"))
    client = plane.client()
    two = plane.worker(2, tools=tools("both"))
    plane.table(active=2, previous=1)
    client.heard()
    client.ask("tools/call", name="old", arguments={})
    two.refuse(INVALID_PARAMS, "Unknown tool: old")
    error = client.heard()[-1]["error"]
    assert error == {
        "code": INVALID_PARAMS,
        "message": "the tool old is gone: generation 1 had it, and generation 2, which serves now, does not show it; "
        "list the tools again (the worker says: Unknown tool: old)",
    }
    client.ask("tools/call", name="old", arguments={})
    two.answer(isError=True, content=[{"type": "text", "text": "Unknown tool"}])
    first, second = client.heard()[-1]["result"]["content"]
    assert first["text"] == "Unknown tool"
    assert "the tool old is gone: generation 1 had it" in second["text"]


@pytest.mark.requirement("SURF-4")
async def test_a_tool_that_works_unlisted_or_was_never_shown_is_the_workers_own_affair() -> None:
    plane = Plane()
    plane.table(active=1)
    plane.worker(1, tools=tools("old", "both"))
    client = plane.client()
    two = plane.worker(2, tools=tools("both"))
    plane.table(active=2, previous=1)
    client.heard()
    for name, result in (
        ("old", {"content": []}),
        ("both", {"content": [], "isError": True}),
        ("never", {"content": [], "isError": True}),
    ):
        client.ask("tools/call", name=name)
        two.answer(**result)
        assert client.heard()[-1]["result"] == result


@pytest.mark.requirement("PROXY-6")
@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("tasks/list", {"cursor": f"{LONG}~x"}),
        ("tools/call", {"name": "a", "requestState": f"{LONG}~x", "_meta": VERSION}),
        ("tools/call", {"name": "a", "requestState": "\u0661~x", "_meta": VERSION}),
    ],
)
async def test_a_number_that_is_none_is_left_to_the_worker(method: str, params: dict[str, object]) -> None:
    plane = Plane()
    plane.table(active=1)
    workers = plane.worker(1), plane.worker(1, era=STATELESS)
    client = plane.client(greeted=False)
    client.ask(method, **params)
    (asked,) = [message for worker in workers for message in worker.heard()]
    assert asked["params"] == params
