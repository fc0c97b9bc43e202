"""`switchover call TOOL [JSON]`: one tool call from the shell."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Final, Never

import click

from orchestrator.cli.control import PATIENCE, paths_of
from orchestrator.cli.group import state_dir_option
from orchestrator.cli.mcp_client import Json, McpClient
from orchestrator.cli.terminal import show
from orchestrator.domain.protocol import KEY_META

STDIN: Final = "-"


@click.command("call")
@click.argument("tool")
@click.argument("arguments", metavar="[JSON]", default="{}")
@click.option("--key", help="Assignment key: calls with the same key go to the same generation.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=PATIENCE,
    show_default=True,
    help="Seconds to wait for the answer; the daemon's own limits.call_timeout may be shorter.",
)
@click.option("--raw", is_flag=True, help="Print the result as JSON on one line, as it came.")
@state_dir_option
def command(*, tool: str, arguments: str, key: str | None, timeout: float, raw: bool, state_dir: Path | None) -> None:
    """Call TOOL with a JSON object of arguments (`-` reads it from stdin) and print its result."""
    params: Json = {"name": tool, "arguments": parse(arguments)}
    if key is not None:
        params["_meta"] = {KEY_META: key}
    with McpClient(paths_of(state_dir).tools_socket, timeout) as client:
        result = client.request("tools/call", params)
    failed = result.get("isError") is True
    if raw:
        show(json.dumps(result, ensure_ascii=False))
    else:
        text = readable(result)
        if text or failed:
            show(text or f"{tool} failed and did not say why", err=failed)
    sys.exit(1 if failed else 0)


def parse(text: str) -> Json:
    """Return the arguments in a JSON text.

    Raises:
        click.UsageError: it is not JSON, with where it is not, or not an object.
    """
    try:
        # utf-8-sig, because some editors begin a file with a byte order mark
        text = sys.stdin.buffer.read().decode("utf-8-sig") if text == STDIN else text
        arguments = json.loads(text, parse_constant=_no_number)
    except json.JSONDecodeError as error:
        raise click.UsageError(
            f"the arguments are not JSON: {error.msg} at line {error.lineno}, column {error.colno}: {_around(error)}"
        ) from None
    except UnicodeDecodeError as error:
        raise click.UsageError(f"the arguments are not UTF-8: {error.reason} at byte {error.start}") from None
    except (ValueError, RecursionError) as error:  # a number of more digits than Python takes; brackets without end
        raise click.UsageError(f"the arguments cannot be read: {error}") from None
    if not isinstance(arguments, dict):
        raise click.UsageError(f'the arguments are not a JSON object such as {{"limit": 3}}: {text.strip()[:40]}')
    return arguments


def readable(result: Json) -> str:
    """Return a tool's result for people: texts as they are, everything else as indented JSON.

    Structured content is left out when a text says the same, as the protocol asks servers to do.
    """
    content = result.get("content")
    blocks = content if isinstance(content, list) else []
    texts = [block["text"] for block in blocks if _is_text(block)]
    parts = [block["text"] if _is_text(block) else _indented(block) for block in blocks]
    structured = result.get("structuredContent")
    if structured is not None and not _said(texts, structured):
        parts.append(_indented(structured))
    if not isinstance(content, list) and structured is None:
        parts.append(_indented({name: value for name, value in result.items() if name != "isError"}))
    return "\n".join(parts)


def _is_text(block: Any) -> bool:
    return isinstance(block, dict) and block.get("type") == "text" and isinstance(block.get("text"), str)


def _said(texts: list[str], structured: Any) -> bool:
    """Return whether texts are the structured content, or the value or list that an SDK has wrapped as `result`."""
    wrapped = isinstance(structured, dict) and structured.keys() == {"result"}
    inner = structured["result"] if wrapped else structured
    values = [_value(text) for text in texts]
    return structured in values or inner in values or inner in texts or inner in (values, texts)


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _indented(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def _no_number(constant: str) -> Never:
    raise click.UsageError(f"the arguments are not JSON: {constant} is no JSON number")


def _around(error: json.JSONDecodeError) -> str:
    """Quote the text from where it stops being JSON."""
    rest = error.doc[error.pos : error.pos + 20].splitlines()
    return repr(rest[0]) if rest and rest[0] else "the text ends there"
