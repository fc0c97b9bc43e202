"""A suite for a server nobody wrote one for: its tools that only read, with arguments made from their schemas.  Pure.

Above: `shadow_run`.  Below: `suite`.  Arguments are the least that a schema accepts, so that answers stay small and
repeatable: a default, a constant, the first of an enumeration, an example, else the smallest value of the type.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from orchestrator.rehearsal.suite import Case, Suite, named

MOST_DEPTH: Final = 8
FORMATS: Final[Mapping[str, str]] = {
    "date": "2026-01-01", "date-time": "2026-01-01T00:00:00Z", "time": "00:00:00Z", "email": "a@example.org",
    "uri": "https://example.org/", "uuid": "00000000-0000-4000-8000-000000000000", "ipv4": "192.0.2.1",
    "hostname": "example.org",
}  # fmt: skip
"""Examples of JSON schema's formats; the names and addresses are reserved for examples (RFC 2606, RFC 5737)."""
TRIED: Final = ("a", "1", "A", "aa", "a1", "2026-01-01", "/", ".", "a/b", "UTC", "1.0", "http://example.org")
"""Texts tried against a pattern."""
NAMED: Final[Mapping[str, Any]] = {"timezone": "UTC", "tz": "UTC", "path": ".", "repo_path": ".", "url": FORMATS["uri"]}
"""What a text is likely to be by its name."""

REFERENCE_TOOLS: Final = frozenset({
    "health", "plan", "report_mo", "dispatch", "verify", "plan_next", "orchestrator_status", "autopilot_status",
})  # fmt: skip
"""The tools by which the reference worker is known."""
TASK: Final = "${dispatch.structuredContent.task.id}"
AGENT: Final = "rehearsal"


class NoValueError(Exception):
    """No value can be made for a schema; the message says why."""


def propose(tools: Sequence[Any], *, network: bool) -> Suite | None:
    """Return a suite for a server's tools, None when none of them can be called.

    Args:
        tools: as the server lists them.
        network: whether rehearsed processes may use it; else tools of the open world are left out.
    """
    known = {tool["name"]: tool for tool in tools if isinstance(tool, dict) and isinstance(tool.get("name"), str)}
    if known.keys() >= REFERENCE_TOOLS:
        return reference()
    cases: list[Case] = []
    left_out: dict[str, str] = {}
    for name, tool in known.items():
        reason = _unfit(tool, network=network)
        if reason is None:
            try:
                cases += _cases(name, tool)
            except NoValueError as error:
                reason = str(error)
        if reason is not None:
            left_out[name] = reason
    if not cases:
        return None
    return named(Suite(call=cases, origin="proposed from the server's list of tools", left_out=left_out))


def reference() -> Suite:
    """Return the suite of the reference worker: every tool of its daily round, once each, twice where it changes."""
    evidence = [{"kind": "test", "passed": True, "detail": "rehearsed"}]
    calls = [
        Case(tool="health"),
        Case(tool="plan_next", arguments={"limit": 5}),
        Case(tool="orchestrator_status"),
        Case(tool="autopilot_status"),
        Case(tool="plan", arguments={"title": "rehearsal", "priority": 100}),
        Case(tool="dispatch", arguments={"agent": AGENT}),
        Case(tool="report_mo", arguments={"task_id": TASK, "agent": AGENT, "evidence": evidence}),
        Case(tool="verify", arguments={"task_id": TASK}),
        Case(tool="plan_next", arguments={"limit": 5, "everything": True}),
        Case(tool="orchestrator_status"),
        Case(tool="autopilot_status"),
    ]
    return named(Suite(call=calls, origin="the reference worker's own"))


def _unfit(tool: Mapping[str, Any], *, network: bool) -> str | None:
    hints = tool.get("annotations")
    hints = hints if isinstance(hints, dict) else {}
    if hints.get("readOnlyHint") is not True:
        return "it does not say that it only reads (readOnlyHint)"
    if hints.get("openWorldHint") is True and not network:
        return "it reaches out of this machine (openWorldHint), which upgrade.allow_network does not allow"
    return None


def _cases(name: str, tool: Mapping[str, Any]) -> list[Case]:
    """Return a call with the least arguments and, where that is another one, with every optional one that is named."""
    schema = tool.get("inputSchema")
    schema = schema if isinstance(schema, dict) else {}
    least = _object(schema, schema, 0, everything=False)
    most = _object(schema, schema, 0, everything=True)
    return [Case(tool=name, arguments=one) for one in ([least] if most == least else [least, most])]


def _object(schema: Mapping[str, Any], root: Mapping[str, Any], depth: int, *, everything: bool) -> dict[str, Any]:
    properties = schema.get("properties")
    required = schema.get("required", [])
    made = {}
    for name, inner in (properties if isinstance(properties, dict) else {}).items():
        if name in required:
            made[name] = value(inner, root, depth + 1, name)
        elif everything and isinstance(inner, dict) and (inner.get("enum") or inner.get("examples")):
            made[name] = inner["examples"][0] if inner.get("examples") else inner["enum"][-1]
    return made


def value(schema: Any, root: Mapping[str, Any], depth: int = 0, name: str = "") -> Any:
    """Return the least value that a JSON schema accepts.

    Args:
        schema: the schema.
        root: the document that `$ref` is looked up in.
        depth: how deep it is nested.
        name: of the member it is for.

    Raises:
        NoValueError: none can be made.
    """
    if not isinstance(schema, dict):
        return "a"
    if depth > MOST_DEPTH:
        raise NoValueError(f"the schema of {name!r} is nested too deep")
    for key in ("const", "default"):
        if schema.get(key) is not None:
            return schema[key]
    for key in ("examples", "enum"):
        if isinstance(schema.get(key), list) and schema[key]:
            return schema[key][0]
    if isinstance(schema.get("$ref"), str):
        return value(_referred(schema["$ref"], root), root, depth + 1, name)
    for key in ("anyOf", "oneOf", "allOf"):
        if isinstance(schema.get(key), list) and schema[key]:
            return value(schema[key][0], root, depth + 1, name)
    return _typed(schema, root, depth, name)


def _typed(schema: Mapping[str, Any], root: Mapping[str, Any], depth: int, name: str) -> Any:
    kind = schema.get("type", "string")
    kind = kind[0] if isinstance(kind, list) and kind else kind
    makers: dict[str, Callable[[], Any]] = {
        "string": lambda: _text(schema, name),
        "integer": lambda: _integer(schema),
        "number": lambda: schema.get("minimum", 1),
        "boolean": lambda: False,
        "null": lambda: None,
        "array": lambda: [value(schema.get("items"), root, depth + 1, name)] * schema.get("minItems", 0),
        "object": lambda: _object(schema, root, depth, everything=False),
    }
    if kind not in makers:
        raise NoValueError(f"the schema of {name!r} has no type one knows")
    return makers[kind]()


def _integer(schema: Mapping[str, Any]) -> int:
    if "minimum" in schema:
        return int(schema["minimum"])
    if "exclusiveMinimum" in schema:
        return int(schema["exclusiveMinimum"]) + 1
    return min(1, int(schema.get("maximum", 1)))


def _text(schema: Mapping[str, Any], name: str) -> str:
    least, most = schema.get("minLength", 0), schema.get("maxLength", 1 << 20)
    likely = [FORMATS.get(schema.get("format", "")), NAMED.get(name), *TRIED]
    texts = [text if len(text) >= least else text * -(-least // len(text)) for text in likely if text]
    pattern = schema.get("pattern")
    for text in texts:
        if least <= len(text) <= most and (pattern is None or _matches(pattern, text)):
            return text
    raise NoValueError(f"no text for {name!r} is known that fits its schema; write a suite for it")


def _matches(pattern: str, text: str) -> bool:
    try:
        return re.search(pattern, text) is not None
    except re.error:
        return False


def _referred(reference: str, root: Mapping[str, Any]) -> Any:
    place: Any = root
    for part in reference.removeprefix("#/").split("/"):
        place = place.get(part) if isinstance(place, dict) else None
    if place is None:
        raise NoValueError(f"{reference} is not in the schema")
    return place
