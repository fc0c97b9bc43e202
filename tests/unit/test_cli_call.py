"""`call`: how its JSON is read, and how a result is shown."""

from __future__ import annotations

import io
import json
import sys
from typing import Any

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.cli.call import parse, readable
from orchestrator.cli.tools import hints, purpose, table

pytestmark = pytest.mark.requirement("CLI-3")

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def text(said: str) -> dict[str, str]:
    return {"type": "text", "text": said}


@given(st.dictionaries(st.text(), JSON, max_size=4))
def test_any_json_object_is_taken_as_it_is(arguments: dict[str, Any]) -> None:
    assert parse(json.dumps(arguments)) == arguments


@pytest.mark.parametrize(
    ("given_text", "complaint"),
    [
        ('{"a":}', "at line 1, column 6: '}'"),
        ('{\n  "a": 1,\n  b: 2}', "at line 3, column 3: 'b: 2}'"),
        ('{"a": 1', "at line 1, column 8: the text ends there"),
        ("", "at line 1, column 1: the text ends there"),
        ("limit=3", "at line 1, column 1: 'limit=3'"),
        ('{"a": NaN}', "NaN is no JSON number"),
        ("[1, 2]", "not a JSON object"),
        ("[" * 100_000, "cannot be read"),
        ('{"a": ' + "1" * 5000 + "}", "cannot be read"),
    ],
)
def test_what_is_not_a_json_object_is_a_usage_error_that_says_where(given_text: str, complaint: str) -> None:
    with pytest.raises(click.UsageError) as caught:
        parse(given_text)
    assert complaint in caught.value.message


def on_stdin(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))


def test_a_dash_reads_the_arguments_from_stdin(monkeypatch: pytest.MonkeyPatch) -> None:
    on_stdin(monkeypatch, b'\xef\xbb\xbf{"text": "\xc3\xa4"}\n')
    assert parse("-") == {"text": "ä"}


def test_bytes_on_stdin_that_are_no_text_are_a_usage_error(monkeypatch: pytest.MonkeyPatch) -> None:
    on_stdin(monkeypatch, b'{"a": "\xff"}')
    with pytest.raises(click.UsageError, match="not UTF-8: invalid start byte at byte 7"):
        parse("-")


def test_texts_are_printed_as_they_are() -> None:
    assert readable({"content": [text("one\n"), text('{"a": 1}')]}) == 'one\n\n{"a": 1}'


def test_other_content_is_indented_json() -> None:
    image = {"type": "image", "data": "AA==", "mimeType": "image/png"}
    assert readable({"content": [text("see"), image]}) == "see\n" + json.dumps(image, indent=2)


@pytest.mark.parametrize(
    ("texts", "structured"),
    [
        (['{"count": 3}'], {"count": 3}),
        (["plain"], {"result": "plain"}),
        (["3"], {"result": 3}),
        (["a", "b"], {"result": ["a", "b"]}),
        (["1", "2"], {"result": [1, 2]}),
    ],
)
def test_structured_content_that_the_texts_say_already_is_not_said_twice(
    texts: list[str], structured: dict[str, Any]
) -> None:
    assert readable({"content": [text(said) for said in texts], "structuredContent": structured}) == "\n".join(texts)


def test_structured_content_that_says_more_is_printed_too() -> None:
    result = {"content": [text("3 found")], "structuredContent": {"found": [1, 2, 3]}}
    assert readable(result) == "3 found\n" + json.dumps({"found": [1, 2, 3]}, indent=2)


def test_a_result_of_another_shape_is_printed_whole() -> None:
    assert readable({"toolResult": 5}) == '{\n  "toolResult": 5\n}'
    assert readable({"content": []}) == ""


@given(st.dictionaries(st.sampled_from(["content", "structuredContent", "isError", "x"]), JSON))
def test_no_result_however_odd_stops_it_from_being_shown(result: dict[str, Any]) -> None:
    assert isinstance(readable(result), str)


def test_hints_are_those_the_tool_gives_itself() -> None:
    assert hints({"annotations": {"readOnlyHint": True, "idempotentHint": True}}) == "read-only, idempotent"
    assert hints({"annotations": {"destructiveHint": True, "readOnlyHint": False}}) == "destructive"
    assert hints({"annotations": {"readOnlyHint": "yes"}}) == hints({"annotations": None}) == hints({}) == "-"


def test_a_tool_is_described_by_its_first_line() -> None:
    assert purpose({"description": "\n  Plan it.\nAt length.\n"}) == "Plan it."
    assert purpose({"description": None}) == purpose({}) == ""


def test_tools_are_aligned_and_kept_to_the_width() -> None:
    tools: list[dict[str, Any]] = [
        {"name": "plan", "annotations": {"readOnlyHint": True}, "description": "Say what is next of all that is open."},
        {"name": "dispatch_many", "description": "Go."},
    ]
    assert table(tools, colour=False, width=50) == [
        "TOOL           HINTS      DESCRIPTION",
        "plan           read-only  Say what is next of all…",
        "dispatch_many  -          Go.",
    ]
    assert table(tools, colour=False)[1].endswith("of all that is open.")
