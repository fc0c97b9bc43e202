"""The summary that the daemon's shadow comparison leaves behind, for `orchestrator_status`.

Above it stand the status tools, below it one JSON file that somebody else writes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from pydantic import ValidationError

from workers.reference.results import ShadowDiffs

SUMMARY: Final = Path("analytics", "upgrade_shadow.json")


class SummaryError(Exception):
    """There is a summary and it cannot be read; the message says which file and why."""


def shadow_diffs(state_dir: Path) -> ShadowDiffs | None:
    """Read the summary in `state_dir`, or in the directory around it where the daemon keeps its own.

    Returns:
        The summary, None when no comparison was ever made.

    Raises:
        SummaryError: the file cannot be read, or says something else.
    """
    for directory in (state_dir, state_dir.parent):
        path = directory / SUMMARY
        try:
            return ShadowDiffs.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            continue
        except OSError as error:
            raise SummaryError(f"{path} cannot be read: {error.strerror}") from error
        except ValidationError as error:
            problem = error.errors(include_url=False)[0]
            where = ".".join(str(part) for part in problem["loc"]) or "the file"
            raise SummaryError(f"{path} is no summary: {where}: {problem['msg']}") from error
    return None
