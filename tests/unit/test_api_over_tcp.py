"""The control API over TCP: every caller shows a token, no verb carries a command, no stranger's page gets in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from control_story import StoryPlane, control_plane

from orchestrator.access.rules import Rules
from orchestrator.api.tcp.access import control_access
from orchestrator.api.tcp.tcp import TcpDoor
from orchestrator.domain.errors import SettingsError
from orchestrator.settings import load

TOKEN = "a-token-of-many-letters"  # noqa: S105 - a test's
OPERATOR = {"authorization": f"Bearer {TOKEN}"}


@asynccontextmanager
async def over_tcp(folder: Path, rules: Rules | None = None) -> AsyncIterator[tuple[StoryPlane, httpx.AsyncClient]]:
    """Have a control plane and a client that reaches it over TCP."""
    async with control_plane(folder, rules) as plane:
        settings = load(None, {"SWITCHOVER_CONTROL__TOKENS": f"ops:{TOKEN}"}, {})
        access = control_access(settings, "127.0.0.1", plane.control.access)
        door = TcpDoor(plane.app, access, plane.control.access.admits)
        transport = httpx.ASGITransport(app=door, client=("10.0.0.9", 4711))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8081") as client:
            yield plane, client


@pytest.mark.requirement("FLAG-58")
@pytest.mark.parametrize(
    "headers",
    [{}, {"authorization": "Bearer wrong"}, {"authorization": f"Basic {TOKEN}"}, {"authorization": "Bearer a.b.c"}],
)
async def test_who_shows_no_token_that_is_known_is_refused(tmp_path: Path, headers: dict[str, str]) -> None:
    async with over_tcp(tmp_path) as (_, client):
        for method, path in (("GET", "/v1/status"), ("POST", "/v1/switch"), ("GET", "/events"), ("GET", "/metrics")):
            response = await client.request(method, path, headers=headers, json={})
            assert (response.status_code, "bearer token" in response.json()["reason"]) == (401, True)
            assert response.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.requirement("FLAG-58")
async def test_health_is_told_to_everybody(tmp_path: Path) -> None:
    async with over_tcp(tmp_path) as (_, client):
        assert (await client.get("/healthz")).status_code == 200
        assert (await client.get("/readyz")).status_code == 200


@pytest.mark.requirement("FLAG-58")
async def test_the_actor_is_the_tokens_subject(tmp_path: Path) -> None:
    async with over_tcp(tmp_path) as (plane, client):
        await client.post("/v1/switch", headers=OPERATOR, json={"reason": "go"})
        assert plane.control.verbs.asked == [("switch", {"words": (), "actor": "token:ops", "reason": "go"})]
        changed = await client.post("/v1/flags", headers=OPERATOR, json={"values": {"limit": 8}})
        assert changed.json()["actor"] == "token:ops"


@pytest.mark.requirement("FLAG-58")
async def test_notices_are_told_again_for_who_may_change_something(tmp_path: Path) -> None:
    async with over_tcp(tmp_path) as (plane, client):
        await plane.control.store.outbox_add("beta", {"event": "flag.changed"}, ["webhook:a:1"], 1.0)
        await plane.control.store.outbox_mark(1, "failed", attempts=3, due=2.0, error="answered 400")
        made = await client.post("/v1/tokens", headers=OPERATOR, json={"subject": "mission-42"})
        reader = {"authorization": f"Bearer {made.json()['token']}"}
        refused = await client.post("/v1/notices/retry", headers=reader, json={})
        assert (refused.status_code, "control.tokens" in refused.json()["reason"]) == (403, True)
        again = await client.post("/v1/notices/retry", headers=OPERATOR, json={})
        assert (again.status_code, again.json()["count"]) == (200, 1)


@pytest.mark.requirement("FLAG-58")
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/canary"),
        ("POST", "/v1/canary/stop"),
        ("POST", "/v1/stop"),
        ("POST", "/v1/reload"),
        ("POST", "/v1/a-verb-nobody-thought-of"),
        ("POST", "/v1/flags/../canary"),
        ("POST", "/v1/%63anary"),
        ("PUT", "/metrics"),
    ],
)
async def test_no_verb_that_carries_a_command_or_stops_anything_is_served(
    tmp_path: Path, method: str, path: str
) -> None:
    async with over_tcp(tmp_path) as (plane, client):
        body = {"command": ["/bin/true"]}
        response = await client.request(method, path, headers=OPERATOR, json=body)
        assert (response.status_code, "control.sock only" in response.json()["reason"]) == (403, True)
        assert plane.control.verbs.asked == []


@pytest.mark.requirement("FLAG-58")
@pytest.mark.parametrize(
    ("headers", "status"),
    [({"host": "evil.example"}, 421), ({"origin": "https://evil.example"}, 403), ({"origin": "null"}, 403)],
)
async def test_no_page_of_a_stranger_reaches_it_by_rebinding(
    tmp_path: Path, headers: dict[str, str], status: int
) -> None:
    async with over_tcp(tmp_path) as (_, client):
        for path in ("/v1/status", "/healthz"):
            response = await client.get(path, headers={**OPERATOR, **headers})
            assert (response.status_code, "control.allowed_" in response.json()["reason"]) == (status, True)


@pytest.mark.requirement("FLAG-58")
async def test_a_body_has_a_length_and_a_bound(tmp_path: Path) -> None:
    async def endless() -> AsyncIterator[bytes]:
        yield b"{}"

    async with over_tcp(tmp_path) as (_, client):
        assert (await client.post("/v1/flags", headers=OPERATOR, content=endless())).status_code == 411
        assert (await client.post("/v1/flags", headers=OPERATOR, content=b" " * 5_000_000)).status_code == 413


@pytest.mark.requirement("FLAG-58")
def test_without_tokens_it_does_not_open(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"control\.token_file or control\.tokens"):
        control_access(load(None, {}, {}), "127.0.0.1", None)  # type: ignore[arg-type]  # nobody is asked
    missing = {"SWITCHOVER_CONTROL__TOKEN_FILE": str(tmp_path / "none")}
    with pytest.raises(SettingsError, match=r"control\.token_file"):
        control_access(load(None, missing, {}), "127.0.0.1", None)  # type: ignore[arg-type]  # likewise


# --- tokens -----------------------------------------------------------------------------------------


async def made(client: Any, subject: str, *gates: str) -> dict[str, str]:
    """Have a token made by somebody trusted; return the header that shows it."""
    response = await client.post("/v1/tokens", headers=OPERATOR, json={"subject": subject, "gates": list(gates)})
    assert response.status_code == 200, response.text
    return {"authorization": f"Bearer {response.json()['token']}"}


@pytest.mark.requirement("FLAG-60", "FLAG-67")
async def test_a_token_made_here_reads_and_evaluates_and_changes_nothing(tmp_path: Path) -> None:
    async with over_tcp(tmp_path) as (plane, client):
        ann = await made(client, "ann")
        for path in ("/v1/status", "/v1/flags", "/v1/flags/beta", "/openapi.json"):
            assert (await client.get(path, headers=ann)).status_code == 200
        assert (await client.post("/ofrep/v1/evaluate/flags", headers=ann, json={})).status_code == 200
        missing = await client.post("/ofrep/v1/evaluate/flags/a%2Fb", headers=ann, json={})
        assert (missing.status_code, missing.json()["errorCode"]) == (404, "FLAG_NOT_FOUND")
        assert (await client.post("/v1/flags/beta/explain", headers=ann, json={})).status_code == 200
        for path, body in (("/v1/switch", {}), ("/v1/flags", {"values": {"beta": True}}), ("/v1/flags/-/reset", {})):
            response = await client.post(path, headers=ann, json=body)
            assert (response.status_code, "may read and evaluate" in response.json()["reason"]) == (403, True)
        assert plane.control.verbs.asked == []
        assert plane.control.flags.values()["beta"] is False


@pytest.mark.requirement("FLAG-60")
async def test_closed_gates_are_named_and_no_one_asks_for_another(tmp_path: Path) -> None:
    async with over_tcp(tmp_path) as (_, client):
        asked = {"subject": "ann", "gates": ["beta", "nowhere"]}
        response = await client.post("/v1/tokens", headers=OPERATOR, json=asked)
        assert (response.status_code, set(response.json()["denied"])) == (403, {"beta", "nowhere"})
        ann = await made(client, "ann")
        assert (await client.post("/v1/tokens", headers=ann, json={"subject": "ann"})).status_code == 200
        response = await client.post("/v1/tokens", headers=ann, json={"subject": "bob"})
        assert (response.status_code, "for itself alone" in response.json()["reason"]) == (403, True)


@pytest.mark.requirement("FLAG-62", "FLAG-67")
async def test_a_token_is_refused_once_the_flags_decide_otherwise(tmp_path: Path) -> None:
    async with over_tcp(tmp_path) as (plane, client):
        await plane.ask("POST", "/v1/flags", {"values": {"beta": True}})
        ann = await made(client, "ann", "beta")
        assert (await client.get("/v1/flags", headers=ann)).status_code == 200
        await plane.ask("POST", "/v1/flags", {"values": {"beta": False}})
        response = await client.get("/v1/flags", headers=ann)
        assert (response.status_code, "revoked" in response.json()["reason"]) == (401, True)
        assert 'error="invalid_token"' in response.headers["www-authenticate"]


@pytest.mark.requirement("FLAG-55", "FLAG-58")
async def test_the_streams_ticket_opens_the_stream_and_nothing_else(tmp_path: Path) -> None:
    async with over_tcp(tmp_path) as (plane, client):
        whole = (await client.post("/ofrep/v1/evaluate/flags", headers=OPERATOR, json={})).json()
        uri = whole["eventStreams"][0]["endpoint"]["requestUri"]
        ticket = f"ticket={uri.partition('ticket=')[2]}"
        plane.closing.end()  # the stream is over at once, so that the client gets it whole
        assert (await client.get(uri)).status_code == 200
        for path in ("/events", "/v1/status"):
            assert (await client.get(f"{path}?{ticket}")).status_code == 401
        assert (await client.get(f"{uri}x")).status_code == 401
        assert (await client.get("/v1/status", headers={"authorization": f"Bearer {ticket[7:]}"})).status_code == 401
