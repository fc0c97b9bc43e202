"""What the daemon asks the harness's program: one JSON document on its stdin, and one line back on its stdout.

Above: `orchestrator.upgrades` writes it, `orchestrator.rehearse` reads it.  Below: `harness.Job`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from orchestrator.domain.generation import Spec
from orchestrator.domain.rehearsal import Options
from orchestrator.rehearsal import suite
from orchestrator.settings import Upgrade
from orchestrator.supervision.process import Grace

if TYPE_CHECKING:
    from orchestrator.rehearsal.job import Job


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One rehearsal.  It holds the daemon's environment, so it is never written anywhere.

    Attributes:
        run: the run's id.
        state_dir: the daemon's state directory.
        worker_state: the worker's live state.
        old: the code in service.
        new: the code to be rehearsed.
        generation: number of the old code.
        options: what was asked for.
        settings: the section `upgrade`.
        suite: the suite's file, None to have one proposed.
        environ: the daemon's environment, and the mark that everything below carries.
        flags: page of the pinned flags.
        tools_socket: where the process in service is asked.
        grace: how processes are stopped.
        start_timeout: seconds one has for its handshake.
        key: of this installation, for redaction; hexadecimal.
    """

    run: str
    state_dir: str
    worker_state: str
    old: Spec
    new: Spec
    generation: int
    options: Options
    settings: dict[str, Any]
    suite: str | None
    environ: dict[str, str]
    flags: str | None
    tools_socket: str | None
    grace: Grace
    start_timeout: float
    key: str

    def job(self) -> Job:
        """Return the harness's own form of it.

        Raises:
            SuiteError: the suite's file cannot be used.
        """
        from orchestrator.rehearsal.job import Job  # noqa: PLC0415 - the daemon only writes requests, and starts sooner

        return Job(
            run=self.run,
            state_dir=Path(self.state_dir),
            worker_state=Path(self.worker_state),
            old=self.old,
            new=self.new,
            generation=self.generation,
            options=self.options,
            settings=Upgrade.model_validate(self.settings),
            suite=None if self.suite is None else suite.read(Path(self.suite)),
            environ=self.environ,
            flags=None if self.flags is None else Path(self.flags),
            tools_socket=None if self.tools_socket is None else Path(self.tools_socket),
            grace=self.grace,
            start_timeout=self.start_timeout,
        )


class Begun(msgspec.Struct, frozen=True):
    """The program's first and only line: it has begun, or why not.

    Attributes:
        refused: why it does not begin; "" when it does.
    """

    refused: str = ""
