"""`/v1/samples`: what may be posted, by whom, and what is told of what is stored."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from control_story import StoryControl, StoryPlane, control_plane
from rollout_asked import PLAN, begin, plan_file

from orchestrator.api.tcp.over_tcp import refused
from orchestrator.domain.access import Caller
from orchestrator.domain.evidence.sample_lines import header
from orchestrator.domain.routing import Lane


@pytest.fixture
def plane(tmp_path: Path) -> StoryPlane:
    return StoryPlane(StoryControl(tmp_path))


@pytest.mark.requirement("SAMPLE-9")
async def test_numbers_are_posted_in_a_list_and_the_answer_says_how_many_were_taken(plane: StoryPlane) -> None:
    body = [{"metric": "quality", "value": 91, "lane": "canary"}, {"metric": "jobs", "value": 1.5, "key": "m", "at": 5}]
    assert await plane.ask("POST", "/v1/samples", body) == (200, {"taken": 2, "left_out": []})
    first, second = plane.control.samples.posted
    assert (first.metric, first.value, first.lane) == ("quality", 91.0, Lane.CANARY)
    assert (second.key, second.at) == ("m", 5.0)


@pytest.mark.requirement("SAMPLE-9")
@pytest.mark.parametrize(
    "body",
    [
        {"metric": "m", "value": 1},
        [],
        [{"metric": "m", "value": 1}] * 1001,
        [{"metric": "", "value": 1}],
        [{"metric": "m"}],
        [{"metric": "m", "value": "NaN"}],
        [{"metric": "m", "value": 1, "lane": "fast"}],
        [{"metric": "m", "value": 1, "generation": 0}],
        [{"metric": "m", "value": 1, "key": "k" * 257}],
        [{"metric": "m", "value": 1, "more": 1}],
    ],
    ids=range(10),
)
async def test_what_is_no_list_of_numbers_is_refused_whole(plane: StoryPlane, body: Any) -> None:
    status, answer = await plane.ask("POST", "/v1/samples", body)
    assert status == 422
    assert answer["reason"].startswith("the request is not valid")
    assert plane.control.samples.posted == []


@pytest.mark.requirement("SAMPLE-9")
def test_over_tcp_anybody_with_a_token_may_post_numbers() -> None:
    assert refused("POST", "/v1/samples", Caller("ann", trusted=False)) is None
    assert refused("POST", "/v1/samples/export", Caller("ann", trusted=False)) is not None


@pytest.mark.requirement("SAMPLE-7", "SAMPLE-10")
async def test_a_summary_and_an_export_are_given_or_refused_with_the_reason(plane: StoryPlane) -> None:
    status, answer = await plane.ask("GET", "/v1/samples?since=5")
    assert (status, answer["generations"]) == (200, [])
    told = await plane.client.get("/v1/samples/export", params={"since": 1, "until": 2, "rollout": "r-1"})
    assert told.headers["content-type"] == "application/x-ndjson"
    assert told.text.splitlines()[1] == '[1.0, 2.0, "r-1"]'
    plane.control.samples.refusal = "the file cannot be read"
    for path in ("/v1/samples", "/v1/samples/export"):
        assert await plane.ask("GET", path) == (409, {"reason": "the file cannot be read"})
    assert (await plane.ask("GET", "/v1/samples?since=-1"))[0] == 422


RATES = """
[[metrics]]
name = "refused"
kind = "rate"
source = "samples"
"""


@pytest.mark.requirement("SAMPLE-9")
@pytest.mark.parametrize(
    ("metric", "value", "words"),
    [
        ("jobs", True, "true is no number"),
        ("jobs", "91", '"91" is no number'),
        ("error", 7, "error is a rate, and 7 is none: give a number from 0 to 1"),
        ("error", -0.1, "error is a rate, and -0.1 is none"),
    ],
)
async def test_what_is_no_number_or_cannot_be_a_rate_is_refused_with_its_place(
    plane: StoryPlane, metric: str, value: Any, words: str
) -> None:
    status, answer = await plane.ask(
        "POST", "/v1/samples", [{"metric": "m", "value": 7}, {"metric": metric, "value": value}]
    )
    assert (status, plane.control.samples.posted) == (422, [])
    assert answer["reason"].startswith("the request is not valid: 1.value: ")
    assert words in answer["reason"]


@pytest.mark.requirement("SAMPLE-9")
async def test_a_metric_that_the_plan_under_way_calls_a_rate_is_posted_as_one(tmp_path: Path) -> None:
    async with control_plane(tmp_path) as plane:
        seven = [{"metric": "refused", "value": 7}]
        assert (await plane.ask("POST", "/v1/samples", seven))[0] == 200
        await begin(plane, tmp_path, plan=plan_file(tmp_path, PLAN + RATES, "rates"), force_plan=True)
        status, answer = await plane.ask("POST", "/v1/samples", seven)
        assert (status, "0.value: refused is a rate" in answer["reason"]) == (422, True)
        assert (await plane.ask("POST", "/v1/samples", [{"metric": "refused", "value": 1}]))[0] == 200


@pytest.mark.requirement("SAMPLE-10")
async def test_an_export_of_a_rollout_that_nobody_knows_is_refused_and_one_without_samples_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with control_plane(tmp_path) as plane:

        async def nothing(_since: float, _until: float, _rollout: str) -> AsyncIterator[bytes]:
            async def lines() -> AsyncIterator[bytes]:
                yield header(0.0)

            return lines()

        monkeypatch.setattr(plane.control.samples, "export", nothing)
        words = "nobody knows a rollout NOPE: it is in no history, and no sample was told in it"
        path = "/v1/samples/export?rollout="
        assert await plane.ask("GET", f"{path}NOPE") == (409, {"reason": words})
        await begin(plane, tmp_path)
        known = await plane.client.get(f"{path}r")
        assert (known.status_code, known.content) == (200, header(0.0))
