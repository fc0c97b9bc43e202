"""What a plan watches: metrics, their limits, how they are judged, and what is done with the answer.

Above: `steps`, `plan`, the guard.  Below: `evidence` for the kinds of metrics, `fields`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, ClassVar, Final

from pydantic import AfterValidator, ConfigDict, Field

from orchestrator.domain.evidence.badness import Kind
from orchestrator.domain.plans.fields import STRICT, Duration, Words, about

MEASURED: Final[Mapping[str, Kind]] = {
    "error": Kind.RATE,
    "duration": Kind.MAGNITUDE,
    "memory": Kind.MAGNITUDE,
    "cpu": Kind.MAGNITUDE,
    "processes": Kind.MAGNITUDE,
}
"""Metrics the daemon measures itself: 1 for a call that failed, milliseconds of a call; of a worker and all its
processes bytes, percent of one processor, and how many they are."""

CUSTOMARY: Final[Mapping[str, Kind]] = {"tokens": Kind.MAGNITUDE, "cost": Kind.MAGNITUDE, "quality": Kind.SCORE}
"""Metrics that have a meaning of their own in the kit and need no declaration; a worker reports them or does not."""

MIB: Final = 1024.0**2
SHOWN_UNITS: Final[Mapping[str, str]] = {"duration": " ms", "cpu": " %"}
"""Units that a limit's words have; of the other metrics the number says it, or the plan declares one."""
WORD: Final = 4
"""Letters from which on a unit is a word, and has a plural."""

MOST_CALLS: Final = 1000
"""Calls that a window holds at the most; more are kept by nobody."""

SCALES: Final[Mapping[Kind, float]] = {Kind.RATE: 1.0, Kind.SCORE: 100.0}
"""The largest value of a metric where its kind tells."""


def unit_after(metric: str, value: float, declared: str = "") -> str:
    """Return the unit that is written after a value, with its blank; "" where nobody knows one.

    Args:
        metric: whose value it is.
        value: is it; of one there is no plural.
        declared: the unit that the plan declares for the metric.
    """
    own = declared.removesuffix("s") if abs(value) == 1.0 and len(declared) >= WORD else declared
    return f" {own}" if own else SHOWN_UNITS.get(metric, "")


class Direction(StrEnum):
    """Where a metric must not go."""

    UP = "up"
    DOWN = "down"
    EITHER = "either"


class JudgeKind(StrEnum):
    """How a limit is judged."""

    SEQUENTIAL = "sequential"
    """By evidence that may be looked at after every call (`evidence`); wrong with a known probability."""
    THRESHOLD = "threshold"
    """By comparing averages with the limit; no guarantee."""


class Statistic(StrEnum):
    """Which figure of the calls a bound is for."""

    MEAN = "mean"
    P50 = "p50"
    P95 = "p95"
    P99 = "p99"


class Source(StrEnum):
    """Where a metric comes from."""

    CALL = "call"
    SAMPLES = "samples"
    PROMETHEUS = "prometheus"


class Answer(StrEnum):
    """What is done with a verdict."""

    ROLL_BACK = "roll_back"
    RETREAT = "retreat"
    PAUSE = "pause"
    WAIT = "wait"
    GO_ON = "go_on"


PRESET_NAMES: Final = ("weathervane", "planner", "atlasforge")
"""Limits that can be taken over by name (`presets`)."""


def _known_preset(name: str) -> str:
    if name not in PRESET_NAMES:
        raise ValueError(f"there is no preset {name}")
    return name


PresetName = Annotated[str, AfterValidator(_known_preset)]


def among(*answers: Answer) -> AfterValidator:
    """Check that an answer is one of some."""

    def check(answer: Answer) -> Answer:
        if answer not in answers:
            raise ValueError(f"{answer} is no answer to this")
        return answer

    return AfterValidator(check)


class Spread(StrEnum):
    """How alpha is given to the epochs."""

    EVEN = "even"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric that is neither measured by the daemon nor one of the kit's."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    name: Annotated[str, about("Its name.", "a name of letters, digits, '_', '.', '-'", pattern=r"^[\w.-]{1,100}$")]
    kind: Annotated[Kind, about("`rate`: 0 to 1, more is worse. `magnitude`: more is worse. `score`: less is worse.")]
    source: Annotated[
        Source,
        about(
            "`call`: the worker reports it with each call. `samples`: somebody sends it to the control API. "
            "`prometheus`: it is asked for."
        ),
    ] = Source.CALL
    query: Annotated[Words, about("What Prometheus is asked.")] = ""
    unit: Annotated[Words, about("For people.")] = ""

    def __post_init__(self) -> None:
        if (self.source is Source.PROMETHEUS) is not bool(self.query):
            raise ValueError("a query belongs to source = prometheus, and that needs one")


@dataclass(frozen=True, slots=True)
class Window:
    """The newest samples: not more than `calls`, not older than `seconds`."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    calls: Annotated[
        int | None, about("The newest calls.", "whole number from 1 to 1000"), Field(ge=1, le=MOST_CALLS)
    ] = None
    seconds: Annotated[Duration | None, about("The newest seconds; of them the newest 1000 calls.")] = None


@dataclass(frozen=True, slots=True)
class Limit:
    """What a metric may do; exactly one of `margin`, `relative`, `most` and `least`."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    metric: Annotated[
        str, about("Which one: measured, of the kit, or declared in `[[metrics]]`.", "text", min_length=1)
    ]
    margin: Annotated[
        float | None, about("Tolerated change against the baseline, in the metric's unit."), Field(gt=0)
    ] = None
    relative: Annotated[
        float | None, about("Tolerated change against the baseline, as a share: 0.1 is 10 %."), Field(gt=0)
    ] = None
    floor: Annotated[
        float | None,
        about(
            "Beside `relative`: a change that is smaller than this, in the metric's unit, is tolerated, however large "
            "a share it is. Calls of one millisecond differ by a tenth for no reason."
        ),
        Field(gt=0),
    ] = None
    most: Annotated[float | None, about("What it must not exceed, whatever the baseline does.")] = None
    least: Annotated[float | None, about("What it must not fall below, whatever the baseline does.")] = None
    direction: Annotated[
        Direction | None, about("Which change is a bad one; by itself the one that the kind calls worse.")
    ] = None
    kind: Annotated[Kind | None, about("By itself the metric's own.")] = None
    statistic: Annotated[Statistic, about("Of which figure `most` and `least` speak.")] = Statistic.MEAN
    judge: Annotated[JudgeKind | None, about("By itself the plan's judge.")] = None
    min_samples: Annotated[int, about("Samples an arm needs before it is judged.", "whole number from 0 up", ge=0)] = 0
    window: Annotated[Window | None, about("Which samples the `threshold` judge looks at; by itself all.")] = None
    scale: Annotated[
        float | None,
        about(
            "The largest value there can be: with it a margin is certified on average, without for the typical call. "
            "By itself 1 of a rate, 100 of a score."
        ),
        Field(gt=0),
    ] = None

    def __post_init__(self) -> None:
        given = [each for each in (self.margin, self.relative, self.most, self.least) if each is not None]
        if len(given) != 1:
            raise ValueError("a limit has exactly one of margin, relative, most and least")
        if self.floor is not None and self.relative is None:
            raise ValueError("floor belongs to relative; a margin is a floor already")
        if self.direction is not None and not self.compares:
            raise ValueError("most and least say the direction themselves")

    @property
    def compares(self) -> bool:
        """Whether it needs a baseline."""
        return self.most is None and self.least is None

    def __str__(self) -> str:
        return self.told()

    def told(self, unit: str = "") -> str:
        """Say what it allows; in a unit, where the plan declares one for its metric."""
        return f"{self.metric} {self._bound(unit)}"

    def _bound(self, unit: str) -> str:
        name = "" if self.statistic is Statistic.MEAN else f"({self.statistic}) "
        if self.most is not None:
            return f"{name}at most {self._amount(self.most, unit)}"
        if self.least is not None:
            return f"{name}at least {self._amount(self.least, unit)}"
        sign = {Direction.UP: "+", Direction.DOWN: "-", Direction.EITHER: "+-"}.get(
            self.direction or Direction.EITHER, ""
        )
        sign = sign if self.direction else "worse by "
        if self.relative is None:
            return f"{sign}{self._amount(self.margin or 0.0, unit, points=True)}"
        floor = f" and {self._amount(self.floor, unit, points=True)}" if self.floor is not None else ""
        return f"{sign}{self.relative * 100:g} %{floor}"

    def _amount(self, value: float, unit: str, *, points: bool = False) -> str:
        """Write a value of the metric for people."""
        if self.metric == "error":
            return f"{value * 100:g} {'pp' if points else '%'}"
        if self.metric == "memory":
            return f"{value / MIB:,.10g} MiB"
        return f"{value:,.10g}{unit_after(self.metric, value, unit)}"


@dataclass(frozen=True, slots=True)
class Judge:
    """How limits are judged that do not say so themselves."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    kind: Annotated[
        JudgeKind,
        about(
            "`sequential`: evidence that may be looked at after every call. `threshold`: averages against limits, "
            "without a guarantee."
        ),
    ] = JudgeKind.SEQUENTIAL
    alpha: Annotated[
        float,
        about("Probability of rolling back a version that is no worse, over the whole rollout."),
        Field(gt=0, lt=1),
    ] = 0.01
    spread: Annotated[
        Spread, about("`even`: each epoch has its part of alpha. `none`: each has the whole, so together more.")
    ] = Spread.EVEN
    look_every: Annotated[int, about("Calls of the canary between two looks.", "whole number from 1 up", ge=1)] = 10
    initial_delay: Annotated[
        Duration,
        about("Time after the canary's first share of the calls in which none is judged: a fresh process is slow."),
    ] = 0.0


@dataclass(frozen=True, slots=True)
class Tighter:
    """Limits that are tighter while much is at stake."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    above: Annotated[int, about("Weight above which they are.", "whole number from 0 to 99", ge=0, le=99)] = 50
    factor: Annotated[float, about("What margins and relative limits are multiplied by."), Field(gt=0, lt=1)] = 0.5


@dataclass(frozen=True, slots=True)
class Slower:
    """Longer pauses while the two versions disagree."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    above: Annotated[float, about("Share of mirrored calls with different answers above which."), Field(ge=0, lt=1)] = (
        0.1
    )
    factor: Annotated[float, about("What pauses are multiplied by."), Field(gt=1, le=100)] = 2.0


@dataclass(frozen=True, slots=True)
class Policy:
    """What is done before and with a verdict."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    breach_held: Annotated[Duration, about("How long a limit must be exceeded before it counts.")] = 0.0
    confirm_looks: Annotated[
        int, about("Looks in a row that must find it exceeded before it counts.", "whole number from 1 up", ge=1)
    ] = 1
    retreat: Annotated[
        tuple[Annotated[int, Field(ge=0, le=99)], ...],
        about(
            "Weights gone down by, one after the other, where `on_inconclusive` is `retreat`.", "list of whole numbers"
        ),
    ] = ()
    tighter: Annotated[Tighter | None, about("Tighter limits above a weight.")] = None
    slower: Annotated[Slower | None, about("Longer pauses while the two versions disagree.")] = None
    advance_when_certified: Annotated[bool, about("Go on before the pause is over once every margin is certified.")] = (
        False
    )
