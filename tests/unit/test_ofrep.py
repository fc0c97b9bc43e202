"""OFREP: what OpenFeature SDKs are answered, mistakes included."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote

import pytest
from control_story import StoryPlane, control_plane, streaming

EVALUATE = "/ofrep/v1/evaluate/flags"


async def evaluate(plane: StoryPlane, key: str, context: dict[str, Any] | None = None) -> tuple[int, Any]:
    return await plane.ask("POST", f"{EVALUATE}/{key}", {"context": context or {}})


@pytest.mark.requirement("FLAG-55")
@pytest.mark.parametrize(
    ("key", "value"), [("PROMPT_MODE", "compact"), ("beta", False), ("limit", 3), ("theme", {"colour": "blue"})]
)
async def test_a_flag_is_answered_with_value_variant_and_reason(tmp_path: Path, key: str, value: object) -> None:
    async with control_plane(tmp_path) as plane:
        status, answer = await evaluate(plane, key)
        assert (status, answer["key"], answer["value"], answer["reason"]) == (200, key, value, "STATIC")
        assert answer["variant"]
        assert all(isinstance(one, bool | str | int | float) for one in answer["metadata"].values())


@pytest.mark.requirement("FLAG-55")
async def test_a_whole_number_of_a_float_flag_is_written_as_a_float(tmp_path: Path) -> None:
    async with control_plane(tmp_path) as plane:
        await plane.ask("POST", "/v1/flags", {"values": {"rate": 2}})
        response = await plane.client.post(f"{EVALUATE}/rate", json={})
        assert '"value":2.0' in response.text
        assert '"value":3,' in (await plane.client.post(f"{EVALUATE}/limit", json={})).text


@pytest.mark.requirement("FLAG-55")
async def test_targeting_decides_by_the_targeting_key_and_the_rest_of_the_context(tmp_path: Path) -> None:
    async with control_plane(tmp_path) as plane:
        targeting = {
            "allow": {"value": "wsjf", "keys": ["mission-42"]},
            "rules": [
                {
                    "name": "planners",
                    "when": [{"attribute": "agent_type", "op": "eq", "value": "planner"}],
                    "value": "wsjf",
                }
            ],
        }
        await plane.ask("PUT", "/v1/flags/SCHEDULER_MODE/targeting", {"targeting": targeting})
        for context, value in (
            ({"targetingKey": "mission-42"}, "wsjf"),
            ({"targetingKey": "mission-1", "agent_type": "planner"}, "wsjf"),
            ({"targetingKey": "mission-1", "agent_type": "critic"}, "legacy"),
        ):
            _, answer = await evaluate(plane, "SCHEDULER_MODE", context)
            assert (answer["value"], answer["variant"]) == (value, value)
            assert answer["reason"] in {"TARGETING_MATCH", "STATIC", "UNKNOWN"}


@pytest.mark.requirement("FLAG-55")
@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"[", "PARSE_ERROR"),
        (b"\xff", "PARSE_ERROR"),
        (b"[" * 100_000, "PARSE_ERROR"),
        (b"[]", "PARSE_ERROR"),
        (b'{"context": []}', "INVALID_CONTEXT"),
        (b'{"context": {"targetingKey": 7}}', "INVALID_CONTEXT"),
    ],
)
@pytest.mark.parametrize("path", [f"{EVALUATE}/beta", EVALUATE])
async def test_what_cannot_be_evaluated_has_the_protocols_error(
    tmp_path: Path, path: str, body: bytes, code: str
) -> None:
    async with control_plane(tmp_path) as plane:
        response = await plane.client.post(path, content=body)
        assert (response.status_code, response.json()["errorCode"]) == (400, code)
        assert response.json()["errorDetails"]
        assert response.json().get("key") == (None if path == EVALUATE else "beta")


@pytest.mark.requirement("FLAG-55")
async def test_a_flag_that_is_not_there_is_not_found(tmp_path: Path) -> None:
    async with control_plane(tmp_path) as plane:
        status, answer = await evaluate(plane, "betta")
        assert (status, answer["errorCode"], answer["key"]) == (404, "FLAG_NOT_FOUND", "betta")
        assert "did you mean beta?" in answer["errorDetails"]


@pytest.mark.requirement("FLAG-55")
@pytest.mark.parametrize("key", ["a/b", "/beta", "beta/", "a//b"])
async def test_a_key_with_a_slash_is_no_flags_and_not_found_in_the_protocols_words(tmp_path: Path, key: str) -> None:
    async with control_plane(tmp_path) as plane:
        response = await plane.client.post(f"{EVALUATE}/{quote(key, safe='')}", json={"context": {}})
        answer = response.json()
        assert (response.status_code, answer["errorCode"], answer["key"]) == (404, "FLAG_NOT_FOUND", key)


@pytest.mark.requirement("FLAG-55")
async def test_all_flags_are_evaluated_with_a_slash_behind_the_address_too(tmp_path: Path) -> None:
    async with control_plane(tmp_path) as plane:
        answers = [await plane.client.post(path, json={"context": {}}) for path in (EVALUATE, f"{EVALUATE}/")]
        assert [one.status_code for one in answers] == [200, 200]
        assert len({len(one.json()["flags"]) for one in answers}) == 1


@pytest.mark.requirement("FLAG-55")
async def test_a_flag_divided_by_percentages_needs_a_targeting_key(tmp_path: Path) -> None:
    async with control_plane(tmp_path) as plane:
        targeting = {"percentage": {"value": True, "percent": 50}}
        await plane.ask("PUT", "/v1/flags/beta/targeting", {"targeting": targeting})
        for context in ({}, {"targetingKey": ""}):
            status, answer = await evaluate(plane, "beta", context)
            assert (status, answer["errorCode"]) == (400, "TARGETING_KEY_MISSING")
        status, answer = await evaluate(plane, "beta", {"targetingKey": "ann"})
        assert (status, answer["reason"]) == (200, "SPLIT")
        _, whole = await plane.ask("POST", EVALUATE, {})
        failed = {one["key"]: one["errorCode"] for one in whole["flags"] if "errorCode" in one}
        assert failed == {"beta": "TARGETING_KEY_MISSING"}


@pytest.mark.requirement("FLAG-55")
async def test_all_flags_come_with_a_tag_that_changes_exactly_when_an_answer_does(tmp_path: Path) -> None:
    async with control_plane(tmp_path) as plane:

        async def bulk(tag: str | None, **context: Any) -> tuple[int, str, bytes]:
            headers = {} if tag is None else {"if-none-match": tag}
            response = await plane.client.post(EVALUATE, json={"context": context}, headers=headers)
            return response.status_code, response.headers["etag"], response.content

        status, tag, content = await bulk(None, targetingKey="ann")
        assert status == 200
        assert {one["key"] for one in json.loads(content)["flags"]} == {one.key for one in plane.control.flags.views()}
        for named in (tag, f'"other", W/{tag}', "*"):
            assert await bulk(named, targetingKey="ann") == (304, tag, b"")
        forced = "/v1/flags/beta/targeting"
        await plane.ask("PUT", forced, {"targeting": {"forced": {"eve": True}}})
        _, tag, _ = await bulk(None, targetingKey="ann")
        await plane.ask("PUT", forced, {"targeting": {"forced": {"eve": True, "bob": True}}})
        assert (await bulk(tag, targetingKey="ann"))[0] == 304, "nothing has changed for her"
        assert (await bulk(tag, targetingKey="bob"))[0] == 200
        await plane.ask("POST", "/v1/flags", {"values": {"limit": 8}})
        assert (await bulk(tag, targetingKey="ann"))[0] == 200


@pytest.mark.requirement("FLAG-55")
async def test_the_bulk_answer_names_a_stream_that_says_when_to_fetch_again(tmp_path: Path) -> None:
    async with control_plane(tmp_path) as plane:
        _, whole = await plane.ask("POST", EVALUATE, {})
        (told,) = whole["eventStreams"]
        path, _, asked = told["endpoint"]["requestUri"].partition("?")
        ticket = parse_qs(asked)["ticket"][0]
        assert (told["type"], path, plane.control.access.admits(ticket)) == ("sse", "/ofrep/v1/events", "root (uid 0)")
        async with streaming(plane.app, path) as stream:
            assert b"data:" not in (await stream.next() or b"")
            await plane.ask("POST", "/v1/flags", {"values": {"limit": 8}})
            lines = (await stream.next() or b"").decode().splitlines()
            assert lines[:2] == [f"id: {plane.control.flags.version}", "event: message"]
            assert json.loads(lines[2].removeprefix("data: "))["type"] == "refetchEvaluation"
        for foreign in (0, "of-another-server"):
            async with streaming(plane.app, path, foreign) as again:
                assert b"refetchEvaluation" in (await again.next() or b"")


@pytest.mark.requirement("FLAG-55")
async def test_a_change_between_the_bulk_answer_and_the_opening_of_its_stream_is_told_at_once(tmp_path: Path) -> None:
    async with control_plane(tmp_path) as plane:

        async def address() -> str:
            _, whole = await plane.ask("POST", EVALUATE, {})
            return str(whole["eventStreams"][0]["endpoint"]["requestUri"])

        asked = await address()
        assert parse_qs(asked.partition("?")[2])["since"] == [str(plane.control.flags.version)]
        await plane.ask("POST", "/v1/flags", {"values": {"limit": 8}})
        version = plane.control.flags.version
        async with streaming(plane.app, asked) as late:
            told = (await late.next() or b"").decode()
            assert f"id: {version}\n" in told
            assert "refetchEvaluation" in told
        async with streaming(plane.app, asked, version) as back:
            assert b"data:" not in (await back.next() or b""), "what it saw last is newer than its address"
        async with streaming(plane.app, await address()) as fresh:
            assert b"data:" not in (await fresh.next() or b"")
