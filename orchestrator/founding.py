"""How a daemon begins: with the lanes it stored, or with a first generation from the command line.

Above: `daemon`.  Below: the engine, which is asked, and `api.verbs`, which describes a generation.
"""

from __future__ import annotations

from collections.abc import Callable

from orchestrator.api.verbs import Verbs
from orchestrator.domain.errors import StartError
from orchestrator.domain.rollouts import events as ev
from orchestrator.engine.driver import Driver
from orchestrator.engine.recovery import resume
from orchestrator.settings import Worker
from orchestrator.telemetry.logging import get_logger

log = get_logger("daemon")


async def begin(driver: Driver, verbs: Verbs, worker: Worker, announce: Callable[[str], None]) -> None:
    """Start the stored lanes, or found the first generation.

    Args:
        driver: the engine.
        verbs: describe the generation.
        worker: the settings of the worker, its command among them.
        announce: prints a line for the person who started the daemon.

    Raises:
        StartError: there is nothing to serve.
    """
    state, command = driver.state, worker.command
    if state.table.active is None:
        if command is None:
            raise StartError(
                "there is no stored generation and no command to found one with: switchover serve -- COMMAND"
            )
        await _found(driver, verbs, worker, command)
        return
    active = state.generations[state.table.active]
    if command is not None and command != active.spec.command:
        if not active.proven:
            await _found(driver, verbs, worker, command)
            return
        announce(
            f"generation {active.number} is active and was started as: {' '.join(active.spec.command)}\n"
            "the command line only founds the first generation; to bring in another: switchover canary -- COMMAND"
        )
        log.warning("command line ignored", active=active.number, stored=active.spec.command, given=command)
    for order in resume(state):
        await driver.executor.carry_out(order, state)


async def trouble_in_founding(driver: Driver) -> str | None:
    """Wait for the worker the daemon was started around; return why it never became ready.

    A generation that was ready once is tried for ever: None for that, at once.
    """
    state = driver.state
    number = state.table.active
    if number is None or state.generations[number].proven:
        return None
    return await driver.started(number)


async def _found(driver: Driver, verbs: Verbs, worker: Worker, command: tuple[str, ...]) -> None:
    cwd = str(worker.cwd) if worker.cwd is not None else None
    spec = await verbs.spec(command, cwd, worker.env, None)
    answer = await driver.submit(ev.Founded(spec))
    if not answer.accepted:
        raise StartError(answer.reason)
