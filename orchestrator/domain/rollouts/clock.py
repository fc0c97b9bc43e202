"""What time and evidence do to a rollout: parts end, verdicts act, a deadline comes, a freeze window holds up.

Above: `rollout`.  Below: `steps`, `stages`, `back`, `judgement`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from orchestrator.domain.evidence.look import Look, Verdict
from orchestrator.domain.generation import Standing
from orchestrator.domain.plans.freeze import next_open
from orchestrator.domain.plans.limits import Answer
from orchestrator.domain.rollouts import events as ev
from orchestrator.domain.rollouts.back import because, pause, undo
from orchestrator.domain.rollouts.judgement import Judged, doubtful_words, judged, look_at, missing_words, step_words
from orchestrator.domain.rollouts.outcome import Rejected
from orchestrator.domain.rollouts.stages import enter_stage, move_whole, unlock
from orchestrator.domain.rollouts.state import Part, Phase, State, What
from orchestrator.domain.rollouts.steps import enter_promotion, enter_step, promote, retreat, run_step

NEVER = "no time is ever outside the plan's freeze windows"


def tick(state: State, _event: ev.Tick, now: float) -> State | Rejected:
    """See what time has brought: the deadline of the whole, the end of a part."""
    rollout = state.under_way
    plan = rollout.plan
    if rollout.is_cutting:
        return state
    if plan.deadline is None or rollout.began is None or rollout.late or now < rollout.began + plan.deadline:
        return over(state, now) if is_over(state, now) else state
    return _too_late(state, now)


def is_over(state: State, now: float) -> bool:
    """Tell whether the present part has come to its end."""
    rollout = state.under_way
    if rollout.paused is not None:
        return False
    return rollout.waiting or (rollout.due is not None and rollout.due <= now)


def due_at(state: State) -> float | None:
    """Return when to tick next, None when only an event can change anything."""
    rollout = state.rollout
    if rollout is None or rollout.is_over or rollout.phase is Phase.ROLLING_BACK or rollout.is_cutting:
        return None
    deadline = rollout.plan.deadline
    ends = [] if rollout.paused is not None or rollout.due is None else [rollout.due]
    if deadline is not None and rollout.began is not None and not rollout.late:
        ends.append(rollout.began + deadline)
    return min(ends, default=None)


def looked(state: State, event: ev.Looked, now: float) -> State | Rejected:
    """Act on a look: a regression at any moment, certainty early, everything else once the part is over."""
    rollout, look = state.under_way, event.look
    if look.verdict is Verdict.REGRESSION and look.epoch == rollout.behind:
        return _regressed(state.to(behind=""), look, now)  # found while the step that ended the epoch was written
    if rollout.watch is None or look.epoch != rollout.watch.epoch:
        return Rejected(f"the look is at {look.epoch}, which is not what is watched")
    fresh = rollout.look is None or rollout.look.verdict is not look.verdict
    state = state.to(look=look)
    if look.verdict is Verdict.REGRESSION and rollout.watch.judged:
        return _regressed(state, look, now) if fresh else state
    return over(state, now) if is_over(state, now) or _is_early(state, look) else state


def _is_early(state: State, look: Look) -> bool:
    """Tell whether a step may end before its time, because it is certain that nothing is worse."""
    rollout = state.under_way
    if not rollout.plan.policy.advance_when_certified or look.verdict is not Verdict.WITHIN_MARGIN:
        return False
    runs = (rollout.phase, rollout.part) == (Phase.STEPPING, Part.RUNNING) and not rollout.retreat
    return runs and rollout.due is not None and not rollout.frozen and rollout.paused is None


def over(state: State, now: float) -> State:
    """Decide what follows a part whose time is over."""
    rollout = state.under_way
    if rollout.frozen or rollout.unready:
        return go_on(state, now)
    if rollout.part is Part.HOLD:
        words = f"nobody agreed at {step_words(rollout)} in time; to go on all the same: switchover resume"
        return pause(state, because(state, What.HOLD, words, now), now, over=True)
    if rollout.part not in JUDGED:
        return go_on(state, now)
    match judged(rollout):
        case Judged.MISSING:
            return _missing(state, now)
        case Judged.INCONCLUSIVE:
            return _inconclusive(state, now)
    return _slower(state, now) or go_on(state, now)


def go_on(state: State, now: float) -> State:
    """Go on to what follows the present part, once no freeze window and no process that is away holds it up."""
    rollout = state.under_way
    opens = next_open(rollout.plan.freeze, now)
    if opens is None:
        return pause(state.to(paused=None), because(state, What.HOLD, NEVER, now), now, over=True)
    held = state.to(paused=None, waiting=False, frozen=opens > now, unready=False)
    if opens > now:
        return held.to(due=opens)
    if _is_unsafe(state):
        return held.to(due=None, unready=True)
    following = NEXT.get((rollout.phase, rollout.part))
    return held if following is None else following(held, now)


def _is_unsafe(state: State) -> bool:
    """Tell whether the version on trial or the way back has no ready process: neither may be counted on then.

    A way back from an exclusive cut-over has none by right, and a person decides on it.
    """
    rollout, table = state.under_way, state.table
    parked = None if rollout.is_exclusive else table.previous
    back = table.active if rollout.promoted is None else parked
    return any(
        state.generations[one].standing is not Standing.READY for one in (rollout.trial, back) if one is not None
    )


def _after_step(state: State, now: float) -> State:
    """Go on from a step; from a retreat up to the step's own weight again, once."""
    rollout = state.under_way
    if rollout.retreat:
        return run_step(state.to(retreat=0, climbed=True), now)
    return enter_step(state, rollout.index + 1, now)


def _after_half(state: State, now: float) -> State:
    """Give a flag to all keys, unless a person took it over."""
    rollout = state.under_way
    mine = any(one.flag == rollout.plan.flags[rollout.index].flag for one in rollout.moved)
    return move_whole(state, now) if mine else enter_stage(state, rollout.index + 1, now)


NEXT: Final[Mapping[tuple[Phase, Part], Callable[[State, float], State]]] = {
    (Phase.STEPPING, Part.STARTING): lambda state, now: enter_step(state, 0, now),
    (Phase.STEPPING, Part.HOLD): run_step,
    (Phase.STEPPING, Part.RUNNING): _after_step,
    (Phase.PROMOTING, Part.STARTING): enter_promotion,
    (Phase.PROMOTING, Part.HOLD): promote,
    (Phase.BAKING, Part.HEALTH): unlock,
    (Phase.BAKING, Part.UNLOCK): lambda state, now: enter_stage(state, 0, now),
    (Phase.FLIPPING, Part.YOUNG): lambda state, now: enter_stage(state, state.under_way.index, now),
    (Phase.FLIPPING, Part.HALF): _after_half,
    (Phase.FLIPPING, Part.WHOLE): lambda state, now: enter_stage(state, state.under_way.index + 1, now),
}
"""What follows each part."""

JUDGED: Final = frozenset({Part.RUNNING, Part.HEALTH, Part.UNLOCK, Part.HALF, Part.WHOLE})
"""Parts that go on only after evidence was asked."""


def _regressed(state: State, look: Look, now: float) -> State:
    metric = next((one.metric for one in look.limits if one.verdict is Verdict.REGRESSION), "")
    cause = because(state, What.REGRESSION, look.cause or "a limit is exceeded", now, metric=metric)
    if state.under_way.plan.on_regression is Answer.ROLL_BACK:
        return undo(state, cause, now)
    return pause(state, cause, now)


def _missing(state: State, now: float) -> State:
    words = f"data are missing: {missing_words(state.under_way)}"
    match state.under_way.plan.on_missing_data:
        case Answer.WAIT:
            return state.to(due=None, waiting=True)  # from now on every look asks again
        case Answer.ROLL_BACK:
            return undo(state, because(state, What.MISSING_DATA, words, now), now, over=True)
        case Answer.GO_ON:
            return go_on(state, now)
    return pause(state, because(state, What.MISSING_DATA, words, now), now, over=True)


def _inconclusive(state: State, now: float) -> State:
    words = doubtful_words(state.under_way)
    match state.under_way.plan.on_inconclusive:
        case Answer.RETREAT:
            return retreat(state, now, words)
        case Answer.ROLL_BACK:
            return undo(state, because(state, What.INCONCLUSIVE, words, now), now, over=True)
        case Answer.GO_ON:
            return go_on(state, now)
    return pause(state, because(state, What.INCONCLUSIVE, words, now), now, over=True)


def _slower(state: State, now: float) -> State | None:
    """Make a step longer, once, while the two versions disagree; None when there is no reason to."""
    rollout, look = state.under_way, look_at(state.under_way)
    slower = rollout.plan.policy.slower
    disagreement = look.disagreement if look is not None else None
    if slower is None or disagreement is None or disagreement <= slower.above or rollout.slowed:
        return None
    if (rollout.phase, rollout.part) != (Phase.STEPPING, Part.RUNNING):
        return None
    longer = (rollout.plan.steps[rollout.index].pause or 0.0) * (slower.factor - 1.0)
    return state.to(slowed=True, waiting=False, due=(rollout.due or now) + longer) if longer > 0 else None


def _too_late(state: State, now: float) -> State:
    """Act on the deadline, once."""
    cause = because(state, What.DEADLINE, "the plan's deadline has passed", now)
    if state.under_way.plan.on_deadline is Answer.ROLL_BACK:
        return undo(state.to(late=True), cause, now)
    return pause(state.to(late=True), cause, now)
