"""`/guard`: the guard as a canary planner's operators know it: status, rollback, evaluate, config, health.

`GET` never changes anything.  Above: `app`.  Below: `desk` and the verbs, whose events these are; the guard
itself behind `GuardDesk`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final, Protocol

from fastapi import FastAPI, Request

from orchestrator.api.callers import actor
from orchestrator.api.models import Refused
from orchestrator.api.rollouts.guard_models import (
    ConfigNow,
    Evaluation,
    GuardChanged,
    GuardConfig,
    GuardHealth,
    GuardRollback,
    GuardStatus,
)
from orchestrator.api.rollouts.guard_report import concerned, config_of, evaluation_of, stats_of, thresholds_of
from orchestrator.api.rollouts.report import look_shown
from orchestrator.api.rollouts.rollout import RolloutControl
from orchestrator.api.verbs import RefusedError, Verbs
from orchestrator.domain.evidence.look import Look
from orchestrator.domain.rollouts import events as ev
from orchestrator.domain.rollouts.rollout import Rejected, step

REFUSALS: dict[int | str, dict[str, Any]] = {409: {"model": Refused}, 422: {"model": Refused}}
TAGS: Final[list[Any]] = ["guard"]


class GuardDesk(Protocol):
    """The guard at work."""

    def latest(self) -> Look | None:
        """Return the newest look at what is watched now, None when there is none."""
        ...

    def evaluate(self) -> Look | None:
        """Take a look now and have the engine act on it; None when nothing is watched."""
        ...


class GuardControl(RolloutControl, Protocol):
    """What these routes need of the daemon."""

    verbs: Verbs

    @property
    def guard(self) -> GuardDesk:
        """Who judges."""
        ...


def add(app: FastAPI, control: GuardControl) -> None:
    """Add the routes to the app."""
    _looking(app, control)
    _changing(app, control)


def _looking(app: FastAPI, control: GuardControl) -> None:
    @app.get("/guard/status", tags=TAGS, summary="Config, figures of both versions, what the evidence says, limits")
    async def status() -> GuardStatus:
        state = control.rollouts.state
        look = _look(control)
        shown = look_shown(look)
        return GuardStatus(
            config=config_of(state),
            stats=stats_of(state, look),
            evaluation=evaluation_of(state, look),
            thresholds=thresholds_of(state),
            limits=[] if shown is None else shown.limits,
        )

    @app.get("/guard/health", tags=TAGS, summary="Whether the guard is at work")
    async def health() -> GuardHealth:
        state = control.rollouts.state
        watch = state.rollout.watch if state.rollout is not None else None
        trouble = control.rollouts.trouble
        return GuardHealth(
            status="degraded" if trouble else "ok", watching=None if watch is None else watch.epoch, trouble=trouble
        )


def _changing(app: FastAPI, control: GuardControl) -> None:
    @app.post("/guard/rollback", responses=REFUSALS, tags=TAGS, summary="Go back now, and turn the kill switch on")
    async def rollback(body: GuardRollback, request: Request) -> GuardChanged:
        messages = await _go_back(control, _reason(body.updated_by, body.reason), actor(request))
        return GuardChanged(message="; ".join(messages), config=_config(control))

    @app.post("/guard/evaluate", tags=TAGS, summary="Look at the evidence now; a regression is acted on")
    async def evaluate() -> Evaluation:
        look = control.guard.evaluate()
        await control.rollouts.settled()
        return evaluation_of(control.rollouts.state, look)

    @app.put("/guard/config", responses=REFUSALS, tags=TAGS, summary="Change the canary's share or the kill switch")
    async def config(body: GuardConfig, request: Request) -> GuardChanged:
        messages = await _configure(control, body, actor(request))
        return GuardChanged(message="; ".join(messages) or "nothing was asked for", config=_config(control))


async def _go_back(control: GuardControl, reason: str, who: str) -> list[str]:
    """Go back where there is something to go back from, and have nothing begin again before a person says so."""
    state, said = control.rollouts.state, []
    under_way = state.rollout is not None and not state.rollout.is_over
    if under_way or state.table.canary is not None or state.table.previous_warm:
        said.append((await control.rollouts.verbs.rollback(actor=who, reason=reason)).message)
    said.append((await control.verbs.kill_switch(on=True, actor=who, reason=reason)).message)
    return said


async def _configure(control: GuardControl, body: GuardConfig, who: str) -> list[str]:
    """Do what was asked, or nothing of it; moves towards safety first."""
    table, reason = control.rollouts.state.table, _reason(body.updated_by, body.reason)
    weight = None if body.canary_pct is None else int(body.canary_pct)
    if weight is not None:
        _refuse_weight(control, weight, braked=table.kill_switch and body.kill_switch is not False)
    said: list[str] = []
    if body.kill_switch is False:
        if weight is not None and table.kill_switch and table.weight > weight:  # no call gets more than it is to have
            await control.verbs.weight(0, actor=who, reason=reason)
        said.append((await control.verbs.kill_switch(on=False, actor=who, reason=reason)).message)
    try:
        if weight is not None and table.canary is None:
            said.append(f"the share is {weight} % already")
        elif weight is not None:
            said.append((await control.verbs.weight(weight, actor=who, reason=reason)).message)
    finally:
        if body.kill_switch:  # after the share, for while it is on none is given
            said.append((await control.verbs.kill_switch(on=True, actor=who, reason=reason)).message)
    return said


def _refuse_weight(control: GuardControl, weight: int, *, braked: bool) -> None:
    """Refuse a share that cannot be given, before anything else is done that was asked for with it.

    Raises:
        RefusedError: why, and what to do.
    """
    state = control.rollouts.state
    if state.table.canary is None:
        if weight == config_of(state).canary_pct:
            return
        if not config_of(state).canary_pct:
            raise RefusedError("no version is on trial to be given a share; begin with: switchover upgrade -- COMMAND")
        serves = f"generation {state.table.active} serves all calls"
        raise RefusedError(f"{serves} and can only be given all of them or none; to go back: POST /guard/rollback")
    then = replace(state, table=replace(state.table, kill_switch=braked))
    outcome = step(then, ev.WeightAsked(weight=weight, actor="", reason=""), control.rollouts.verbs.now())
    if isinstance(outcome, Rejected):
        raise RefusedError(outcome.reason)


def _reason(who: str, why: str) -> str:
    return f"{who}: {why}" if who and why else who or why


def _look(control: GuardControl) -> Look | None:
    """Return the newest look: the guard's own, or the last one that the machine recorded."""
    rollout = concerned(control.rollouts.state)
    recorded = rollout.look if rollout is not None else None
    return control.guard.latest() or recorded


def _config(control: GuardControl) -> ConfigNow:
    return config_of(control.rollouts.state)
