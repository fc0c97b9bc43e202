"""A plan's file: what is written is what is read, and what is no plan is refused with every reason."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from plan_story import plans, toml

from orchestrator.domain.plans.fields import lasting, seconds_of
from orchestrator.domain.plans.plan import Plan
from orchestrator.plans.form import members, tables
from orchestrator.plans.places import find_places
from orchestrator.plans.plan_file import PlanError, document, plan_of, read_plan
from orchestrator.plans.shipped import SHIPPED, find_plan

BAD = """
on_regression = "go_on"
weigth = 3
[[steps]]
weight = 5
pause = "10x"
[steps.hold]
kind = "command"
[[steps]]
weight = 500
pause = "10m"
limits = [
  { metric = "error" },
  { metric = "error", most = nan, judgement = "magic" },
]
[[flags]]
flag = "A"
to = "1"
soak = 5
[[flags.limits]]
metric = "x"
most = "1"
[[flags]]
flag = "A"
to = []
[[freeze]]
zone = "Mars"
"""


def refused(folder: Path, text: str) -> str:
    """Return why a file with this text is no plan."""
    path = folder / "mine.toml"
    path.write_text(text)
    with pytest.raises(PlanError) as refusal:
        read_plan(path)
    return str(refusal.value).replace(str(path), "mine.toml")


@pytest.mark.requirement("PLAN-1")
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(plans)
def test_any_plan_comes_back_from_its_document_from_toml_and_from_json_as_it_was(plan: Plan) -> None:
    written = document(plan)
    assert plan_of(written) == plan
    assert plan_of(tomllib.loads(toml(written))) == plan
    assert msgspec.json.decode(msgspec.json.encode(plan), type=Plan) == plan


@pytest.mark.requirement("PLAN-2")
def test_every_problem_of_a_file_is_told_at_once_with_its_line_and_what_is_allowed(tmp_path: Path) -> None:
    said = [line.strip() for line in refused(tmp_path, BAD).splitlines()]
    assert said[0] == "11 problems with this plan:"
    for line in (
        'mine.toml:2: on_regression: is the text "go_on" (go_on is no answer to this); allowed: "roll_back" or "pause"',
        'mine.toml:6: steps[0].pause: is the text "10x" (no duration); allowed: seconds, a text such as "10m", or',
        "mine.toml:7: steps[0].hold: a command belongs to kind = command, and that needs one",
        "mine.toml:10: steps[1].weight: is the number 500; allowed: whole number from 0 to 100",
        "mine.toml:13: steps[1].limits[0]: a limit has exactly one of margin, relative, most and least",
        "mine.toml:14: steps[1].limits[1].most: is the number NaN; allowed: a number",
        "mine.toml:14: steps[1].limits[1].judgement: there is no such member; did you mean judge?",
        'mine.toml:22: flags[0].limits[0].most: is the text "1"; allowed: a number',
        'mine.toml:23: flags[1].soak: is missing; allowed: seconds, or a text such as "90s", "10m",',
        'mine.toml:27: freeze[0].zone: is the text "Mars" (it is not known on this machine); allowed: an IANA name,',
        f"mine.toml:3: weigth: there is no such member; known here: {', '.join(members())}",
    ):
        assert any(one.startswith(line) for one in said), line


@pytest.mark.requirement("PLAN-2")
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("steps = 3", "mine.toml:1: steps: is the number 3; allowed: list of tables"),
        ("\n[[steps]\n", "mine.toml:2: is not valid TOML"),
        ("a = " + "[" * 5000, "is nested too deeply"),
        ('name = "a b"', 'mine.toml:1: name: is the text "a b"; allowed: a name of letters'),
        ("deadline = -1", "deadline: is the number -1; allowed: seconds"),
        ("deadline = true", "deadline: is the truth value true; allowed: seconds"),
        ("[judge]\nalpha = 0", "mine.toml:2: judge.alpha: is the number 0; allowed: a number above 0 and below 1"),
        ("[[freeze]]\nzone = 'UTC'\ndays = []", "mine.toml:3: freeze[0].days: is a list; allowed: list of mon to sun"),
        ("[[freeze]]\nzone = 'UTC'\nend = '00:00'", "freeze[0]: begin and end are the same moment"),
        ("[[metrics]]\nname = 'a'\nkind = 'rate'\nquery = 'up'", "a query belongs to source = prometheus"),
        ("[promotion]\nhold = { kind = 'webhook', url = 'x' }", "a url begins with http:// or https://"),
        ("[promotion]\nhold = { kind = 'parity' }", "a time to be clean belongs to kind = parity, and that needs one"),
        ("[promotion]\nhold = { kind = 'parity', clean = 0 }", "a time to be clean belongs to kind = parity"),
        ("[promotion]\nhold = { kind = 'person', clean = '72h' }", "a time to be clean belongs to kind = parity"),
        (
            "[[steps]]\nweight = 1\npause = 1\nkeys = { only_new_by = 'created', since = '2026-11-01T00:00:00' }",
            'mine.toml:4: steps[0].keys.since: is the text "2026-11-01T00:00:00" (it has no offset',
        ),
        ("[[steps]]\nweight = 1\npause = 1\nkeys = {}", "keys name at least one of always and only_new_by"),
        ("[[limits]]\nmetric = 'error'\nmost = 1\ndirection = 'up'", "most and least say the direction themselves"),
    ],
)
def test_what_is_no_plan_is_refused_with_what_is_allowed(tmp_path: Path, text: str, said: str) -> None:
    assert said in refused(tmp_path, text)


@pytest.mark.requirement("PLAN-2")
def test_a_file_that_cannot_be_read_is_refused_with_why(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match=r"none\.toml: cannot be read: No such file"):
        read_plan(tmp_path / "none.toml")
    (tmp_path / "latin.toml").write_bytes(b'\nname = "\xe9"')
    with pytest.raises(PlanError, match=r"latin\.toml:2: is not UTF-8"):
        read_plan(tmp_path / "latin.toml")
    (tmp_path / "long.toml").write_bytes(b"#" * 300_000)
    with pytest.raises(PlanError, match="has more than the 262144 bytes that are allowed"):
        read_plan(tmp_path / "long.toml")


@pytest.mark.requirement("PLAN-2")
def test_what_is_no_file_is_neither_waited_for_nor_read_for_ever(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.toml")
    for path in (tmp_path / "pipe.toml", Path("/dev/zero")):
        with pytest.raises(PlanError, match="cannot be read: It is a device or a pipe"):
            read_plan(path)
    with pytest.raises(PlanError, match="cannot be read: Is a directory"):
        read_plan(tmp_path)


@pytest.mark.requirement("PLAN-2")
@pytest.mark.parametrize("named", ["", "x" * 5_000, "x" * 5_000 + ".toml", "a\0b", "a\0b.toml"])
def test_a_name_that_no_file_can_have_is_refused_in_few_words(named: str) -> None:
    with pytest.raises(PlanError, match=r"there is no plan|cannot be read: File name too long"):
        find_plan(named)


@pytest.mark.requirement("PLAN-2")
def test_a_plan_is_named_by_a_shipped_name_or_a_file_and_a_near_name_is_guessed(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text("new_generation = true")
    assert find_plan(str(tmp_path / "mine.toml")).plan == Plan("mine")
    assert find_plan("quick").plan.name == "quick"
    with pytest.raises(PlanError, match=r"no plan 'quik'; did you mean quick\?"):
        find_plan("quik")
    with pytest.raises(PlanError, match="shipped: " + ", ".join(SHIPPED)):
        find_plan("zzz")


@pytest.mark.requirement("PLAN-2")
def test_lines_are_found_in_arrays_of_tables_and_not_in_texts_that_look_like_them() -> None:
    first = 'a = """\n[[b]]\n"""\n[[b]] # one\nc = 1\n[[b.d]]\ne = 1\n[[b.d]]\ne = 2\n'
    text = first + "  [[b]]\nf = [\n 1,\n]\n[b.d]\ne = 3\n"
    tomllib.loads(text)
    places = find_places(text)
    assert places["a",] == 1
    assert (places["b", 0, "c"], places["b", 0, "d", 0, "e"], places["b", 0, "d", 1, "e"]) == (5, 7, 9)
    assert (places["b", 1], places["b", 1, "f", 0], places["b", 1, "d", "e"]) == (10, 12, 15)


@pytest.mark.parametrize(
    ("written", "seconds", "words"),
    [("90s", 90, "1 min 30 s"), ("1h30m", 5400, "1 h 30 min"), ("2d", 172800, "2 d"), ("1w", 604800, "7 d"),
     ("1.5 h", 5400, "1 h 30 min"), ("0s", 0, "0 s"), ("0.25s", 0.25, "0.25 s"), ("10 min 5 s", 605, "10 min 5 s")],
)  # fmt: skip
def test_durations_are_written_and_told_as_people_do(written: str, seconds: float, words: str) -> None:
    assert seconds_of(written) == seconds
    assert lasting(seconds) == words


@pytest.mark.parametrize("written", ["", "m", "10", "10x", "-1s", "1h and", "1e3s", "ten minutes"])
def test_what_is_no_duration_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match="no duration"):
        seconds_of(written)


@given(st.floats(0, 1e9))
def test_every_duration_has_words(seconds: float) -> None:
    assert lasting(seconds)


def test_every_member_of_every_table_says_what_it_means_and_what_may_be_written() -> None:
    for _, table, _ in [("", Plan, False), *tables()]:
        for member in members(table).values():
            assert member.meaning.endswith((".", "`")), member
            assert member.allowed, member
