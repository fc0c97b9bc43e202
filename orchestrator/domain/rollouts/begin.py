"""How a rollout begins: what stands against it, its rehearsal, and the start of the candidate's serving process.

Above: `rollout`.  Below: `steps`, `stages`, `back`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from orchestrator.domain.plans.limits import Answer
from orchestrator.domain.plans.plan import StateUse
from orchestrator.domain.rollouts import events as ev
from orchestrator.domain.rollouts.back import because, fail, pause
from orchestrator.domain.rollouts.cut import approach
from orchestrator.domain.rollouts.edits import create, held
from orchestrator.domain.rollouts.outcome import Rejected
from orchestrator.domain.rollouts.state import Part, Phase, Quarantined, Rollout, State, What
from orchestrator.domain.words import counted

NAMED: Final = 3
"""How many of the things that break are named in a cause; the rehearsal's artifacts have them all."""


def upgrade(state: State, event: ev.UpgradeAsked, now: float) -> State | Rejected:
    """Begin to carry a plan out."""
    refusal = _refused(state, event)
    if refusal:
        return Rejected(refusal)
    rollout = Rollout(
        id=event.rollout,
        plan=event.plan,
        spec=event.spec,
        actor=event.actor,
        reason=event.reason,
        asked=now,
        baseline=held(state.table.active),
        salt=event.salt,
        allow_breaking=event.allow_breaking,
        entered=now,
    )
    return _begin(replace(state, rollout=rollout, quarantine=_released(state, event)), now)


def retry(state: State, event: ev.RetryAsked, now: float) -> State | Rejected:
    """Run the last candidate again."""
    last = state.rollout
    if last is None or last.phase is not Phase.ROLLED_BACK:
        return Rejected("no rollout went back, so there is nothing to retry; begin one with: switchover upgrade")
    again = ev.UpgradeAsked(
        rollout=event.rollout,
        plan=last.plan,
        spec=last.spec,
        salt=event.salt,
        force=True,
        allow_breaking=last.allow_breaking,
        actor=event.actor,
        reason=event.reason,
    )
    return upgrade(state, again, now)


def _refused(state: State, event: ev.UpgradeAsked) -> str:
    """Say why a rollout may not begin, "" when it may."""
    table, plan, spec = state.table, event.plan, event.spec
    held = state.quarantine.get(spec.fingerprint) if spec is not None and not event.force else None
    bad = f"{held.cause.words} (rollout {held.rollout or 'by hand'})" if held is not None else ""
    named = state.rollout is not None and state.rollout.id == event.rollout
    against = (
        (table.kill_switch, "the kill switch is on; lift it first with: switchover kill-switch off"),
        (
            table.canary is not None and plan.new_generation,
            f"generation {table.canary} is the canary; stop it first with: switchover canary --stop",
        ),
        (
            plan.new_generation and spec is None,
            f"the plan {plan.name} brings in a new generation; name its command: switchover upgrade -- COMMAND",
        ),
        (
            not plan.new_generation and not plan.flags,
            f"the plan {plan.name} brings in no new generation and moves no flag, so there is nothing to do",
        ),
        (not plan.new_generation and spec is not None, f"the plan {plan.name} only moves flags and takes no command"),
        (
            plan.state is StateUse.EXCLUSIVE and bool(plan.steps),
            f"the plan {plan.name} has steps, and its state is exclusive: two versions cannot serve at a time",
        ),
        (named, f"there was a rollout {event.rollout} already; choose another id"),
        (held is not None, f"this version is quarantined: {bad}; to try it all the same: --force"),
    )
    return next((reason for applies, reason in against if applies), "")


def _released(state: State, event: ev.UpgradeAsked) -> dict[str, Quarantined]:
    fingerprint = event.spec.fingerprint if event.spec is not None else ""
    return {name: held for name, held in state.quarantine.items() if name != fingerprint}


def _begin(state: State, now: float) -> State:
    plan = state.under_way.plan
    if not plan.new_generation:
        return state.enter(Phase.FLIPPING, Part.YOUNG, now, due=now).to(began=now)
    if plan.rehearsal.run:
        return state.enter(Phase.REHEARSING, Part.RUNNING, now)
    return start_candidate(state, now)


def start_candidate(state: State, now: float) -> State:
    """Have a fresh serving process of the candidate started on live state; where that is taken, come to the cut."""
    rollout = state.under_way
    if rollout.is_exclusive:
        return approach(state, now)
    if rollout.spec is None:
        raise AssertionError("a plan with a new generation has its command")
    state, generation = create(state, rollout.spec)
    state = replace(
        state, candidate=generation.number, candidate_salt=rollout.salt, allow_breaking=rollout.allow_breaking
    )
    return state.enter(Phase.STEPPING, Part.STARTING, now).to(candidate=generation.number)


def rehearsed(state: State, event: ev.RehearsalEnded, now: float) -> State | Rejected:
    """Go on, stop, or ask a person, by what the rehearsal found; while paused, a person goes on."""
    rollout = state.under_way
    plan = rollout.plan
    if event.rollout != rollout.id or rollout.part is not Part.RUNNING:
        return Rejected(f"no rehearsal of {event.rollout} is waited for")
    if event.failed:
        words = f"the rehearsal failed: {event.words}"
        return fail(state, because(state, What.REHEARSAL, words, now), now)
    if event.shared_state is False and plan.state is StateUse.SHARED:
        return fail(state, because(state, What.STATE, _breaks(event), now), now)
    held = state.enter(Phase.REHEARSING, Part.HOLD, now)
    if not event.differences or plan.rehearsal.on_differences is Answer.GO_ON:
        return go_on_rehearsed(state, now) if rollout.paused is None else held
    words = f"the rehearsal found {counted(event.differences, 'difference')}: switchover shadow diff {rollout.id}"
    cause = because(state, What.DIFFERENCES, words, now)
    if plan.rehearsal.on_differences is Answer.ROLL_BACK:
        return fail(state, cause, now)
    return pause(held, cause, now)


def _breaks(event: ev.RehearsalEnded) -> str:
    """Say what of the old code breaks on what the new code wrote."""
    first, more = "; ".join(event.broken[:NAMED]), len(event.broken) - NAMED
    named = f" ({first}{f'; and {more:,} more' if more > 0 else ''})" if first else ""
    return (
        f"the old code breaks on what the new code wrote{named}, so both may not serve at a time "
        f'(state = "exclusive"): switchover shadow diff {event.rollout}'
    )


def go_on_rehearsed(state: State, now: float) -> State:
    """Go on from a rehearsal."""
    return start_candidate(state.to(paused=None), now)
