"""A rollout on the command line: begun, and followed to its end in lines.

Above: the verbs `upgrade` and `retry`.  Below: `control`, `rehearsing` for the progress of its rehearsal.
"""

from __future__ import annotations

import shutil
import sys
import threading
import time
from pathlib import Path
from typing import Any, Final

import click

from orchestrator.api.rollouts.shown import HappenedShown, RolloutNow, RolloutShown
from orchestrator.cli import rehearsing
from orchestrator.cli.control import ask
from orchestrator.cli.errors import FailedError, UnreachableError
from orchestrator.cli.flags.ask import understood
from orchestrator.cli.rollout_view import brief
from orchestrator.cli.terminal import YELLOW, has_colours, is_terminal, paint, safe, show
from orchestrator.settings import Paths
from orchestrator.settings.small_file import is_there

ROLLOUT: Final = "/v1/rollout"
LOOK_EVERY: Final = 0.5
"""Seconds between two looks."""
INTERRUPTED: Final = 130
"""Exit status of who was ended by Ctrl-C (128 + SIGINT): how the rollout ends is not known."""
LAST_LOOKS: Final = 4
"""Looks after the end at the most: a step takes effect a moment before it is told."""
LINE: Final = "\r\x1b[K"
"""Back to the line's beginning, and empty it."""


def plan_named(plan: str | None) -> str | None:
    """Return a plan as the daemon is told of it: a file by its absolute path."""
    if plan is None or not ("/" in plan or "." in plan or is_there(Path(plan))):
        return plan
    return str(Path(plan).absolute())


def begin(paths: Paths, path: str, body: dict[str, Any]) -> str:
    """Have a rollout begun, print what was done and what about its plan is odd; return its id."""
    answer = ask(paths, "POST", path, body)
    for warning in answer.get("warnings", ()):
        click.echo(f"{paint('warning', YELLOW, colour=has_colours(sys.stderr))}: {safe(str(warning))}", err=True)
    show(str(answer["message"]))
    return str(answer["id"])


def follow(paths: Paths, run: str) -> int:
    """Print what happens until a rollout is over; Ctrl-C only stops the printing.

    Returns:
        0 it is done, 1 it went back (the cause is on stderr), 130 after Ctrl-C.
    """
    following = _Following(paths, run)
    try:
        while (over := following.look()) is None:
            following.pause()
    except KeyboardInterrupt:
        following.clear()
        click.echo(f"no longer followed; it goes on: switchover upgrade --follow {run}", err=True)
        return INTERRUPTED
    following.clear()
    if over.phase == "done":
        return 0
    cause = over.cause.words if over.cause is not None else over.where
    show(f"switchover: rollout {run} went back: {cause}; see: switchover why {run}", err=True)
    return 1


class _Following:
    """What was printed of a rollout so far."""

    def __init__(self, paths: Paths, run: str) -> None:
        self._paths = paths
        self._run = run
        self._after = 0
        self._rehearsed = 0
        self._gone = False
        self._told: set[str] = set()
        self._ends = 0
        self._line = ""
        self._wait = threading.Event()

    def look(self) -> RolloutShown | None:
        """Print what is new; return the rollout once it is over."""
        try:
            now = understood(RolloutNow, ask(self._paths, "GET", f"{ROLLOUT}?after={self._after}"))
        except UnreachableError as error:
            if not self._gone:
                show(f"{error.message}; looking for it again", err=True)
            self._gone = True
            return None
        self._gone = False
        for event in now.events:
            self._after = max(self._after, event.n)
            if event.rollout == self._run:
                self._tell(event)
        if now.rollout is None or now.rollout.id != self._run:
            return understood(RolloutShown, ask(self._paths, "GET", f"{ROLLOUT}/why?rollout={self._run}")["rollout"])
        if now.rollout.phase == "rehearsing":
            self._rehearsal()
        self._status(now.rollout)
        return now.rollout if now.rollout.over and self._is_told(now.rollout) else None

    def pause(self) -> None:
        """Wait for a moment."""
        self._wait.wait(LOOK_EVERY)

    def clear(self) -> None:
        """Leave no half line behind."""
        if self._line:
            click.echo(LINE, nl=False)
        self._line = ""

    def _is_told(self, over: RolloutShown) -> bool:
        """Say whether the end was printed, or has been waited for long enough."""
        self._ends += 1
        return over.where in self._told or self._ends > LAST_LOOKS

    def _tell(self, event: HappenedShown) -> None:
        self.clear()
        self._told.update(event.words)
        moment = time.strftime("%H:%M:%S", time.localtime(event.at))
        for words in event.words:
            show(f"{moment}  {words}")

    def _rehearsal(self) -> None:
        """Print how far the rehearsal is; before it has begun there is nothing to ask about."""
        try:
            self._rehearsed, _ = rehearsing.progress(self._paths, self._run, self._rehearsed)
        except FailedError:
            return

    def _status(self, rollout: RolloutShown) -> None:
        """Show one line that is written over, where a person looks on."""
        if not is_terminal(sys.stdout) or rollout.over:
            return
        self._line = safe(brief(rollout))[: shutil.get_terminal_size().columns - 1]
        click.echo(LINE + self._line, nl=False)
