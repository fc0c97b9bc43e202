"""What texts, times and lists vary by, where it is easy to mistake it."""

from __future__ import annotations

import datetime as dt
import json
import random
from collections.abc import Callable
from typing import Any

import pytest

from orchestrator.domain.comparison import Comparison, Sample
from orchestrator.shadow.compare import compare
from orchestrator.shadow.moments import moment
from orchestrator.shadow.profile import learn
from tests.support.shadow_story import START, found, iso

Draw = Callable[[random.Random, float], Any]


def told(control: Draw, rehearsal: Draw, cases: int = 1) -> Comparison:
    """Compare one answer of the new code, after six answers of the old one to each of some calls."""
    rng = random.Random(5)
    times = [START + 3.0 * number for number in range(6)]
    asked = [[Sample(json.dumps(control(rng, at)).encode(), at) for at in times] for _ in range(cases)]
    new = Sample(json.dumps(rehearsal(rng, START + 20.0)).encode(), START + 20.0)
    return compare(asked[0][0], new, learn("t", "f", asked))


def column(rng: random.Random, number: object = None) -> str:
    return f"/dev/sda1 {rng.randint(10, 99) if number is None else number:>8}% /home"


@pytest.mark.requirement("SHADOW-1")
@pytest.mark.parametrize("number", [7, 12, 100])
def test_a_number_in_a_column_takes_as_many_spaces_as_it_leaves(number: int) -> None:
    assert not told(lambda rng, _: column(rng), lambda rng, _: column(rng, number)).findings


@pytest.mark.requirement("SHADOW-2")
def test_spaces_that_stand_still_have_to_stay() -> None:
    assert told(lambda rng, _: column(rng), lambda rng, _: column(rng).replace("% /", "%  /")).findings


@pytest.mark.requirement("SHADOW-2")
@pytest.mark.parametrize("ahead", [3600.0, -86400.0])
@pytest.mark.parametrize("other", [60.0, -60.0, 0.0])
def test_a_time_that_keeps_its_distance_from_the_call_may_not_come_near(ahead: float, other: float) -> None:
    comparison = told(
        lambda rng, at: iso(at + ahead + rng.uniform(0.0, 0.5)), lambda rng, at: iso(at + other + rng.uniform(0.0, 0.5))
    )
    assert found(comparison) == {("range", "$")}


@pytest.mark.requirement("SHADOW-2")
def test_decimals_that_are_written_with_their_zeros_are_always_as_many() -> None:
    def price(rng: random.Random, digits: int) -> str:
        return f"${rng.uniform(20_000, 80_000):,.{digits}f}"

    def old(rng: random.Random, _: float) -> list[str]:
        return ["$31,250.50" if rng.random() < 0.1 else price(rng, 2) for _ in range(20)]

    assert not told(old, old).findings
    assert found(told(old, lambda rng, _: [price(rng, 0) for _ in range(20)])) == {("format", "$[]")}


@pytest.mark.requirement("SHADOW-2")
def test_an_exponent_keeps_its_case() -> None:
    comparison = told(lambda rng, _: f"{rng.uniform(1, 9):.3e}", lambda rng, _: f"{rng.uniform(1, 9):.3E}")
    assert found(comparison) == {("format", "$")}


@pytest.mark.requirement("SHADOW-1")
def test_no_minutes_are_near_few_minutes() -> None:
    def old(rng: random.Random, _: float) -> str:
        return f"{rng.randint(1, 9)}h {rng.randint(1, 59)}m"

    assert not told(old, lambda rng, _: f"{rng.randint(1, 9)}h 0m", cases=10).findings


@pytest.mark.requirement("SHADOW-1")
def test_equal_quantities_are_no_ids() -> None:
    def old(rng: random.Random, _: float) -> list[str]:
        return [f"p50 {rng.uniform(100, 999):.2f} ms" for _ in range(6)] + [f"run {rng.getrandbits(48):012x}"]

    def same(rng: random.Random, at: float) -> list[str]:
        return [*old(rng, at)[:4], "p50 282.50 ms", "p50 282.50 ms", "run 0a1b2c3d4e5f"]

    assert not told(old, same).findings


@pytest.mark.requirement("SHADOW-2")
def test_an_address_of_digits_brings_no_separator_of_its_own() -> None:
    def old(rng: random.Random, _: float) -> str:
        return ".".join(["10", *(str(rng.randint(0, 255)) for _ in range(3))])

    comparison = told(old, lambda rng, at: f"{old(rng, at)}/24", cases=8)
    assert found(comparison) == {("format", "$")}


@pytest.mark.requirement("SHADOW-1")
def test_shuffled_records_are_known_by_their_name_though_others_have_their_noise_by_chance() -> None:
    def old(rng: random.Random, _: float) -> list[dict[str, Any]]:
        rows = [{"name": f"n{at}", "bin": at % 7, "temp": rng.randint(0, 300)} for at in range(80)]
        rng.shuffle(rows)
        return rows

    def new(rng: random.Random, at: float) -> list[dict[str, Any]]:
        rows = old(rng, at)
        next(row for row in rows if row["name"] == "n3")["bin"] = 6
        return rows

    assert not told(old, old).findings
    assert found(told(old, new)) == {("value", "$[].bin")}


def of_lines(lines: Callable[[random.Random], list[str]]) -> Draw:
    """Return answers that are a text of lines."""
    return lambda rng, _: {"text": "\n".join(lines(rng))}


def passed(rng: random.Random, *names: str) -> list[str]:
    """Return what a test run prints, in any order."""
    told = [f"tests/test_{name}.py::test_{name} PASSED [{rng.randint(5, 40)}ms]" for name in names]
    rng.shuffle(told)
    return [*told, f"== {len(names)} passed in {rng.uniform(1, 5):.2f}s =="]


@pytest.mark.requirement("SHADOW-1")
def test_lines_that_are_shuffled_are_known_by_their_words_though_each_has_noise() -> None:
    old = of_lines(lambda rng: passed(rng, "alpha", "bravo", "cedar", "delta", "ember"))
    assert not told(old, old).findings


@pytest.mark.requirement("SHADOW-2")
@pytest.mark.parametrize("name", ["cedar_slow", "zephyr"])
def test_another_name_in_shuffled_lines_is_found(name: str) -> None:
    old = of_lines(lambda rng: passed(rng, "alpha", "bravo", "cedar", "delta", "ember"))
    new = of_lines(lambda rng: passed(rng, "alpha", "bravo", name, "delta", "ember"))
    assert {path for _, path in found(told(old, new))} == {"$.text.<lines>[]"}


@pytest.mark.requirement("SHADOW-2")
def test_a_line_that_is_made_like_none_that_varies_has_to_stay_however_rarely_others_vary() -> None:
    def listing(total: int) -> Draw:
        return of_lines(
            lambda rng: [
                f"/tmp/build-{rng.randbytes(4).hex()}:",
                f"total {total}",
                "a.dat 4711 bytes",
                "b.dat 12 bytes",
            ]
        )

    assert found(told(listing(304), listing(305))) == {("value", "$.text.<lines>[]")}
    assert not told(listing(304), listing(304)).findings


@pytest.mark.requirement("SHADOW-1")
@pytest.mark.parametrize(
    ("old", "new"),
    [
        (lambda rng: f"took {rng.uniform(0.3, 0.9):.3f}..{rng.uniform(1, 3):.3f} ms", "took 0.412..5.002 ms"),
        (lambda rng: f"done in {rng.uniform(1.2, 1.9):.2f}.", "done in 1.05."),
        (lambda rng: f"PT{rng.uniform(2, 9):.3f}S", "PT10.392S"),
        (lambda rng: f"worker w{rng.randint(10, 16)}", "worker w6"),
        (lambda rng: f"{rng.uniform(0.2, 1.9):+.2f}%", "-0.62%"),
        (lambda rng: f"{rng.uniform(-1.9, -0.2):+.2f}%", "+0.62%"),
        (lambda rng: f"up {rng.randint(4, 12)}h {rng.randint(1, 59)}m", "up 11h 3m"),
    ],
)
def test_numbers_are_read_as_people_write_them(old: Callable[[random.Random], str], new: str) -> None:
    assert not told(lambda rng, _: old(rng), lambda *_: new).findings


@pytest.mark.requirement("SHADOW-2")
@pytest.mark.parametrize(
    ("old", "new"),
    [
        (lambda rng: f"{rng.uniform(0.2, 1.9):+.2f}%", "0.62%"),
        (lambda rng: f"PT{rng.uniform(2, 9):.3f}S", "PT4500.000S"),
        (lambda rng: f"{rng.uniform(0.02, 0.09):.6f}", "5.833994e-02"),
        (lambda rng: f"Memory: {rng.uniform(20, 90):.1f}M", "Memory: 45.1G"),
        (lambda rng: f"Mem {rng.randint(20, 90)}K", "Mem 45M"),
    ],
)
def test_a_sign_an_exponent_or_a_unit_that_changed_is_found(old: Callable[[random.Random], str], new: str) -> None:
    assert told(lambda rng, _: old(rng), lambda *_: new).findings


@pytest.mark.requirement("SHADOW-2")
@pytest.mark.parametrize(("shift", "kinds"), [(0.0, set()), (3600.0, {("range", "$")})])
def test_a_time_without_a_year_is_one_of_the_year_of_the_call(shift: float, kinds: set[tuple[str, str]]) -> None:
    def brief(at: float) -> str:
        return dt.datetime.fromtimestamp(at, dt.UTC).strftime("%b %d %H:%M:%S app started")

    assert found(told(lambda _, at: brief(at), lambda _, at: brief(at + shift))) == kinds
    assert moment("Nov 21 10:00", "brief") is None


@pytest.mark.requirement("SHADOW-1")
def test_a_number_that_all_calls_of_a_process_tell_is_known_by_processes_and_not_by_calls() -> None:
    rng = random.Random(7)
    pids = [rng.randint(30_000, 43_000) for _ in range(6)]
    asked = [[Sample(json.dumps({"pid": pid}).encode(), START) for pid in pids] for _ in range(10)]
    new = Sample(json.dumps({"pid": 4694}).encode(), START + 20.0)
    assert not compare(asked[0][0], new, learn("t", "f", asked)).findings


@pytest.mark.requirement("SHADOW-1")
def test_octets_that_happened_to_be_digits_may_be_hexadecimal() -> None:
    serials = iter(["48:80:ed", "18:54:23", "76:7e:dd", "98:fb:6b", "64:b9:3d", "33:ff:47", "d0:a5:d4"])
    assert not told(lambda *_: next(serials), lambda *_: next(serials)).findings
