"""Flags that a changed registry brings down to their safe values: the history says so, and what was set stays."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from flags_story import World, declare, flag, switch

from orchestrator.domain.flags.declaration import Prerequisite, Registry, registry
from orchestrator.domain.flags.values import FlagType

pytestmark = pytest.mark.requirement("FLAG-45")

WIDE = declare(flag("MODE"), flag("ENGINE"), switch())
NARROW = declare(flag("MODE", values=("off", "other")), flag("ENGINE"), switch())
RETYPED = declare(flag("MODE", type=FlagType.BOOL, values=None, default=True, safe=False), flag("ENGINE"), switch())


async def serving(folder: Path, value: str = "on") -> World:
    """Start flags, and set one."""
    world = World(folder, WIDE)
    await world.service.start()
    await world.service.set({"MODE": value}, actor="ann")
    return world


async def steps(world: World) -> list[tuple[Any, Any, str]]:
    """Return the history of MODE: from what, to what, by whom; the oldest first."""
    found = await world.service.history("MODE")
    return [(one.before, one.after, one.actor) for one in reversed(found)]


@pytest.mark.parametrize(("fresh", "safe"), [(NARROW, "off"), (RETYPED, False)])
async def test_a_value_that_is_no_longer_allowed_leaves_a_change_to_the_safe_value(
    tmp_path: Path, fresh: Registry, safe: object
) -> None:
    world = await serving(tmp_path)
    told = await world.service.reload(fresh, actor="uid:0,pid:7")
    assert [(one.key, one.before, one.after) for one in told.changes] == [("MODE", "on", safe)]
    assert await steps(world) == [(None, "off", "daemon"), ("off", "on", "ann"), ("on", safe, "uid:0,pid:7")]
    (newest, *_) = await world.service.history("MODE")
    assert 'MODE answers its safe value: the stored value "on" is not allowed' in newest.reason
    audit = world.store.audit[-1]
    assert (audit.actor, audit.action) == ("uid:0,pid:7", "flags declared")
    assert [(one["flag"], one["from"], one["to"]) for one in audit.detail["changes"]] == [("MODE", "on", safe)]
    stood = await world.service.at(version=told.version)
    assert stood is not None
    assert stood.values["MODE"] == world.service.values()["MODE"] == safe
    heads = await world.store.outbox_heads()
    assert "MODE" in {one.flag for one in heads}
    await world.service.close()


async def test_each_flag_has_the_reason_that_is_its_own_and_the_audit_all_of_them(tmp_path: Path) -> None:
    world = await serving(tmp_path)
    await world.service.reload(declare(flag("MODE", values=("off", "other")), switch()), actor="bob")
    reasons = {one.key: one.reason for one in (await world.service.history())[:2]}
    assert reasons["ENGINE"] == "the registry changed"
    assert reasons["MODE"].startswith("the registry changed; MODE answers its safe value: ")
    assert world.store.audit[-1].reason == reasons["MODE"]
    assert {json.loads(one.payload)["reason"] for one in await world.store.outbox_page(2)} == set(reasons.values())
    await world.service.close()


async def test_what_was_set_counts_again_once_it_is_allowed_and_the_history_says_that_too(tmp_path: Path) -> None:
    world = await serving(tmp_path)
    await world.service.reload(NARROW, actor="bob")
    await world.service.set({"ENGINE": "on"}, actor="ann")  # another flag's change says nothing of this one
    back = await world.service.reload(WIDE, actor="bob")
    assert [(one.key, one.before, one.after) for one in back.changes] == [("MODE", "off", "on")]
    assert (await steps(world))[2:] == [("on", "off", "bob"), ("off", "on", "bob")]
    assert world.service.values()["MODE"] == "on"
    await world.service.close()


async def test_who_sets_it_again_sets_it_from_its_safe_value(tmp_path: Path) -> None:
    world = await serving(tmp_path)
    await world.service.reload(NARROW, actor="bob")
    told = await world.service.set({"MODE": "other"}, actor="eve")
    assert [(one.key, one.before, one.after) for one in told.changes] == [("MODE", "off", "other")]
    await world.service.reload(WIDE, actor="bob")
    assert (await steps(world))[2:] == [("on", "off", "bob"), ("off", "other", "eve")]
    await world.service.close()


async def test_a_targeting_that_cannot_be_used_any_more_is_told_to_be_gone(tmp_path: Path) -> None:
    world = await serving(tmp_path, "other")
    await world.service.target("MODE", {"allow": {"value": "on", "keys": ["mission-1"]}}, actor="ann")
    await world.service.reload(NARROW, actor="bob")
    (newest, *_) = await world.service.history("MODE")
    assert (newest.before, newest.after, newest.actor) == ("other", "off", "bob")
    assert (newest.targeting_before is None, newest.targeting_after) == (False, None)
    await world.service.close()


@pytest.mark.parametrize("between", [[NARROW], [NARROW, NARROW], [NARROW, WIDE], [NARROW, WIDE, NARROW]])
async def test_a_restart_with_another_registry_says_it_once(tmp_path: Path, between: Sequence[Registry]) -> None:
    world = await serving(tmp_path)
    for world.registry in between:
        await world.service.close()
        await world.another().start()
    expected = {id(NARROW): ("on", "off", "daemon"), id(WIDE): ("off", "on", "daemon")}
    changed = [one for one, before in zip(between, [WIDE, *between], strict=False) if one is not before]
    assert (await steps(world))[2:] == [expected[id(one)] for one in changed]
    await world.service.close()


async def test_a_declaration_with_a_mistake_is_told_likewise(tmp_path: Path) -> None:
    world = await serving(tmp_path)
    broken, _ = registry([flag("MODE", prerequisites=(Prerequisite("GONE", ("on",)),)), flag("ENGINE"), switch()])
    await world.service.reload(broken, actor="bob")
    (newest, *_) = await world.service.history("MODE")
    assert (newest.before, newest.after, "GONE is not declared" in newest.reason) == ("on", "off", True)
    assert json.loads((await world.store.load()).rows[-1].value) == "on"
    await world.service.close()


async def test_a_flag_whose_declared_safe_value_it_may_not_have_answers_nothing_everywhere(tmp_path: Path) -> None:
    world = await serving(tmp_path)
    misdeclared, _ = registry([flag("MODE", type=FlagType.BOOL, values=None, default="on", safe="off"), flag("ENGINE")])
    await world.service.reload(misdeclared)
    assert (await steps(world))[-1] == ("on", None, "daemon")
    (newest, *_) = await world.service.history("MODE")
    assert "MODE answers nothing: default: is " in newest.reason
    (shown,) = [one for one in world.service.views() if one.key == "MODE"]
    assert (shown.value, world.service.decide("MODE", "mission-1").value) == (None, None)
    assert any(one.detail.startswith("MODE answers nothing") for one in world.service.findings(60.0, 60.0))
    await world.service.close()
