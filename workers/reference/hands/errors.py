"""What the hands say when they will not or cannot do something.

Above it stand all other files of this room and the tools; below it nothing.
"""

from __future__ import annotations


class HandError(Exception):
    """The work was refused or failed; the message says why and what to do."""


class RefusedCommandError(HandError):
    """The gates do not let a command through.

    Attributes:
        reason: the class of the refusal, one word, the same in both modes.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
