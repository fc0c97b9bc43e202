"""Events by short names and the states they lead to, for the tests of the machine."""

from __future__ import annotations

from orchestrator.domain.generation import Spec
from orchestrator.domain.rollouts import events as ev
from orchestrator.domain.rollouts.commands import Command
from orchestrator.domain.rollouts.rollout import Rejected, State, Step, step

NOW = 1_800_000_000.0


def spec(name: str) -> Spec:
    return Spec(("python", f"{name}.py"), "/srv", {"NAME": name}, fingerprint=name)


def founded(name: str = "one") -> ev.Founded:
    return ev.Founded(spec(name))


def canary(name: str, *, replace: bool = False) -> ev.CanaryAsked:
    return ev.CanaryAsked(spec=spec(name), salt=f"salt of {name}", replace=replace, actor="ann")


def weight(percent: int) -> ev.WeightAsked:
    return ev.WeightAsked(weight=percent, actor="ann")


def ready(number: int) -> ev.GenerationReady:
    return ev.GenerationReady(number)


def down(number: int) -> ev.GenerationDown:
    return ev.GenerationDown(number, "it crashed")


def failed(number: int) -> ev.GenerationFailed:
    return ev.GenerationFailed(number, "it is in a crash loop")


SWITCH, BACK, DROP = ev.SwitchAsked(actor="ann"), ev.SwitchBackAsked(actor="ann"), ev.CanaryDropAsked(actor="ann")
KILL_ON, KILL_OFF = ev.KillSwitchAsked(on=True, actor="ann"), ev.KillSwitchAsked(on=False, actor="ann")

SERVING = (founded(), ready(1))
"""Generation 1 active and ready."""
STARTING = (*SERVING, canary("two"))
"""Generation 2 being started beside it."""
TWO = (*STARTING, ready(2))
"""Generation 1 active, 2 canary."""
SWITCHED = (*TWO, SWITCH)
"""Generation 2 active, 1 previous and warm."""
THREE = (*SWITCHED, canary("three"), ready(3))
"""Generation 2 active, 1 previous and warm, 3 canary."""


def take(state: State, event: ev.Event, now: float = NOW) -> Step:
    """Return what an event that must be accepted leads to."""
    outcome = step(state, event, now)
    assert isinstance(outcome, Step), outcome
    return outcome


def after(*events: ev.Event) -> State:
    """Return the state that a story leads to."""
    state = State()
    for event in events:
        state = take(state, event).state
    return state


def does(state: State, event: ev.Event) -> tuple[State, tuple[Command, ...]]:
    """Return state and commands of an event that must be accepted."""
    outcome = take(state, event, NOW + 1)
    return outcome.state, outcome.commands


def refusal(state: State, event: ev.Event) -> str:
    """Return why an event that must be refused is refused."""
    outcome = step(state, event, NOW)
    assert isinstance(outcome, Rejected), outcome
    return outcome.reason
