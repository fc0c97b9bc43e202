"""The flags service: decided, written, published, told; what happens when a part of that fails, and after a restart."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flags_story import NOON, World, declare, flag, switch
from switchover_kit.page import PageReader, State

from orchestrator.domain.flags.change import FlagRefusedError, FlagsMovedError
from orchestrator.domain.flags.declaration import registry
from orchestrator.flags.book import FlagsNotWrittenError
from orchestrator.flags.told import Changed
from state.errors import StorageFullError
from state.memory import IN_MEMORY

DECLARED = declare(flag("MODE"), flag("ENGINE"), flag("POOL", needs=["ENGINE"]), switch())


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path, DECLARED)


def full(_number: int) -> None:
    raise StorageFullError(IN_MEMORY, "the disk is full (injected)")


async def started(world: World, prepare: Callable[[], Any] = lambda: None) -> World:
    """Start a world's service."""
    prepare()
    await world.service.start()
    return world


async def heard(world: World, count: int, work: Callable[[], Any]) -> list[Changed]:
    """Return the next changes a listener hears of while `work` is done."""
    listener = world.service.subscribe()
    await work()
    async with asyncio.timeout(60):
        return [await anext(listener) for _ in range(count)]


@pytest.mark.requirement("FLAG-34")
async def test_a_first_start_stores_and_publishes_every_declared_flag(world: World) -> None:
    await started(world)
    assert world.store.settings == {"MODE": "off", "ENGINE": "off", "POOL": "off", "DISABLE_NEW": "0"}
    assert world.page()["flags_version"] == world.service.version == 1
    assert world.shown() == world.service.values()
    assert await world.store.outbox_heads() == []  # nobody is told of flags that only began
    await world.service.close()


@pytest.mark.requirement("FLAG-34")
async def test_a_change_is_stored_audited_published_and_told(world: World) -> None:
    await started(world)
    (told,) = await heard(world, 1, lambda: world.service.set({"MODE": "on"}, actor="ann", reason="try it"))
    assert (told.version, told.actor, told.reason, told.written, told.at) == (2, "ann", "try it", True, NOON)
    assert [(one.key, one.before, one.after) for one in told.changes] == [("MODE", "off", "on")]
    assert world.store.settings["MODE"] == "on"
    assert world.page()["flags_version"] == 2
    assert world.shown()["MODE"] == "on"
    row = world.store.audit[-1]
    assert (row.actor, row.action, row.reason, row.revision) == ("ann", "flags set", "try it", 7)
    (notice,) = await world.store.outbox_heads()
    assert (notice.destination, json.loads(notice.payload)["to"]) == ("hook", "on")
    (remembered,) = await world.service.history("MODE", limit=1)
    assert (remembered.before, remembered.after, remembered.version) == ("off", "on", 2)
    assert world.service.decide("MODE").value == "on"
    assert world.service.view("MODE").changed_at == NOON
    await world.service.close()


@pytest.mark.requirement("FLAG-34")
async def test_what_changes_nothing_makes_no_version_and_tells_nobody(world: World) -> None:
    await started(world)
    await world.service.set({"MODE": "on"}, actor="ann")
    again = await world.service.set({"MODE": "on"}, actor="bob")
    assert (again.version, again.changes) == (2, ())
    assert len(world.store.audit) == 2
    await world.service.close()


@pytest.mark.requirement("FLAG-34")
async def test_changes_at_the_same_time_are_made_one_after_the_other_each_seen_by_the_next(world: World) -> None:
    await started(world)
    asked = [world.service.set({"MODE": value}, actor=value, expect_version=1) for value in ("on", "other")]
    first, second = await asyncio.gather(*asked, return_exceptions=True)
    assert isinstance(first, Changed)
    assert isinstance(second, FlagsMovedError)
    assert world.shown()["MODE"] == "on"
    await world.service.close()


@pytest.mark.requirement("FLAG-34")
async def test_a_caller_that_goes_away_in_the_middle_leaves_a_whole_change(world: World) -> None:
    await started(world)
    asking = asyncio.ensure_future(world.service.set({"MODE": "on"}, actor="ann"))
    await asyncio.sleep(0)
    asking.cancel()
    await asyncio.wait([asking])
    await world.service.close()
    assert (world.store.settings["MODE"], world.service.version) == ("on", 2)


@pytest.mark.requirement("FLAG-35")
async def test_a_change_that_cannot_be_written_is_refused_and_nothing_of_it_is_seen(world: World) -> None:
    await started(world)
    world.before_write = full
    with pytest.raises(FlagsNotWrittenError, match="the disk is full"):
        await world.service.set({"MODE": "on"}, actor="ann")
    assert (world.service.version, world.shown()["MODE"]) == (1, "off")
    assert "cannot be written down" in str(world.service.trouble)
    await world.service.close()


@pytest.mark.requirement("FLAG-35")
@pytest.mark.parametrize("how", ["reset", "kill switch"])
async def test_what_moves_to_safety_takes_effect_on_a_full_disk_and_is_written_when_there_is_room(
    world: World, how: str
) -> None:
    await started(world)
    await world.service.set({"MODE": "on"}, actor="ann")
    world.before_write = full
    if how == "reset":
        told = await world.service.reset(["MODE"], actor="rollback", cause="rollback")
    else:
        told = await world.service.set({"DISABLE_NEW": "1"}, actor="ann")
    assert (told.written, told.version) == (False, 3)
    assert world.page()["flags_version"] == 3
    assert world.service.decide("MODE").value == "off"
    assert world.store.settings["MODE"] == "on"
    assert world.service.trouble is not None
    world.before_write = lambda _number: None
    await world.service.look()
    assert world.service.trouble is None
    assert world.page()["flags_version"] == world.service.version == 4
    assert (world.store.settings["MODE"], world.store.settings["DISABLE_NEW"]) == (
        ("off", "0") if how == "reset" else ("on", "1")
    )
    await world.service.close()


@pytest.mark.requirement("FLAG-36")
async def test_a_row_of_settings_changed_by_hand_is_taken_over_by_the_same_rules(world: World) -> None:
    await started(world)
    world.store.settings["MODE"] = "other"
    (told,) = await heard(world, 1, world.service.look)
    assert (told.actor, told.cause, told.version) == ("database", "database", 2)
    assert world.shown()["MODE"] == "other"
    assert world.store.audit[-1].actor == "database"
    assert await world.service.look() == []
    await world.service.close()


@pytest.mark.requirement("FLAG-36")
async def test_a_row_of_settings_that_may_not_be_so_is_refused_in_the_audit_and_put_right(world: World) -> None:
    await started(world)
    world.store.settings |= {"MODE": "maybe", "POOL": "on", "ENGINE": "other", "OLD_PROGRAM": "1"}
    await world.service.look()
    assert world.shown() == {"MODE": "off", "ENGINE": "other", "POOL": "off", "DISABLE_NEW": "0"}
    assert world.store.settings == {**world.shown(), "OLD_PROGRAM": "1"}
    row = world.store.audit[-1]
    assert (row.actor, row.action) == ("database", "flag edit refused")
    assert 'MODE cannot be "maybe"' in row.reason
    assert 'POOL cannot be "on" while ENGINE is "other"' in row.reason
    named = {one.key: one.kind for one in world.service.findings(1e9, 0)}
    assert named == {"OLD_PROGRAM": "undeclared"}
    await world.service.close()


@pytest.mark.requirement("FLAG-36")
async def test_two_rows_that_need_each_other_are_taken_over_together(world: World) -> None:
    await started(world)
    world.store.settings |= {"POOL": "on", "ENGINE": "on"}
    await world.service.look()
    assert (world.shown()["POOL"], world.shown()["ENGINE"]) == ("on", "on")
    await world.service.close()


@pytest.mark.requirement("FLAG-36")
async def test_the_table_of_a_former_program_is_taken_over_at_the_first_start(world: World) -> None:
    await started(world, lambda: world.store.settings.update({"MODE": "on", "POOL": "nonsense"}))
    assert world.shown() == {"MODE": "on", "ENGINE": "off", "POOL": "off", "DISABLE_NEW": "0"}
    assert world.store.settings == world.shown()
    await world.service.close()


@pytest.mark.requirement("FLAG-40")
async def test_a_restart_keeps_values_targeting_and_version(world: World) -> None:
    await started(world)
    await world.service.set({"MODE": "on"}, actor="ann")
    targeting = {"deny": ["bob"]}
    await world.service.target("ENGINE", targeting, actor="ann")
    before = world.page()
    await world.service.close()
    await world.another().start()
    assert world.page() == before
    assert world.service.view("MODE").changed_at == NOON
    await world.service.close()


@pytest.mark.requirement("FLAG-40")
async def test_the_version_never_goes_back_for_a_reader_even_when_the_store_began_anew(world: World) -> None:
    await started(world)
    for value in ("on", "other", "on"):
        await world.service.set({"MODE": value}, actor="ann")
    await world.service.close()
    reborn = World(world.folder, DECLARED)
    await reborn.service.start()
    assert reborn.page()["flags_version"] == 5
    assert reborn.shown()["MODE"] == "off"
    assert (await reborn.service.set({"MODE": "on"}, actor="ann")).version == 6
    await reborn.service.close()


@pytest.mark.requirement("FLAG-40")
async def test_a_store_that_cannot_be_read_leaves_safe_values_until_it_can_be(tmp_path: Path) -> None:
    world = World(tmp_path, declare(flag("MODE"), flag("ON", default="on")))
    await world.service.start()
    await world.service.set({"MODE": "other"}, actor="ann")
    await world.service.close()
    load = world.store.load

    async def broken() -> Any:
        raise StorageFullError(IN_MEMORY, "the disk is gone (injected)")

    world.store.load = broken  # type: ignore[method-assign]
    await world.another().start()
    assert world.shown() == {"MODE": "off", "ON": "off"}
    assert world.page()["flags_version"] == 3
    assert "the disk is gone" in str(world.service.trouble)
    await world.service.look()
    assert world.shown() == {"MODE": "off", "ON": "off"}
    world.store.load = load  # type: ignore[method-assign]
    (told,) = await heard(world, 1, world.service.look)
    assert {one.key: one.after for one in told.changes} == {"MODE": "other", "ON": "on"}
    assert world.shown() == {"MODE": "other", "ON": "on"}
    assert world.service.trouble is None
    assert world.page()["flags_version"] > 3
    await world.service.close()


@pytest.mark.requirement("FLAG-39")
async def test_a_pinned_view_stays_as_it_was_made_while_the_live_flags_go_on(world: World) -> None:
    await started(world)
    await world.service.target("MODE", {"deny": ["bob"]}, actor="ann")
    path = await world.service.pin("rehearsal-7", {"MODE": "on"})
    await world.service.set({"MODE": "other", "ENGINE": "on"}, actor="ann")
    assert world.shown("rehearsal-7") == {"MODE": "on", "ENGINE": "off", "POOL": "off", "DISABLE_NEW": "0"}
    assert world.page("rehearsal-7")["flags"]["MODE"]["targeting"] is None
    assert world.page()["flags"]["MODE"]["targeting"] == {"deny": ["bob"]}
    reader = PageReader.open(path)
    assert await world.service.unpin("rehearsal-7")
    assert (reader.state, path.exists()) == (State.CLOSED, False)
    assert not await world.service.unpin("rehearsal-7")
    assert not await world.service.unpin("live")
    await world.service.close()


@pytest.mark.requirement("FLAG-39")
@pytest.mark.parametrize(
    ("name", "values", "said"),
    [
        ("live", {}, 'a view cannot be called "live"'),
        ("../x", {}, "allowed: up to 40 letters"),
        ("x.sock", {}, "allowed: up to 40 letters"),
        ("x", {"MODE": "no"}, 'MODE cannot be "no"'),
        ("x", {"NONE": "no"}, "there is no flag NONE"),
    ],
)
async def test_a_view_is_pinned_only_under_a_name_and_with_values_that_can_be(
    world: World, name: str, values: dict[str, Any], said: str
) -> None:
    await started(world)
    with pytest.raises(FlagRefusedError) as refused:
        await world.service.pin(name, values)
    assert said in str(refused.value)
    await world.service.close()


@pytest.mark.requirement("FLAG-41")
async def test_another_registry_brings_new_flags_forgets_others_and_keeps_what_was_set(world: World) -> None:
    await started(world)
    await world.service.set({"MODE": "on", "ENGINE": "on"}, actor="ann")
    fresh, _ = registry(
        [flag("MODE", default="other"), flag("NEW", default="on"), flag("POOL", needs=["GONE"]), switch()]
    )
    (told,) = await heard(world, 1, lambda: world.service.reload(fresh, actor="signal:SIGHUP"))
    assert {one.key: (one.before, one.after) for one in told.changes} == {
        "NEW": (None, "on"),
        "ENGINE": ("on", None),
        "POOL": ("off", None),
    }
    assert world.page()["flags_version"] == 3
    assert world.shown() == {"MODE": "on", "NEW": "on", "DISABLE_NEW": "0", "POOL": None}
    assert world.store.settings == {"MODE": "on", "NEW": "on", "POOL": "off", "DISABLE_NEW": "0"}
    assert world.service.view("POOL").invalid == "prerequisites: GONE is not declared"
    assert (await world.service.reload(fresh)).changes == ()
    (gone, *_) = await world.service.history("ENGINE")
    assert (gone.before, gone.after, gone.cause) == ("on", None, "registry")
    await world.service.close()


@pytest.mark.requirement("FLAG-43")
async def test_an_export_brings_other_flags_to_the_same_values_and_buckets(world: World, tmp_path: Path) -> None:
    await started(world)
    await world.service.set({"ENGINE": "on", "POOL": "on"}, actor="ann")
    await world.service.target("MODE", {"percentage": {"value": "on", "percent": 25}}, actor="ann", salt="mine")
    kept = json.loads(json.dumps(world.service.export()))
    other = World(tmp_path / "other", DECLARED)
    other.folder.mkdir()
    await other.service.start()
    await other.service.import_(kept, actor="bob")
    assert other.shown() == world.shown()
    assert other.page()["flags"]["MODE"] == world.page()["flags"]["MODE"]
    assert other.store.audit[-1].action == "flags imported"
    assert (await other.service.import_(kept, actor="bob")).changes == ()
    await world.service.close()
    await other.service.close()


@pytest.mark.requirement("FLAG-43")
@pytest.mark.parametrize(
    ("content", "said"),
    [
        ([], "this is no export of flags"),
        ({"format": 2, "flags": {}}, "the export has the format 2"),
        ({"format": 1, "flags": {"MODE": 1}}, "MODE is 1; allowed: an object"),
        ({"format": 1, "flags": {"MODE": {"valu": 1}}}, "MODE has valu; allowed: value, targeting"),
        ({"format": 1, "flags": {"MODE": {"value": 1}}}, "MODE cannot be 1"),
        ({"format": 1, "flags": {"MODE": {"hash_version": 7}}}, "the hash_version of MODE is 7; allowed: 1"),
        ({"format": 1, "flags": {"MODE": {"targeting": []}}}, "the targeting of MODE is []"),
        ({"format": 1, "flags": {"MODE": {"value": "on"}, "X": {"value": 1}}}, "there is no flag X"),
    ],
)
async def test_what_is_no_export_is_refused_whole(world: World, content: Any, said: str) -> None:
    await started(world)
    with pytest.raises(FlagRefusedError) as refused:
        await world.service.import_(content, actor="ann")
    assert said in str(refused.value)
    assert world.service.version == 1
    await world.service.close()


@pytest.mark.requirement("FLAG-34")
async def test_a_listener_that_does_not_listen_is_let_go_and_the_others_hear_on(world: World) -> None:
    await started(world)
    slow, quick = world.service.subscribe(), world.service.subscribe()
    for number in range(260):
        await world.service.set({"MODE": "on" if number % 2 else "other"}, actor="ann")
        assert (await anext(quick)).version == number + 2
    async with asyncio.timeout(60):
        versions = [changed.version async for changed in slow]
    assert versions == list(range(2, 258))
    await world.service.close()
    assert [changed async for changed in quick] == []


@pytest.mark.requirement("FLAG-34")
async def test_a_page_and_a_socket_that_cannot_be_made_are_said_and_made_as_soon_as_they_can_be(world: World) -> None:
    (world.folder / "flags").write_text("in the way")
    await started(world)
    assert "the flags page cannot be written" in str(world.service.trouble)
    await world.service.set({"MODE": "on"}, actor="ann")
    (world.folder / "flags").unlink()
    (world.folder / "flags").mkdir()
    world.service.beat()
    assert world.shown()["MODE"] == "on"
    await world.service.look()
    assert world.service.trouble is None
    await world.service.close()


@pytest.mark.requirement("FLAG-40")
async def test_closing_tells_readers_and_a_killed_daemons_pinned_views_are_gone_at_the_next_start(world: World) -> None:
    await started(world)
    await world.service.pin("rehearsal-1")
    reader = PageReader.open(world.folder / "flags" / "live")
    killed = world.service
    await world.another().start()  # as after kill -9: nothing was closed
    assert reader.state is State.SUPERSEDED
    assert not (world.folder / "flags" / "rehearsal-1").exists()
    fresh = PageReader.open(world.folder / "flags" / "live")
    await world.service.close()
    assert fresh.state is State.CLOSED
    killed.readers.close()


@pytest.mark.requirement("FLAG-34")
async def test_flags_as_they_stood_are_read_by_version_or_time(world: World) -> None:
    await started(world)
    world.clock.now += 10
    await world.service.set({"MODE": "on"}, actor="ann")
    once = await world.service.at(version=1)
    assert once is not None
    assert once.values["MODE"] == "off"
    then = await world.service.at(seconds=NOON + 10)
    assert then is not None
    assert (then.version, then.values["MODE"]) == (2, "on")
    assert await world.service.at(version=99) is None
    with pytest.raises(FlagRefusedError, match="either a version or a time"):
        await world.service.at()
    await world.service.close()
