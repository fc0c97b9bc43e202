"""Recording live calls for a suite: which are noted, which are left out, and that the file says what was called."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.proxy import recording
from orchestrator.proxy.ledger import Call
from orchestrator.proxy.recording import Recording
from orchestrator.rehearsal.recorded import RecordedCall, Recorder, RecordingError, as_json, as_toml, sifted
from orchestrator.rehearsal.suite import read

pytestmark = pytest.mark.requirement("REH-15")


@dataclass
class Facts:
    read_only: bool


@dataclass
class Link:
    tools: dict[str, Facts] = field(
        default_factory=lambda: {"look": Facts(read_only=True), "write": Facts(read_only=False)}
    )


@dataclass
class Clock:
    """Stands in for the dispatcher: a clock, and who is told of calls."""

    at: float = 0.0
    on_sent: list[Any] = field(default_factory=list)

    def now(self) -> float:
        return self.at

    def send(self, tool: str, params: str = "", *, attempts: int = 1, method: str = "tools/call") -> None:
        tail = f',"method":"{method}","params":{{"name":"{tool}"{params}}}}}'.encode()
        call = Call(1, None, b"1", method, tool, memoryview(tail), "k", 0.0, 1.0, attempts=attempts)
        for sent in self.on_sent:
            sent(call, Link())


def recorded(clock: Clock, most: int = 9, environment: dict[str, str] | None = None) -> Recorder:
    recorder = Recorder(clock, environment or {})
    recorder.begin(most, 60.0)
    return recorder


def test_calls_that_only_read_are_kept_once_with_how_often_and_others_are_counted() -> None:
    clock = Clock()
    recorder = recorded(clock)
    clock.send("look", ',"arguments":{"a":1, "b":"x"}')
    clock.send("look", ',"arguments":{"b":"x","a":1},"_meta":{"progressToken":7}')
    clock.send("look", ',"arguments":{"b":"x","a":1}', attempts=2)
    clock.send("look")
    clock.send("write", ',"arguments":{}')
    clock.send("unknown")
    clock.send("look", method="prompts/get")
    kept = recorder.end()
    assert (kept.seen, kept.passed) == (3, 2)
    assert recorder.sifted(kept) == ([RecordedCall("look", {"a": 1, "b": "x"}, 2), RecordedCall("look", {}, 1)], [])


def test_a_recording_is_over_after_its_calls_or_its_time_and_is_off_then() -> None:
    clock = Clock()
    recorder = recorded(clock, most=1)
    with pytest.raises(RecordingError, match="for 60 s more; end that with: switchover shadow record --stop"):
        recorder.begin(1, 1.0)
    clock.send("look")
    clock.send("look", ',"arguments":{"a":2}')
    assert recorder.recording().left == 0.0
    assert clock.on_sent == []
    assert len(recorder.end().calls) == 1
    with pytest.raises(RecordingError, match="no calls are being recorded"):
        recorder.end()
    recorder.begin(5, 10.0)
    clock.at = 11.0
    clock.send("look")
    assert recorder.recording().seen == 0
    recorder.begin(5, 10.0)
    assert len(clock.on_sent) == 1


def test_one_that_is_stopped_is_off_and_waits_to_be_fetched() -> None:
    clock = Clock()
    recorder = recorded(clock)
    clock.send("look")
    assert recorder.stop().left == 0.0
    assert clock.on_sent == []
    assert len(recorder.recording().calls) == 1
    assert len(recorder.end().calls) == 1
    with pytest.raises(RecordingError, match="no calls are being recorded"):
        recorder.stop()


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ('{"password": "x"}', "a secret by its name or its form"),
        ('{"to": ["ann@example.com"]}', "a secret by its name or its form"),
        ('{"at": "of the daemon: hunter2hunter2"}', "a secret by its name or its form"),
        ('{"n": 4111111111111111}', "a secret by its name or its form"),
        ('{"a": "${plan.id}"}', "which a suite takes for what an earlier call answered"),
        ("[1]", "no JSON object"),
        ('{"a": 1e999}', "no JSON object"),
    ],
)
def test_a_call_with_what_looks_private_or_means_something_else_is_left_out_and_said(
    arguments: str, reason: str
) -> None:
    clock = Clock()
    recorder = recorded(clock, environment={"API_TOKEN": "hunter2hunter2"})
    clock.send("look", f',"arguments":{arguments}')
    calls, left_out = recorder.sifted(recorder.end())
    assert calls == []
    assert [(one.tool, one.times) for one in left_out] == [("look", 1)]
    assert reason in left_out[0].reason


def test_what_is_too_long_is_counted_and_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(recording, "LARGEST", 40)
    recorder = recorded(clock)
    clock.send("look", f',"arguments":{{"a":"{"x" * recording.LONGEST}"}}')
    for letter in "abb":
        clock.send("look", f',"arguments":{{"a":"{letter * 20}"}}')
    calls, left_out = recorder.sifted(recorder.end())
    assert [one.arguments["a"][0] for one in calls] == ["a"]
    assert [(one.reason, one.times) for one in left_out] == [(recording.TOO_LONG, 1), (recording.TOO_MUCH, 2)]


VALUES = st.recursive(
    st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=20, deadline=None)
@given(arguments=st.dictionaries(st.text(max_size=6), VALUES, max_size=4), tool=st.text(min_size=1, max_size=9))
def test_a_suite_reads_back_as_it_was_called(
    tmp_path_factory: pytest.TempPathFactory, arguments: dict[str, Any], tool: str
) -> None:
    place = tmp_path_factory.mktemp("suite")
    calls = [RecordedCall(tool, arguments, 2)]
    text, left_out = as_toml(calls)
    assert left_out == []
    (place / "suite.toml").write_text(text, encoding="utf-8")
    (place / "suite.json").write_text(as_json(calls), encoding="utf-8")
    for name in ("suite.toml", "suite.json"):
        (case,) = read(place / name).call
        assert (case.tool, json.dumps(case.arguments)) == (tool, json.dumps(arguments))


def test_null_is_left_out_of_toml_and_kept_in_json(tmp_path: Path) -> None:
    calls = [RecordedCall("look", {"a": [{"b": None}]}, 3), RecordedCall("look", {}, 1)]
    text, left_out = as_toml(calls)
    assert [(one.times, "ends with .json" in one.reason) for one in left_out] == [(3, True)]
    assert text.count("[[call]]") == 1
    (tmp_path / "suite.json").write_text(as_json(calls))
    assert read(tmp_path / "suite.json").call[0].arguments == {"a": [{"b": None}]}


def test_what_is_known_to_be_secret_is_found_by_the_detector_too() -> None:
    kept = Recording(9, 60.0, lambda: 0.0)
    kept.calls["look", b'{"a": "ghp_0123456789abcdefghijklmnopqrstuvwxyz"}'] = 1
    assert sifted(kept, ["something-else"])[0] == []
