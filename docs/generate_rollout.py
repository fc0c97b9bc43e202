"""Writes the page of the rollout machine from its own table, so that the diagram cannot be wrong.

Above: `generate`, and a test that compares the page with what this would write.  Below: `rollout_states`, which lets
the machine run, and `orchestrator.domain.rollouts.rollout`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Final, get_args

from docs import rollout_states
from docs.rollout_states import arrows
from orchestrator.domain.rollouts import events as ev
from orchestrator.domain.rollouts.rollout import TRANSITIONS, Handler, Phase, Rejected, routes_first, step
from orchestrator.domain.rollouts.state import OVER

PAGE: Final = Path(__file__).with_name("rollout.md")

INTRODUCTION: Final = """\
# How routing changes

<!-- Written by `make docs` from orchestrator/domain/rollouts/rollout.py; change that. -->

There is one way: an event comes in, `step(state, event, now)` decides, and out come a new state and commands. Verbs,
signals, time, the guard's looks and the reports of supervision are events like any other. What the table below does not
name is refused with a reason. [Why it is built so](rollout-why.md) is a page of its own.

An event that somebody asks for is *written first*: it is durable before anything changes, and with a full disk it is
refused. Facts and moves to safety *route first*: they take effect at once, are written then, and a full disk holds none
of them up.

"""

PHASES: Final = {
    Phase.EMPTY: "nothing has been founded yet",
    Phase.STEADY: "no change is under way",
    Phase.STARTING: "a candidate is being started as canary, by hand",
    Phase.REHEARSING: "the new version is tried on a copy",
    Phase.STEPPING: "it is started, then has its share of the calls",
    Phase.PROMOTING: "somebody has to agree to move all calls, or the state is handed over",
    Phase.BAKING: "it serves all calls and is watched",
    Phase.FLIPPING: "flags move one at a time",
    Phase.ROLLING_BACK: "calls are back or go back, flags are reset",
    Phase.DONE: "the old version is stopped",
    Phase.ROLLED_BACK: "the new version is stopped",
}
BY_HAND: Final = (Phase.EMPTY, Phase.STEADY, Phase.STARTING)

GROUPS: Final = {
    "a person": (
        *(ev.UpgradeAsked, ev.RetryAsked, ev.PromoteAsked, ev.PauseAsked, ev.ResumeAsked, ev.RollbackAsked),
        *(ev.WeightAsked, ev.SwitchBackAsked, ev.KillSwitchAsked, ev.SwitchAsked, ev.ReleaseAsked),
    ),
    "time": (ev.Tick,),
    "evidence": (ev.Looked,),
    "the rehearsal": (ev.RehearsalEnded,),
    "a hold": (ev.HoldAgreed,),
    "a process": (ev.GenerationReady, ev.GenerationDown, ev.GenerationFailed),
    "the state": (ev.CutOverDone, ev.CutOverFailed, ev.CutBackDone, ev.CutBackStuck),
    "the disk": (ev.JournalBroken,),
    "flags": (ev.FlagsReset, ev.FlagEdited, ev.FlagRefused, ev.FlagStands),
}
"""Who brings an event, for the arrows of a rollout: each by itself would be too many to read."""


def page() -> str:
    """Return the page."""
    return "".join((INTRODUCTION, *_by_hand(), "\n", *_rollout(), "\n", *_table(), "\n", *_refusals()))


def write() -> None:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")


def _by_hand() -> Iterator[str]:
    yield "## By hand\n\n"
    kept = [arrow for arrow in arrows() if arrow[0] in BY_HAND and arrow[2] in BY_HAND]
    yield from _diagram(BY_HAND, kept, ", ".join)


def _rollout() -> Iterator[str]:
    yield (
        "## A rollout\n\nA pause is no phase: any phase but the way back can be paused, and whatever happens within a "
        "phase is in the table.\n\n"
    )
    kept = [
        (source, kind, target)
        for source, kind, target in arrows()
        if source is not target and not (source in BY_HAND and target in BY_HAND)
    ]
    phases = [phase for phase in PHASES if phase not in {Phase.EMPTY, Phase.STARTING}]
    yield from _diagram(phases, kept, lambda names: ", ".join(_grouped(names)))


def _grouped(names: Iterable[str]) -> list[str]:
    of = {kind.__name__: group for group, kinds in GROUPS.items() for kind in kinds}
    return list(dict.fromkeys(of[name] for name in names))


def _diagram(
    phases: Iterable[Phase], kept: list[tuple[Phase, type[ev.Event], Phase]], label: Callable[[list[str]], str]
) -> Iterator[str]:
    """Yield a diagram of some phases with the arrows between them."""
    shown = tuple(phases)
    yield "```mermaid\nstateDiagram-v2\n"
    for phase in shown:
        yield f"    {phase}: {phase.replace('_', ' ')}, {PHASES[phase]}\n"
    yield f"    [*] --> {shown[0]}\n"
    ends = list(Phase)
    by_ends = sorted(kept, key=lambda arrow: (ends.index(arrow[0]), ends.index(arrow[2])))
    for (source, target), group in groupby(by_ends, key=lambda arrow: (arrow[0], arrow[2])):
        yield f"    {source} --> {target}: {label([kind.__name__ for _, kind, _ in group])}\n"
    for phase in shown:
        if phase in OVER:
            yield f"    {phase} --> {Phase.STEADY}\n"
    yield "```\n"


def _table() -> Iterator[str]:
    yield (
        "## What happens\n\nA rollout that is over is `done` or `rolled_back`; the machine is `steady` then.\n\n"
        "| phase | event | what happens | effect | phase after |\n|---|---|---|---|---|\n"
    )
    ends = arrows()
    for (phase, kind), handler in TRANSITIONS.items():
        after = " or ".join(target for source, other, target in ends if (source, other) == (phase, kind))
        cells = (phase, f"`{kind.__name__}`", _meaning(handler), _effect(kind), after)
        yield f"| {' | '.join(cells)} |\n"


def _refusals() -> Iterator[str]:
    yield "## What is refused whatever the details\n\n| phase | events | reason |\n|---|---|---|\n"
    for phase in PHASES:
        for reason, kinds in _refused(phase).items():
            yield f"| {phase} | {', '.join(f'`{kind.__name__}`' for kind in kinds)} | {reason} |\n"


def _refused(phase: Phase) -> dict[str, list[type[ev.Event]]]:
    """Return the events a phase never takes, by the reason it gives."""
    by_reason: dict[str, list[type[ev.Event]]] = {}
    for kind in get_args(ev.Event):
        if phase not in OVER and (phase, kind) not in TRANSITIONS:
            by_reason.setdefault(_reason(phase, kind), []).append(kind)
    return by_reason


def _reason(phase: Phase, kind: type[ev.Event]) -> str:
    state = next(state for state in rollout_states.states() if state.phase is phase)
    outcome = step(state, rollout_states.example(kind), 0.0)
    return outcome.reason if isinstance(outcome, Rejected) else "-"


def _meaning(handler: Handler) -> str:
    return (handler.__doc__ or "").partition("\n")[0]


def _effect(kind: type[ev.Event]) -> str:
    if kind is ev.KillSwitchAsked:
        return "on routes first, off is written first"
    if kind is ev.RollbackAsked:
        return "routes first, with lose_writes is written first"
    if kind is ev.Looked:
        return "a regression routes first, all else is written first"
    return "routes first" if routes_first(rollout_states.example(kind)) else "is written first"
