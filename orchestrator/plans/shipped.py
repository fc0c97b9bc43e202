"""The plans that come with the daemon, and how a plan is named: by one of theirs, or by its file.

Above: the verbs.  Below: `plan_file`.
"""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Final

from orchestrator.plans.plan_file import PlanError, PlanFile, read_plan
from orchestrator.settings.small_file import is_there

HERE: Final = Path(__file__).parent
SHIPPED: Final = ("default", "planner", "engine", "quick", "flag-only")
"""In the order in which a person meets them."""

SHORT: Final = 60
"""Characters of a name that is none which are told."""


def path_of(name: str) -> Path:
    """Return the file of a shipped plan."""
    return HERE / f"{name}.toml"


def find_plan(named: str) -> PlanFile:
    """Read a plan by the name of a shipped one or by its file; a name with a dot or a slash is a file.

    Raises:
        PlanError: there is no such plan, or it cannot be used; the message says why.
    """
    if named in SHIPPED:
        return read_plan(path_of(named))
    if "\0" not in named and ("." in named or "/" in named or is_there(Path(named))):
        return read_plan(Path(named))
    guess = difflib.get_close_matches(named, SHIPPED, n=1)
    others = f"shipped: {', '.join(SHIPPED)}; or name a file, such as ./{_short(named) or 'mine'}.toml"
    hint = f"did you mean {guess[0]}?" if guess else others
    raise PlanError(f"there is no plan {_short(named)!r}; {hint}")


def _short(named: str) -> str:
    return named if len(named) <= SHORT else f"{named[:SHORT]}..."
