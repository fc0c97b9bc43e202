"""Suites: read from files, filled with earlier answers, or proposed from what a server lists."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from orchestrator.rehearsal.least import NoValueError, value
from orchestrator.rehearsal.propose import REFERENCE_TOOLS, propose, reference
from orchestrator.rehearsal.suite import MOST_BYTES, MissingAnswerError, SuiteError, filled, read

pytestmark = pytest.mark.requirement("REH-10")

SUITE = """
repeats = 2
[flags]
PROMPT_MODE = "verbose"
[[call]]
tool = "plan"
arguments = { title = "a" }
[[call]]
tool = "plan"
repeats = 3
expect = { error = false, contains = ["task"], within = 2.5 }
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "suite.toml"
    path.write_text(text)
    return path


def tool(name: str, schema: dict[str, Any] | None = None, **hints: bool) -> dict[str, Any]:
    return {"name": name, "inputSchema": schema or {}, "annotations": hints}


def test_a_pipe_a_device_and_what_is_too_long_are_no_suite(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "long").write_bytes(b"#" * (MOST_BYTES + 1))
    for path, said in ((tmp_path / "pipe", "ordinary"), (Path("/dev/zero"), "ordinary"), (tmp_path / "long", "16 MiB")):
        with pytest.raises(SuiteError, match=said):
            read(path)


def test_a_suite_is_read_with_a_name_for_every_call(tmp_path: Path) -> None:
    suite = read(written(tmp_path, SUITE))
    assert [case.name for case in suite.call] == ["plan", "plan 2"]
    assert suite.repeats == 2
    assert suite.flags == {"PROMPT_MODE": "verbose"}
    assert suite.call[1].expect.within == 2.5


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", 'call: there is no call; write [[call]] and below it tool = "..."'),
        ("[[call]]", "call 1: tool: names no tool"),
        ("call = 3", "call: has to be a list"),
        ("[[call]]\ntool = 'a'\nargs = {}", "call 1: args: there is no such key; known here: tool, arguments, name"),
        ("[[call]]\ntool = 'a'\nrepeats = 0", "call 1: repeats: is 0; it has to be at least 1"),
        ("[[call]]\ntool = 'a'\nexpect = { error = 1, in = 2 }", "call 1: expect.error: has to be true or false"),
        ("[[call]]\ntool = 'a'\nexpect = { in = 2 }", "known here: error, contains, within"),
        ("[[call]]\ntool = 'a'\narguments = { d = [2026-01-01] }", "call 1 (a): arguments.d[0] is a date, which JSON"),
        ("[[call]]\ntool = 'a'\narguments = { n = inf }", "arguments.n is inf, which JSON does not have"),
        (
            "[[call]]\ntool = 'a'\narguments = { n = '${b.x}' }\n[[call]]\ntool = 'b'",
            "${b...} names no earlier call; none",
        ),
        ("[[call]]\ntool = 'b'\n[[call]]\ntool = 'a'\narguments = { n = ['${c.x}'] }", "before it come: b"),
        ("[[call]]\ntool = 'a'\nname = 'x'\n[[call]]\ntool = 'b'\nname = 'x'", "suite.toml: two calls are named 'x'"),
        ("[[call]", "no TOML"),
    ],
)
def test_a_suite_that_cannot_be_used_says_where_and_why(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(SuiteError) as refused:
        read(written(tmp_path, text))
    assert said in str(refused.value)


def test_json_that_no_call_can_carry_is_refused(tmp_path: Path) -> None:
    one = '{"call": [{"tool": "a", "arguments": %s}]}'
    deep = '{"a":' * 400 + "1" + "}" * 400
    for text, said in (
        (one % '{"n": 1e999}', "is inf"), (one % '{"\\ud800": 1}', "half of a character"), (one % deep, "levels deep"),
        (one % '{"a": 1, "a": 2}', 'the key "a" stands twice'), ("[1]", "write an object"), ("[" * 99_999, "too deep"),
    ):  # fmt: skip
        path = tmp_path / "suite.json"
        path.write_text(text)
        with pytest.raises(SuiteError) as refused:
            read(path)
        assert said in str(refused.value)


def test_an_absent_suite_is_named(tmp_path: Path) -> None:
    with pytest.raises(SuiteError, match=r"nowhere\.toml cannot be read"):
        read(tmp_path / "nowhere.toml")


def test_arguments_take_over_what_was_answered_before() -> None:
    answers = {"plan": {"task": {"id": 7, "tags": ["x", "y"]}}}
    assert filled({"id": "${plan.task.id}", "deep": ["n ${plan.task.tags.1}"]}, answers) == {"id": 7, "deep": ["n y"]}
    for missing in ("${plan.task.nothing}", "${dispatch.task.id}", "${plan.task.tags.9}"):
        with pytest.raises(MissingAnswerError, match="no earlier call answered"):
            filled(missing, answers)
    assert filled("$ {plan.task.id} ${x}", answers) == "$ {plan.task.id} ${x}"


def test_only_what_says_that_it_reads_is_proposed_and_the_rest_is_named_with_why() -> None:
    tools = [
        tool("read", readOnlyHint=True),
        tool("write", readOnlyHint=False),
        tool("silent"),
        tool("fetch", readOnlyHint=True, openWorldHint=True),
        tool("odd", {"properties": {"a": {"pattern": "^\\d{7}$"}}, "required": ["a"]}, readOnlyHint=True),
        "rubbish",
    ]
    suite = propose(tools, network=False)
    assert suite is not None
    assert [case.name for case in suite.call] == ["read"]
    assert set(suite.left_out) == {"write", "silent", "fetch", "odd"}
    allowed = propose(tools, network=True)
    assert allowed is not None
    assert [case.tool for case in allowed.call] == ["read", "fetch"]
    assert propose([tool("write")], network=True) is None


@pytest.mark.parametrize(
    ("schema", "made"),
    [
        ({"type": "integer", "minimum": 3}, 3),
        ({"type": "integer", "exclusiveMinimum": 3}, 4),
        ({"type": "integer", "default": 9}, 9),
        ({"enum": ["b", "a"]}, "b"),
        ({"const": 5}, 5),
        ({"type": "string", "format": "date"}, "2026-01-01"),
        ({"type": "string", "minLength": 5}, "aaaaa"),
        ({"type": "string", "pattern": "^[A-Z]$"}, "A"),
        ({"type": "array", "items": {"type": "boolean"}, "minItems": 2}, [False, False]),
        ({"anyOf": [{"type": "null"}, {"type": "string"}]}, None),
        ({"$ref": "#/$defs/x"}, {"n": 1}),
        ({"type": ["number", "null"]}, 1),
        (True, "a"),
    ],
)
def test_the_least_value_of_a_schema_is_made(schema: Any, made: Any) -> None:
    root = {"$defs": {"x": {"type": "object", "properties": {"n": {"type": "number"}, "m": {}}, "required": ["n"]}}}
    assert value(schema, root) == made


def test_a_schema_that_names_itself_ends() -> None:
    root = {"properties": {"a": {"$ref": "#/properties/a"}}}
    with pytest.raises(NoValueError, match="nested too deep"):
        value({"$ref": "#/properties/a"}, root)


def test_optional_arguments_that_are_enumerated_make_a_second_call() -> None:
    schema = {"properties": {"mode": {"enum": ["x", "y"]}, "free": {"type": "string"}}}
    suite = propose([tool("read", schema, readOnlyHint=True)], network=False)
    assert suite is not None
    assert [case.arguments for case in suite.call] == [{}, {"mode": "y"}]


def test_the_reference_worker_is_known_by_its_tools_and_asked_all_eight() -> None:
    suite = propose([tool(name) for name in (*REFERENCE_TOOLS, "more")], network=False)
    assert suite == reference()
    assert {case.tool for case in suite.call} == REFERENCE_TOOLS
