"""Rollouts of a running daemon as tests see them: begin one, wait for a moment of it, see how it ended.

Above: the rollouts of `tests/e2e`.  Below: `daemon`.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass
from http import HTTPStatus
from itertools import groupby
from typing import Any

from daemon import RunningDaemon

Json = dict[str, Any]
Place = tuple[str, str, int]
"""Phase, part, and index of the step or stage."""

PATIENCE = 100.0
"""Seconds any part of a rollout may take before the test fails: a machine may be busy with others."""
LOOK_EVERY = 0.003
"""Seconds between two looks at the journal: some moments are short."""
LATELY = 5
"""Records among which a moment is found that was missed by a little."""
ASK_EVERY = 0.1
"""Seconds between two questions to the daemon."""


async def asked(daemon: RunningDaemon, method: str, path: str, body: Json | None = None) -> Any:
    """Make a request that is to be granted; return its answer."""
    status, answer = await asyncio.to_thread(daemon.control, method, path, body)
    assert status == HTTPStatus.OK, answer
    return answer


async def begin(daemon: RunningDaemon, plan: str, command: list[str] | None, **more: Any) -> str:
    """Begin to carry out the plan of that text; return the rollout's id."""
    path = daemon.home / "plan.toml"
    path.write_text(plan)
    body = {"plan": str(path), "force_plan": True, **({"command": command} if command is not None else {}), **more}
    begun = await asked(daemon, "POST", "/v1/rollout", body)
    return str(begun["id"])


async def say(daemon: RunningDaemon, verb: str, **body: Any) -> Json:
    """Say something to the rollout under way, such as `pause`."""
    return dict(await asked(daemon, "POST", f"/v1/rollout/{verb}", body))


async def rollout(daemon: RunningDaemon) -> Json:
    """Return the rollout under way, or the last one."""
    return dict((await asked(daemon, "GET", "/v1/rollout"))["rollout"])


async def until(daemon: RunningDaemon, holds: Callable[[Json], bool], what: str) -> Json:
    """Wait until something holds of the rollout; fail with how it stands when it never does, or ended before."""
    last: Json = {}
    try:
        async with asyncio.timeout(PATIENCE):
            while not holds(last := await rollout(daemon)):
                assert not last["over"], _told(what, last)
                await asyncio.sleep(ASK_EVERY)
    except TimeoutError:
        raise AssertionError(_told(what, last)) from None
    return last


async def ended(daemon: RunningDaemon) -> Json:
    """Wait until the rollout is over; one that pauses is not."""
    found = await until(daemon, lambda now: now["over"] or now["paused"], "over")
    assert found["over"], _told("over", found)
    return found


def _told(what: str, last: Json) -> str:
    looked = [one["words"] for one in (last.get("look") or {}).get("limits", [])]
    return f"the rollout is not {what}: {last.get('where')}; paused: {last.get('paused')}; {looked}"


async def flag_values(daemon: RunningDaemon, flags: Iterable[str]) -> dict[str, tuple[Any, Any]]:
    """Return value and targeting of some flags."""
    shown = {flag: await asked(daemon, "GET", f"/v1/flags/{flag}") for flag in flags}
    return {flag: (one["value"], one["targeting"]) for flag, one in shown.items()}


@dataclass(frozen=True)
class Written:
    """A record of the journal, as far as tests go by it.

    Attributes:
        event: what happened.
        rollout: whose, "" without one.
        phase: where it stands.
        part: what it is busy with.
        index: which step or stage.
    """

    event: str
    rollout: str
    phase: str
    part: str
    index: int

    @property
    def place(self) -> Place:
        """Where the rollout stands."""
        return self.phase, self.part, self.index


def written(daemon: RunningDaemon, most: int = 1) -> list[Written]:
    """Read the newest records of the journal, newest first, whether the daemon lives or not."""
    path = daemon.state_dir / "journal.db"
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as journal:
        rows = journal.execute("SELECT record FROM records ORDER BY seq DESC LIMIT ?", (most,)).fetchall()
    return [_of(json.loads(record)) for (record,) in rows]


def _of(record: Json) -> Written:
    now = record["state"].get("rollout") or {"id": "", "phase": "", "part": "", "index": 0}
    return Written(record["event"]["name"], now["id"], now["phase"], now["part"], now["index"])


def course(daemon: RunningDaemon, run: str) -> list[Place]:
    """Return where a rollout stood, one place after the other."""
    places = [one.place for one in reversed(written(daemon, 10_000)) if one.rollout == run]
    return [place for place, _ in groupby(places)]


async def until_at(daemon: RunningDaemon, run: str, place: Place) -> None:
    """Wait until a rollout has come to a place, by its journal."""
    places: list[Place] = []
    try:
        async with asyncio.timeout(PATIENCE):
            while place not in places:
                await asyncio.sleep(LOOK_EVERY)
                places = [one.place for one in written(daemon, LATELY) if one.rollout == run]
    except TimeoutError:
        raise AssertionError(f"it never came to {place}; its last places: {places}") from None
