"""The control plane before anybody used it: probes are answered, and the first request has the app loaded, once."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from typing import Any, cast

import anyio
import httpx
import pytest

import orchestrator.api.app
from orchestrator.api.app import Control
from orchestrator.api.closing import Closing
from orchestrator.api.late import TURN, LateApp
from tests.support.control_story import shared


class Daemon:
    """What a probe asks."""

    def __init__(self) -> None:
        self.reason: str | None = None

    def unready(self) -> str | None:
        return self.reason


@pytest.fixture
def builds(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[bool, float]]]:
    """Count the apps that are built, with whether the collector was on meanwhile and how long a thread's turn was."""
    made: list[tuple[bool, float]] = []
    app, _, _ = shared()

    def build(*_arguments: Any) -> Any:
        made.append((gc.isenabled(), sys.getswitchinterval()))
        return app

    monkeypatch.setattr(orchestrator.api.app, "build", build)
    yield made
    gc.unfreeze()


def client_of(daemon: Daemon) -> httpx.AsyncClient:
    late = LateApp(cast("Control", daemon), "0", Closing())
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=late), base_url="http://switchover")


@pytest.mark.requirement("API-4")
async def test_a_probe_is_answered_as_the_app_answers_it_and_loads_nothing(builds: list[tuple[bool, float]]) -> None:
    (whole, served, _), daemon = shared(), Daemon()
    served.now = daemon
    through_it = httpx.ASGITransport(app=whole)
    async with client_of(daemon) as late, httpx.AsyncClient(transport=through_it, base_url="http://app") as app:
        for daemon.reason in (None, "no worker"):
            for path in ("/healthz", "/readyz"):
                ours, theirs = await late.get(path), await app.get(path)
                assert (ours.status_code, ours.json()) == (theirs.status_code, theirs.json())
                assert ours.headers["content-type"] == theirs.headers["content-type"]
    assert builds == []


@pytest.mark.requirement("API-4")
async def test_requests_that_come_together_have_the_app_loaded_once_in_small_turns_and_without_the_collector(
    builds: list[tuple[bool, float]],
) -> None:
    usual = sys.getswitchinterval()
    async with client_of(Daemon()) as late:
        answers: list[int] = []

        async def ask() -> None:
            answers.append((await late.get("/nowhere")).status_code)

        with anyio.fail_after(20):
            async with anyio.create_task_group() as tasks:
                for _ in range(3):
                    tasks.start_soon(ask)
    assert answers == [404, 404, 404]
    assert builds == [(False, pytest.approx(TURN))]
    assert (gc.isenabled(), sys.getswitchinterval()) == (True, usual)


@pytest.mark.requirement("API-4")
async def test_an_app_that_cannot_be_loaded_is_tried_again_and_leaves_the_interpreter_as_it_was(
    builds: list[tuple[bool, float]], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = orchestrator.api.app.build

    def broken(*_arguments: Any) -> Any:
        raise MemoryError

    async with client_of(Daemon()) as late:
        monkeypatch.setattr(orchestrator.api.app, "build", broken)
        with pytest.raises(MemoryError):
            await late.get("/nowhere")
        assert gc.isenabled()
        monkeypatch.setattr(orchestrator.api.app, "build", whole)
        assert (await late.get("/nowhere")).status_code == 404
    assert len(builds) == 1
