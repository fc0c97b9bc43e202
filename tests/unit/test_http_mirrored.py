"""Arguments mirrored as headers: which they are, and when header and argument agree."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.proxy.http.mirrored import decoded, disagreement, mirrors

pytestmark = pytest.mark.requirement("HTTP-5")


def schema(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


def marked(token: Any = "Region", kind: Any = "string") -> dict[str, Any]:  # noqa: S107 - a header's name
    return {"type": kind, "x-mcp-header": token}


NESTED = schema(where=schema(region=marked()), count=marked("Count", "integer"), on=marked("On", "boolean"))


def test_marked_properties_are_found_with_their_paths() -> None:
    assert {(each.header, each.path) for each in mirrors(NESTED)} == {
        (b"mcp-param-region", ("where", "region")),
        (b"mcp-param-count", ("count",)),
        (b"mcp-param-on", ("on",)),
    }


@pytest.mark.parametrize(
    "wrong",
    [
        schema(a=marked("no token")),
        schema(a=marked("")),
        schema(a=marked(5)),
        schema(a=marked(kind="number")),
        schema(a=marked(kind=["string", "null"])),
        schema(a=marked("X"), b=marked("x")),
        schema(a={"type": "array", "items": marked()}),
        schema(a={"anyOf": [marked(), {}]}),
        {"$defs": {"a": marked()}},
        {**schema(a=marked("A")), **marked()},
    ],
)
def test_one_wrong_annotation_and_the_tool_is_not_checked(wrong: Any) -> None:
    assert mirrors(wrong) == ()


@pytest.mark.parametrize("odd", [None, 5, [], "x", {}, schema(a=5), {"properties": []}, {"default": marked()}])
def test_what_is_no_schema_mirrors_nothing(odd: Any) -> None:
    assert mirrors(odd) == ()


@pytest.mark.parametrize(
    ("arguments", "headers"),
    [
        ({}, {}),
        (None, {}),
        ({"where": None}, {}),
        ({"where": {"region": None}}, {}),
        ({"where": {"region": "eu"}}, {b"mcp-param-region": b"eu"}),
        ({"where": {"region": "grüße"}}, {b"mcp-param-region": b"=?base64?Z3LDvMOfZQ==?="}),
        ({"where": {"region": ""}}, {b"mcp-param-region": b""}),
        ({"count": 42}, {b"mcp-param-count": b"42"}),
        ({"count": 42.0}, {b"mcp-param-count": b"42"}),
        ({"count": 42}, {b"mcp-param-count": b"42.00"}),
        ({"count": 10**40}, {b"mcp-param-count": b"1" + b"0" * 40}),
        ({"on": True}, {b"mcp-param-on": b"true"}),
        ({"count": [1]}, {}),
        ({}, {b"mcp-param-unknown": b"x"}),
    ],
)
def test_header_and_argument_agree_when_both_say_the_same_or_neither_is_there(arguments: Any, headers: Any) -> None:
    assert disagreement(mirrors(NESTED), arguments, headers) is None


@pytest.mark.parametrize(
    ("arguments", "headers"),
    [
        ({"where": {"region": "eu"}}, {}),
        ({"where": {"region": "eu"}}, {b"mcp-param-region": b"us"}),
        ({"where": {"region": "eu"}}, {b"mcp-param-region": b"EU"}),
        ({}, {b"mcp-param-region": b"eu"}),
        ({"where": "eu"}, {b"mcp-param-region": b"eu"}),
        ({"where": {"region": "a"}}, {b"mcp-param-region": b"=?base64?YR==?="}),
        ({"where": {"region": "a"}}, {b"mcp-param-region": b"=?base64?YQ?="}),
        ({"count": 42}, {b"mcp-param-count": b"42.5"}),
        ({"count": 42}, {b"mcp-param-count": b"4.2e1"}),
        ({"count": 42.5}, {b"mcp-param-count": b"42"}),
        ({"on": True}, {b"mcp-param-on": b"True"}),
        ({"on": True}, {b"mcp-param-on": b"1"}),
        ({"count": True}, {b"mcp-param-count": b"1"}),
        ({"count": [1]}, {b"mcp-param-count": b"[1]"}),
        ({"count": 1}, {b"mcp-param-count": b"9" * 5000}),
    ],
)
def test_anything_else_is_a_disagreement_that_names_the_header(arguments: Any, headers: Any) -> None:
    wrong = disagreement(mirrors(NESTED), arguments, headers)
    assert wrong is not None
    assert "mcp-param-" in wrong


@given(st.text())
def test_any_text_survives_its_wrapping(text: str) -> None:
    assert decoded(b"=?base64?%b?=" % base64.b64encode(text.encode())) == text


@pytest.mark.parametrize("value", [b"=?base64?YQ==", b"YQ==?=", b"plain", b"=?BASE64?YQ==?="])
def test_what_is_not_wrapped_means_itself(value: bytes) -> None:
    assert decoded(value) == value.decode()


@pytest.mark.parametrize("value", [b"=?base64?!?=", b"=?base64?YR==?=", b"=?base64?/w==?=", b"\xff"])
def test_a_wrapping_that_is_not_exact_means_nothing(value: bytes) -> None:
    assert decoded(value) is None
