"""What a tool may touch outside the task store, and that a dry run may not.

Above it stand the tools, below it nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


class DryRunError(Exception):
    """The call would have an effect outside the private state, and this process is a dry run."""


@dataclass(frozen=True, slots=True)
class World:
    """Where the process may work.

    Attributes:
        work_tree: the directory that the tools work in.
        state_dir: its own state: live, or a private copy that may be written.
        dry_run: whether nothing may have an effect outside `state_dir`.
    """

    work_tree: Path
    state_dir: Path
    dry_run: bool

    def allow(self, tool: str, effect: str, place: Path) -> None:
        """Let an effect happen at `place`.

        Args:
            tool: the tool's name.
            effect: what it is about to do, for instance "running tests".
            place: the directory in which that has an effect.

        Raises:
            DryRunError: this is a dry run, and the place is not in its private state.
        """
        if self.dry_run and not place.resolve().is_relative_to(self.state_dir.resolve()):
            raise DryRunError(
                f"{tool} is refused: this process is a dry run and {effect} in {place} may have effects outside its "
                f"private state {self.state_dir}; call a worker whose role is serving"
            )
