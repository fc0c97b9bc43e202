"""Every setting is described, documented and sorted into those a running daemon takes over and those it does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from docs import generate
from orchestrator.settings import RELOADABLE, Settings, changed, load
from orchestrator.settings.keys import keys, nearest, sections, value_of


@pytest.mark.requirement("SET-4")
def test_every_setting_says_what_it_means_and_what_may_be_written() -> None:
    for key in keys().values():
        assert key.meaning.endswith("."), key.name
        assert key.allowed, key.name


@pytest.mark.requirement("SET-4")
@pytest.mark.parametrize(("unit", "ends"), [("second", ("_timeout", "timeout", "_interval")), ("byte", ("_bytes",))])
def test_every_amount_says_its_unit(unit: str, ends: tuple[str, ...]) -> None:
    for key in keys().values():
        if key.name.endswith(ends):
            assert unit in key.meaning.lower(), key.name


@pytest.mark.requirement("SET-4")
@pytest.mark.parametrize("page", generate.PAGES)
def test_the_generated_pages_are_current(page: str) -> None:
    written = (Path(generate.__file__).parent / page).read_text(encoding="utf-8")
    assert written == generate.PAGES[page](), "run `make docs`"


@pytest.mark.requirement("SET-4")
def test_the_page_names_every_key_and_variable_once() -> None:
    rows = [line for line in generate.configuration().splitlines() if line.startswith("| `")]
    assert [row.split("`")[1] for row in rows] == sorted(keys(), key=[row.split("`")[1] for row in rows].index)
    assert len(rows) == len(keys())
    assert all(key.env in generate.configuration() for key in keys().values())


def test_the_pages_example_is_a_configuration_one_can_use(tmp_path: Path) -> None:
    file = tmp_path / "example.toml"
    file.write_text(generate.INTRODUCTION.partition("```toml\n")[2].partition("```")[0])
    assert load(file, {}, {}).worker.stop_grace.terminate == 10.0


def test_writing_the_pages_writes_all_of_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generate, "HERE", tmp_path)
    generate.main()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(generate.PAGES)


def test_every_default_is_itself_allowed() -> None:
    assert Settings.model_validate(Settings().model_dump()) == Settings()
    for key in keys().values():
        assert value_of(Settings(), key.name) == key.default


def test_every_section_is_introduced() -> None:
    assert all(meaning.endswith(".") for meaning in sections().values())
    assert list(sections())[:2] == ["worker", "worker.stop_grace"]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("limits.call_timeot", "limits.call_timeout"),
        ("call_timeout", "limits.call_timeout"),
        ("sock.mode", "sockets.mode"),
        ("limit", "limits"),
        ("health.intensty", "restart.intensity"),
        ("zzz", None),
    ],
)
def test_a_misspelt_key_finds_the_one_that_was_meant(written: str, meant: str | None) -> None:
    assert nearest(written) == meant


def test_changes_are_sorted_into_those_taken_over_and_those_that_need_a_restart() -> None:
    old = Settings()
    new = load(None, {}, {"limits.call_timeout": 5, "log.level": "debug", "sockets.backlog": 5, "worker.env.A": "1"})
    assert changed(old, new) == (["limits.call_timeout", "log.level"], ["worker.env", "sockets.backlog"])
    assert changed(new, new) == ([], [])


def test_what_is_bound_at_the_start_is_not_reloadable() -> None:
    assert not {"sockets.mode", "sockets.group", "log.file", "worker.command", "worker.isolation"} & RELOADABLE
    assert {"log.level", "limits.call_timeout", "worker.stop_grace.terminate"} <= RELOADABLE
