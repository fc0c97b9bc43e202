"""What all answers to one call have that none of the old code's has, and from how many answers on that is sure."""

from __future__ import annotations

import datetime as dt
import json
import random
from collections.abc import Callable
from typing import Any

import pytest

from orchestrator.domain.comparison import DifferenceClass, Finding, Sample
from orchestrator.rehearsal.samples import Compared, Difference
from orchestrator.shadow.outcome import Case, judge_case
from orchestrator.shadow.profile import learn
from orchestrator.shadow.repeats import in_doubt
from tests.support.shadow_story import START

Change = Callable[[dict[str, Any]], None]
PROSE = [f"{begin}{end}" for begin in ("b", "d", "l", "m", "t") for end in ("ark", "ell", "ine", "ond", "ush")]
WORDINGS = ("Stored {} pears", "Done: {} pears are stored", "All {} pears went well, take care")


def answer(rng: random.Random) -> dict[str, Any]:
    return {
        "said": rng.choice(WORDINGS).format(37),
        "state": rng.choice(["warm", "cold"]),
        "share": round(rng.uniform(0.05, 0.95), 2),
        "load": round(rng.uniform(20.0, 90.0), 1) or 20.5,
        "rows": [{"name": name, "etag": rng.randbytes(8).hex() + "a1"} for name in ("ash", "elm", "fir")],
        "by": f"sess-{rng.choice('abcxyz')}{rng.choice('ABCXYZ')}{rng.randrange(10**6, 10**7)}",
        "free": " ".join(rng.choice(PROSE) for _ in range(rng.randint(3, 9))),
    }


def judged(change: Change | None, pairs: int, seed: int = 0) -> list[Finding]:
    rng = random.Random(seed)

    def ask(number: int, one: Change | None) -> Sample:
        value = answer(rng)
        if one is not None:
            one(value)
        return Sample(json.dumps(value).encode(), START + number)

    controls = [ask(2 * number, None) for number in range(pairs + 1)]
    rehearsals = [ask(2 * number + 1, change) for number in range(pairs)]
    case = Case("one", "t", controls, rehearsals)
    return list(judge_case(case, learn("t", "f", [controls]), today=dt.date(2026, 11, 21)).result.findings)


FAULTS: dict[str, tuple[Change, str]] = {
    "a number in each wording": (lambda v: v.update(said=v["said"].replace("37", "38")), "$.said"),
    "a word in each wording": (lambda v: v.update(said=v["said"].replace("pears", "plums")), "$.said"),
    "a value beside two others": (lambda v: v.update(state="gone"), "$.state"),
    "other values again and again": (lambda v: v.update(state=v["state"][:2] + "st"), "$.state"),
    "fewer decimals than most": (lambda v: v.update(share=round(v["share"], 1)), "$.share"),
    "no decimals any more": (lambda v: v.update(load=int(v["load"])), "$.load"),
    "capital letters in a part": (lambda v: v.update(by=f"sess-{v['by'][5:].upper()}"), "$.by"),
    "an id of one row": (lambda v: v["rows"][1].update(etag="0f9c4b2e77a1d3e5a1"), "$.rows[].etag"),
}


@pytest.mark.requirement("SHADOW-2")
@pytest.mark.parametrize("name", FAULTS)
def test_what_ten_answers_have_and_none_of_eleven_is_a_difference(name: str) -> None:
    change, path = FAULTS[name]
    found = judged(change, 10)
    assert {(one.path, one.difference_class) for one in found} == {(path, DifferenceClass.UNEXPECTED)}


@pytest.mark.requirement("SHADOW-1")
@pytest.mark.parametrize("pairs", [3, 5, 10])
@pytest.mark.parametrize("seed", range(4))
def test_wordings_and_values_drawn_by_lot_are_equal_however_many_were_asked(pairs: int, seed: int) -> None:
    assert all(one.difference_class is DifferenceClass.NOISE or in_doubt(one) for one in judged(None, pairs, seed))


@pytest.mark.requirement("SHADOW-1")
def test_a_value_that_five_answers_have_may_be_chance_so_more_are_asked_for() -> None:
    (found,) = judged(FAULTS["a value beside two others"][0], 5)
    assert (found.path, found.difference_class, in_doubt(found)) == ("$.state", DifferenceClass.NOISE, True)


@pytest.mark.requirement("SHADOW-1")
def test_a_number_that_ends_in_zeros_once_is_noise_and_one_that_does_so_twice_is_none() -> None:
    def told(often: int, pairs: int) -> list[str]:
        rng = random.Random(5)
        controls = [
            Sample(f'{{"v": {rng.randrange(10**5, 10**6, 10) / 10**5 + 1e-5:.5f}}}'.encode()) for _ in range(11)
        ]
        rehearsals = [
            Sample(f'{{"v": {4.5 if at < often else 4.51237 + at / 1000:.5f}}}'.encode()) for at in range(pairs)
        ]
        found = judge_case(Case("c", "t", controls, rehearsals), learn("t", "f", [controls]), today=dt.date(2026, 1, 1))
        return [one.difference_class.value for one in found.result.findings]

    assert (told(1, 10), told(2, 10), told(1, 5)) == (["noise"], ["unexpected"], ["unexpected"])


@pytest.mark.requirement("SHADOW-2")
@pytest.mark.parametrize(
    ("kind", "seen", "pairs", "doubtful"),
    [
        ("unexpected", 2, 5, True),
        ("additive", 4, 5, True),
        ("unexpected", 3, 3, True),
        ("unexpected", 1, 1, False),
        ("unexpected", 5, 5, False),
        ("additive", 5, 5, False),
        ("noise", 1, 5, False),
    ],
)
def test_more_is_asked_for_where_answers_differ_or_are_few(kind: str, seen: int, pairs: int, doubtful: bool) -> None:  # noqa: FBT001
    one = Difference("c", "t", "value", kind, "$.v", "", seen, pairs)
    assert Compared([one]).doubtful is doubtful
    assert Compared(suspected=True).doubtful
