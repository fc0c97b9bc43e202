"""What the guard does in fewer steps comes to what the plain way comes to, to the last digit."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.domain.evidence.betting import FIRST, GROWTH, MOST_OWED, OPENING, STAKES, Purse, bet, bets_below
from orchestrator.domain.evidence.units import Block, Blocks
from orchestrator.domain.plans.limits import Direction, Limit
from orchestrator.guard.book import Book, from_planes, planes
from orchestrator.guard.bounded import Bounded
from orchestrator.guard.compared import WIDTH, Compared
from orchestrator.guard.guard import Guard
from orchestrator.guard.scope import Scope
from orchestrator.guard.state import packed
from tests.unit.guard_story import HALF, calls, failing, lasting, plan

DIFFERENCES = st.lists(
    st.one_of(st.floats(-1.0, 1.0), st.sampled_from([0.0, 1.0, -1.0])), min_size=1, max_size=3 * MOST_OWED
)
LIMITS = [
    Limit("error", margin=0.05),
    Limit("duration", relative=0.1),
    Limit("tokens", relative=0.1, direction=Direction.EITHER),
    Limit("quality", margin=5.0),
    Limit("tokens", margin=20.0, scale=1000.0),
    Limit("error", most=0.0),
    Limit("cost", most=0.5),
    Limit("quality", least=20.0),
]


@pytest.mark.requirement("EV-8")
@settings(max_examples=30)
@given(DIFFERENCES, st.sampled_from([1, 2, 7, 1000]), st.sampled_from([1, 400]))
def test_bets_settled_together_come_to_what_they_come_to_one_by_one(
    differences: Sequence[float], asked_every: int, times: int
) -> None:
    purse, wealth = Purse(), OPENING
    for at, difference in enumerate([1.0] * times + list(differences)):  # 400 won bets reach the ceiling
        purse.bet(difference)
        wealth = bet(wealth, difference)
        if at % asked_every == 0:
            assert purse.wealth == wealth
    assert purse.wealth == wealth
    assert purse.value == (1.0 - FIRST) + FIRST / len(STAKES) * sum(wealth)
    assert Purse.of(purse.remembered()).remembered() == purse.remembered()


@pytest.mark.requirement("EV-8")
@given(st.floats(1e-9, 1e9), st.floats(1e-9, 1e9))
def test_before_evidence_is_weighed_again_it_cannot_have_become_enough(value: float, aim: float) -> None:
    bets = bets_below(value, aim)
    most = reduce(lambda grown, _: grown * GROWTH, range(bets), value)
    assert most < aim or bets == 0


@pytest.mark.requirement("EV-8")
@pytest.mark.parametrize("limit", LIMITS, ids=str)
@settings(max_examples=15)
@given(st.data(), st.floats(0.01, 0.99))
def test_a_call_that_is_a_unit_of_its_own_is_bet_on_as_if_its_block_had_been_added_up(
    limit: Limit, data: st.DataObject, share: float
) -> None:
    scope, opened = Scope(plan(limit), HALF), Compared if limit.compares else Bounded
    quick, plain = opened.opened(scope, limit), opened.opened(scope, limit)
    values = st.sampled_from([0.0, 1.0]) if limit.metric == "error" else st.floats(0.0, 100.0)
    drawn = data.draw(st.lists(st.tuples(values, st.booleans(), st.sampled_from("ab")), min_size=1, max_size=60))
    for value, trial, tool in drawn:
        block = Block(trial, share, 0.0, [0.0] * WIDTH, 1)
        if isinstance(quick, Compared) and isinstance(plain, Compared):
            quick.alone(tool, value, share, trial=trial)
            plain.add(block.sums, 0, tool, value, trial=trial)
            plain.settle(block, 0)
        elif isinstance(quick, Bounded) and isinstance(plain, Bounded):
            quick.alone(value)
            plain.add(block.sums, 0, value)
            plain.settle(block, 0)
        assert quick is not None
        assert plain is not None
        assert (quick.evidence, quick.within) == (plain.evidence, plain.within)


@pytest.mark.requirement("EV-8")
@settings(max_examples=10)
@given(st.integers(0, 999), st.sampled_from([0, 15, 400]), st.sampled_from([1.0, 1.15, 1.5]))
def test_a_guard_that_weighs_its_evidence_seldom_decides_at_the_same_call(seed: int, keys: int, factor: float) -> None:
    story = plan(Limit("duration", relative=0.02), Limit("error", margin=0.001), Limit("error", most=0.5))
    seldom, always = Guard(story, HALF), Guard(story, HALF)
    for draw in (lasting(factor), failing(0.05 * factor, 0.05)):
        for sample in calls(300, draw, seed=seed, keys=keys):
            seldom.sample(sample)
            with patch.object(always, "_weighed", always._weigh):
                always.sample(sample)
            assert seldom.due(sample.at) == always.due(sample.at)
            if seldom.due(sample.at):
                assert seldom.look(sample.at) == always.look(sample.at)


@pytest.mark.requirement("GUARD-4")
@given(st.sets(st.integers(0, 2**32 - 1), max_size=40), st.lists(st.floats(-1e9, 1e9), max_size=8))
def test_the_keys_of_an_epoch_are_read_as_they_were_written(done: set[int], sums: list[float]) -> None:
    under_way = {at: Block(trial=True, share=0.5, opened=1.0, sums=[one * at for one in sums]) for at in range(3)}
    blocks = Blocks(len(sums), 60.0, under_way, done, keys=7, calls=9)
    assert Book.of(blocks).blocks() == blocks
    assert from_planes(planes(done)) == done


@pytest.mark.requirement("GUARD-4")
def test_keys_that_are_not_whole_are_refused() -> None:
    with pytest.raises(ValueError, match="no keys"):
        from_planes(b"12345")
    with pytest.raises(ValueError, match="do not belong"):
        Book(Blocks(2, open={1: Block(trial=True, share=0.5, opened=0.0, sums=[])}), b"", b"12345678").blocks()


@pytest.mark.requirement("GUARD-4")
def test_a_packed_snapshot_that_is_cut_short_is_refused() -> None:
    story = plan(Limit("error", margin=0.05))
    blob = packed(Guard(story, HALF).snapshot())
    assert Guard.restored(story, HALF, blob).snapshot() == Guard(story, HALF).snapshot()
    for cut in (blob[:-1], blob[:3]):
        with pytest.raises(ValueError, match="cannot be read"):
            Guard.restored(story, HALF, cut)
