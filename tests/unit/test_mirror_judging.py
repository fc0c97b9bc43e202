"""Pairs of live answers: noise learned from the older version's two answers, classes, decisions, what is kept."""

from __future__ import annotations

import datetime as dt
import itertools
import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from orchestrator.domain.comparison import Finding, Sample
from orchestrator.mirroring.judging import SPOKEN, Judge
from orchestrator.mirroring.kept import DIFFERENCES, Kept
from orchestrator.mirroring.messages import Job, Judged
from orchestrator.mirroring.room import OF_A_TOOL, Room, share_of
from orchestrator.rehearsal.profiles import PROFILES, Profiles
from orchestrator.rehearsal.redact import Redactor
from orchestrator.shadow.profile import learn
from orchestrator.shadow.redact import Redactor as Shown

AT = 1_790_000_000.0
LEARN = 4
Json = dict[str, Any]


class Judging:
    """A judge of one tool, and the noisy tool itself.

    Attributes:
        room: for pairs that wait.
        noted: pairs that were noted as differing.
    """

    def __init__(self, folder: Path, learn_from: int = LEARN, **decisions: str) -> None:
        self.random = random.Random(7)
        self.room = Room(*share_of(1024, 32 << 20))
        self.numbers = itertools.count(1)
        self.noted: list[tuple[Job, Judged, Callable[[], Sequence[Finding]]]] = []
        self.judge = Judge(
            Profiles(folder, Shown(b"key")),
            Shown(b"key"),
            learn_from=learn_from,
            decisions=decisions,
            manifest=(),
            room=self.room,
            note=lambda *one: self.noted.append(one),
        )

    def line(self, body: Json, at: float) -> bytes:
        """Return an answer that also says when and how long, as its tool always does."""
        told = {"at": dt.datetime.fromtimestamp(at, dt.UTC).isoformat(), "ms": self.random.uniform(1, 9), **body}
        result = {"content": [{"type": "text", "text": json.dumps(told)}], "structuredContent": told}
        return json.dumps({"jsonrpc": "2.0", "id": next(self.numbers), "result": result}).encode()

    def pair(self, old: Json, new: Json, *, control: bool = False, disturbed: bool = False) -> list[Judged]:
        """Have a pair judged; return all verdicts that came of it."""
        number = next(self.numbers)
        at = AT + number
        job = Job(
            number, "plan_next", "f", self.line(old, at), at, "result", self.line(new, at + 0.1), at + 0.1, "result",
            self.line(old, at + 0.2) if control else b"", at + 0.2, disturbed=disturbed, versions=(1, 2),
        )  # fmt: skip
        return list(self.judge.take(job, dt.date(2026, 9, 21)))

    def outcomes(self, old: tuple[bytes, str], new: tuple[bytes, str]) -> list[str]:
        """Have two answers judged as they are; return the results."""
        job = Job(
            next(self.numbers), "plan_next", "f", old[0], AT, old[1], new[0], AT, new[1], b"", AT,
            disturbed=False, versions=(1, 2),
        )  # fmt: skip
        return [one.result for one in self.judge.take(job, dt.date(2026, 9, 21))]

    def learned(self) -> list[Judged]:
        """Have the noise learned."""
        return [one for n in range(LEARN) for one in self.pair({"agent": f"a{n}"}, {"agent": f"a{n}"}, control=True)]


@pytest.mark.requirement("MIRROR-5", "MIRROR-7")
def test_pairs_wait_until_their_tools_noise_is_known_and_then_only_real_differences_are_found(tmp_path: Path) -> None:
    judging = Judging(tmp_path)
    assert judging.pair({"agent": "a"}, {"agent": "a"}) == []
    assert [one.result for one in judging.learned()] == ["equal"] * (LEARN + 1)
    assert [one.result for _ in range(50) for one in judging.pair({"agent": "x"}, {"agent": "x"})] == ["equal"] * 50
    (found,) = judging.pair({"agent": "x", "rank": 1}, {"agent": "x", "rank": "1"})
    assert (found.result, found.learned) == ("unexpected", 2 * LEARN)
    (added,) = judging.pair({"agent": "x"}, {"agent": "x", "more": 1})
    assert added.result == "additive"
    assert len(judging.noted) == 2


@pytest.mark.requirement("MIRROR-5")
def test_pairs_beyond_those_that_may_wait_are_incomplete(tmp_path: Path) -> None:
    judging = Judging(tmp_path)
    found = [one.result for _ in range(OF_A_TOOL + 1) for one in judging.pair({}, {})]
    assert found == ["incomplete"]


@pytest.mark.requirement("MIRROR-3", "MIRROR-5")
def test_tools_whose_noise_is_never_known_take_no_more_than_their_share_of_what_may_wait(tmp_path: Path) -> None:
    judging = Judging(tmp_path)
    judging.room.pairs = 2
    assert [judging.pair({}, {}) for _ in range(2)] == [[], []]
    assert [one.result for one in judging.pair({}, {})] == ["incomplete"]
    taught = [one.result for one in judging.learned()]
    assert taught == ["incomplete"] * (LEARN - 1) + ["equal"] * (2 + 1)
    assert judging.room == Room(2, (32 << 20) // 4)


@pytest.mark.requirement("MIRROR-7")
def test_decisions_that_differ_are_named_and_noise_beside_them_is_none(tmp_path: Path) -> None:
    judging = Judging(tmp_path, **{"plan_next.tools": "plan.steps[].tool"})
    judging.learned()
    old = {"agent": "triage", "dry_run": True, "plan": {"steps": [{"tool": "read"}, {"tool": "mail"}]}}
    (same,) = judging.pair(old, old)
    assert (same.decisions, same.agents) == ((), ("triage", "triage"))
    new = {"agent": "priority", "dry_run": True, "plan": {"steps": [{"tool": "read"}, {"tool": "file"}]}}
    (found,) = judging.pair(old, new)
    assert found.decisions == ("agent", "steps", "tools")
    assert found.agents == ("triage", "priority")
    (dry,) = judging.pair(old, {**old, "dry_run": 1})
    assert dry.decisions == ("dry_run",)
    (skewed,) = judging.pair(old, new, disturbed=True)
    assert (skewed.result, skewed.decisions) == ("skew", ())


@pytest.mark.requirement("MIRROR-7")
def test_an_error_on_one_side_and_an_answer_that_never_came_are_differences(tmp_path: Path) -> None:
    judging = Judging(tmp_path)
    judging.learned()
    answer = (judging.line({}, AT), "result")
    error = b'{"jsonrpc":"2.0","id":1,"error":{"code":-32603,"message":"no such table"}}'
    assert judging.outcomes(answer, (b"", "timeout")) == ["unexpected"]
    assert judging.outcomes(answer, (error, "error")) == ["unexpected"]
    assert judging.outcomes((b"", "timeout"), answer) == ["incomplete"]


@pytest.mark.requirement("MIRROR-7")
def test_what_differs_is_kept_without_secrets_and_no_more_than_is_bounded(tmp_path: Path) -> None:
    judging = Judging(tmp_path)
    judging.learned()
    kept = Kept(tmp_path, 3, Redactor(b"key", ["hunter22"]))
    for number in range(5):
        judging.pair({"mail": "ann@example.com"}, {"mail": f"bob{number}@example.com hunter22"})
    for noted in judging.noted:
        kept.add(*noted)
    kept.write(0.0, at_once=True)
    rows = [json.loads(line) for line in (tmp_path / DIFFERENCES).read_text().splitlines()]
    assert len(rows) == 3
    assert {row["differences"][0]["kind"] for row in rows} == {"value"}
    text = (tmp_path / DIFFERENCES).read_text()
    assert "example.com" not in text
    assert "hunter22" not in text
    again = Kept(tmp_path, 3, Redactor(b"key"))
    again.add(*judging.noted[0])
    again.write(0.0, at_once=True)
    assert len((tmp_path / DIFFERENCES).read_text().splitlines()) == 3


@pytest.mark.requirement("MIRROR-7")
def test_a_pair_in_which_the_detector_finds_what_was_let_through_is_withheld(tmp_path: Path) -> None:
    judging = Judging(tmp_path)
    judging.learned()
    judging.pair({"note": "plain"}, {"note": "horsebattery"})
    kept = Kept(tmp_path, 3, Redactor(b"key"), ["horsebattery"])
    kept.add(*judging.noted[0])
    kept.write(0.0, at_once=True)
    (row,) = map(json.loads, (tmp_path / DIFFERENCES).read_text().splitlines())
    assert (row["result"], row["withheld"]) == ("unexpected", "known secret")
    assert "horsebattery" not in str(row)


@pytest.mark.requirement("MIRROR-7")
def test_a_pair_that_cannot_be_put_into_words_is_withheld_and_costs_no_other(tmp_path: Path) -> None:
    judging = Judging(tmp_path)
    judging.learned()
    judging.pair({"note": "plain"}, {"note": "other"})
    job, judged, words = judging.noted[0]
    kept = Kept(tmp_path, 3, Redactor(b"key"))
    kept.add(job, judged, lambda: words()[:0] or next(iter(())))
    kept.add(job, judged, words)
    kept.write(0.0, at_once=True)
    first, second = map(json.loads, (tmp_path / DIFFERENCES).read_text().splitlines())
    assert "StopIteration" in first["withheld"]
    assert second["differences"][0]["old"] == '"plain"'


@pytest.mark.requirement("MIRROR-7")
def test_a_large_pair_is_put_into_words_at_once_and_its_answers_are_not_kept(tmp_path: Path) -> None:
    judging = Judging(tmp_path)
    judging.learned()
    judging.pair({"note": "plain"}, {"note": "other"})
    judging.pair({"note": "x" * SPOKEN}, {"note": "y" * SPOKEN})
    small, large = (words for _, _, words in judging.noted)
    assert small() is not small()
    assert large() is large()
    assert [one.kind for one in large()] == [one.kind for one in small()]


@pytest.mark.requirement("MIRROR-7", "SHADOW-10")
def test_what_a_rehearsal_kept_sealed_is_known_again_in_live_answers(tmp_path: Path) -> None:
    judging = Judging(tmp_path, learn_from=0)
    said = [{"owner": f"ann{turn}@example.org", "team": ["north", "south"][turn % 2]} for turn in range(6)]
    answers = [Sample(json.dumps({"structuredContent": one}).encode(), AT + at) for at, one in enumerate(said)]
    store = Profiles(tmp_path, Shown(b"key"))
    store.keep(learn("plan_next", "f", [answers[:1] * 2, answers[2:]]))
    (path,) = (tmp_path / PROFILES).iterdir()
    assert b"ann0" not in path.read_bytes()

    def judged(old: Json, new: Json) -> str:
        results = [{"jsonrpc": "2.0", "id": 1, "result": {"structuredContent": one}} for one in (old, new)]
        lines = [json.dumps(one).encode() for one in results]
        job = Job(
            next(judging.numbers), "plan_next", "f", lines[0], AT, "result", lines[1], AT, "result", b"", AT,
            disturbed=False, versions=(1, 2),
        )  # fmt: skip
        (verdict,) = judging.judge.take(job, dt.date(2026, 11, 21))
        return verdict.result

    assert judged(said[0], said[0]) == "equal"
    assert judged(said[2], said[3]) == "equal"
    assert judged(said[2], {**said[3], "owner": "somebody"}) == "unexpected"
