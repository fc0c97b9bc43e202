"""Each verb once: from the words of a person, a client or a signal to an event, and to an answer in words."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import anyio

from orchestrator.domain.errors import SwitchoverError
from orchestrator.domain.generation import Spec
from orchestrator.domain.rollouts import events as ev
from orchestrator.domain.rollouts.rollout import State
from orchestrator.engine.driver import Answer, Driver
from orchestrator.supervision.fingerprint import fingerprint


class RefusedError(SwitchoverError):
    """A verb was refused; the message is the reason."""


@dataclass(frozen=True, slots=True)
class Told:
    """A verb that was done: the routing revision now in force and what was done, in words."""

    revision: int
    message: str


class Verbs:
    """The verbs, for the control API and the signals alike.

    Attributes:
        brakes: how often the kill switch was asked for, also where it was on already.
    """

    def __init__(self, driver: Driver, default_source: Path | None = None) -> None:
        """Build the verbs; `default_source` is `worker.source` of the configuration."""
        self._driver = driver
        self._default_source = default_source
        self.brakes = 0

    async def canary(
        self,
        command: tuple[str, ...],
        *,
        cwd: str | None = None,
        env: Mapping[str, str] | None = None,
        source: str | None = None,
        replace: bool = False,
        allow_breaking: bool = False,
        actor: str,
        reason: str = "",
    ) -> Told:
        """Start a canary and wait until it is ready.

        Raises:
            RefusedError: it was refused, or did not become ready; the active generation was not touched.
        """
        spec = await self.spec(command, cwd, env or {}, source)
        event = ev.CanaryAsked(
            spec=spec,
            salt=secrets.token_hex(8),
            replace=replace,
            allow_breaking=allow_breaking,
            actor=actor,
            reason=reason,
        )
        state = (await self._ask(event)).state
        number = state.candidate
        if number is None:
            raise AssertionError("an accepted canary is a candidate")
        trouble = await self._driver.started(number)
        if trouble is not None:
            raise RefusedError(f"generation {number} did not become a canary: {trouble}")
        return self._told(f"generation {number} is the canary, with weight 0")

    async def drop_canary(self, *, actor: str, reason: str = "") -> Told:
        """Stop the canary, or the start of one."""
        before = self._driver.state
        number = before.candidate if before.candidate is not None else before.table.canary
        await self._ask(ev.CanaryDropAsked(actor=actor, reason=reason))
        return self._told(f"generation {number} is drained and stopped")

    async def switch(self, *, actor: str, reason: str = "") -> Told:
        """Move all traffic to the canary."""
        state = (await self._ask(ev.SwitchAsked(actor=actor, reason=reason))).state
        return self._told(f"generation {state.table.active} is active, generation {state.table.previous} stays warm")

    async def switch_back(self, *, actor: str, reason: str = "") -> Told:
        """Move all traffic back to the previous generation."""
        dropped = self._driver.state.table.canary
        state = (await self._ask(ev.SwitchBackAsked(actor=actor, reason=reason))).state
        told = f"generation {state.table.active} is active again, generation {state.table.canary} is the canary"
        return self._told(told if dropped is None else f"{told}; generation {dropped} is drained and stopped")

    async def weight(self, weight: int, *, actor: str, reason: str = "") -> Told:
        """Send a share of assignment keys to the canary."""
        state = (await self._ask(ev.WeightAsked(weight=weight, actor=actor, reason=reason))).state
        told = f"{weight} % of assignment keys go to generation {state.table.canary}"
        return self._told(f"{told}{_stopped(state)}")

    async def kill_switch(self, *, on: bool, actor: str, reason: str = "") -> Told:
        """Turn the kill switch on or off."""
        self.brakes += on
        state = (await self._ask(ev.KillSwitchAsked(on=on, actor=actor, reason=reason))).state
        told = f"the kill switch is on: {_where(state)}" if on else "the kill switch is off"
        return self._told(f"{told}{_stopped(state)}")

    async def spec(self, command: tuple[str, ...], cwd: str | None, env: Mapping[str, str], source: str | None) -> Spec:
        """Describe a generation: absolute places, and the fingerprint of what it is made of now."""
        place = cwd if cwd is not None else os.getcwd()  # noqa: PTH109 - no I/O worth a thread
        if not Path(place).is_absolute():
            raise RefusedError(f"cwd {place!r} is not an absolute path")
        root = source if source is not None else (str(self._default_source) if self._default_source else None)
        if root is not None and not await anyio.Path(root).is_dir():
            raise RefusedError(f"the source {root} is not a directory")
        path = env.get("PATH", os.environ.get("PATH"))
        digest = await anyio.to_thread.run_sync(fingerprint, command, place, path, root)
        return Spec(command=command, cwd=place, env=dict(env), fingerprint=digest, source=root)

    async def _ask(self, event: ev.Event) -> Answer:
        answer = await self._driver.submit(event)
        if not answer.accepted:
            raise RefusedError(answer.reason)
        return answer

    def _told(self, message: str) -> Told:
        trouble = self._driver.trouble
        return Told(self._driver.state.table.revision, f"{message}; but {trouble}" if trouble else message)


def _stopped(state: State) -> str:
    """Say that a rollout waits for a person, "" where none does: whoever moves traffic by hand stops its clock."""
    rollout = state.rollout
    if rollout is None or rollout.is_over or rollout.paused is None:
        return ""
    return f"; rollout {rollout.id} is paused, and goes on with: switchover resume"


def _where(state: State) -> str:
    table = state.table
    if table.previous is not None and table.previous_warm:
        return f"all traffic goes to generation {table.previous} (previous)"
    return f"all traffic goes to generation {table.active} (active)"
