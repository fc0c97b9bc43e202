"""The summary of the newest shadow comparison: one small file that the daemon's and the worker's status show.

Above: `artifacts` writes it, `api.report`, `orchestrator.upgrades` and the verbs read it.  Below: the file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import msgspec

SUMMARY: Final = Path("analytics", "upgrade_shadow.json")
"""Where it is, in the state directory."""

Count = Annotated[int, msgspec.Meta(ge=0)]


class SummaryError(Exception):
    """There is a summary and it cannot be read; the message says which file and why."""


class Summary(msgspec.Struct, frozen=True):
    """What the newest comparison came to.

    Attributes:
        count: differences that somebody has to look at.
        recorded_at: when, ISO 8601 in UTC.
        path: of the details, in the state directory.
        in_a_row: runs in a row, this one the last, that had such differences.
    """

    count: Count
    recorded_at: str
    path: str
    in_a_row: Count = 0

    @property
    def run(self) -> str:
        """The run's id."""
        return Path(self.path).parent.name


def read_summary(analytics: Path) -> Summary | None:
    """Return the summary in the directory `analytics`, None when nothing was compared yet.

    Raises:
        SummaryError: the file cannot be read, or says something else.
    """
    path = analytics / SUMMARY.name
    try:
        return msgspec.json.decode(path.read_bytes(), type=Summary)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SummaryError(f"{path} cannot be read: {error.strerror}") from error
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise SummaryError(f"{path} is no summary ({error}); the next rehearsal writes a new one") from error
