"""The hold that waits for equal states: has them compared if nobody does, and says how long they have been the same.

What a hold began ends with its rollout; what a person began is theirs.  Above: `holds`, `conductor`.  Below: whoever
follows the writes (`orchestrator.paritying`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

import anyio

from orchestrator.api.comparing.parity_models import ParityStatus
from orchestrator.api.verbs import RefusedError
from orchestrator.domain.generation import Spec
from orchestrator.domain.plans.steps import Hold
from orchestrator.domain.rollouts import events as ev
from orchestrator.domain.rollouts.state import State
from orchestrator.telemetry.logging import get_logger

log = get_logger("rollout")

UNITS: Final = ((3600.0, "h"), (60.0, "min"), (1.0, "s"))
NOBODY: Final = "nobody compares the states of the two versions"
NO_VERSION: Final = "there is no new version whose states could be compared"
GRACE: Final = 60.0
"""Seconds for beginning and for ending a comparison: it takes one, and what it began must not be left half done."""


class Compares(Protocol):
    """Who compares the two states."""

    def status(self) -> ParityStatus:
        """Say how they stand."""
        ...

    def clean_for(self, now: float) -> float:
        """Return for how many seconds they have been the same at a Unix time."""
        ...

    async def start(self, spec: Spec | None, actor: str) -> str:
        """Begin with this version; raise RefusedError where that cannot be."""
        ...

    async def stop(self, actor: str) -> str:
        """End; raise RefusedError where nothing is compared."""
        ...


class EqualStates:
    """Asks how long the states have been the same."""

    def __init__(
        self,
        compares: Compares | None = None,
        state: Callable[[], State] = State,
        now: Callable[[], float] = lambda: 0.0,
    ) -> None:
        """Build it.

        Args:
            compares: who compares them, None where nobody does.
            state: the machine's, for the version on trial.
            now: returns Unix seconds, of the clock that the comparison goes by.
        """
        self._compares = compares
        self._state = state
        self._now = now
        self._begun: str | None = None

    async def ask(self, rollout: str, hold: Hold) -> str | None:
        """Look once, and begin to compare if nobody did; return None when they have been the same for long enough."""
        compares, live = self._compares, self._state().rollout
        if compares is None:
            return NOBODY
        spec = live.spec if live is not None and live.id == rollout else None
        if spec is None:
            return NO_VERSION
        status = compares.status()
        if not status.on:
            return await self._begin(compares, rollout, spec)
        if status.command != list(spec.command):
            theirs = " ".join(status.command)
            return f"the states are compared with those of another program ({theirs}); end that: switchover parity stop"
        seconds, wanted = compares.clean_for(self._now()), hold.clean or 0.0
        return None if seconds >= wanted else f"{clean(seconds, wanted)}{_but(status)}"

    def is_owed_an_end(self) -> bool:
        """Tell whether a hold began to compare, and nobody waits for that any more: its rollout is over."""
        live = self._state().rollout
        return self._begun is not None and (live is None or live.id != self._begun or live.is_over)

    async def settle(self) -> None:
        """End what a hold began, once its rollout is over."""
        compares = self._compares
        if compares is None or not self.is_owed_an_end():
            return
        rollout, self._begun = self._begun, None
        parting = compares.status().parting
        with anyio.move_on_after(GRACE, shield=True):
            try:
                await compares.stop(ev.SYSTEM)
                log.info("states compared no more", rollout=rollout, parted=None if parting is None else parting.where)
            except RefusedError as error:  # somebody else ended it
                log.info("states were compared no more", rollout=rollout, reason=str(error))
            except Exception:  # a copy that cannot be removed is no reason for anything else to end
                log.exception("comparing states could not be ended", rollout=rollout)

    async def _begin(self, compares: Compares, rollout: str, spec: Spec) -> str:
        with anyio.move_on_after(GRACE, shield=True):
            try:
                told = await compares.start(spec, ev.SYSTEM)
            except RefusedError as error:
                return f"the states cannot be compared: {error}"
            self._begun = rollout
            log.info("states are compared from now on", rollout=rollout, command=list(spec.command))
            return told
        return f"the comparison of states did not begin within {GRACE:g} s"


def clean(seconds: float, wanted: float) -> str:
    """Say how much of a time is over; `3 h of 72 h` compares at a glance.

    Args:
        seconds: how long the states have been the same.
        wanted: how long they are to be.
    """
    (size, unit), (most, whole) = _unit(seconds), _unit(wanted)
    return f"clean for {seconds // size:g} {unit} of {wanted / most:g} {whole}"


def _but(status: ParityStatus) -> str:
    """Say what keeps them from being clean, or that they are being read."""
    return f": {status.reason}" if status.reason and status.clean_since is None else ""


def _unit(seconds: float) -> tuple[float, str]:
    """Return the largest unit that is not more than a time, hours at most."""
    return next((one for one in UNITS if seconds >= one[0]), UNITS[-1])
