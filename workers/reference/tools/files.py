"""The tools that read and write text files in the work tree.

Above it stands `server`, below it the hands.
"""

from __future__ import annotations

from typing import Annotated

from mcp.server.mcpserver.tools import Tool
from mcp.types import CallToolResult
from pydantic import Field

from workers.reference.hands.tree import Tree
from workers.reference.results import Result
from workers.reference.tools.toolbox import answer, reading, writing
from workers.reference.world import World

Path = Annotated[str, Field(description="Path of a file, relative to the work tree.")]


class FileRead(Result):
    """Answer of `fs_read`."""

    path: str
    size: int = Field(description="Bytes.")
    sha256: str
    content: str


class FileWritten(Result):
    """Answer of `fs_write`."""

    path: str
    size: int = Field(description="Bytes.")
    sha256: str
    created: bool = Field(description="Whether there was no such file before.")


class FileTools:
    """fs_read and fs_write."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._tree = Tree(world.work_tree)

    def tools(self) -> list[Tool]:
        """Return the tools for registration."""
        return [
            reading(self.fs_read, "Read a file"),
            writing(self.fs_write, "Write a file", idempotent=True, destructive=True),
        ]

    def fs_read(self, path: Path) -> Annotated[CallToolResult, FileRead]:
        """Read a UTF-8 text file of the work tree; links are not followed."""
        found = self._tree.read(path)
        return answer(FileRead(path=path, size=found.size, sha256=found.sha256, content=found.text))

    def fs_write(
        self, path: Path, content: Annotated[str, Field(description="What the file shall hold, all of it.")]
    ) -> Annotated[CallToolResult, FileWritten]:
        """Put a UTF-8 text file into the work tree, whole or not at all; missing folders are made."""
        self._world.allow("fs_write", "writing a file", self._world.work_tree)
        done = self._tree.write(path, content)
        return answer(FileWritten(path=path, size=done.size, sha256=done.sha256, created=done.created))
