"""Writes the page of the rollout machine from its own table, so that the diagram cannot be wrong.

Above: `generate`, and a test that compares the page with what this would write.  Below: `orchestrator.domain.rollout`.
The arrows are found by letting the machine run: every event in every kind of state that events lead to.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Iterator
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Final, get_args

from orchestrator.domain import events as ev
from orchestrator.domain.generation import Spec
from orchestrator.domain.rollout import TRANSITIONS, Handler, Phase, Rejected, State, routes_first, step

PAGE: Final = Path(__file__).with_name("rollout.md")

INTRODUCTION: Final = """\
# How routing changes

<!-- Written by `make docs` from orchestrator/domain/rollout.py; change that. -->

There is one way: an event comes in, `step(state, event, now)` decides, and out come a new state and commands. Verbs,
signals and the reports of supervision are events like any other. What the table below does not name is refused with a
reason.

An event that somebody asks for is *written first*: it is durable before anything changes, and with a full disk it is
refused. Facts and moves to safety *route first*: they take effect at once, are written then, and a full disk holds none
of them up.

"""

PHASES: Final = {
    Phase.EMPTY: "nothing has been founded yet",
    Phase.STEADY: "no change is under way",
    Phase.STARTING: "a candidate is being started as canary",
}


def page() -> str:
    """Return the page."""
    return "".join((INTRODUCTION, *_diagram(), "\n", *_table(), "\n", *_refusals()))


def write() -> None:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")


def _diagram() -> Iterator[str]:
    yield "```mermaid\nstateDiagram-v2\n"
    for phase, meaning in PHASES.items():
        yield f"    {phase}: {phase}, {meaning}\n"
    yield f"    [*] --> {Phase.EMPTY}\n"
    by_ends = sorted(arrows(), key=lambda arrow: list(Phase).index(arrow[0]) * len(Phase) + list(Phase).index(arrow[2]))
    for (source, target), group in groupby(by_ends, key=lambda arrow: (arrow[0], arrow[2])):
        names = [kind.__name__ for _, kind, _ in group]
        yield f"    {source} --> {target}: {', '.join(names)}\n"
    yield "```\n"


def _table() -> Iterator[str]:
    yield "## What happens\n\n| phase | event | what happens | effect | phase after |\n|---|---|---|---|---|\n"
    ends = arrows()
    for (phase, kind), handler in TRANSITIONS.items():
        after = " or ".join(target for source, other, target in ends if (source, other) == (phase, kind))
        cells = (phase, f"`{kind.__name__}`", _meaning(handler), _effect(kind), after)
        yield f"| {' | '.join(cells)} |\n"


def _refusals() -> Iterator[str]:
    yield "## What is refused whatever the details\n\n| phase | events | reason |\n|---|---|---|\n"
    for phase in Phase:
        refused = [kind for kind in get_args(ev.Event) if (phase, kind) not in TRANSITIONS]
        if not refused:
            continue
        state = next(state for state in _states() if state.phase is phase)
        outcome = step(state, next(event for event in _events(state) if type(event) is refused[0]), 0.0)
        reason = outcome.reason if isinstance(outcome, Rejected) else "-"
        yield f"| {phase} | {', '.join(f'`{kind.__name__}`' for kind in refused)} | {reason} |\n"


def _meaning(handler: Handler) -> str:
    return (handler.__doc__ or "").partition("\n")[0]


def _effect(kind: type[ev.Event]) -> str:
    if kind is ev.KillSwitchAsked:
        return "on routes first, off is written first"
    example = next(event for event in _events(_founded()) if type(event) is kind)
    return "routes first" if routes_first(example) else "is written first"


def arrows() -> list[tuple[Phase, type[ev.Event], Phase]]:
    """Return every (phase, event, phase after) that can happen, in the order of the table."""
    found = {(state.phase, type(event), after.phase) for state in _states() for event, after in _taken(state)}
    kinds = list(TRANSITIONS)
    return sorted(found, key=lambda arrow: (kinds.index(arrow[:2]), list(Phase).index(arrow[2])))


@cache
def _states() -> tuple[State, ...]:
    """Return one state of each kind that events lead to from the empty one, the nearest first."""
    seen: dict[Hashable, State] = {}
    waiting = deque([State()])
    while waiting:
        state = waiting.popleft()
        if _kind(state) in seen:
            continue
        seen[_kind(state)] = state
        waiting.extend(after for _, after in _taken(state))
    return tuple(seen.values())


def _kind(state: State) -> Hashable:
    """Return what is left of a state without its numbers and times."""

    def of(number: int | None) -> Hashable:
        generation = state.generations.get(number) if number is not None else None
        return generation and (generation.standing, generation.proven)

    table = state.table
    held = (table.active, table.canary, table.previous, state.candidate)
    return (*(of(number) for number in held), bool(table.weight), table.kill_switch)


def _taken(state: State) -> Iterator[tuple[ev.Event, State]]:
    for event in _events(state):
        outcome = step(state, event, 0.0)
        if not isinstance(outcome, Rejected):
            yield event, outcome.state


def _events(state: State) -> Iterator[ev.Event]:
    """Yield one event of each kind, and one for each generation where it is about one."""
    spec = Spec(("server",), "/")
    yield ev.Founded(spec)
    for replace in (False, True):
        yield ev.CanaryAsked(spec=spec, salt="", replace=replace)
    yield from (ev.CanaryDropAsked(), ev.SwitchAsked(), ev.SwitchBackAsked())
    yield from (ev.WeightAsked(weight=0), ev.WeightAsked(weight=50))
    yield from (ev.KillSwitchAsked(on=True), ev.KillSwitchAsked(on=False))
    for number in state.generations or (1,):
        yield ev.GenerationReady(number)
        yield ev.GenerationDown(number, "")
        yield ev.GenerationFailed(number, "")


def _founded() -> State:
    return next(state for state in _states() if state.phase is not Phase.EMPTY)
