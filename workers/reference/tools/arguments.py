"""The arguments that several tools take, with their limits; all limits are sanity bounds, not measured ones.

Types are strict: `true` is no number, "5" is none, and "yes" is no truth.  Whoever sends them means something else.

Above it stand the tools, below it nothing.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

_LARGEST = 2**53 - 1  # the largest whole number that every JSON reader keeps exactly

TaskNumber = Annotated[int, Field(strict=True, ge=1, le=_LARGEST, description="Number of the task.")]
"""A task's number; whether there is such a task is for the store to say."""

AgentName = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$", description="The agent's name: letters, digits, . _ @ -"),
]
"""What an agent calls itself."""

Line = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True, min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f\x85\u2028\u2029]+$"
    ),
]
"""One line of text for people: no line ends, no control characters."""

Text = Annotated[str, StringConstraints(strip_whitespace=True, max_length=10_000)]
"""Text for people, any number of lines."""

Priority = Annotated[int, Field(strict=True, ge=0, le=100, description="0 (some day) to 100 (now).")]
Minutes = Annotated[int, Field(strict=True, ge=1, le=10_080, description="Expected work, minutes; at most a week.")]
Dependencies = Annotated[list[TaskNumber], Field(max_length=50, description="Numbers of tasks to be done before.")]
Points = Annotated[int, Field(strict=True, ge=0, le=20, description="0 to 20, relative to other tasks.")]
"""One part of what delay costs: SAFe's scale."""
Size = Annotated[
    int, Field(strict=True, ge=1, le=100, description="How long it blocks the way, relative to other tasks.")
]
Files = Annotated[
    list[Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=r"^[^\x00\r\n]+$")]],
    Field(max_length=50, description="The files it is about, most important first."),
]
Kinds = Annotated[list[Line], Field(max_length=10, description="Kinds of evidence that its report must have.")]

Truth = Annotated[bool, Field(strict=True)]

Amount = Annotated[float, Field(strict=True, ge=0, le=1e12, allow_inf_nan=False)]
"""Money, time or a count; a sanity bound only."""
