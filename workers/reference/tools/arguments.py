"""The arguments that several tools take, with their limits; all limits are sanity bounds, not measured ones.

Above it stand the tools, below it nothing.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

_LARGEST = 2**53 - 1  # the largest whole number that every JSON reader keeps exactly

TaskNumber = Annotated[int, Field(ge=1, le=_LARGEST, description="Number of the task.")]
"""A task's number; whether there is such a task is for the store to say."""

AgentName = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$", description="The agent's name: letters, digits, . _ @ -"),
]
"""What an agent calls itself."""

Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
"""One line of text for people."""
