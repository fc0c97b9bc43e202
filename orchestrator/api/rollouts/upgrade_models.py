"""What is said about rehearsals over `/v1/upgrade`.  Without FastAPI, so that the daemon starts without waiting for it.

Above: `upgrade` serves it, `orchestrator.upgrades` answers with it.  Below: pydantic.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from orchestrator.api.models import Absolute, Asking, Command, Text
from orchestrator.domain.rehearsal import Options

RUN_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"


class Asked(Asking):
    """Begin a rehearsal."""

    command: Command = Field(min_length=1, description="program and arguments of the new version")
    cwd: Absolute | None = Field(None, description="absolute working directory; the daemon's own by default")
    env: dict[Text, Text] = Field(default_factory=dict, description="variables on top of the daemon's own")
    source: Absolute | None = Field(None, description="directory of the new code, which is copied, built and tested")
    id: str | None = Field(None, description="the run's id; the time by default", pattern=RUN_PATTERN)
    suite: Absolute | None = Field(None, description="file with the calls (TOML)")
    allow_dirty: bool = Field(default=False, description="go on with changes that are not committed")
    skip_build: bool = Field(default=False, description="do not build")
    skip_tests: bool = Field(default=False, description="do not run the tests")
    keep_copy: bool = Field(default=False, description="leave copy and snapshots where they are")
    nightly: bool = Field(default=False, description="warnings do not change the exit status")
    planned: bool = Field(default=False, description="a rollout's plan says what is skipped")

    def options(self) -> Options:
        """Return what was asked for, as the harness takes it."""
        skipped = {"skip_build": self.skip_build, "skip_tests": self.skip_tests, "planned": self.planned}
        return Options(allow_dirty=self.allow_dirty, keep_copy=self.keep_copy, nightly=self.nightly, **skipped)


class Begun(BaseModel):
    """A rehearsal that has begun."""

    id: str
    message: str


class Progressed(BaseModel):
    """How far a rehearsal is."""

    id: str
    running: bool
    exit_code: int | None = Field(description="0 well, 4 with warnings, 1 failed; null while it runs")
    events: list[dict[str, Any]] = Field(description="what happened since: n, step, status, message, at")


class Cancelled(BaseModel):
    """A rehearsal that is being ended."""

    message: str
