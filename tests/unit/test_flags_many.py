"""Thousands of flags: what a change or a look costs, counted in judgements of flags, not in seconds."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flags_story import World, declare, flag

from orchestrator.domain.flags import flags
from orchestrator.domain.flags.change import FlagRefusedError, SetValue, UnknownFlagError
from orchestrator.domain.flags.declaration import registry
from orchestrator.domain.flags.flags import FlagSet, apply, declared, resets
from orchestrator.domain.flags.values import FlagType
from orchestrator.flags import book

MANY = 200
PLAIN = declare(*(flag(f"F{number}") for number in range(MANY)))


def counted(monkeypatch: pytest.MonkeyPatch, where: Any, name: str) -> Callable[[], int]:
    """Return a count of the calls of a function from now on."""
    found, calls = getattr(where, name), [0]

    def counting(*args: Any) -> Any:
        calls[0] += 1
        return found(*args)

    monkeypatch.setattr(where, name, counting)
    return lambda: calls[0]


@pytest.mark.requirement("FLAG-70")
def test_a_change_looks_at_the_flags_it_is_about_and_what_they_stand_on_only(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = counted(monkeypatch, flags, "value_of")
    apply(PLAIN, FlagSet(), [SetValue("F7", "on")])
    assert looks() <= 3
    apply(PLAIN, FlagSet(), resets(PLAIN))
    apply(PLAIN, FlagSet(), [SetValue(key, "on") for key in PLAIN.declarations])
    assert looks() <= 3 + 3 * MANY


@pytest.mark.requirement("FLAG-70")
async def test_a_list_of_all_flags_judges_what_is_stored_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(tmp_path, PLAIN)
    await world.service.start()
    await world.service.set({"F1": "on"}, actor="ann")
    judgements = counted(monkeypatch, book, "stored_flaws")
    assert [view.value for view in world.service.views()[:2]] == ["off", "on"]
    world.service.view("F1")
    assert judgements() == 1
    await world.service.set({"F1": "other"}, actor="ann")
    assert world.service.view("F1").value == "other"
    assert judgements() == 2
    await world.service.close()


@pytest.mark.requirement("FLAG-70")
async def test_a_start_asks_once_when_flags_last_changed(tmp_path: Path) -> None:
    world = World(tmp_path, PLAIN)
    await world.service.start()
    await world.service.close()
    asked = []
    history = world.store.history

    async def remembered(*args: Any, **more: Any) -> Any:
        asked.append(args)
        return await history(*args, **more)

    world.store.history = remembered  # type: ignore[method-assign]
    await world.another().start()
    assert asked == []
    assert all(view.changed_at for view in world.service.views())
    await world.service.close()


@pytest.mark.requirement("FLAG-70", "FLAG-32")
@pytest.mark.parametrize("text", ['{"x": "' + "y" * 300_000 + '"}', '{"x": 1e999}', '{"x": "\\u0000"}'])
def test_a_value_that_is_too_long_or_no_whole_json_is_refused_for_that(text: str) -> None:
    theme = declare(flag("THEME", type=FlagType.OBJECT, values=None, default={}, safe={}))
    with pytest.raises(FlagRefusedError, match="it cannot be kept as it is; allowed: JSON of at most 262144 bytes"):
        apply(theme, FlagSet(), [SetValue("THEME", json.loads(text))])


@pytest.mark.requirement("FLAG-70", "FLAG-32")
def test_an_unknown_flag_is_refused_with_some_of_those_there_are_not_with_thousands() -> None:
    with pytest.raises(UnknownFlagError) as refused:
        declared(PLAIN, "ZZZZZZZ")
    assert str(refused.value).endswith(f"F18, F19 and {MANY - 20} more")


@pytest.mark.requirement("FLAG-70", "FLAG-30")
def test_more_prerequisites_than_a_reader_judges_are_found_when_flags_are_declared() -> None:
    chain = [flag("F0"), *(flag(f"F{number}", needs=[f"F{number - 1}"]) for number in range(1, 60))]
    for order in (chain, chain[::-1]):
        made, flaws = registry(order)
        assert sorted(made.declarations) == sorted(f"F{number}" for number in range(51))
        assert len(flaws) == 9
    assert made.invalid["F51"] == (
        "prerequisites: with those of its prerequisites they are more than 50; name fewer of them"
    )
