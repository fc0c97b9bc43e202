"""A rehearsal that is to be run, as a value: what is rehearsed, beside what, and with what.

Above: `harness` runs it, `report` tells of it, `request` carries it to the program that does.  Below: `suite`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from orchestrator.domain.generation import Spec
from orchestrator.domain.rehearsal import Options
from orchestrator.rehearsal.suite import Suite
from orchestrator.settings import Upgrade
from orchestrator.supervision.process import Grace


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be rehearsed, and with what.

    Attributes:
        run: the run's id.
        state_dir: the daemon's state directory.
        worker_state: the worker's live state.
        old: the code in service.
        new: the code to be rehearsed.
        generation: number of the old code.
        options: what was asked for.
        settings: how it is built, tested and asked.
        suite: the calls; None to have them proposed.
        environ: the daemon's environment.
        flags: page of the pinned flags.
        tools_socket: where the process in service is asked.
        grace: how processes are stopped.
        start_timeout: seconds one has for its handshake.
    """

    run: str
    state_dir: Path
    worker_state: Path
    old: Spec
    new: Spec
    generation: int
    options: Options
    settings: Upgrade
    suite: Suite | None
    environ: dict[str, str]
    flags: Path | None
    tools_socket: Path | None
    grace: Grace
    start_timeout: float

    @property
    def source(self) -> Path | None:
        """The directory of the new code, None for none."""
        return None if self.new.source is None else Path(self.new.source)
