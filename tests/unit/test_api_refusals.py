"""A body that cannot be used is told in plain words what is wanted in its place."""

from __future__ import annotations

from pathlib import Path

import pytest
from control_story import control_plane

GUARD = "/guard/config"
SAMPLES = "/v1/samples"


@pytest.mark.requirement("API-3")
@pytest.mark.parametrize(
    ("method", "path", "body", "words"),
    [
        ("PUT", GUARD, '{"canary_pct": -1}', "canary_pct: -1 is not a percentage: give a whole number from 0 to 100"),
        (
            "PUT",
            GUARD,
            '{"canary_pc": 1}',
            'body: there is no "canary_pc" here; there is: canary_pct, kill_switch, updated_by, reason',
        ),
        ("PUT", GUARD, "[]", "body: a JSON object is wanted"),
        ("PUT", GUARD, "{", "the body is no JSON, and JSON is wanted"),
        ("PUT", GUARD, "[" * 100_000, "the body is no JSON in UTF-8, or nests too deep to be read"),
        ("POST", SAMPLES, "", "body: a JSON list is wanted, such as [{...}, {...}]"),
        ("POST", SAMPLES, "{}", "body: a list is wanted"),
        ("POST", SAMPLES, '[{"metric": "q"}]', "0.value: it is missing"),
        ("POST", "/v1/weight", '{"weight": "x"}', "weight: a whole number is wanted"),
        ("POST", "/v1/canary", '{"command": []}', "command: 1 or more are wanted, and these are 0"),
        ("POST", "/v1/switch", '{"reason": 1, "to": 2}', 'body: there is no "to" here; there is: reason'),
        ("GET", "/v1/rollout?after=-1", "", "after: 0 or more is wanted"),
    ],
    ids=range(12),
)
async def test_a_body_that_cannot_be_used_is_told_what_is_wanted(
    tmp_path: Path, method: str, path: str, body: str, words: str
) -> None:
    async with control_plane(tmp_path) as plane:
        answer = await plane.client.request(method, path, content=body, headers={"Content-Type": "application/json"})
        assert (answer.status_code, answer.json()["reason"]) == (422, f"the request is not valid: {words}")
