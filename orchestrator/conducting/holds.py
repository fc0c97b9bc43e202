"""Asks a hold's command, webhook or the comparison of states again and again until it agrees.

A command agrees with exit status 0, a webhook with any 2xx, the comparison once the states have been the same for long
enough.  What it says otherwise is logged and kept for whoever asks, and it is asked again.  Above: `conductor`.  Below:
processes, HTTP, `equal_states`.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

import anyio
from anyio.abc import Process, TaskGroup

from orchestrator.conducting.equal_states import EqualStates
from orchestrator.domain.plans.steps import Hold, HoldKind
from orchestrator.domain.ports import Clock
from orchestrator.domain.rollouts import events as ev
from orchestrator.domain.rollouts.asked import Asked, Question, question
from orchestrator.domain.rollouts.effects import hold_of
from orchestrator.domain.rollouts.state import Rollout, State
from orchestrator.telemetry.clock import SystemClock
from orchestrator.telemetry.logging import get_logger

log = get_logger("rollout")

SHOWN: Final = 300
"""Characters of an answer that are logged and told."""

Asks = Callable[[str, Hold], Awaitable[str | None]]
"""Asks once; returns None when it agrees, else why not."""


class Holds:
    """Asks one hold at a time."""

    def __init__(
        self,
        tasks: TaskGroup,
        post: Callable[[ev.Event], None],
        environ: Mapping[str, str],
        *,
        states: EqualStates | None = None,
        state: Callable[[], State] = State,
        clock: Clock | None = None,
        asks: Mapping[HoldKind, Asks] | None = None,
    ) -> None:
        """Build it.

        Args:
            tasks: where it is asked.
            post: tells the engine.
            environ: the environment of commands.
            states: knows for how long the states of both versions have been the same; None where nobody compares them.
            state: the machine's, for what is asked.
            clock: whose `wall` says when something was answered.
            asks: how each kind is asked; the real ways by default.
        """
        self._tasks = tasks
        self._post = post
        self._environ = environ
        self._states = states or EqualStates()
        self._state = state
        self._clock = clock or SystemClock()
        self._asks = asks or {
            HoldKind.COMMAND: self._run,
            HoldKind.WEBHOOK: self._call,
            HoldKind.PARITY: self._states.ask,
        }
        self._scope: anyio.CancelScope | None = None
        self._asked: tuple[str, Hold] | None = None
        self._answered: tuple[tuple[str, Hold], Asked] | None = None

    def answered(self, rollout: Rollout) -> Asked | None:
        """Return what the hold that a rollout waits at was answered last, None before it was."""
        known, hold = self._answered, hold_of(rollout)
        return known[1] if known is not None and hold is not None and known[0] == (rollout.id, hold) else None

    def ask(self, rollout: str, hold: Hold | None) -> None:
        """Ask a hold from now on, and no other; None: ask none."""
        wanted = None if hold is None else (rollout, hold)
        if wanted == self._asked:
            return
        if self._scope is not None:
            self._scope.cancel()
        self._asked, self._scope = wanted, None
        if wanted is not None:
            self._scope = anyio.CancelScope()
            self._tasks.start_soon(self._until_agreed, *wanted, self._scope)

    def settle(self) -> None:
        """Have ended what a hold of a rollout that is over began."""
        if self._states.is_owed_an_end():
            self._tasks.start_soon(self._states.settle)

    async def _until_agreed(self, rollout: str, hold: Hold, scope: anyio.CancelScope) -> None:
        with scope:
            while True:
                reason = await self._once(rollout, hold)
                if reason is None:
                    break
                self._note((rollout, hold), reason)
                log.info("hold does not agree yet", rollout=rollout, kind=hold.kind.value, reason=reason)
                await anyio.sleep(hold.every)
            self._asked = None
            self._post(ev.HoldAgreed(rollout, f"the {hold.kind.value} agreed", hold))

    async def _once(self, rollout: str, hold: Hold) -> str | None:
        """Ask once; an error nobody foresaw is no agreement, and ends the daemon even less."""
        try:
            return await self._asks[hold.kind](rollout, hold)
        except Exception as error:
            log.exception("hold could not be asked", rollout=rollout, kind=hold.kind.value)
            return f"it could not be asked: {error!r}"

    def _note(self, asked: tuple[str, Hold], answer: str) -> None:
        """Keep what was answered, and count: a hold that goes on after a pause is the same one."""
        before = self._answered
        times = before[1].times + 1 if before is not None and before[0] == asked else 1
        self._answered = asked, Asked(answer, self._clock.wall(), times)

    def _question(self, rollout: str, hold: Hold) -> Question | None:
        """Return what is asked, None when the rollout has gone on meanwhile and nobody hears the answer."""
        now = self._state()
        live = now.rollout
        return question(live, hold, now.table) if live is not None and live.id == rollout else None

    async def _run(self, rollout: str, hold: Hold) -> str | None:
        """Run the command once."""
        asked = self._question(rollout, hold)
        told = asked.environment() if asked is not None else {"SWITCHOVER_ROLLOUT": rollout}
        try:
            with anyio.fail_after(hold.timeout):
                status, output = await _end_of(hold.command, {**self._environ, **told})
        except TimeoutError:
            return f"it took longer than {hold.timeout:g} s"
        except OSError as error:
            return f"it cannot be run: {error.strerror or error}"
        said = output.decode(errors="replace").strip()[-SHOWN:]
        return None if status == 0 else f"exit status {status}: {said}"

    async def _call(self, rollout: str, hold: Hold) -> str | None:
        """Ask the webhook once."""
        import httpx  # noqa: PLC0415 - it takes a while to load, and few plans have a webhook

        asked = self._question(rollout, hold)
        body = asked.body() if asked is not None else {"event": "rollout.hold", "rollout": rollout, "say": hold.say}
        try:
            async with httpx.AsyncClient(timeout=hold.timeout) as client:
                answer = await client.post(hold.url, json=body)
        except httpx.HTTPError as error:
            return f"it cannot be reached: {str(error) or type(error).__name__}"
        return None if answer.is_success else f"HTTP {answer.status_code}: {answer.text[:SHOWN]}"


async def _end_of(command: Sequence[str], environment: Mapping[str, str]) -> tuple[int, bytes]:
    """Run a command in a group of its own; return its exit status and its output once nobody writes to that any more.

    Cancelled, it takes along what the command started.

    Raises:
        OSError: it cannot be run.
    """
    process = await anyio.open_process(
        command, stdin=subprocess.DEVNULL, stderr=subprocess.STDOUT, env=environment, start_new_session=True
    )
    async with process:
        try:
            assert process.stdout is not None  # noqa: S101 - a pipe, by default
            output = b"".join([chunk async for chunk in process.stdout])
            return await process.wait(), output
        except BaseException:
            _kill_group(process)
            raise


def _kill_group(process: Process) -> None:
    """End a command and what it started; its number is its group's, and stays taken while one of them lives."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
