"""The measuring tools judge rightly: targets, switches, and calls that are not answered exactly once."""

import json
import os
import subprocess

import pytest

from bench.callers import Caller, many, one_at_a_time
from bench.figures import Report, table
from bench.lean_worker import Peer, Worker
from bench.processes import LEAN_WORKER
from bench.timeline import Done, Verb, effect
from bench.wire import AnswerError, LineWire, payload

MS = 1_000_000


def test_a_target_that_is_missed_or_was_not_measured_is_named():
    report = Report("proxy")
    report.note("ratio", 0.39, ">= 0.40")
    report.note("gap_ms", 59.0, "<= 60")
    report.targets["memory_mb"] = "<= 70"
    assert report.misses() == ["ratio: 0.39, not >= 0.40", "memory_mb: not measured, <= 70"]
    assert report.as_dict()["holds"] is False


def test_the_table_has_the_medians_of_what_was_measured_and_the_spread():
    quick = {"rate": 1000.0, "p50_us": 2.0, "p99_us": 9.0}
    rounds = {
        ("one", "ours"): [{**quick, "cpu_us": 5.0}, {**quick, "rate": 3000.0, "cpu_us": 7.0}],
        ("two", "ours"): [],
    }
    head, *lines = table(rounds | {("two", "theirs"): [quick]}, ["one", "two"], ["ours", "theirs"])
    assert head.split()[0] == "calls/s"
    assert [line.split() for line in lines] == [
        ["one"],
        ["ours", "2,000", "2.0", "9.0", "6.0", "1,000", "-", "3,000"],
        ["two"],
        ["theirs", "1,000", "2.0", "9.0", "1,000", "-", "1,000"],
    ]


def test_a_switch_is_routed_when_the_old_generation_got_its_last_call():
    rows = [Done(number % 2, number * MS, number * MS + 5 * MS, 1 if number <= 103 else 2) for number in range(1, 300)]
    seen = effect(rows, Verb(sent=100 * MS, answered=104 * MS))
    assert (seen.answered, seen.routed) == (4.0, 3.0)
    assert (seen.gap_any, seen.gap_caller) == (1.0, 2.0)


def test_a_switch_that_changed_nothing_is_no_measurement():
    rows = [Done(0, number * MS, number * MS + MS, 1) for number in range(1, 300)]
    with pytest.raises(ValueError, match=r"answered by \[1\]"):
        effect(rows, Verb(sent=100 * MS, answered=101 * MS))


@pytest.mark.parametrize("answers", [[1, 2], [1, 2, 3, 3]], ids=["lost", "doubled"])
def test_a_lost_and_a_doubled_answer_are_noticed(answers):
    caller = Caller(LineWire(0, 1, b"text"), sent=[0, 0, 0], answers=answers)
    with pytest.raises(AnswerError):
        caller.check()


@pytest.mark.parametrize(("size", "delay_ms"), [(100, None), (10_000, None), (300_000, None), (100, 0), (100, 5)])
def test_the_worker_answers_every_call_of_the_load_once_with_its_payload(size, delay_ms):
    with subprocess.Popen(LEAN_WORKER, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as worker:
        wire = LineWire(worker.stdout.fileno(), worker.stdin.fileno(), payload(size), delay_ms)
        wire.handshake()
        caller = Caller(wire)
        one_at_a_time(caller, seconds=10, most=3)
        os.set_blocking(wire.source, False)
        os.set_blocking(wire.sink, False)
        many([caller], outstanding=8, seconds=10, most=20)
        worker.stdin.close()
    caller.check()
    assert len(caller.answers) == 23
    assert len(wire.generations) == (0 if delay_ms is None else 23)


def test_only_short_calls_can_ask_for_the_generation():
    with pytest.raises(ValueError, match="1000 bytes"):
        LineWire(0, 1, payload(1001), delay_ms=0)


def test_the_worker_finds_the_end_of_a_text_with_escapes():
    line = rb'{"jsonrpc":"2.0","id":"a","method":"tools/call","params":{"name":"echo","arguments":{"text":"\"\\\\"}}}'
    answer = json.loads(Worker().answer(Peer(0, 1), line))
    assert answer == {"jsonrpc": "2.0", "id": "a", "result": {"content": [{"type": "text", "text": r'"\\'}]}}
