"""A plan: how one attempt to replace the active generation, or to move flags, is to go; a value, read from a file.

A plan only says.  Nothing here reads a clock or changes anything; whoever carries it out asks it what comes next.
Above: `epochs`, `times`, `lint`, the room `plans` that reads the files.  Below: `steps`,
`limits`, `freeze`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, ClassVar, Literal

from pydantic import ConfigDict

from orchestrator.domain.evidence.badness import Kind
from orchestrator.domain.plans.fields import STRICT, Duration, Words, about
from orchestrator.domain.plans.freeze import FreezeWindow
from orchestrator.domain.plans.limits import (
    CUSTOMARY,
    MEASURED,
    Answer,
    Judge,
    JudgeKind,
    Limit,
    Metric,
    Policy,
    PresetName,
    among,
)
from orchestrator.domain.plans.steps import FlagStage, Hold, Step


class StateUse(StrEnum):
    """Whether two versions may work on one state."""

    SHARED = "shared"
    EXCLUSIVE = "exclusive"


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What is tried before any traffic."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    run: Annotated[bool, about("Whether there is one.")] = True
    build: Annotated[bool, about("Whether the copy is built.")] = True
    test: Annotated[bool, about("Whether the copy's tests are run.")] = True
    flags: Annotated[
        Literal["safe", "live"], about("Which values old and new version see: the safe ones, or those set now.")
    ] = "safe"
    on_differences: Annotated[
        Answer,
        among(Answer.ROLL_BACK, Answer.PAUSE, Answer.GO_ON),
        about("When their answers differ: end it, let a person look, or go on.", '"roll_back", "pause" or "go_on"'),
    ] = Answer.PAUSE


@dataclass(frozen=True, slots=True)
class Promotion:
    """The move of all traffic."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    hold: Annotated[Hold | None, about("What has to agree before it.")] = None


@dataclass(frozen=True, slots=True)
class Bake:
    """The time after the promotion, before flags move."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    health: Annotated[
        Duration, about("Time after the promotion for which limits are judged before anything goes on.")
    ] = 600.0
    unlock: Annotated[Duration, about("Time after the promotion at which flags may move.")] = 900.0
    mirror: Annotated[
        bool, about("Whether read-only calls also go to `previous`: without it nothing is there to compare with.")
    ] = True


@dataclass(frozen=True, slots=True)
class Plan:
    """How a rollout is to go."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    name: Annotated[str, about("What it is called.", "a name of letters, digits, '-', '_'", pattern=r"^[\w-]{1,100}$")]
    description: Annotated[Words, about("One line for people.")] = ""
    new_generation: Annotated[
        bool, about("Whether it replaces the active generation; without, it only moves flags.")
    ] = True
    state: Annotated[
        StateUse,
        about(
            "`shared`: both versions work on the live state, which the rehearsal has to show. `exclusive`: one at a "
            "time, so there are no steps."
        ),
    ] = StateUse.SHARED
    deadline: Annotated[Duration | None, about("Time the whole may take, from its first step on; by itself none.")] = (
        None
    )
    on_deadline: Annotated[
        Answer,
        among(Answer.PAUSE, Answer.ROLL_BACK),
        about("What is done when it is over.", '"pause" or "roll_back"'),
    ] = Answer.PAUSE
    on_regression: Annotated[
        Answer,
        among(Answer.ROLL_BACK, Answer.PAUSE),
        about("What is done when a limit is exceeded.", '"roll_back" or "pause"'),
    ] = Answer.ROLL_BACK
    on_inconclusive: Annotated[
        Answer,
        among(Answer.PAUSE, Answer.RETREAT, Answer.ROLL_BACK, Answer.GO_ON),
        about(
            "What is done when the time is over and the evidence says neither well nor worse.",
            '"pause", "retreat", "roll_back" or "go_on"',
        ),
    ] = Answer.PAUSE
    on_missing_data: Annotated[
        Answer,
        among(Answer.WAIT, Answer.PAUSE, Answer.ROLL_BACK, Answer.GO_ON),
        about(
            "What is done when the time is over and there are too few samples, or none that can be believed.",
            '"wait", "pause", "roll_back" or "go_on"',
        ),
    ] = Answer.WAIT
    rehearsal: Annotated[Rehearsal, about("What is tried before any traffic.")] = Rehearsal()
    steps: Annotated[tuple[Step, ...], about("The canary's weights, in order.", "list of tables")] = ()
    promotion: Annotated[Promotion, about("The move of all traffic.")] = Promotion()
    bake: Annotated[Bake, about("The time after it, before flags move.")] = Bake()
    flags: Annotated[tuple[FlagStage, ...], about("The flags' moves, in order.", "list of tables")] = ()
    limits: Annotated[tuple[Limit, ...], about("What is watched all the time.", "list of tables")] = ()
    presets: Annotated[
        tuple[PresetName, ...],
        about(
            "Limits taken over by name; one of the plan's own on the same figure goes before.",
            'list of "weathervane", "planner", "atlasforge"',
        ),
    ] = ()
    metrics: Annotated[tuple[Metric, ...], about("Metrics of one's own.", "list of tables")] = ()
    judge: Annotated[Judge, about("How limits are judged.")] = field(default_factory=Judge)
    policy: Annotated[Policy, about("What is done before and with a verdict.")] = field(default_factory=Policy)
    freeze: Annotated[
        tuple[FreezeWindow, ...], about("When nothing goes on; a rollback always may.", "list of tables")
    ] = ()

    def kind_of(self, limit: Limit) -> Kind:
        """Return the kind of a limit's metric."""
        own = next((metric.kind for metric in self.metrics if metric.name == limit.metric), None)
        return limit.kind or own or MEASURED.get(limit.metric) or CUSTOMARY.get(limit.metric) or Kind.MAGNITUDE

    def unit_of(self, limit: Limit) -> str:
        """Return the unit that the plan declares for a limit's metric, "" where it declares none."""
        return next((metric.unit for metric in self.metrics if metric.name == limit.metric), "")

    def told(self, limit: Limit) -> str:
        """Say what a limit allows, in its metric's unit."""
        return limit.told(self.unit_of(limit))

    def judge_of(self, limit: Limit) -> JudgeKind:
        """Return how a limit is judged."""
        return limit.judge or self.judge.kind

    def limits_of(self, part: Step | FlagStage | Bake) -> tuple[Limit, ...]:
        """Return the limits that are judged in a part of the plan."""
        return self.limits if isinstance(part, Bake) else (*self.limits, *part.limits)
