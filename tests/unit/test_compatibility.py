"""What counts as breaking when one generation is to take another's place."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.domain.compatibility import Surface, compare

pytestmark = pytest.mark.requirement("SURF-1")


def tool(properties: dict[str, Any], required: list[str] | None = None, **more: Any) -> dict[str, Any]:
    return {"inputSchema": {"type": "object", "properties": properties, "required": required or []}, **more}


def of_tools(**tools: Any) -> Surface:
    return Surface(version="2025-11-25", tools=tools)


def breaking(old: Surface, new: Surface) -> tuple[str, ...]:
    return compare(old, new).breaking


def test_the_same_surface_changes_nothing() -> None:
    surface = of_tools(a=tool({"x": {"type": "string"}}))
    assert compare(surface, surface) == compare(Surface(), Surface())


def test_an_older_protocol_version_breaks_and_a_newer_one_does_not() -> None:
    old, new = Surface(version="2025-06-18"), Surface(version="2025-11-25")
    assert breaking(new, old) == ("protocol version 2025-06-18 instead of 2025-11-25",)
    assert not breaking(old, new)


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ({"resources": {"subscribe": True}}, {"resources": {}}, ("capability resources.subscribe is gone",)),
        ({"tools": {"listChanged": True}}, {"tools": {}}, ()),
        ({"logging": {}}, {}, ("capability logging is gone",)),
        ({"resources": {"subscribe": False}}, {"resources": {}}, ()),
        ({}, {"logging": {}}, ()),
    ],
)
def test_a_capability_that_is_gone_breaks(before: Any, after: Any, said: tuple[str, ...]) -> None:
    assert breaking(Surface(capabilities=before), Surface(capabilities=after)) == said


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (tool({}), None, "tool a is gone"),
        (tool({"x": {}}), tool({}), "tool a: argument x is gone"),
        (tool({}), tool({"x": {}}, ["x"]), "tool a: argument x is new and required"),
        (tool({"x": {}}), tool({"x": {}}, ["x"]), "tool a: argument x is now required"),
        (
            tool({"x": {"type": "string"}}),
            tool({"x": {"type": "integer"}}),
            "tool a: argument x is of type integer instead of string",
        ),
        (
            tool({"x": {"enum": ["a", "b"]}}),
            tool({"x": {"enum": ["a"]}}),
            "tool a: argument x may not be 'b' any more",
        ),
        (
            tool({"x": {"type": "object", "properties": {"y": {}}}}),
            tool({"x": {"type": "object", "properties": {}}}),
            "tool a: argument x y is gone",
        ),
        (
            tool({}, outputSchema={"properties": {"n": {}}, "required": ["n"]}),
            tool({}, outputSchema={"properties": {"n": {}}}),
            "tool a: result n may be missing now",
        ),
        (tool({}, outputSchema={"type": "object"}), tool({}), "tool a: result has no schema any more"),
    ],
)
def test_what_a_caller_relied_on_may_not_go(before: Any, after: Any, said: str) -> None:
    new = of_tools(a=after) if after is not None else of_tools()
    assert breaking(of_tools(a=before), new) == (said,)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (tool({}), tool({"x": {}})),
        (tool({"x": {"enum": ["a"]}}), tool({"x": {"enum": ["a", "b"]}})),
        (tool({"x": {}}, ["x"]), tool({"x": {}})),
        (tool({}, description="old"), tool({}, description="new")),
        (tool({}), tool({}, outputSchema={"type": "object"})),
    ],
)
def test_what_only_adds_does_not_break(before: Any, after: Any) -> None:
    assert not breaking(of_tools(a=before), of_tools(a=after))


def test_a_new_tool_is_additive() -> None:
    changes = compare(of_tools(), of_tools(a=tool({})))
    assert changes.additive == ("tool a is new",)
    assert not changes.breaking


def test_a_prompt_argument_that_becomes_required_breaks() -> None:
    old = Surface(prompts={"p": {"arguments": [{"name": "x"}]}})
    new = Surface(prompts={"p": {"arguments": [{"name": "x", "required": True}]}})
    assert breaking(old, new) == ("prompt p: argument x is now required",)
    assert breaking(old, Surface(prompts={"p": {}})) == ("prompt p: argument x is gone",)
