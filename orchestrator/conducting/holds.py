"""Asks a hold's command, webhook or the comparison of states again and again until it agrees.

A command agrees with exit status 0, a webhook with any 2xx, the comparison once the states have been the same for long
enough.  What it says otherwise is logged, and it is asked again.  Above: `conductor`.  Below: processes and HTTP.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

import anyio
from anyio.abc import TaskGroup

from orchestrator.domain.plans.steps import Hold, HoldKind
from orchestrator.domain.rollouts import events as ev
from orchestrator.telemetry.logging import get_logger

if TYPE_CHECKING:
    from collections.abc import Awaitable

log = get_logger("rollout")

SHOWN: Final = 300
"""Characters of an answer that are logged."""

UNITS: Final = ((3600.0, "h"), (60.0, "min"), (1.0, "s"))

Asks = Callable[[str, Hold], "Awaitable[str | None]"]
"""Asks once; returns None when it agrees, else why not."""


class Holds:
    """Asks one hold at a time."""

    def __init__(
        self,
        tasks: TaskGroup,
        post: Callable[[ev.Event], None],
        environ: Mapping[str, str],
        *,
        clean: Callable[[], float] | None = None,
        asks: Mapping[HoldKind, Asks] | None = None,
    ) -> None:
        """Build it.

        Args:
            tasks: where it is asked.
            post: tells the engine.
            environ: the environment of commands.
            clean: returns for how many seconds the states of both versions have been the same; None where nobody
                compares them.
            asks: how each kind is asked; the real ways by default.
        """
        self._tasks = tasks
        self._post = post
        self._environ = environ
        self._clean = clean
        self._asks = asks or {
            HoldKind.COMMAND: self._run,
            HoldKind.WEBHOOK: self._call,
            HoldKind.PARITY: self._look,
        }
        self._scope: anyio.CancelScope | None = None
        self._asked: tuple[str, Hold] | None = None

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

    async def _until_agreed(self, rollout: str, hold: Hold, scope: anyio.CancelScope) -> None:
        with scope:
            while True:
                reason = await self._asks[hold.kind](rollout, hold)
                if reason is None:
                    break
                log.info("hold does not agree yet", rollout=rollout, kind=hold.kind.value, reason=reason)
                await anyio.sleep(hold.every)
            self._asked = None
            self._post(ev.HoldAgreed(rollout, f"the {hold.kind.value} agreed", hold))

    async def _run(self, rollout: str, hold: Hold) -> str | None:
        """Run the command once."""
        try:
            with anyio.fail_after(hold.timeout):
                done = await anyio.run_process(
                    hold.command,
                    env={**self._environ, "SWITCHOVER_ROLLOUT": rollout},
                    stderr=subprocess.STDOUT,
                    check=False,
                    start_new_session=True,
                )
        except TimeoutError:
            return f"it took longer than {hold.timeout:g} s"
        except OSError as error:
            return f"it cannot be run: {error.strerror or error}"
        said = done.stdout.decode(errors="replace").strip()[-SHOWN:]
        return None if done.returncode == 0 else f"exit status {done.returncode}: {said}"

    async def _call(self, rollout: str, hold: Hold) -> str | None:
        """Ask the webhook once."""
        import httpx  # noqa: PLC0415 - it takes a while to load, and few plans have a webhook

        body = {"event": "rollout.hold", "rollout": rollout, "say": hold.say}
        try:
            async with httpx.AsyncClient(timeout=hold.timeout) as client:
                answer = await client.post(hold.url, json=body)
        except httpx.HTTPError as error:
            return f"it cannot be reached: {str(error) or type(error).__name__}"
        return None if answer.is_success else f"HTTP {answer.status_code}: {answer.text[:SHOWN]}"

    async def _look(self, _rollout: str, hold: Hold) -> str | None:
        """Look once how long the states have been the same."""
        if self._clean is None:
            return "nobody compares the states of the two versions"
        seconds, wanted = self._clean(), hold.clean or 0.0
        if seconds >= wanted:
            return None
        size, unit = _unit(seconds)
        return f"clean for {seconds // size:g} {unit} of {wanted / _unit(wanted)[0]:g} {_unit(wanted)[1]}"


def _unit(seconds: float) -> tuple[float, str]:
    """Return the largest unit that is not more than a time, hours at most: `3 h of 72 h` compares at a glance."""
    return next((one for one in UNITS if seconds >= one[0]), UNITS[-1])
