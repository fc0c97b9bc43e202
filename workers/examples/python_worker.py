"""A worker that can be upgraded, on the official MCP SDK: it keeps notes.

    switchover serve -- python workers/examples/python_worker.py

It needs `mcp` and `switchover-kit` and runs without Switchover, too.  Each thing that it does for an upgrade is marked
with the step of docs/adopt.md that explains it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated, Any, Final

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import CallToolResult, TextContent, ToolAnnotations
from pydantic import BaseModel, Field
from switchover_kit import Drain, FeatureGates, environment, flags, metrics, subject, subject_of

SHORT: Final = 40
"""Characters of a note that are shown where PROMPT_MODE is compact."""

env = environment(state_dir="notes")  # step 2: what this process was started for
live = flags()  # step 4: the flags, as they are at each call
gates = FeatureGates(live)
drain = Drain()  # step 6: calls finish before the process ends
server = MCPServer("notes", version="1")


class Added(BaseModel):
    """Answer of `note_add`."""

    number: int


class Notes(BaseModel):
    """Answer of `notes`."""

    notes: list[str] = Field(description="Newest first.")
    generation: int = Field(description="The generation that answers; 0 without Switchover.")


class Exported(BaseModel):
    """Answer of `notes_export`."""

    path: str
    count: int


async def for_whom(ctx: Any, call_next: Callable[[Any], Awaitable[Any]]) -> Any:
    """Have flags answer for whoever the call is made for (step 4)."""
    with subject(subject_of(ctx.meta)):
        return await call_next(ctx)


server.middleware.append(for_whom)


@contextmanager
def store() -> Iterator[sqlite3.Connection]:
    """Run the block as one transaction: another generation may have the same file open."""
    env.state_dir.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(env.state_dir / "notes.db")) as connection, connection:
        connection.execute("CREATE TABLE IF NOT EXISTS note (number INTEGER PRIMARY KEY, text TEXT NOT NULL)")
        yield connection


def answer(result: BaseModel) -> CallToolResult:
    """Answer with a result, and report what is known of its cost (step 5)."""
    text = result.model_dump_json()
    return CallToolResult(
        content=[TextContent(type="text", text=text)],
        structured_content=result.model_dump(mode="json"),
        _meta=metrics(answer_bytes=len(text.encode())),  # tokens=, cost=, quality= where you know them
    )


@server.tool(annotations=ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=False))
@drain.counted
def note_add(text: Annotated[str, Field(min_length=1, max_length=1000)]) -> Annotated[CallToolResult, Added]:
    """Keep a note."""
    with store() as connection:
        number = connection.execute("INSERT INTO note (text) VALUES (?)", (text,)).lastrowid
    return answer(Added(number=number or 0))


@server.tool(annotations=ToolAnnotations(read_only_hint=True))  # step 1: it may be asked twice, and compared
@drain.counted
def notes(limit: Annotated[int, Field(ge=1, le=100)] = 10) -> Annotated[CallToolResult, Notes]:
    """Show the newest notes."""
    with store() as connection:
        found = connection.execute("SELECT text FROM note ORDER BY number DESC LIMIT ?", (limit,)).fetchall()
    length = SHORT if gates.is_compact_prompt_mode() else None  # step 4: a gate
    return answer(Notes(notes=[text[:length] for (text,) in found], generation=env.generation))


@server.tool(annotations=ToolAnnotations(read_only_hint=False, destructive_hint=True, idempotent_hint=True))
@drain.counted
def notes_export(path: Annotated[str, Field(description="An absolute path.")]) -> Annotated[CallToolResult, Exported]:
    """Write all notes into a file, one a line."""
    place = Path(path)
    if env.dry_run and not place.resolve().is_relative_to(env.state_dir.resolve()):  # step 3
        raise ToolError(f"notes_export is refused: this process is a dry run and {path} is outside {env.state_dir}")
    if not place.is_absolute() or not place.parent.is_dir():
        raise ToolError(f"notes_export cannot write {path!r}; give an absolute path in a directory that is there")
    with store() as connection:
        found = [text for (text,) in connection.execute("SELECT text FROM note ORDER BY number")]
    place.write_text("".join(f"{text}\n" for text in found))
    return answer(Exported(path=path, count=len(found)))


if __name__ == "__main__":
    drain.on_sigterm()
    server.run()  # until stdin closes
