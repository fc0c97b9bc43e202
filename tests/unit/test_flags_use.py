"""Flags that outlive their use: expiry, reminders, the stale report, and how the status shows flags."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest
from flags_story import DAY, NOON, World, declare, flag, switch

from orchestrator.api.models import FlagsInForce, LateReader
from orchestrator.cli.status_view import _flag_troubles
from orchestrator.domain.flags.report import Finding, Use, expiries, stale
from orchestrator.flags.reminders import Reminders
from orchestrator.notify.message import message
from orchestrator.notify.webhook import event_of
from orchestrator.telemetry.measured import FlagCounts
from orchestrator.telemetry.metrics import _flags as flag_metrics
from state.memory import MemoryDesiredState

TODAY = dt.datetime.fromtimestamp(NOON, dt.UTC).date()


def ending(days: int, **members: Any) -> Any:
    """Declare a flag that expires some days from today."""
    return declare(flag("OLD", expires=TODAY + dt.timedelta(days=days), **members))


@pytest.mark.requirement("FLAG-42")
@pytest.mark.parametrize(
    ("days", "kind", "said"),
    [
        (8, None, ""),
        (7, "expiring", "OLD expires in 7 days, on "),
        (1, "expiring", "OLD expires in 1 day, on "),
        (0, "expired", "OLD expired today, on "),
        (-1, "expired", "OLD expired 1 day ago, on "),
        (-40, "expired", "OLD expired 40 days ago, on "),
    ],
)
def test_a_flag_is_named_from_some_days_before_it_expires(days: int, kind: str | None, said: str) -> None:
    found = list(expiries(ending(days, owner="ann"), NOON, 7 * DAY))
    assert [one.kind for one in found] == ([kind] if kind else [])
    assert all(one.detail.startswith(said) and "ann is asked to remove it" in one.detail for one in found)
    nobodys = list(expiries(ending(days), NOON, 7 * DAY))
    assert all(one.detail.endswith("; somebody is asked to remove it, or to move the day") for one in nobodys)


@pytest.mark.requirement("FLAG-42")
def test_a_flag_that_nobody_reads_or_that_stays_at_one_value_is_stale() -> None:
    registry = declare(flag("READ"), flag("UNREAD"), flag("NEVER"), flag("MOVED"), switch())
    uses = {
        "READ": Use(read_at=NOON - DAY),
        "UNREAD": Use(read_at=NOON - 40 * DAY, changed_at=NOON),
        "MOVED": Use(read_at=NOON, changed_at=NOON - 3 * DAY),
    }
    found = stale(registry, uses, since=NOON - 31 * DAY, now=NOON, after=30 * DAY)
    assert {(one.key, one.kind) for one in found} == {
        ("READ", "settled"),
        ("UNREAD", "unread"),
        ("NEVER", "unread"),
        ("NEVER", "settled"),
    }
    assert list(stale(registry, {}, since=NOON - DAY, now=NOON, after=30 * DAY)) == []


@pytest.mark.requirement("FLAG-42")
async def test_a_reminder_comes_once_a_day_and_flag_also_over_restarts(tmp_path: Path) -> None:
    world, kept, told = World(tmp_path, ending(3)), MemoryDesiredState(), []

    async def tell(finding: Finding) -> None:
        told.append(finding.key)

    await world.service.start()
    for _ in range(3):
        reminders = Reminders(world.service, kept, world.clock, lambda: 7 * DAY, tell)
        await reminders.recall()
        await reminders.look()
        await reminders.look()
    assert told == ["OLD"]
    world.clock.now += DAY
    await reminders.look()
    assert told == ["OLD", "OLD"]
    await world.service.close()


@pytest.mark.requirement("FLAG-42")
async def test_a_reminder_that_could_not_be_given_is_given_with_the_next_look(tmp_path: Path) -> None:
    world, told = World(tmp_path, ending(3)), []

    async def tell(finding: Finding) -> None:
        told.append(finding.key)
        if len(told) == 1:
            raise OSError("the disk is full (injected)")

    await world.service.start()
    reminders = Reminders(world.service, MemoryDesiredState(), world.clock, lambda: 7 * DAY, tell)
    with pytest.raises(OSError, match="full"):
        await reminders.look()
    await reminders.look()
    await reminders.look()
    assert told == ["OLD", "OLD"]
    await world.service.close()


@pytest.mark.requirement("FLAG-42")
async def test_of_several_reminders_those_that_were_given_do_not_come_again_with_the_one_that_was_not(
    tmp_path: Path,
) -> None:
    soon = (TODAY + dt.timedelta(days=3), TODAY + dt.timedelta(days=4))
    world, told = World(tmp_path, declare(flag("A", expires=soon[0]), flag("B", expires=soon[1]))), []

    async def tell(finding: Finding) -> None:
        told.append(finding.key)
        if told == ["A", "B"]:
            raise OSError("the disk is full (injected)")

    await world.service.start()
    reminders = Reminders(world.service, MemoryDesiredState(), world.clock, lambda: 7 * DAY, tell)
    with pytest.raises(OSError, match="full"):
        await reminders.look()
    await reminders.look()
    assert told == ["A", "B", "B"]
    await world.service.close()


@pytest.mark.requirement("FLAG-42")
async def test_who_read_what_is_remembered_over_restarts(tmp_path: Path) -> None:
    world, kept = World(tmp_path, declare(flag("MODE"))), MemoryDesiredState()

    async def tell(_finding: Finding) -> None:
        """Nobody is told."""

    await world.service.start()
    world.service.readers.remember({"MODE": NOON})
    await Reminders(world.service, kept, world.clock, lambda: 0.0, tell).look()
    await world.service.close()
    world.clock.now += 40 * DAY
    again = world.another()
    await again.start()
    await Reminders(again, kept, world.clock, lambda: 0.0, tell).recall()
    assert [one.kind for one in again.findings(30 * DAY, 0)] == ["unread", "settled"]
    assert (again.view("MODE").read_at, again.since) == (NOON, NOON)
    await again.close()


@pytest.mark.requirement("FLAG-42")
def test_a_reminder_reads_as_its_own_sentence() -> None:
    payload = (
        '{"id":"1","event":"flag.expiring","flag":"OLD","kind":"expiring","detail":"OLD expires in 1 day.","at":""}'
    )
    told = message(payload)
    assert (told.title, told.text, told.alarming) == ("Flag OLD expires", "OLD expires in 1 day.", False)
    assert event_of(payload) == "flag.expiring"


@pytest.mark.requirement("FLAG-37")
def test_status_names_the_readers_that_are_late_and_what_is_wrong() -> None:
    late = [LateReader(pid=100 + number, generation=2, applied=40) for number in range(7)]
    said = list(_flag_troubles(FlagsInForce(version=41, readers=9, late=late, trouble="the disk is full")))
    assert said[0] == "the disk is full"
    assert "flags version 41 is not applied yet by process 100 of generation 2 (40), 101" in said[1]
    assert said[1].endswith("104 of generation 2 (40) and 2 more")
    assert list(_flag_troubles(FlagsInForce(version=41, readers=9, late=[], trouble=None))) == []


@pytest.mark.requirement("FLAG-37")
def test_metrics_count_version_readers_and_changes() -> None:
    metrics = {one.name: one.samples[0].value for one in flag_metrics(FlagCounts(41, 9, 2, 17))}
    assert metrics == {
        "switchover_flags_version": 41,
        "switchover_flag_readers": 9,
        "switchover_flag_readers_late": 2,
        "switchover_flag_changes": 17,
    }
