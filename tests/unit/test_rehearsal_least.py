"""Whatever a server lists as the schema of a tool gives arguments that can be sent, or words that say why none."""

from __future__ import annotations

import json
import signal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.rehearsal.least import MOST_LETTERS
from orchestrator.rehearsal.patterns import TooLongError, matches
from orchestrator.rehearsal.propose import propose, why_nothing
from orchestrator.rehearsal.suite import MOST_CALLS, Suite

pytestmark = pytest.mark.requirement("REH-10")

WORDS = ["type", "minItems", "minLength", "maxLength", "minimum", "maximum", "exclusiveMinimum", "format", "pattern",
         "items", "enum", "examples", "default", "const", "anyOf", "$ref", "properties", "required"]  # fmt: skip
KINDS = ["string", "integer", "number", "boolean", "null", "array", "object"]
ODD = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.sampled_from([10**9, 10**400, 1e308, -1]),
    st.sampled_from([*KINDS, "#", "#/properties/a", "date", "(", "^(a+)+$", "a", "\ud800", "\x00"]),
)  # fmt: skip
SCHEMAS = st.recursive(
    ODD | st.builds(lambda kind: {"type": kind}, st.sampled_from(KINDS)),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(WORDS), inner, max_size=4)
        | st.dictionaries(st.sampled_from(["a", "b", "\ud800"]), inner, max_size=2)
    ),
    max_leaves=12,
)


def proposed(schema: Any, name: str = "t") -> Suite | None:
    tools = [{"name": name, "annotations": {"readOnlyHint": True}, "inputSchema": schema}]
    suite = propose(tools, network=False)
    assert suite is not None or "so no suite can be proposed" in why_nothing(tools, network=False)
    return suite


def needing(**schema: Any) -> dict[str, Any]:
    return {"type": "object", "required": ["a"], "properties": {"a": schema}}


@settings(max_examples=150, deadline=None)
@given(SCHEMAS | st.builds(lambda inner: {"required": ["a"], "properties": {"a": inner}}, SCHEMAS))
def test_any_schema_gives_arguments_that_can_be_sent_or_words(schema: Any) -> None:
    suite = proposed(schema)
    for case in suite.call if suite is not None else ():
        assert len(json.dumps(case.arguments, allow_nan=False).encode()) < 4 * MOST_LETTERS


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        (needing(type="array", minItems=10**9), "'a' asks for more than anybody would write"),
        (needing(type="array", minItems=200, items={"type": "array", "minItems": 900}), "'a' asks for more"),
        (needing(type="string", minLength=10**10), "'a' asks for more"),
        (needing(type="array", minItems=900, items={"default": "x" * 900}), "'a' asks for more"),
        (needing(type="string", minLength="x"), "its minLength is no number"),
        (needing(type="array", minItems="3"), "its minItems is no number"),
        (needing(type="integer", minimum=float("inf")), "its minimum is no number"),
        (needing(type="array", minItems=10**400), "'a' asks for more"),
        (needing(default=float("nan")), "names a value that JSON does not have"),
        (needing(type={"x": 1}), "has no type one knows"),
        (needing(type="string", pattern="^(a+)+b$", minLength=40), "takes too long to try"),
        ({"required": 5, "properties": {"a": {}}}, "required a list"),
        (needing(enum=["\ud800"]), "half of a character"),
    ],
)
def test_why_nothing_can_be_proposed_is_said_of_the_tool(schema: Any, words: str) -> None:
    tools = [{"name": "read", "annotations": {"readOnlyHint": True}, "inputSchema": schema}]
    assert propose(tools, network=False) is None
    told = why_nothing(tools, network=False)
    assert told.startswith("read: ")
    assert words in told
    assert told.endswith("write one and name it with --suite or upgrade.suite")


def test_a_server_without_a_tool_that_reads_is_told_so() -> None:
    told = why_nothing([{"name": "write"}, "rubbish"], network=False)
    assert told.startswith("no tool of the server says that it only reads, so no suite can be proposed")


def test_of_more_tools_than_a_suite_has_calls_the_rest_is_left_out() -> None:
    tools = [{"name": f"t{number}", "annotations": {"readOnlyHint": True}} for number in range(MOST_CALLS + 2)]
    suite = propose([*tools, {"name": "", "annotations": {"readOnlyHint": True}}], network=False)
    assert suite is not None
    assert len(suite.call) == MOST_CALLS
    assert set(suite.left_out) == {f"t{MOST_CALLS}", f"t{MOST_CALLS + 1}", ""}


def test_a_pattern_that_would_take_for_ever_is_given_up_and_leaves_no_timer() -> None:
    before = signal.getsignal(signal.SIGVTALRM)
    with pytest.raises(TooLongError):
        matches("^(a|a)+$", "a" * 40 + "b")
    assert signal.getitimer(signal.ITIMER_VIRTUAL) == (0.0, 0.0)
    assert signal.getsignal(signal.SIGVTALRM) == before
    assert matches("^a+$", "aaa")
    assert not matches("(", "(")
