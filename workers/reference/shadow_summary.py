"""The summary that the daemon's shadow comparison leaves behind, for `orchestrator_status`.

Above it stand the status tools, below it one JSON file that somebody else writes.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from workers.reference.results import ShadowDiffs

ANALYTICS: Final = "SWITCHOVER_ANALYTICS"
"""Variable that names the directory in which the daemon keeps what is for people and their tools."""
SUMMARY: Final = Path("analytics", "upgrade_shadow.json")


class SummaryError(Exception):
    """There is a summary and it cannot be read; the message says which file and why."""


def shadow_diffs(state_dir: Path, environ: Mapping[str, str] = os.environ) -> ShadowDiffs | None:
    """Read the summary where the daemon says that it is, else in `state_dir`, else in the directory around that.

    Args:
        state_dir: the worker's state; around it the daemon keeps its own, unless it was told otherwise.
        environ: the variables in which the daemon says where.

    Returns:
        The summary, None when no comparison was ever made.

    Raises:
        SummaryError: the file cannot be read, or says something else.
    """
    named = environ.get(ANALYTICS)
    for path in [Path(named) / SUMMARY.name] if named else [state_dir / SUMMARY, state_dir.parent / SUMMARY]:
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
