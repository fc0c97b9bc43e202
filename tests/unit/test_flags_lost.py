"""What was lost, owed or taken away: rows of settings, the whole store, and writes that had to wait."""

from __future__ import annotations

from pathlib import Path

import pytest
from flags_story import NOON, World, declare, flag, switch

from orchestrator.domain.flags.change import UnknownFlagError
from state.errors import StorageFullError
from state.memory import IN_MEMORY

DECLARED = declare(flag("MODE"), flag("ON", default="on"), switch())


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path, DECLARED)


def full(_number: int) -> None:
    raise StorageFullError(IN_MEMORY, "the disk is full (injected)")


@pytest.mark.requirement("FLAG-71")
async def test_a_row_of_settings_that_is_taken_away_is_put_back_and_said(world: World) -> None:
    await world.service.start()
    await world.service.set({"MODE": "on"}, actor="ann")
    del world.store.settings["MODE"]
    await world.service.look()
    assert world.store.settings["MODE"] == world.shown()["MODE"] == "on"
    row = world.store.audit[-1]
    assert (row.actor, row.action) == ("database", "flag edit refused")
    assert "the row of MODE was taken away; to reset a flag, reset it" in row.reason
    assert await world.service.look() == []
    await world.service.close()


@pytest.mark.requirement("FLAG-72")
async def test_what_could_not_be_written_is_remembered_later_under_the_names_of_those_who_did_it(world: World) -> None:
    await world.service.start()
    await world.service.set({"MODE": "on"}, actor="ann")
    world.before_write = full
    world.clock.now = NOON + 60
    await world.service.reset(["MODE"], actor="guard", reason="it failed", cause="rollback")
    world.clock.now = NOON + 90
    await world.service.set({"DISABLE_NEW": "1"}, actor="bob", reason="to be sure")
    world.before_write = lambda _number: None
    world.clock.now = NOON + 600
    await world.service.look()
    assert world.service.trouble is None
    kept = await world.service.history(limit=2)
    assert [(one.key, one.actor, one.reason, one.cause, one.at - NOON) for one in kept] == [
        ("DISABLE_NEW", "bob", "to be sure", "person", 90.0),
        ("MODE", "guard", "it failed", "rollback", 60.0),
    ]
    assert (world.store.settings["MODE"], world.store.settings["DISABLE_NEW"]) == ("off", "1")
    assert await world.service.look() == []
    await world.service.close()


@pytest.mark.requirement("FLAG-72")
async def test_what_was_owed_and_then_changed_again_is_written_once(world: World) -> None:
    await world.service.start()
    await world.service.set({"MODE": "on"}, actor="ann")
    world.before_write = full
    await world.service.reset(["MODE"], actor="guard")
    world.before_write = lambda _number: None
    await world.service.set({"MODE": "other"}, actor="ann")
    await world.service.look()
    assert [one.actor for one in await world.service.history("MODE")] == ["ann", "ann", "daemon"]
    assert (world.service.trouble, world.store.settings["MODE"]) == (None, "other")
    await world.service.close()


@pytest.mark.requirement("FLAG-73")
async def test_flags_whose_store_was_lost_begin_at_their_safe_values_not_at_their_defaults(world: World) -> None:
    await world.service.start()
    assert world.shown()["ON"] == "on"  # a first start is no loss
    await world.service.close()
    for lost in (World(world.folder, DECLARED), World(world.folder / "elsewhere", DECLARED, lost=True)):
        lost.folder.mkdir(exist_ok=True)
        await lost.service.start()
        assert lost.shown() == {"MODE": "off", "ON": "off", "DISABLE_NEW": "0"}
        assert "begins at its safe value" in lost.store.audit[-1].reason
        await lost.service.reset(["ON"], actor="ann")
        await lost.service.set({"ON": "on"}, actor="ann")
        await lost.service.close()
        await lost.another().start()
        assert lost.shown()["ON"] == "on"
        await lost.service.close()


@pytest.mark.requirement("FLAG-43")
async def test_an_import_takes_away_what_nobody_set_where_the_export_comes_from(world: World) -> None:
    await world.service.start()
    kept = world.service.export()
    await world.service.set({"MODE": "other", "ON": "off"}, actor="ann")
    await world.service.import_(kept, actor="bob")
    assert world.shown() == {"MODE": "off", "ON": "on", "DISABLE_NEW": "0"}
    assert not any(view.is_set for view in world.service.views())
    await world.service.import_({"format": 1, "flags": {"MODE": {"targeting": {"deny": ["x"]}}}}, actor="bob")
    assert world.service.view("ON").is_set is False
    await world.service.close()


@pytest.mark.requirement("FLAG-22")
async def test_the_history_of_a_flag_that_never_was_is_refused_with_the_nearest(world: World) -> None:
    await world.service.start()
    with pytest.raises(UnknownFlagError, match=r"there is no flag MODUS; did you mean MODE\?"):
        await world.service.history("MODUS")
    assert len(await world.service.history("MODE", before=1)) == 0
    await world.service.close()
