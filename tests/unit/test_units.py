"""What one bet is about: keys count once, by their first calls."""

from __future__ import annotations

import pytest

from orchestrator.domain.evidence.units import KEYS_KNOWN, MOST_KEYS, MOST_OPEN, Blocks

pytestmark = pytest.mark.requirement("EV-5")


def call(blocks: Blocks, key: str, now: float = 0.0, *, trial: bool = True, share: float = 0.5) -> str:
    """Make a call of a key; say what becomes of its block: `none`, `open` or `closed`."""
    block = blocks.block(key, share, now, trial=trial)
    if block is None:
        return "none"
    return "closed" if blocks.closed(key, block) else "open"


def test_a_key_counts_once_by_its_first_calls_or_by_those_it_made_in_time() -> None:
    blocks = Blocks(2, 10.0)
    assert [call(blocks, "a", at) for at in range(7)] == ["open"] * 4 + ["closed"] + ["none"] * 2
    assert call(blocks, "b", 1.0, trial=False) == "open"
    assert list(blocks.expired(10.9)) == []
    (late,) = blocks.expired(11.0)
    assert (late.trial, late.calls, late.sums) == (False, 1, [0.0, 0.0])
    assert call(blocks, "b", 12.0, trial=False) == "none"


def test_a_key_that_changes_arms_or_is_drawn_anew_in_mid_block_counts_for_neither() -> None:
    blocks = Blocks(1)
    assert [call(blocks, "a", trial=False), call(blocks, "a"), call(blocks, "a")] == ["open", "none", "none"]
    assert [call(blocks, "b"), call(blocks, "b", share=0.1), call(blocks, "b")] == ["open", "none", "none"]
    assert list(blocks.expired(1e9)) == []


def test_a_call_without_a_key_is_a_unit_and_so_is_each_where_hardly_any_key_comes_back() -> None:
    blocks = Blocks(1)
    assert call(blocks, "") == "closed"
    said = [call(blocks, f"passer {at}") for at in range(KEYS_KNOWN + 5)]
    assert said == ["open"] * (KEYS_KNOWN - 1) + ["closed"] * 6
    assert len(list(blocks.expired(0.0))) == KEYS_KNOWN - 1  # nobody waits for those before, either
    assert call(blocks, "passer 3") == "none"


def test_with_many_keys_at_a_time_the_oldest_block_closes_early() -> None:
    blocks = Blocks(1)
    for key in range(MOST_OPEN + 3):
        for _ in range(2):
            call(blocks, f"key {key}", float(key))
    closed = list(blocks.expired(0.0))
    assert [block.opened for block in closed] == [0.0, 1.0, 2.0]
    assert len(blocks.open) == MOST_OPEN


def test_keys_that_have_counted_are_forgotten_when_they_are_too_many() -> None:
    blocks = Blocks(1)
    blocks.done.update(range(MOST_KEYS - 1))
    assert not blocks.is_full()
    for _ in range(5):
        call(blocks, "last")
    assert blocks.is_full()
    blocks.forget()
    assert call(blocks, "last") == "open"
