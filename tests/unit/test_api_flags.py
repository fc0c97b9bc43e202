"""The flags' routes: what is asked of them is done whole or refused in words, and everything that was done is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from control_story import control_plane, streaming

FLAGS = "/v1/flags"


@pytest.mark.requirement("FLAG-50")
async def test_all_flags_are_listed_with_what_is_known_of_them(tmp_path: Path) -> None:
    async with control_plane(tmp_path) as plane:
        status, answer = await plane.ask("GET", FLAGS)
        assert status == 200
        known = {flag["key"]: flag for flag in answer["flags"]}
        assert answer["version"] == plane.control.flags.version
        assert known["PROMPT_MODE"]["values"] == ["compact", "verbose"]
        assert (known["rate"]["value"], known["rate"]["safe"]) == (1.0, 0.0)
        assert known["gamma"]["prerequisites"] == [{"flag": "beta", "values": [True]}]
        assert await plane.ask("GET", f"{FLAGS}/theme") == (200, known["theme"])


@pytest.mark.requirement("FLAG-50")
async def test_several_flags_are_set_in_one_change_as_values_or_as_text(tmp_path: Path) -> None:
    async with control_plane(tmp_path) as plane:
        body = {"texts": {"SCHEDULER_MODE": "wsjf", "limit": "7"}, "values": {"beta": True}, "reason": "try it"}
        status, changed = await plane.ask("POST", FLAGS, body)
        assert status == 200
        assert {one["key"]: (one["before"], one["after"]) for one in changed["changes"]} == {
            "SCHEDULER_MODE": ("legacy", "wsjf"),
            "limit": (3, 7),
            "beta": (False, True),
        }
        assert (changed["actor"], changed["reason"]) == ("root (uid 0)", "try it")
        assert plane.control.flags.values()["limit"] == 7


@pytest.mark.requirement("FLAG-50")
@pytest.mark.parametrize(
    ("body", "expected", "words"),
    [
        ({"values": {"PROMPT_MODE": "loud"}}, 409, ["PROMPT_MODE cannot be", "loud", '"compact", "verbose"']),
        ({"values": {"PROMPT_MODES": "compact"}}, 404, ["no flag PROMPT_MODES", "did you mean PROMPT_MODE?"]),
        ({"texts": {"limit": "many"}}, 409, ["limit cannot be", "whole number"]),
        ({"values": {"gamma": True}}, 409, ["gamma", "beta"]),
        ({"values": {"beta": True}, "expect_version": 99}, 412, ["not 99", "look at the flags again"]),
        ({}, 409, ["nothing is to be set"]),
        ({"values": {"beta": True}, "because": "x"}, 422, ["because"]),
        ({"values": {"beta": True, "limit": "x"}}, 409, ["limit"]),
    ],
)
async def test_what_may_not_be_is_refused_whole_with_what_would_be_allowed(
    tmp_path: Path, body: dict[str, Any], expected: int, words: list[str]
) -> None:
    async with control_plane(tmp_path) as plane:
        before = plane.control.flags.values()
        status, answer = await plane.ask("POST", FLAGS, body)
        assert status == expected
        assert [word for word in words if word not in answer["reason"]] == []
        assert plane.control.flags.values() == before


@pytest.mark.requirement("FLAG-50")
async def test_a_flag_is_targeted_explained_and_given_back_to_everybody(tmp_path: Path) -> None:
    async with control_plane(tmp_path) as plane:
        targeting = {"allow": {"value": "wsjf", "keys": ["mission-42"]}}
        status, _ = await plane.ask("PUT", f"{FLAGS}/SCHEDULER_MODE/targeting", {"targeting": targeting})
        assert status == 200
        for subject, value, step in (("mission-42", "wsjf", "allow"), ("mission-1", "legacy", "default")):
            status, told = await plane.ask("POST", f"{FLAGS}/SCHEDULER_MODE/explain", {"subject": subject})
            assert (status, told["value"], told["step"]) == (200, value, step)
        status, changed = await plane.ask("DELETE", f"{FLAGS}/SCHEDULER_MODE/targeting?reason=enough")
        assert (status, changed["changes"][0]["targeting_after"], changed["reason"]) == (200, None, "enough")


@pytest.mark.requirement("FLAG-50")
async def test_targeting_is_taken_away_at_the_version_one_knows_and_once_it_is_applied(tmp_path: Path) -> None:
    async with control_plane(tmp_path) as plane:
        path = f"{FLAGS}/SCHEDULER_MODE/targeting"
        await plane.ask("PUT", path, {"targeting": {"deny": ["mission-13"]}})
        version = plane.control.flags.version
        status, answer = await plane.ask("DELETE", f"{path}?expect_version={version - 1}")
        assert (status, str(version) in answer["reason"]) == (412, True)
        assert plane.control.flags.view("SCHEDULER_MODE").targeting == {"deny": ["mission-13"]}
        status, changed = await plane.ask("DELETE", f"{path}?expect_version={version}&wait=true&timeout=1")
        assert (status, changed["version"], changed["applied"]["version"]) == (200, version + 1, version + 1)
        for wrong in ("timeout=0", "expect_version=x", "patience=1"):
            assert (await plane.ask("DELETE", f"{path}?{wrong}"))[0] == 422


@pytest.mark.requirement("FLAG-50")
async def test_a_reset_brings_flags_to_their_safe_values(tmp_path: Path) -> None:
    async with control_plane(tmp_path) as plane:
        await plane.ask("POST", FLAGS, {"values": {"beta": True, "gamma": True, "limit": 9}})
        status, _ = await plane.ask("POST", f"{FLAGS}/-/reset", {"keys": ["limit"]})
        assert (status, plane.control.flags.values()["limit"]) == (200, 1)
        status, answer = await plane.ask("POST", f"{FLAGS}/-/reset", {"keys": ["beta"]})
        assert (status, "gamma" in answer["reason"]) == (409, True)
        status, _ = await plane.ask("POST", f"{FLAGS}/-/reset", {})
        assert (status, plane.control.flags.values()["beta"], plane.control.flags.values()["rate"]) == (200, False, 0.0)


@pytest.mark.requirement("FLAG-50")
async def test_the_history_is_told_in_pages_and_the_flags_of_a_version_or_a_time(tmp_path: Path) -> None:
    async with control_plane(tmp_path) as plane:
        first = plane.control.flags.version
        for limit in (4, 5, 6):
            plane.control.clock.now += 10
            await plane.ask("POST", FLAGS, {"values": {"limit": limit}, "reason": f"to {limit}"})
        status, page = await plane.ask("GET", f"{FLAGS}/limit/history?limit=2")
        assert (status, [one["after"] for one in page["changes"]]) == (200, [6, 5])
        _, rest = await plane.ask("GET", f"{FLAGS}/limit/history?limit=2&before={page['before']}")
        assert rest["changes"][0]["reason"] == "to 4"
        _, whole = await plane.ask("GET", f"{FLAGS}/-/history")
        assert [one["version"] for one in whole["changes"]][:3] == [first + 3, first + 2, first + 1]
        for asked in (f"version={first + 2}", f"seconds={plane.control.clock.now - 1}"):
            _, stood = await plane.ask("GET", f"{FLAGS}/-/at?{asked}")
            assert (stood["version"], stood["values"]["limit"]) == (first + 2, 5)
        assert (await plane.ask("GET", f"{FLAGS}/-/at?version={first + 9}"))[0] == 404
        assert (await plane.ask("GET", f"{FLAGS}/-/at"))[0] == 404


@pytest.mark.requirement("FLAG-50")
async def test_an_export_brings_the_same_flags_back(tmp_path: Path) -> None:
    async with control_plane(tmp_path) as plane:
        await plane.ask("POST", FLAGS, {"values": {"limit": 8, "theme": {"colour": "red"}}})
        targeting = {"percentage": {"value": True, "percent": 25}}
        await plane.ask("PUT", f"{FLAGS}/beta/targeting", {"targeting": targeting})
        _, exported = await plane.ask("GET", f"{FLAGS}/-/export")
        await plane.ask("POST", f"{FLAGS}/-/reset", {})
        status, _ = await plane.ask("POST", f"{FLAGS}/-/import", {"content": exported})
        assert status == 200
        assert plane.control.flags.values()["limit"] == 8
        assert plane.control.flags.view("beta").targeting == targeting
        status, answer = await plane.ask("POST", f"{FLAGS}/-/import", {"content": {"format": 77, "flags": {}}})
        assert (status, "format" in answer["reason"]) == (409, True)


@pytest.mark.requirement("FLAG-50", "FLAG-57")
@pytest.mark.parametrize(
    ("path", "body"),
    [
        (FLAGS, r'{"values": {"theme": "\ud800"}}'),
        (f"{FLAGS}/-/import", r'{"content": {"format": 1, "flags": {"\ud800": {"value": 1}}}}'),
        (f"{FLAGS}/-/import", r'{"content": {"format": "\ud800", "flags": {}}}'),
        ("/v1/tokens", r'{"subject": "ann", "attributes": {"team": "\ud800"}}'),
        ("/v1/tokens", '{"subject": "ann", "attributes": {"age": NaN}}'),
        ("/v1/tokens", '{"subject": "ann", "attributes": {"team": "%s"}}' % ("x" * 4096)),
    ],
)
async def test_what_no_answer_or_token_could_hold_is_refused_in_words(tmp_path: Path, path: str, body: str) -> None:
    async with control_plane(tmp_path) as plane:
        sent = {"content": body, "headers": {"content-type": "application/json"}}
        response = await plane.client.post(path, **sent)
        assert (response.status_code in {404, 409, 422}, bool(response.json()["reason"])) == (True, True)
        assert "Value error" not in response.text


@pytest.mark.requirement("FLAG-50")
async def test_readers_and_stale_flags_are_told(tmp_path: Path) -> None:
    async with control_plane(tmp_path) as plane:
        assert (await plane.ask("GET", f"{FLAGS}/-/readers"))[1]["readers"] == []
        plane.control.clock.now += 40 * 24 * 3600
        _, report = await plane.ask("GET", f"{FLAGS}/-/stale")
        assert {"unread", "settled"} <= {one["kind"] for one in report["findings"]}


@pytest.mark.requirement("FLAG-50")
async def test_flags_that_cannot_be_written_down_are_answered_as_such(tmp_path: Path) -> None:
    async with control_plane(tmp_path) as plane:

        def full(_number: int) -> None:
            raise OSError(28, "No space left on device")

        plane.control.store._before_write = full
        status, answer = await plane.ask("POST", FLAGS, {"values": {"limit": 8}})
        assert (status, "No space left" in answer["reason"]) == (503, True)
        assert plane.control.flags.values()["limit"] == 3


@pytest.mark.requirement("FLAG-52")
async def test_every_change_is_streamed_as_it_happens_until_the_daemon_ends(tmp_path: Path) -> None:
    async with control_plane(tmp_path) as plane, streaming(plane.app, "/events") as stream:
        version = plane.control.flags.version
        assert f'"version":{version}'.encode() in (await stream.next() or b"")
        await plane.ask("POST", FLAGS, {"values": {"limit": 4}})
        told = await stream.next() or b""
        assert f"id: {version + 1}\nevent: flags\n".encode() in told
        assert b'"before":3,"after":4' in told
        plane.closing.end()
        assert await stream.next() is None


@pytest.mark.requirement("FLAG-52")
@pytest.mark.parametrize(("behind", "missed"), [(0, None), (1, b'"missed":true')])
async def test_who_comes_back_to_the_stream_is_told_whether_changes_were_missed(
    tmp_path: Path, behind: int, missed: bytes | None
) -> None:
    async with control_plane(tmp_path) as plane:
        async with streaming(plane.app, "/events", plane.control.flags.version - behind) as stream:
            first = await stream.next() or b""
            assert (b"data:" in first) is (missed is not None)
            assert missed is None or missed in first
        assert not plane.control.flags._news._queues, "who hung up is not told any more"
