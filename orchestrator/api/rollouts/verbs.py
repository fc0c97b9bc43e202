"""The verbs of rollouts: from the words of a person or a client to one event each, and to an answer in words.

Above: the routes, the guard API.  Below: the engine decides, `plans` reads, `domain.plans.lint` examines.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import anyio

from orchestrator.api.verbs import RefusedError, Told, Verbs
from orchestrator.domain.errors import SettingsError
from orchestrator.domain.flags.declaration import Registry
from orchestrator.domain.flags.values import Value
from orchestrator.domain.generation import Spec
from orchestrator.domain.plans.lint import Finding, Severity, lint
from orchestrator.domain.plans.plan import Plan
from orchestrator.domain.plans.times import min_stable
from orchestrator.domain.ports import Clock
from orchestrator.domain.rollouts import events as ev
from orchestrator.domain.rollouts.back import WRITTEN, loses
from orchestrator.domain.rollouts.rollout import State
from orchestrator.domain.rollouts.told import stands, where
from orchestrator.engine.driver import Driver
from orchestrator.plans.plan_file import PlanFile, read_plan
from orchestrator.plans.shipped import find_plan
from orchestrator.rehearsal.artifacts import SNAPSHOTS, new_run
from orchestrator.settings import Rollout
from orchestrator.settings.small_file import is_there

if TYPE_CHECKING:  # the bodies of requests come with the app
    from orchestrator.api.rollouts.models import UpgradeBody

LOSE: Final = "switchover rollback --lose-writes"

SHOWN: Final = 5
"""Findings a refusal names."""
SHORT: Final = 12
"""Characters of a fingerprint that are told."""


@dataclass(frozen=True, slots=True)
class BegunRollout:
    """A rollout that has begun.

    Attributes:
        id: its id.
        told: what was done.
        warnings: what about its plan does nothing, or is hardly meant.
    """

    id: str
    told: Told
    warnings: tuple[str, ...]


class RolloutVerbs:
    """The verbs; each is one event."""

    def __init__(
        self,
        driver: Driver,
        verbs: Verbs,
        *,
        registry: Callable[[], Registry],
        settings: Callable[[], Rollout],
        runs: Path,
        clock: Clock,
        lost: Callable[[], str] = lambda: "",
        stands: Callable[[str, Value], bool] = lambda _flag, _to: False,
        unstartable: Callable[[Spec], str] = lambda _spec: "",
    ) -> None:
        """Build the verbs.

        Args:
            driver: decides.
            verbs: describes a generation (`Verbs.spec`).
            registry: the declared flags.
            settings: section `rollout` of the configuration.
            runs: directory of the rehearsals, whose names are not given again.
            clock: whose `wall` names rollouts and says what is left.
            lost: says how many calls may have written since an exclusive cut-over, "" when nobody knows.
            stands: tells whether a flag has a value already, for everybody.
            unstartable: says why a version cannot be started at all, "" where it can.
        """
        self._driver = driver
        self._verbs = verbs
        self._registry = registry
        self._settings = settings
        self._runs = runs
        self._clock = clock
        self._lost = lost
        self._stands = stands
        self._unstartable = unstartable

    async def upgrade(self, asked: UpgradeBody, *, actor: str) -> BegunRollout:
        """Begin to carry a plan out.

        Raises:
            RefusedError: there is no such plan, it cannot work, or the machine refuses; nothing was changed.
        """
        file = await self.plan(asked.plan)
        found = await anyio.to_thread.run_sync(lint, file.plan, self._registry())  # of a huge plan it takes seconds
        if not asked.force_plan:
            _refuse_errors(file, found)
        spec = None
        if asked.command is not None:
            spec = await self._verbs.spec(tuple(asked.command), asked.cwd, asked.env, asked.source)
            await self._refuse_unstartable(spec)
        run = await self._fresh(asked.id)
        moving = tuple(stage for stage in file.plan.flags if not self._stands(stage.flag, stage.to))
        left_out = [one.flag for one in file.plan.flags if one not in moving]
        if left_out and not moving and not file.plan.new_generation:
            stand = ", ".join(left_out)
            raise RefusedError(f"there is nothing to do: {stand} has its value already, for everybody")
        event = ev.UpgradeAsked(
            rollout=run,
            plan=resolved(replace(file.plan, flags=moving), self._registry()),
            spec=spec,
            salt=secrets.token_hex(8),
            force=asked.force,
            allow_breaking=asked.allow_breaking,
            actor=actor,
            reason=asked.reason,
        )
        told = self._told(await self._ask(event))
        still = tuple(f"{flag} has its value already: its stage is left out" for flag in left_out)
        return BegunRollout(run, told, (*(_words(one) for one in found), *still))

    async def retry(self, run: str | None = None, *, actor: str, reason: str = "") -> BegunRollout:
        """Run the last rollout's candidate again, from its rehearsal.

        Raises:
            RefusedError: it is gone, or the machine refuses.
        """
        last = self._driver.state.rollout
        if last is not None and last.spec is not None:
            await self._refuse_unstartable(last.spec)
        name = await self._fresh(run)
        event = ev.RetryAsked(rollout=name, salt=secrets.token_hex(8), actor=actor, reason=reason)
        return BegunRollout(name, self._told(await self._ask(event)), ())

    async def promote(self, *, actor: str, reason: str = "") -> Told:
        """Go to 100 % now."""
        return self._told(await self._ask(ev.PromoteAsked(actor=actor, reason=reason)))

    async def pause(self, *, actor: str, reason: str = "") -> Told:
        """Stop the clock; the guard stays on."""
        return self._told(await self._ask(ev.PauseAsked(actor=actor, reason=reason)))

    async def resume(self, *, actor: str, reason: str = "") -> Told:
        """Go on: after a pause, at a hold, or at a step that stays until somebody says so."""
        return self._told(await self._ask(ev.ResumeAsked(actor=actor, reason=reason)))

    async def abort(self, *, actor: str, reason: str = "") -> Told:
        """End the rollout under way and go back."""
        rollout = self._driver.state.rollout
        if rollout is None or rollout.is_over:
            raise RefusedError("no rollout is under way; to go back to a warm previous generation: switchover rollback")
        return await self.rollback(actor=actor, reason=reason)

    async def rollback(self, *, actor: str, reason: str = "", lose_writes: bool = False) -> Told:
        """End the rollout under way and go back; without one, back from a canary or to a warm previous generation.

        Args:
            actor: who asks.
            reason: why, in their words.
            lose_writes: whether what was written since an exclusive cut-over may be lost.

        Raises:
            RefusedError: there is nothing to go back to, or it would lose what was written.
        """
        before = self._driver.state
        lost = self._would_lose(before)
        if lost and not lose_writes:
            raise RefusedError(f"{loses(before.under_way, lost)}; to do it all the same: {LOSE}")
        asked = ev.RollbackAsked(actor=actor, reason=reason, lose_writes=bool(lost), lost=lost)
        after = await self._ask(asked)
        under_way = before.rollout is not None and not before.rollout.is_over
        if under_way:
            return self._with_trouble(_went_back(after), after)
        bad = before.table.active if before.table.active != after.table.active else before.table.canary
        told = f"generation {after.table.active} serves all calls; generation {bad} is quarantined and stopped"
        return self._with_trouble(told, after)

    async def _refuse_unstartable(self, spec: Spec) -> None:
        """Refuse what is not there: begun, it would fail at once and be quarantined for it."""
        trouble = await anyio.to_thread.run_sync(self._unstartable, spec)
        if trouble:
            raise RefusedError(f"the new version cannot be started, so nothing was begun: {trouble}")

    def _would_lose(self, state: State) -> str:
        """Say which calls a way back would undo, "" where it undoes none."""
        rollout = state.rollout
        if rollout is None or rollout.is_over or not rollout.is_exclusive or rollout.promoted is None:
            return ""
        return self._lost() or WRITTEN

    async def release(self, fingerprint: str, *, actor: str, reason: str = "") -> Told:
        """Take a version out of quarantine."""
        before = self._driver.state.quarantine
        after = await self._ask(ev.ReleaseAsked(fingerprint=fingerprint, actor=actor, reason=reason))
        (gone,) = before.keys() - after.quarantine.keys() or (fingerprint,)
        return self._with_trouble(f"{gone[:SHORT]} is out of quarantine, and may be rolled out again", after)

    async def plan(self, named: str | None) -> PlanFile:
        """Read the plan of that name or file, or the one of the configuration.

        Raises:
            RefusedError: there is none, or it cannot be used; the message lists every problem.
        """
        settings = self._settings()
        try:
            return await anyio.to_thread.run_sync(_read, settings.plan if named is None else named, settings.plans_dir)
        except SettingsError as error:
            raise RefusedError(str(error)) from error

    def now(self) -> float:
        """Return the time that the machine goes by."""
        return self._clock.wall()

    async def _fresh(self, run: str | None) -> str:
        """Return a rollout's id that no rehearsal had: the one asked for, or the time."""
        if run is not None:
            for what, kept in (("rehearsal", self._runs), ("rollout", self._runs.parent / SNAPSHOTS)):
                if await anyio.Path(kept / run).exists():
                    raise RefusedError(f"there was a {what} {run} already; choose another id")
            return run
        last = self._driver.state.rollout
        first = name = new_run(self._clock.wall())
        number = 1
        while (last is not None and last.id == name) or await anyio.Path(self._runs / name).exists():
            number += 1
            name = f"{first}-{number}"
        return name

    async def _ask(self, event: ev.Event) -> State:
        answer = await self._driver.submit(event)
        if not answer.accepted:
            raise RefusedError(answer.reason)
        return answer.state

    def _told(self, state: State) -> Told:
        return self._with_trouble(stands(state, self._clock.wall()), state)

    def _with_trouble(self, message: str, state: State) -> Told:
        trouble = self._driver.trouble
        return Told(state.table.revision, f"{message}; but {trouble}" if trouble else message)


def _went_back(state: State) -> str:
    """Say what became of a rollout that a person ended."""
    rollout = state.under_way
    if not rollout.is_over:
        return f"rollout {rollout.id}: {where(rollout)}"
    serves = f"generation {state.table.active} serves all calls"
    if rollout.spec is None:
        return f"rollout {rollout.id} is rolled back: its flags have their safe values, {serves}"
    return f"rollout {rollout.id} is rolled back: {serves}, the new version is stopped and quarantined"


def resolved(plan: Plan, registry: Registry) -> Plan:
    """Return a plan whose flag stages all say how long a version must have run before them."""
    stages = tuple(replace(stage, min_stable=min_stable(stage, registry)) for stage in plan.flags)
    return replace(plan, flags=stages)


def _read(named: str, folder: Path | None) -> PlanFile:
    own = None if folder is None or "/" in named else folder / f"{named}.toml"
    return read_plan(own) if own is not None and is_there(own) else find_plan(named)


def _refuse_errors(file: PlanFile, found: tuple[Finding, ...]) -> None:
    errors = [one for one in found if one.severity is Severity.ERROR]
    if errors:
        named = "; ".join(f"{file.where(one.place)}: {_words(one)}" for one in errors[:SHOWN])
        more = f"; and {len(errors) - SHOWN} more" if len(errors) > SHOWN else ""
        raise RefusedError(
            f"the plan {file.plan.name} cannot work: {named}{more}; to try it all the same: --force-plan"
        )


def _words(one: Finding) -> str:
    return f"{one.says}; {one.advice} [{one.rule}]"
