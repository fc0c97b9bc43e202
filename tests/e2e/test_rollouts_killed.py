"""Rollouts whose daemon is killed with -9 in the middle: started again, it ends each as it would have without.

One daemon is killed again and again in a chain of rollouts; where and when is seeded.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final

import pytest
from daemon import RunningDaemon
from missions import CLIENTS, Missions
from rollout_daemon import Json, Place, asked, begin, ended, flag_values, until, until_at, written
from rollout_stories import BAD, BAD_FLAG, GOOD, WORKER, Story, serving, version
from waiting import eventually

pytestmark = pytest.mark.requirement("LIVE-2")

SOON: Final = 0.4
"""Seconds for which a seeded kill may wait after its moment has come."""
WHOLE: Final = 5.0
"""Seconds that a rollout of these takes; a random kill comes within them."""


@dataclass(frozen=True)
class Kill:
    """A moment of a rollout at which its daemon is killed.

    Attributes:
        story: which rollout.
        at: where it stands by its journal; None: at any moment.
        unwritten: whether it is then let go on until it has gone back, and not let write that down.
    """

    story: Story
    at: Place | None
    unwritten: bool = False


SEEDED: Final = (
    (
        Kill(GOOD, ("stepping", "starting", 0)),
        Kill(BAD, ("stepping", "running", 0)),
        Kill(GOOD, ("stepping", "running", 1)),
        Kill(BAD_FLAG, ("flipping", "half", 1)),
        Kill(GOOD, ("baking", "health", 0)),
    ),
    (
        Kill(BAD, ("stepping", "running", 0), unwritten=True),
        Kill(GOOD, ("flipping", "half", 0)),
        Kill(BAD_FLAG, ("rolling_back", "flags", 1)),
        Kill(GOOD, ("flipping", "whole", 1)),
        Kill(BAD_FLAG, ("flipping", "half", 1), unwritten=True),
    ),
)
"""The ten of every run: in each part, between a decision and its record, and while flags are brought back."""


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Have nobody else write to a database, and every writer wait."""
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("PRAGMA busy_timeout = 5000")
        database.execute("BEGIN IMMEDIATE")
        yield


async def killed(daemon: RunningDaemon, run: str, kill: Kill, chance: Random) -> None:
    """Kill the daemon at its moment."""
    if kill.at is None:
        await asyncio.sleep(chance.uniform(0.0, WHOLE))
    else:
        await until_at(daemon, run, kill.at)
        if kill.unwritten:
            await _decided(daemon, kill.at)
        elif kill.at[0] != "rolling_back":  # that is over in a moment
            await asyncio.sleep(chance.uniform(0.0, SOON))
    if daemon.running:
        daemon.kill9()


async def _decided(daemon: RunningDaemon, at: Place) -> None:
    """Kill it when it has gone back, and could not write down that it did."""
    if at[0] == "flipping":
        await eventually(lambda: daemon.control("GET", "/v1/flags/CACHE")[1]["targeting"])
    with locked(daemon.state_dir / "journal.db"):
        await until(daemon, lambda now: now["cause"] is not None, "decided")
        daemon.kill9()
        assert written(daemon)[0].place == at


async def chain(daemon: RunningDaemon, kills: tuple[Kill, ...], chance: Random) -> Missions:
    """Have one rollout after the other, each with a kill in it, and check each end."""
    missions = Missions(daemon.tools_socket, [("work", {})])
    async with missions.running():
        for number, kill in enumerate(kills, 1):
            before = daemon.status()["lanes"]["active"]
            run = await begin(daemon, kill.story.plan, version(kill.story, number), id=f"r{number}")
            await killed(daemon, run, kill, chance)
            daemon.restart()
            over = await ended(daemon)
            assert over["id"] == run
            await _check(daemon, kill.story, over, before)
            await asked(daemon, "POST", "/v1/flags/-/reset", {"keys": ["CACHE", "MODE"]})
    return missions


async def _check(daemon: RunningDaemon, story: Story, over: Json, before: int) -> None:
    """See that it ended as it would have without, and left nothing behind."""
    cause = over["cause"]
    assert (over["phase"], (cause["what"], cause["metric"], cause["flag"])) == (story.phase, story.cause), cause
    assert over["quarantined"] is (story.phase == "rolled_back")
    active = over["candidate"] if story.phase == "done" else before
    status = daemon.status()
    assert (status["lanes"], status["weight"], status["phase"]) == ({"active": active}, 0, "steady")
    assert await flag_values(daemon, story.flags) == story.flags
    await eventually(lambda: [one["number"] for one in daemon.status()["generations"]] == [active])
    await eventually(lambda: _workers(daemon) == [one["pid"] for one in daemon.status()["generations"]])


def _workers(daemon: RunningDaemon) -> list[int]:
    """Return the pids of the worker's processes; what compares mirrored answers is the daemon's own."""
    return [pid for pid in daemon.workers() if WORKER in Path(f"/proc/{pid}/cmdline").read_text()]


@pytest.mark.timeout(240)
@pytest.mark.parametrize("number", range(len(SEEDED)))
async def test_a_rollout_killed_in_the_middle_ends_as_it_would_have(number: int, tmp_path: Path) -> None:
    with serving(tmp_path) as daemon:
        missions = await chain(daemon, SEEDED[number], Random(number))
    _only_cut(missions, len(SEEDED[number]))


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(40))
async def test_rollouts_killed_at_random_end_as_they_would_have(seed: int, tmp_path: Path) -> None:
    chance = Random(seed)
    everywhere = [one for kills in SEEDED for one in kills]
    anywhen = [Kill(story, None) for story in (GOOD, BAD, BAD_FLAG)]
    kills = tuple(chance.choice([chance.choice(everywhere), chance.choice(anywhen)]) for _ in range(5))
    with serving(tmp_path) as daemon:
        missions = await chain(daemon, kills, chance)
    _only_cut(missions, len(kills))


def _only_cut(missions: Missions, kills: int) -> None:
    """See that no call was lost but by the kills themselves, and none was answered twice."""
    assert (missions.lost, missions.strays) == ([], [])
    assert missions.counts["cut"] <= CLIENTS * kills
    assert missions.counts["answered"] > 0
