"""A log line shown to people: one line, readable, and unable to do anything to their terminal."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.telemetry.render import at_least, parse, printable, render


def record(**facts: object) -> bytes:
    head = {"ts": "2026-11-21T10:08:00.123Z", "level": "info", "event": "session opened", "room": "proxy"}
    return json.dumps(head | facts).encode() + b"\n"


def test_a_line_reads_from_time_to_facts() -> None:
    shown = render(record(session=3, peer={"uid": 0}, warm=True, note=None))
    assert (
        shown == '2026-11-21 10:08:00.123 info    proxy: session opened session=3 peer={"uid": 0} warm=true note=null'
    )


def test_texts_that_could_be_taken_for_the_lines_own_are_quoted() -> None:
    shown = render(record(a="two words", b="", c='say "hi"', d="x=y", e="plain"))
    assert shown.endswith(r'a="two words" b="" c="say \"hi\"" d="x=y" e=plain')


def test_colours_come_only_where_they_are_wanted() -> None:
    assert "\x1b" not in render(record(session=3))
    assert "\x1b[1msession opened\x1b[0m" in render(record(session=3), colour=True)


def test_a_traceback_follows_on_marked_lines() -> None:
    shown = render(record(exception="Traceback:\n  File \x1b[2J\nValueError: x")).splitlines()
    assert shown[1:] == ["    | Traceback:", r"    |   File \x1b[2J", "    | ValueError: x"]


@pytest.mark.parametrize("line", [b"", b"no json", b'{"ts": 1', b"[1]", b"\xff\xfe", b'"text"', b"1", "kein JSON"])
def test_a_line_that_is_no_record_is_shown_as_it_is(line: bytes | str) -> None:
    assert parse(line) is None
    shown = render(line)
    assert shown.isprintable()
    assert shown.startswith(line[:1].decode(errors="backslashreplace") if isinstance(line, bytes) else line[:1])


def test_a_record_that_lacks_everything_is_shown_all_the_same() -> None:
    assert render(b'{"odd": 1, "level": 5}').split() == ["5", "odd=1"]


@pytest.mark.requirement("LOG-2")
@pytest.mark.parametrize(
    ("evil", "shown"),
    [
        ("\x1b[31mred", r"\x1b[31mred"),
        ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
        ("\x9bK", r"\x9bK"),
        ("a\r\nb", r"a\r\nb"),
        ("\u202efdp.exe", r"\u202efdp.exe"),
    ],
)
def test_a_workers_stderr_cannot_send_escapes_to_the_terminal(evil: str, shown: str) -> None:
    assert shown in render(record(event=evil))
    assert shown in render(record(text=evil))
    assert shown in render(evil)


@pytest.mark.requirement("LOG-2")
@given(st.dictionaries(st.text(), st.text() | st.lists(st.text()) | st.floats() | st.none()))
def test_no_record_at_all_puts_anything_unprintable_on_the_terminal(facts: dict) -> None:
    shown = render(json.dumps(facts))
    assert all(line.isprintable() for line in shown.split("\n"))


@given(st.binary())
def test_no_bytes_at_all_put_anything_unprintable_on_the_terminal(line: bytes) -> None:
    assert all(part.isprintable() for part in render(line).split("\n"))


def test_printable_text_stays_as_it_is() -> None:
    assert printable("Grüße 日本 🙂") == "Grüße 日本 🙂"


def test_records_are_chosen_by_level_and_unknown_levels_never_hide() -> None:
    levels = ["debug", "info", "warning", "error", "fatal", None]
    assert [level for level in levels if at_least({"level": level}, "warning")] == ["warning", "error", "fatal", None]
    assert at_least({}, "error")
