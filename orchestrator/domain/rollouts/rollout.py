"""The one way routing changes: `step(state, event, now) -> (state, commands)`.

Pure: no clock, no I/O.  The transitions are a table from (phase, event) to a handler; what the table does not name is
`Rejected` with the phase's reason, never an exception and never silence.  The engine journals the new state and then
carries the commands out; they are idempotent, so doing them again after a crash changes nothing more.

While no rollout is under way (`moves`), people move routing by hand.  A rollout goes through its phases:

    rehearsing -> stepping -> promoting -> baking -> flipping -> done
         any of these -> rolling_back -> rolled_back

Above: the engine.  Below: `moves` and the handlers, one for each kind of event.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from orchestrator.domain.evidence.look import Verdict
from orchestrator.domain.rollouts import begin as rollout_begin
from orchestrator.domain.rollouts import clock as rollout_clock
from orchestrator.domain.rollouts import cut as rollout_cut
from orchestrator.domain.rollouts import events as ev
from orchestrator.domain.rollouts import facts as rollout_facts
from orchestrator.domain.rollouts import people as rollout_people
from orchestrator.domain.rollouts import quarantine as rollout_quarantine
from orchestrator.domain.rollouts.effects import between
from orchestrator.domain.rollouts.moves import MOVES
from orchestrator.domain.rollouts.outcome import Handler, Outcome, Rejected, Step
from orchestrator.domain.rollouts.state import Phase, Rollout, State

__all__ = ["TRANSITIONS", "Outcome", "Phase", "Rejected", "State", "Step", "routes_first", "step"]

Change = Callable[[State, Any, float], State | Rejected]
"""Decides one kind of event and gives the state after it; its commands follow from the two states."""


def step(state: State, event: ev.Event, now: float) -> Outcome:
    """Decide what an event does.

    Args:
        state: the state before.
        event: what happened or what was asked.
        now: Unix seconds on the steady clock.

    Returns:
        `Step` with the new state and the commands in the order in which they take effect, or `Rejected`.
    """
    handler = TRANSITIONS.get((state.phase, type(event)))
    if handler is None:
        return Rejected(_why_not(state, event))
    return handler(state, event, now)


def routes_first(event: ev.Event) -> bool:
    """Tell whether an event's routing takes effect before it is written down.

    True for the moves towards safety and for facts: a full disk must not hold them up.
    """
    if isinstance(event, ev.KillSwitchAsked):
        return event.on
    if isinstance(event, ev.Looked):
        return event.look.verdict is Verdict.REGRESSION
    if isinstance(event, ev.RollbackAsked):
        return not event.lose_writes  # such an order cannot be taken back, so it has to be found after a crash
    return isinstance(event, FIRST)


FIRST: Final = (
    ev.SwitchBackAsked,
    ev.RollbackAsked,
    ev.CutOverFailed,
    ev.CutBackDone,
    ev.CutBackStuck,
    ev.JournalBroken,
    ev.GenerationReady,
    ev.GenerationDown,
    ev.GenerationFailed,
)


def _why_not(state: State, event: ev.Event) -> str:
    if state.phase is Phase.EMPTY:
        return "no generation has been founded yet: start the daemon with a command (switchover serve -- COMMAND)"
    if state.phase is Phase.STARTING:
        return (
            f"generation {state.candidate} is being started as canary and one change is made at a time; "
            "wait for it, or give it up with: switchover canary --stop"
        )
    if state.phase is Phase.STEADY:
        return "no rollout is under way; begin one with: switchover upgrade -- COMMAND"
    return _why_not_now(state, event)


def _why_not_now(state: State, event: ev.Event) -> str:
    """Say why a rollout under way does not take an event, and what would be taken."""
    rollout = state.under_way
    where = f"rollout {rollout.id} is {rollout.phase.value.replace('_', ' ')}"
    if rollout.phase is Phase.ROLLING_BACK:
        return f"{where}; wait for its end"
    if isinstance(event, ev.PromoteAsked | ev.SwitchAsked):
        return f"{where}: {_why_not_promoted(rollout)}"
    instead = {
        ev.SwitchBackAsked: "no traffic was switched; to end it: switchover abort",
        ev.WeightAsked: "weights belong to its steps; to stop its clock: switchover pause",
    }
    return f"{where}: {instead.get(type(event), 'to end it: switchover abort')}"


def _why_not_promoted(rollout: Rollout) -> str:
    if not rollout.plan.new_generation:
        return "it only moves flags and has nothing to promote; to end it: switchover abort"
    if rollout.promoted is not None:
        return "it is promoted already; to undo that: switchover rollback"
    if rollout.phase is Phase.REHEARSING:
        return "there is nothing to promote yet; wait for its first step, or to end it: switchover abort"
    return "to move all traffic now: switchover promote"


def _of(change: Change) -> Handler:
    """Return the handler that gives a change's state with the commands between the two states."""

    def handler(state: State, event: Any, now: float) -> Outcome:
        after = change(state, event, now)
        return after if isinstance(after, Rejected) else Step(after, between(state, after))

    handler.__doc__ = change.__doc__  # what the page says of it
    return handler


FACTS: Final[Mapping[type[Any], Change]] = {
    ev.GenerationReady: rollout_facts.ready,
    ev.GenerationDown: rollout_facts.down,
    ev.GenerationFailed: rollout_facts.failed,
    ev.KillSwitchAsked: rollout_people.kill_switch,
    ev.ReleaseAsked: rollout_quarantine.release,
}
"""What may happen in every phase of a rollout."""

GOING: Final[Mapping[type[Any], Change]] = {
    **FACTS,
    ev.Tick: rollout_clock.tick,
    ev.PauseAsked: rollout_people.pause_now,
    ev.ResumeAsked: rollout_people.resume,
    ev.RollbackAsked: rollout_people.roll_back,
    ev.JournalBroken: rollout_facts.journal_broken,
}
"""What may happen while it goes forward."""

WATCHED: Final[Mapping[type[Any], Change]] = {ev.Looked: rollout_clock.looked}
FLAGS_OUT: Final[Mapping[type[Any], Change]] = {
    ev.FlagRefused: rollout_facts.flag_refused,
    ev.FlagStands: rollout_facts.flag_stands,
    ev.FlagEdited: rollout_facts.flag_edited,
}

CHANGES: Final[Mapping[Phase, Mapping[type[Any], Change]]] = {
    Phase.STEADY: {
        ev.UpgradeAsked: rollout_begin.upgrade,
        ev.RetryAsked: rollout_begin.retry,
        ev.RollbackAsked: rollout_people.roll_back_idle,
        ev.ReleaseAsked: rollout_quarantine.release,
    },
    Phase.STARTING: {ev.ReleaseAsked: rollout_quarantine.release},
    Phase.REHEARSING: {**GOING, ev.RehearsalEnded: rollout_begin.rehearsed},
    Phase.STEPPING: {
        **GOING,
        **WATCHED,
        ev.HoldAgreed: rollout_facts.agreed,
        ev.PromoteAsked: rollout_people.promote_now,
        ev.WeightAsked: rollout_people.weight,
    },
    Phase.PROMOTING: {
        **GOING,
        **WATCHED,
        ev.HoldAgreed: rollout_facts.agreed,
        ev.PromoteAsked: rollout_people.promote_now,
        ev.CutOverDone: rollout_cut.cut_over,
        ev.CutOverFailed: rollout_cut.cut_over_failed,
    },
    Phase.BAKING: {**GOING, **WATCHED, ev.SwitchBackAsked: rollout_people.switch_back},
    Phase.FLIPPING: {**GOING, **WATCHED, **FLAGS_OUT, ev.SwitchBackAsked: rollout_people.switch_back},
    Phase.ROLLING_BACK: {
        **FACTS,
        ev.FlagsReset: rollout_facts.flags_reset,
        ev.CutBackDone: rollout_cut.cut_back,
        ev.CutBackStuck: rollout_cut.cut_back_stuck,
    },
}
"""What may happen in which phase, besides `MOVES`."""

TRANSITIONS: Final[Mapping[tuple[Phase, type[Any]], Handler]] = {
    **MOVES,
    **{(phase, kind): _of(change) for phase, changes in CHANGES.items() for kind, change in changes.items()},
}
"""The whole machine: what may happen in which phase."""
