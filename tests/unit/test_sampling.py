"""Every tool call that reached a worker gives one sample, which says what it was assigned to and how it ended."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from plane_story import STATELESS, VERSION, Peer, Plane, tools
from prometheus_client.parser import text_string_to_metric_families

from orchestrator.api.report import Report
from orchestrator.domain.evidence.samples import REPORTED, Outcome, Pair, Sample
from orchestrator.domain.rollouts.state import State
from orchestrator.domain.routing import Lane
from orchestrator.proxy.dispatch import RETIRED
from orchestrator.proxy.link import WorkerLink
from orchestrator.proxy.mcp import mark_state
from orchestrator.telemetry.measured import Snapshot
from orchestrator.telemetry.metrics import render

START = 1_700_000_000.0 - 100.0
"""Offset of the steady clock: the plane's monotonic clock begins at 100 s."""

READING = {"name": "look", "inputSchema": {"type": "object"}, "annotations": {"readOnlyHint": True}}


class Kept:
    """A sink that keeps what it is told."""

    def __init__(self) -> None:
        self.samples: list[Sample] = []

    def sample(self, sample: Sample) -> None:
        self.samples.append(sample)

    def pair(self, pair: Pair) -> None:
        raise AssertionError(pair)

    def take(self) -> Sample:
        """Return the one sample there is."""
        (sample,) = self.samples
        self.samples.clear()
        return sample


def divided(kept: Kept, **lanes: Any) -> tuple[Plane, Peer, Peer]:
    """Return a plane with a worker in each of two lanes, and a sink."""
    plane = Plane()
    plane.dispatcher.sampling.attach(kept, START)
    plane.table(**{"active": 1, "canary": 2, "salt": "s", **lanes})
    return plane, plane.worker(1, tools=[*tools("do"), READING]), plane.worker(2, tools=[*tools("do"), READING])


def single(kept: Kept) -> tuple[Plane, Peer, Peer]:
    """Return a plane with one worker and one client."""
    plane = Plane()
    plane.dispatcher.sampling.attach(kept, START)
    plane.table(active=1)
    return plane, plane.worker(1, tools=[*tools("do"), READING]), plane.client()


def call(client: Peer, tool: str = "do", key: str = "", **meta: Any) -> int:
    """Call a tool, under a key if one is named."""
    meta |= {"io.switchover/key": key} if key else {}
    return client.ask("tools/call", name=tool, arguments={}, **({"_meta": meta} if meta else {}))


def lose(plane: Plane, worker: Peer) -> None:
    """Have a worker die."""
    assert isinstance(worker.end, WorkerLink)
    plane.dispatcher.detach(worker.end, "it died")


@pytest.mark.requirement("SAMPLE-1")
async def test_a_good_call_says_when_it_was_accepted_by_whom_it_was_served_and_how_long_it_took() -> None:
    plane, worker, client = single(kept := Kept())
    call(client, key="mission-42")
    plane.now += 0.25
    worker.answer(content=[])
    assert kept.take() == Sample(
        at=1_700_000_000.0, generation=1, lane=Lane.ACTIVE, tool="do", key="mission-42", outcome=Outcome.OK,
        duration=250.0,
    )  # fmt: skip


@pytest.mark.requirement("SAMPLE-1")
async def test_what_the_worker_or_the_tool_calls_an_error_is_one() -> None:
    _, worker, client = single(kept := Kept())
    call(client)
    worker.answer(content=[], isError=True)
    assert kept.take().outcome is Outcome.ERROR
    call(client)
    worker.refuse(-32602, "no")
    assert kept.take().outcome is Outcome.ERROR
    call(client)
    number = next(message["id"] for message in worker.heard() if "id" in message)
    worker.end.overlong_received(b'{"jsonrpc":"2.0","id":%d,"result":{' % number, b"}}")
    assert kept.take().outcome is Outcome.ERROR


@pytest.mark.requirement("SAMPLE-1")
async def test_a_lost_call_counts_once_and_a_replayed_one_as_it_ends() -> None:
    plane, worker, client = single(kept := Kept())
    call(client)
    call(client, "look")
    lose(plane, worker)
    assert kept.take().outcome is Outcome.LOST  # the other one waits for its second worker
    second = plane.worker(1, tools=[READING])
    second.answer(content=[])
    assert (sample := kept.take()).outcome is Outcome.OK
    assert sample.tool == "look"
    call(client, "look")
    lose(plane, second)
    plane.dispatcher.give_up(1, "a crash loop")
    assert kept.take().outcome is Outcome.LOST


@pytest.mark.requirement("SAMPLE-1")
async def test_a_call_resolves_at_its_deadline_and_its_late_answer_adds_nothing() -> None:
    plane, worker, client = single(kept := Kept())
    call(client)
    (open_call,) = plane.dispatcher.ledger.open.values()
    plane.now += 300.0
    plane.dispatcher._expired(open_call)
    sample = kept.take()
    assert (sample.outcome, sample.duration) == (Outcome.EXPIRED, 300_000.0)
    worker.say(id=open_call.number, result={})
    assert kept.samples == []


@pytest.mark.requirement("SAMPLE-1")
async def test_a_call_its_client_took_back_is_cancelled_in_whichever_way() -> None:
    plane, _, client = single(kept := Kept())
    number = call(client)
    client.say(method="notifications/cancelled", params={"requestId": number})
    assert kept.take().outcome is Outcome.CANCELLED
    call(client)
    plane.intake.closed(client.end)
    assert kept.take().outcome is Outcome.CANCELLED
    call(plane.client())
    plane.dispatcher.abandon("the daemon stops")
    assert kept.take().outcome is Outcome.CANCELLED


@pytest.mark.requirement("SAMPLE-1")
async def test_what_reached_no_worker_and_what_is_no_tool_call_gives_none() -> None:
    plane, worker, client = single(kept := Kept())
    client.ask("tools/list")
    worker.answer(tools=[])
    plane.dispatcher.limits.calls_per_session = 0
    call(client)  # overloaded
    plane.dispatcher.limits.calls_per_session = 256
    lose(plane, worker)
    call(client)
    plane.dispatcher.give_up(1, "a crash loop")  # no worker
    assert kept.samples == []


@pytest.mark.requirement("SAMPLE-1")
async def test_a_call_that_waits_in_vain_for_its_worker_expires_in_its_lane() -> None:
    plane, worker, client = single(kept := Kept())
    lose(plane, worker)
    call(client)
    (open_call,) = plane.dispatcher.ledger.open.values()
    plane.dispatcher._expired(open_call)
    assert (kept.take().outcome, kept.samples) == (Outcome.EXPIRED, [])


@pytest.mark.requirement("SAMPLE-2")
async def test_while_keys_are_divided_a_sample_says_which_side_it_was_assigned_to() -> None:
    plane, old, new = divided(kept := Kept(), weight=30)
    client = plane.client()
    seen = set()
    for number in range(40):
        call(client, key=f"k{number}")
        served = next(peer for peer in (old, new) if peer.end.in_flight)
        served.answer(content=[])
        sample = kept.take()
        assert (sample.share, sample.generation) == (0.3, served.end.generation)
        assert (sample.treated, sample.lane) == ((True, Lane.CANARY) if served is new else (False, Lane.ACTIVE))
        seen.add(sample.treated)
    assert seen == {True, False}


@pytest.mark.requirement("SAMPLE-2")
@pytest.mark.parametrize(
    "lanes", [{"weight": 100}, {"weight": 0}, {"weight": 30, "kill_switch": True}], ids=["all", "none", "kill switch"]
)
async def test_where_nothing_is_divided_nothing_is_treated(lanes: dict[str, Any]) -> None:
    plane, old, new = divided(kept := Kept(), **lanes)
    call(plane.client())
    served = next(peer for peer in (old, new) if peer.end.in_flight)
    served.answer(content=[])
    assert ((sample := kept.take()).treated, sample.share) == (None, 0.0)


@pytest.mark.requirement("SAMPLE-2")
async def test_a_call_that_goes_on_with_a_generation_was_not_assigned_by_its_key() -> None:
    plane, _, _ = divided(kept := Kept(), weight=50)
    for generation in (1, 2):
        plane.worker(generation, era=STATELESS, tools=tools("do"))
    client = plane.client(greeted=False)
    state = mark_state("mine", 2)
    client.ask("tools/call", name="do", arguments={}, _meta=VERSION, requestState=state)
    (open_call,) = plane.dispatcher.ledger.open.values()
    plane.dispatcher.cancel(open_call, "enough")
    sample = kept.take()
    assert (sample.generation, sample.lane, sample.treated, sample.share) == (2, Lane.CANARY, None, 0.0)


@pytest.mark.requirement("SAMPLE-2")
async def test_a_replay_forgets_what_the_first_try_was_assigned_to() -> None:
    plane, old, new = divided(kept := Kept(), weight=99)
    call(plane.client(), "look")
    assert new.end.in_flight
    plane.table(active=1, canary=2, weight=0)
    lose(plane, new)
    old.answer(content=[])
    sample = kept.take()
    assert (sample.generation, sample.lane, sample.treated, sample.share) == (1, Lane.ACTIVE, None, 0.0)


@pytest.mark.requirement("SAMPLE-2")
async def test_in_a_flag_stage_the_flag_decides_who_is_treated_from_its_beginning_on() -> None:
    plane, worker, client = single(kept := Kept())
    call(client, key="early")
    plane.now += 1.0
    plane.dispatcher.sampling.put_on_trial(lambda key: key == "new", 0.5, plane.now)
    worker.answer(content=[])
    assert kept.take().treated is None
    for key in ("new", "old"):
        call(client, key=key)
        worker.answer(content=[])
        assert ((sample := kept.take()).treated, sample.share) == (key == "new", 0.5)


@pytest.mark.requirement("SAMPLE-3")
async def test_a_tool_may_have_its_calls_assigned_one_by_one_unless_they_name_a_key() -> None:
    plane, old, new = divided(kept := Kept(), weight=50)
    client = plane.client()

    def key_of(tool: str, key: str = "") -> str:
        call(client, tool, key)
        next(peer for peer in (old, new) if peer.end.in_flight).answer(content=[])
        return kept.take().key

    session = client.end.key
    assert key_of("do") == session
    plane.dispatcher.limits.by_call = frozenset({"do"})
    assert len({key_of("do") for _ in range(20)}) == 20
    assert (key_of("look"), key_of("do", "mission")) == (session, "mission")
    plane.dispatcher.limits.by_call = frozenset({"*"})
    assert key_of("look") != session


@pytest.mark.requirement("SAMPLE-4")
async def test_the_numbers_a_worker_reports_come_with_the_sample() -> None:
    _, worker, client = single(kept := Kept())
    call(client)
    worker.answer(content=[], _meta={REPORTED: {"tokens": 812, "cost": 0.004}})
    assert kept.take().metrics == {"tokens": 812.0, "cost": 0.004}
    call(client)
    asked = next(message for message in worker.heard() if "id" in message)
    worker.write(b'{"jsonrpc":"2.0","id":%d,"result":{"_meta":{"io.switchover\\/metrics":{"a":1}}}}' % asked["id"])
    assert kept.take().metrics == {"a": 1.0}


@pytest.mark.requirement("SAMPLE-4")
@pytest.mark.parametrize(
    ("meta", "taken", "rejected"),
    [
        ('{"io.switchover/metrics": {"a": 1, "b": true, "c": "x", "d": null, "e": [], "f": 1e999}}', {"a": 1.0}, 5),
        ('{"io.switchover/metrics": {"a": 1, "b": true, "c": "x", "d": null, "e": []}}', {"a": 1.0}, 4),
        ('{"io.switchover/metrics": {"a": 1%s}}' % ("0" * 400), {}, 1),
        ('{"io.switchover/metrics": {"%s": 1}}' % ("n" * 65), {}, 1),
        ('{"io.switchover/metrics": {"%s": 1}}' % ("n" * 5000), {}, 1),
        ('{"io.switchover/metrics": {"a": %s}}' % ("[" * 500 + "]" * 500), {}, 1),
        ('{"io.switchover/metrics": [1]}', {}, 1),
        ('{"io.switchover/metrics": null}', {}, 1),
        ('{"io.switchover/other": {"a": 1}}', {}, 0),
        ('"io.switchover/metrics"', {}, 1),
        ("[]", {}, 0),
        ("5", {}, 0),
    ],
    ids=range(12),
)
async def test_what_is_no_finite_number_is_dropped_and_counted_and_the_call_answered(
    meta: str, taken: dict[str, float], rejected: int
) -> None:
    plane, worker, client = single(kept := Kept())
    number = call(client)
    asked = next(message for message in worker.heard() if "id" in message)
    worker.write(b'{"jsonrpc":"2.0","id":%d,"result":{"content":[],"_meta":%b}}' % (asked["id"], meta.encode()))
    answers = [message for message in client.heard() if message.get("id") == number]
    assert len(answers) == 1
    sample = kept.take()
    assert (sample.outcome, sample.metrics) == (Outcome.OK, taken)
    assert plane.dispatcher.sampling.rejected == rejected


@pytest.mark.requirement("SAMPLE-4")
async def test_of_very_many_metrics_the_first_are_taken() -> None:
    plane, worker, client = single(kept := Kept())
    call(client)
    worker.answer(content=[], _meta={REPORTED: {f"m{n}": n for n in range(40)}})
    assert list(kept.take().metrics) == [f"m{n}" for n in range(32)]
    assert plane.dispatcher.sampling.rejected == 8


@pytest.mark.requirement("SAMPLE-1")
async def test_a_sink_that_fails_costs_the_sample_and_not_the_call(capsys: pytest.CaptureFixture[str]) -> None:
    class Broken(Kept):
        def sample(self, sample: Sample) -> None:
            raise ArithmeticError(sample.tool)

    _, worker, client = single(Broken())
    number = call(client)
    worker.answer(content=[])
    assert [message["id"] for message in client.heard()] == [number]
    capsys.readouterr()


async def test_without_a_sink_nothing_is_made() -> None:
    plane, worker, client = single(kept := Kept())
    plane.dispatcher.sampling.attach(None, 0.0)
    call(client)
    worker.answer(content=[], _meta=json.loads('{"io.switchover/metrics": {"a": 1}}'))
    assert kept.samples == []


def selections(plane: Plane) -> dict[tuple[str, str, str], float]:
    """Return what the metrics count."""
    snapshot = Snapshot(table=plane.dispatcher.table, tallies=plane.dispatcher.tallies, sessions=0)
    families = text_string_to_metric_families(render(snapshot).decode())
    counted = [one for each in families for one in each.samples if one.name == "switchover_selection_total"]
    assert all((one.labels["planner"] == "v2") is (one.labels["lane"] == "canary") for one in counted)
    return {(one.labels["generation"], one.labels["lane"], one.labels["reason"]): one.value for one in counted}


@pytest.mark.requirement("SAMPLE-11")
async def test_selections_are_counted_by_generation_lane_and_reason() -> None:
    plane, _, _ = divided(Kept(), weight=0)
    client = plane.client(greeted=False)
    for change, calls in (({"weight": 0}, 3), ({"weight": 100}, 2), ({"weight": 100, "kill_switch": True}, 4)):
        plane.table(active=1, canary=2, salt="s", **change)
        for _ in range(calls):
            call(client)
    plane.table(active=2, previous=1, previous_warm=True, kill_switch=True)
    call(client)
    assert selections(plane) == {
        ("1", "active", "default"): 3.0,
        ("2", "canary", "canary"): 2.0,
        ("1", "active", "kill_switch"): 4.0,
        ("1", "previous", "kill_switch"): 1.0,
    }


@pytest.mark.requirement("SAMPLE-18")
async def test_the_counters_of_a_retired_generation_stay_and_go_on_until_eight_more_were_retired() -> None:
    plane, worker, client = single(Kept())
    tally = plane.dispatcher.tallies[1]
    call(client)
    counted, answered = selections(plane), tally.calls
    plane.dispatcher.forget(1)
    assert selections(plane) == counted == {("1", "active", "default"): tally.default}
    worker.answer(content=[])  # it was asked before it was retired
    assert (plane.dispatcher.tallies[1], tally.calls) == (tally, answered + 1)
    for number in range(2, 2 + RETIRED - 1):
        plane.dispatcher.forget(number)
    assert plane.dispatcher.tallies[1] is tally
    plane.dispatcher.forget(2 + RETIRED)
    assert 1 not in plane.dispatcher.tallies


@pytest.mark.requirement("SAMPLE-18")
async def test_how_often_a_retired_worker_was_started_again_stays_as_long_as_its_calls() -> None:
    plane, _, _ = single(Kept())
    fleet: Any = SimpleNamespace(keepers={1: SimpleNamespace(restarts=3), 2: SimpleNamespace(restarts=0)})
    rooms: Any = SimpleNamespace(monotonic=lambda: 0.0)
    report = Report(rooms, plane.dispatcher, fleet, rooms, rooms, version="0", paths=rooms)
    report.stepped(State(), State())
    fleet.keepers = {2: SimpleNamespace(restarts=1)}
    assert report._restarted() == {1: 3, 2: 1}
    plane.dispatcher.tallies.clear()
    assert report._restarted() == {2: 1}
