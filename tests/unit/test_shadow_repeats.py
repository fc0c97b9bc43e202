"""What all answers of a case show together, though each pair by itself is within the noise that is known."""

from __future__ import annotations

import base64
import datetime as dt
import json
import random
from collections.abc import Callable
from typing import Any

import pytest

from orchestrator.domain.comparison import CaseResult, Kind, Sample, Verdict
from orchestrator.shadow.apart import beyond
from orchestrator.shadow.outcome import Case, judge_case
from orchestrator.shadow.profile import learn
from orchestrator.shadow.repeats import in_doubt
from tests.support.shadow_story import START

Change = Callable[[dict[str, Any]], None]


def answer(rng: random.Random, at: float) -> dict[str, Any]:
    names = ["pinned", *rng.sample(["a1", "b2", "c3", "d4", "e5", "f6", "g7", "h8"], rng.randint(5, 8))]
    return {
        "tokens": rng.randint(15, 60),
        "mean": round(rng.uniform(1.0, 2.0), 5),
        "bar": "#" * rng.randint(1, 9) + "." * rng.randint(1, 9),
        "reply": " ".join(rng.choice(["so", "well", "it", "comes", "out", "as"]) for _ in range(rng.randint(3, 9))),
        "took": f"in {rng.randint(100, 900)}ms",
        "names": names,
        "clock": f"{dt.datetime.fromtimestamp(at, dt.UTC):%H:%M:%S}",
        "state": rng.choice(["running", "queued"]),
        "cursor": base64.b64encode(rng.randbytes(24)).decode(),
        "count": rng.randint(4, 7),
        "since": f"{rng.randint(2, 20)}h {rng.randint(1, 59)}m",
    }


def judged(change: Change | None, *, pairs: int = 5) -> CaseResult:
    """Ask one call of two: the other one's list of lines varies in length."""
    rng = random.Random(3)

    def ask(number: int, one: Change | None, *, log: bool) -> Sample:
        at = START + number
        value = answer(rng, at)
        value["log"] = [f"line {at_}" for at_ in range(rng.randint(3, 9) if log else 5)]
        if one is not None:
            one(value)
        return Sample(json.dumps(value).encode(), at)

    controls = [ask(2 * number, None, log=False) for number in range(pairs + 1)]
    others = [ask(2 * number, None, log=True) for number in range(pairs + 1)]
    rehearsals = [ask(2 * number + 1, change, log=False) for number in range(pairs)]
    profile = learn("t", "f", [others, controls])
    return judge_case(Case("one", "t", controls, rehearsals), profile, today=dt.date(2026, 11, 21)).result


FAULTS: dict[str, tuple[Change, str, str]] = {
    "a number that stands still": (lambda v: v.update(tokens=20), "value", "$.tokens"),
    "a number that moved": (lambda v: v.update(tokens=v["tokens"] + 150), "range", "$.tokens"),
    "a number with fewer decimals": (lambda v: v.update(mean=round(v["mean"], 3)), "format", "$.mean"),
    "other characters": (lambda v: v.update(bar=v["bar"].replace("#", "=")), "format", "$.bar"),
    "another unit": (lambda v: v.update(took=f"in {900 - len(v['reply'])}us"), "format", "$.took"),
    "characters of one kind only": (lambda v: v.update(cursor=v["cursor"].encode().hex()[:32]), "format", "$.cursor"),
    "a number that is none of the few": (lambda v: v.update(count=0), "value", "$.count"),
    "other units": (lambda v: v.update(since=v["since"].replace("m", "s").replace("h", "m")), "format", "$.since"),
    "another list": (lambda v: v["names"].clear(), "length", "$.names"),
    "a clock of another zone": (lambda v: v.update(clock=f"0{v['clock'][1:]}"), "range", "$.clock"),
    "a line less": (lambda v: v["log"].pop(2), "missing", "$.log[]"),
}


@pytest.mark.requirement("SHADOW-2")
@pytest.mark.parametrize("name", FAULTS)
def test_what_every_answer_has_otherwise_is_found_where_one_could_be_noise(name: str) -> None:
    change, kind, path = FAULTS[name]
    found = judged(change)
    assert found.verdict is Verdict.DIFFERENT
    assert (kind, path) in {(one.kind.value, one.path) for one in found.findings}
    assert {(one.seen, one.pairs) for one in found.findings} == {(5, 5)}
    assert all(one.control and one.rehearsal for one in found.findings if one.kind is Kind.VALUE)


@pytest.mark.requirement("SHADOW-1")
def test_answers_that_vary_as_control_does_are_equal_together_as_well() -> None:
    assert judged(None).findings == ()


@pytest.mark.requirement("SHADOW-1")
def test_places_that_stand_still_on_one_side_only_are_known_to_be_there() -> None:
    def listing(number: int, *, moved: bool) -> Sample:
        lines = [
            f"/tmp/build-{random.Random(number).randbytes(4).hex()}",
            "a.dat 4711 bytes",
            f"b.dat {12 + moved} bytes",
        ]
        return Sample(json.dumps({"text": "\n".join(lines)}).encode(), START + number)

    controls = [listing(2 * number, moved=number > 3) for number in range(6)]
    rehearsals = [listing(2 * number + 1, moved=False) for number in range(5)]
    profile = learn("t", "f", [controls])
    assert not judge_case(Case("one", "t", controls, rehearsals), profile, today=dt.date(2026, 11, 21)).result.findings


@pytest.mark.requirement("SHADOW-1")
def test_what_few_answers_have_in_common_is_a_reason_to_ask_for_more_and_no_difference_yet() -> None:
    found = judged(FAULTS["a number that moved"][0], pairs=3)
    assert found.verdict is Verdict.EQUAL
    assert [in_doubt(one) for one in found.findings] == [True]
    assert judged(FAULTS["a number that moved"][0], pairs=2).findings == ()


@pytest.mark.requirement("SHADOW-1")
def test_a_value_of_two_that_was_the_other_in_all_answers_is_still_noise() -> None:
    assert judged(lambda v: v.update(state="queued")).findings == ()


@pytest.mark.requirement("SHADOW-2")
@pytest.mark.parametrize(
    ("mine", "theirs", "apart"),
    [
        ((1.0, 2.0), (4.1, 5.0), True),
        ((4.1, 5.0), (1.0, 2.0), True),
        ((1.0, 2.0), (3.0, 4.0), False),
        ((1.0, 9.0), (2.0, 3.0), False),
        ((5.0, 9.0), (0.0, 0.0), True),
    ],
)
def test_ranges_are_apart_by_more_than_they_are_wide(
    mine: tuple[float, float],
    theirs: tuple[float, float],
    apart: bool,  # noqa: FBT001
) -> None:
    assert beyond(mine, theirs) is apart
    assert not beyond(mine, theirs, least=10.0)
