"""What an agent is told about a task, and how many tokens that is."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_parts import WHEN, a_task

from workers.reference.context import LIMITS, Happening, PromptMode, assemble, shortened
from workers.reference.tokens import PIECE, count_tokens

LONG = "word " * 100
HISTORY = [Happening(WHEN + timedelta(minutes=number), f"event {number} {LONG}") for number in range(10)]
RICH = a_task(
    title=LONG.strip(), details=f"{LONG}\n\n{LONG}\n\nshort", files=tuple(f"src/{number}.py" for number in range(9))
)


@pytest.mark.requirement("REF-4")
@pytest.mark.parametrize(("mode", "entry", "history", "files"), [("compact", 120, 5, 3), ("verbose", 220, 6, 5)])
def test_each_mode_keeps_its_limits(mode: str, entry: int, history: int, files: int) -> None:
    told = assemble(RICH, [a_task(3, title=LONG)], HISTORY, PromptMode(mode))
    assert (len(told.history), len(told.files)) == (history, files)
    assert max(len(line) for line in (*told.entries, *told.history)) == entry
    assert told.left_out == 10 - history + 9 - files


@pytest.mark.requirement("REF-4")
def test_a_verbose_prompt_costs_more_tokens_than_a_compact_one() -> None:
    compact, verbose = (assemble(RICH, [], HISTORY, mode) for mode in PromptMode)
    assert count_tokens(verbose.text) > 1.5 * count_tokens(compact.text)


def test_the_newest_history_is_kept_and_told_oldest_first() -> None:
    told = assemble(a_task(), [], list(reversed(HISTORY)), PromptMode.COMPACT)
    assert [line.split()[3] for line in told.history] == ["5", "6", "7", "8", "9"]


def test_what_is_short_is_told_as_it_is() -> None:
    told = assemble(a_task(files=("a.py",)), [a_task(3)], HISTORY[:0], PromptMode.COMPACT)
    assert told.text == "Task 7 (pending, attempt 0): task 7\nAfter task 3 (pending): task 3\nFiles: a.py"
    assert (told.left_out, told.cut) == (0, 0)


@settings(max_examples=40)
@given(text=st.text(max_size=300), limit=st.integers(1, 250))
def test_a_shortened_text_is_one_line_within_its_limit(text: str, limit: int) -> None:
    short = shortened(text, limit)
    assert len(short) <= limit
    assert len(short.splitlines()) <= 1
    assert short == " ".join(text.split()) or short.endswith("…")


@pytest.mark.requirement("REF-4")
def test_every_text_fits_in_both_modes_whatever_the_task_holds() -> None:
    for mode, limits in LIMITS.items():
        told = assemble(RICH, [RICH] * 3, HISTORY, mode)
        assert all(len(line) <= limits.entry for line in (*told.entries, *told.history, *told.files))


@pytest.mark.parametrize(
    ("text", "tokens"),
    [("", 0), ("hello world", 2), ("<|endoftext|>", 7), ("tiktoken is great!", 6)],
)
def test_tokens_are_those_of_the_vocabulary_o200k_base(text: str, tokens: int) -> None:
    assert count_tokens(text) == tokens


def test_a_text_that_the_tokenizer_refuses_is_counted_in_pieces() -> None:
    text = "hello world " * (PIECE // 3)
    assert count_tokens(text) == pytest.approx(2 * (PIECE // 3), abs=10)


def test_text_that_is_no_unicode_is_counted_all_the_same() -> None:
    assert count_tokens("\ud83d half an emoji") > 0
