"""What verbs print: aligned, coloured only for people, and harmless on a terminal."""

from __future__ import annotations

import io
import sys

import pytest

from orchestrator.cli.terminal import Cell, columns, has_colours, heading, is_terminal, safe, show
from orchestrator.domain.words import counted

pytestmark = pytest.mark.requirement("CLI-1")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_pipe_gets_no_colours() -> None:
    assert not has_colours(io.StringIO(), {"TERM": "xterm"})
    assert has_colours(Terminal(), {"TERM": "xterm"})


def test_no_color_takes_the_colours_and_leaves_the_screen() -> None:
    assert not has_colours(Terminal(), {"TERM": "xterm", "NO_COLOR": "1"})
    assert is_terminal(Terminal(), {"TERM": "xterm", "NO_COLOR": "1"})


def test_an_empty_no_color_counts_as_not_set() -> None:
    assert has_colours(Terminal(), {"TERM": "xterm", "NO_COLOR": ""})


def test_a_dumb_terminal_is_treated_as_a_pipe() -> None:
    assert not is_terminal(Terminal(), {"TERM": "dumb"})
    assert not has_colours(Terminal(), {"TERM": "dumb"})


def test_safe_text_keeps_its_lines_and_shows_what_would_act_on_the_terminal() -> None:
    assert safe("one\r\n\ttwo\x1b[2J\u202e") == "one\n        two\\x1b[2J\\u202e"


def test_what_a_worker_says_goes_into_a_pipe_as_it_is(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    show("red \x1b[31m", err=True)
    assert capsysbinary.readouterr().err == b"red \x1b[31m\n"


def test_what_a_worker_says_is_escaped_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    show("red \x1b[31m")
    assert capsysbinary.readouterr().out == b"red \\x1b[31m\n"


def test_a_character_the_stream_cannot_carry_is_escaped(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    show("half a pair: \ud83d")
    assert capsysbinary.readouterr().out == b"half a pair: \\ud83d\n"


def test_columns_are_aligned_numbers_to_the_right_and_nothing_trails() -> None:
    rows = [
        heading("lane", "calls", "note"),
        [Cell("active"), Cell("7"), Cell("")],
        [Cell("-"), Cell("1234"), Cell("x")],
    ]
    assert columns(rows, numbers=frozenset({1}), colour=False) == [
        "LANE    CALLS  NOTE",
        "active      7",
        "-        1234  x",
    ]


def test_colours_do_not_shift_columns() -> None:
    rows = [[Cell("a", "\x1b[31m"), Cell("b")], [Cell("long"), Cell("c")]]
    assert columns(rows, colour=True) == ["\x1b[31ma\x1b[0m     b", "long  c"]


def test_one_is_one_and_everything_else_is_many() -> None:
    assert [counted(count, "call") for count in (0, 1, 2)] == ["0 calls", "1 call", "2 calls"]
    assert [counted(count, "process", "processes") for count in (1, 2000)] == ["1 process", "2,000 processes"]
