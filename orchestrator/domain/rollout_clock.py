"""What time and evidence do to a rollout: parts end, verdicts act, a deadline comes, a freeze window holds up.

Above: `rollout`.  Below: `rollout_steps`, `rollout_stages`, `rollout_back`, `judgement`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from orchestrator.domain import events as ev
from orchestrator.domain.judgement import Judged, doubtful_words, judged, look_at, missing_words
from orchestrator.domain.look import Look, Verdict
from orchestrator.domain.outcome import Rejected
from orchestrator.domain.plan import StateUse
from orchestrator.domain.plan_freeze import next_open
from orchestrator.domain.plan_limits import Answer
from orchestrator.domain.rollout_back import because, go_back, pause
from orchestrator.domain.rollout_stages import enter_stage, move_flag, move_whole, unlock
from orchestrator.domain.rollout_steps import enter_step, promote, retreat, run_step
from orchestrator.domain.state import Part, Phase, State, What

DAEMON = ev.SYSTEM
NEVER = "no time is ever outside the plan's freeze windows"


def tick(state: State, _event: ev.Tick, now: float) -> State | Rejected:
    """See what time has brought: the deadline of the whole, the end of a part."""
    rollout = state.under_way
    plan = rollout.plan
    if plan.deadline is not None and rollout.began is not None and now >= rollout.began + plan.deadline:
        late = _too_late(state, now)
        if late is not None:
            return late
    return over(state, now) if is_over(state, now) else state


def is_over(state: State, now: float) -> bool:
    """Tell whether the present part has come to its end."""
    rollout = state.under_way
    if rollout.paused is not None:
        return False
    return rollout.waiting or (rollout.due is not None and rollout.due <= now)


def due_at(state: State) -> float | None:
    """Return when to tick next, None when only an event can change anything."""
    rollout = state.rollout
    if rollout is None or rollout.is_over or rollout.phase is Phase.ROLLING_BACK:
        return None
    deadline = rollout.plan.deadline
    ends = [] if rollout.paused is not None or rollout.due is None else [rollout.due]
    if deadline is not None and rollout.began is not None and not _is_told_late(state):
        ends.append(rollout.began + deadline)
    return min(ends, default=None)


def looked(state: State, event: ev.Looked, now: float) -> State | Rejected:
    """Act on a look: a regression at any moment, certainty early, everything else once the part is over."""
    rollout, look = state.under_way, event.look
    if look.verdict is Verdict.REGRESSION and look.epoch.startswith(f"{rollout.id}/") and _is_behind(state, look):
        return _regressed(state, look, now)  # found while the step that ended the epoch was being written
    if rollout.watch is None or look.epoch != rollout.watch.epoch:
        return Rejected(f"the look is at {look.epoch}, which is not what is watched")
    fresh = rollout.look is None or rollout.look.epoch != look.epoch or rollout.look.verdict is not look.verdict
    state = state.to(look=look)
    if look.verdict is Verdict.REGRESSION and rollout.watch.judged:
        return _regressed(state, look, now) if fresh else state
    if is_over(state, now):
        return over(state, now)
    early = rollout.plan.policy.advance_when_certified and look.verdict is Verdict.WITHIN_MARGIN
    timed = rollout.due is not None and rollout.paused is None
    if early and timed and (rollout.phase, rollout.part) == (Phase.STEPPING, Part.RUNNING) and not rollout.retreat:
        return over(state, now)
    return state


def _is_behind(state: State, look: Look) -> bool:
    """Tell whether a look is at the epoch before this one, which ended without anybody looking."""
    watch = state.under_way.watch
    return watch is not None and look.epoch != watch.epoch and state.under_way.look is None


def over(state: State, now: float) -> State:
    """Decide what follows a part whose time is over."""
    rollout = state.under_way
    if rollout.part is Part.HOLD:
        words = f"the hold at {rollout.phase} was not agreed to in time"
        return pause(state, because(state, What.HOLD, words, now, by=DAEMON), now)
    if rollout.part not in {Part.RUNNING, Part.HEALTH, Part.UNLOCK, Part.HALF, Part.WHOLE}:
        return go_on(state, now)
    match judged(rollout):
        case Judged.MISSING:
            return _missing(state, now)
        case Judged.INCONCLUSIVE:
            return _inconclusive(state, now)
    return _slower(state, now) or go_on(state, now)


def go_on(state: State, now: float) -> State:
    """Go on to what follows the present part, unless a freeze window holds it up."""
    rollout = state.under_way
    opens = next_open(rollout.plan.freeze, now)
    if opens is None:
        return pause(state, because(state, What.HOLD, NEVER, now, by=DAEMON), now)
    if opens > now:
        return state.to(due=opens, frozen=True, paused=None)
    return _next(state.to(frozen=False, paused=None, waiting=False), now)


def _next(state: State, now: float) -> State:
    rollout = state.under_way
    following = NEXT.get((rollout.phase, rollout.part))
    return state if following is None else following(state, now)


def _after_step(state: State, now: float) -> State:
    """Go on from a step; from a retreat up to the step's own weight again, once."""
    rollout = state.under_way
    if rollout.retreat:
        return run_step(state.to(retreat=0, climbed=True), now)
    return enter_step(state, rollout.index + 1, now)


NEXT: Final[Mapping[tuple[Phase, Part], Callable[[State, float], State]]] = {
    (Phase.STEPPING, Part.STARTING): lambda state, now: enter_step(state, 0, now),
    (Phase.STEPPING, Part.HOLD): run_step,
    (Phase.STEPPING, Part.RUNNING): _after_step,
    (Phase.PROMOTING, Part.HOLD): promote,
    (Phase.PROMOTING, Part.READY): promote,
    (Phase.BAKING, Part.HEALTH): unlock,
    (Phase.BAKING, Part.UNLOCK): lambda state, now: enter_stage(state, 0, now),
    (Phase.FLIPPING, Part.YOUNG): move_flag,
    (Phase.FLIPPING, Part.HALF): move_whole,
    (Phase.FLIPPING, Part.WHOLE): lambda state, now: enter_stage(state, state.under_way.index + 1, now),
}
"""What follows each part."""


def _regressed(state: State, look: Look, now: float) -> State:
    plan = state.under_way.plan
    metric = next((one.metric for one in look.limits if one.verdict is Verdict.REGRESSION), "")
    cause = because(state, What.REGRESSION, look.cause or "a limit is exceeded", now, by=DAEMON, metric=metric)
    if plan.on_regression is Answer.ROLL_BACK and plan.state is StateUse.SHARED:
        return go_back(state, cause, now)
    return pause(state, cause, now)


def _missing(state: State, now: float) -> State:
    words = f"data are missing: {missing_words(state.under_way)}"
    match state.under_way.plan.on_missing_data:
        case Answer.WAIT:
            return state.to(due=None, waiting=True)  # from now on every look asks again
        case Answer.ROLL_BACK:
            return go_back(state, because(state, What.MISSING_DATA, words, now, by=DAEMON), now)
        case Answer.GO_ON:
            return go_on(state, now)
    return pause(state, because(state, What.MISSING_DATA, words, now, by=DAEMON), now, over=True)


def _inconclusive(state: State, now: float) -> State:
    words = doubtful_words(state.under_way)
    match state.under_way.plan.on_inconclusive:
        case Answer.RETREAT:
            return retreat(state, now, words)
        case Answer.ROLL_BACK:
            return go_back(state, because(state, What.INCONCLUSIVE, words, now, by=DAEMON), now)
        case Answer.GO_ON:
            return go_on(state, now)
    return pause(state, because(state, What.INCONCLUSIVE, words, now, by=DAEMON), now, over=True)


def _slower(state: State, now: float) -> State | None:
    """Make a step longer, once, while the two versions disagree; None when there is no reason to."""
    rollout, look = state.under_way, look_at(state.under_way)
    slower = rollout.plan.policy.slower
    disagreement = look.disagreement if look is not None else None
    if slower is None or disagreement is None or disagreement <= slower.above or rollout.slowed:
        return None
    if (rollout.phase, rollout.part) != (Phase.STEPPING, Part.RUNNING):
        return None
    longer = (now - rollout.entered) * (slower.factor - 1.0)
    return state.to(slowed=True, due=now + longer) if longer > 0 else None


def _too_late(state: State, now: float) -> State | None:
    """Act on the deadline once; None when it was acted on already."""
    if _is_told_late(state):
        return None
    cause = because(state, What.DEADLINE, "the plan's deadline has passed", now, by=DAEMON)
    if state.under_way.plan.on_deadline is Answer.ROLL_BACK:
        return go_back(state, cause, now)
    return pause(state, cause, now).to(late=True)


def _is_told_late(state: State) -> bool:
    return state.under_way.late
