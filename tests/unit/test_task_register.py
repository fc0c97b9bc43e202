"""The register of tasks: who may ask about which, what a list shows to whom, and when a worker may go."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest

from orchestrator.domain.protocol import Era, Place
from orchestrator.proxy import codec
from orchestrator.proxy.ledger import Call
from orchestrator.proxy.link import WorkerLink
from orchestrator.proxy.outbox import Turn
from orchestrator.proxy.session import Session
from orchestrator.proxy.tasks import KNOWN, MARK, Tasks

pytestmark = pytest.mark.requirement("ERA-6")

Json = dict[str, Any]


class Scene:
    """A register, a clock that stands still unless it is told, and links of some generations."""

    def __init__(self) -> None:
        self.now = 100.0
        self.tasks = Tasks(lambda: self.now)
        self.numbers = iter(range(1, 10**6))

    def link(self, generation: int) -> WorkerLink:
        turn = Turn(asyncio.get_running_loop())
        return WorkerLink(generation, cast("Any", None), turn, line_bytes=1, backlog_bytes=1, on_eof=lambda: None)

    def call(self, session: Session, method: str, params: Json | None = None, generation: int = 1) -> Call:
        number = next(self.numbers)
        tail = codec.request_tail(method, msgspec.Raw(json.dumps(params or {}).encode()))
        return Call(number, session, b"1", method, "", tail, "", 0.0, 5.0, generation=generation)

    def makes(self, link: WorkerLink, session: Session, task: str, ttl: int | None = None) -> None:
        result = {"task": {"taskId": task, "status": "working", "ttl": ttl}}
        self.answered(link, self.call(session, "tools/call"), result)

    def answered(self, link: WorkerLink, call: Call, result: Json, serving: int = 1) -> Json:
        line = json.dumps({"jsonrpc": "2.0", "id": call.number, "result": result}).encode()
        told = self.tasks.answered(link, line, call, good=True, serving=serving)
        found: Json = json.loads(told)["result"]
        return found


def session(name: str, subject: str = "") -> Session:
    return cast("Session", SimpleNamespace(value=SimpleNamespace(id=name), subject=subject))


async def test_one_tokens_tasks_are_neither_found_nor_listed_with_another() -> None:
    scene = Scene()
    link, ann, bob, nobody = scene.link(1), session("a", "ann"), session("b", "bob"), session("c")
    scene.makes(link, ann, "hers")
    for one, allowed in ((ann, True), (session("d", "ann"), True), (bob, False), (nobody, False)):
        call = scene.call(one, "tasks/get", {"taskId": "hers"})
        assert scene.tasks.direct(call, "hers", serving=lambda _: True) is allowed
        assert call.pinned == (1 if allowed else 0)
        page = scene.answered(link, scene.call(one, "tasks/list"), {"tasks": [{"taskId": "hers"}]})
        assert page["tasks"] == ([{"taskId": "hers"}] if allowed else [])


async def test_a_list_goes_on_with_every_generation_that_has_tasks_left_and_ends() -> None:
    scene = Scene()
    one = session("a")
    links = {number: scene.link(number) for number in (1, 2, 5)}
    for number, link in links.items():
        scene.makes(link, one, f"task-{number}", ttl=10_000)
    seen, cursor = [], None
    for _ in range(9):
        call = scene.call(one, "tasks/list", {} if cursor is None else {"cursor": cursor}, generation=2)
        scene.tasks.turn_page(call)
        call.generation = call.pinned or 2
        own = json.loads(b'{"id":0' + bytes(call.tail))["params"].get("cursor")
        result: Json = {"tasks": [{"taskId": f"{call.generation}.{own}"}]}
        if call.generation == 5 and own is None:
            result["nextCursor"] = f"more{MARK}"
        page = scene.answered(links[call.generation], call, result, serving=2)
        seen += [task["taskId"] for task in page["tasks"]]
        cursor = page.get("nextCursor")
        if cursor is None:
            break
    assert seen == ["2.None", "5.None", f"5.more{MARK}", "1.None"]
    links[5].close("gone")
    scene.now += 11
    assert "nextCursor" not in scene.answered(links[2], scene.call(one, "tasks/list", generation=2), {"tasks": []}, 2)


async def test_a_worker_is_needed_until_a_tasks_outcome_was_fetched_or_it_may_be_forgotten() -> None:
    scene = Scene()
    link, one = scene.link(1), session("a")
    for name, ttl in (("fetched", None), ("cancelled", None), ("forgotten", 5_000)):
        scene.makes(link, one, name, ttl)
    get = scene.call(one, "tasks/get")
    scene.answered(link, get, {"taskId": "fetched", "status": "completed"})
    assert set(link.tasks) == {"fetched", "cancelled", "forgotten"}
    result = scene.call(one, "tasks/result")
    assert scene.tasks.direct(result, "fetched", serving=lambda _: True)
    assert result.deadline == float("inf")
    scene.answered(link, result, {"content": []})
    scene.answered(link, get, {"taskId": "cancelled", "status": "cancelled"})
    assert (link.busy_until(scene.now), link.busy_until(scene.now + 6)) == (105.0, None)


async def test_the_stateless_eras_outcome_comes_with_the_status() -> None:
    scene = Scene()
    link, one = scene.link(1), session("a")
    link.era = Era.STATELESS
    made = scene.call(one, "tools/call")
    scene.answered(link, made, {"resultType": "task", "taskId": "t", "status": "working", "ttlMs": 60_000})
    assert link.busy_until(scene.now) == 160.0
    get = scene.call(one, "tasks/get")
    get.era = Era.STATELESS
    scene.answered(link, get, {"resultType": "complete", "taskId": "t", "status": "completed", "result": {}})
    assert link.busy_until(scene.now) is None


async def test_the_oldest_task_is_forgotten_when_there_are_too_many() -> None:
    scene = Scene()
    link, one = scene.link(1), session("a")
    for number in range(KNOWN + 1):
        scene.makes(link, one, str(number))
    assert scene.tasks.find(one, "0") is None
    assert scene.tasks.find(one, str(KNOWN)) is not None
    assert len(link.tasks) == KNOWN


async def test_what_is_waited_for_is_the_last_task_not_the_first() -> None:
    scene = Scene()
    link, one = scene.link(1), session("a")
    link.tasks = {"first": float("inf"), "last": float("inf")}
    assert link.place == Place(1, Era.HANDSHAKE)
    drained = asyncio.ensure_future(link.drained())
    for name in ("first", "last"):
        await asyncio.sleep(0)
        assert not drained.done()
        call = scene.call(one, "tasks/cancel")
        call.task = name
        scene.answered(link, call, {"taskId": name, "status": "cancelled"})
    async with asyncio.timeout(60):
        await drained
