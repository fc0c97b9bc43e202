"""The parts of a plan that take time: its steps, what they wait for and whom they take, and the stages of its flags.

Above: `plan`.  Below: `limits`, `fields`.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, ConfigDict, Field

from orchestrator.domain.flags.values import Value
from orchestrator.domain.plans.fields import STRICT, Duration, Pause, Words, about
from orchestrator.domain.plans.limits import Limit


class HoldKind(StrEnum):
    """What a hold waits for."""

    PERSON = "person"
    COMMAND = "command"
    WEBHOOK = "webhook"
    PARITY = "parity"


class TooYoung(StrEnum):
    """What is done about a flag whose `min_stable` is not over."""

    WAIT = "wait"
    SKIP = "skip"


@dataclass(frozen=True, slots=True)
class Hold:
    """Something that has to agree before a part of the plan begins; the guard stays on meanwhile."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    kind: Annotated[
        HoldKind,
        about(
            "`person`: until somebody resumes. `command`: until it ends with status 0. `webhook`: until it says 2xx. "
            "`parity`: until the state that new code makes has been the same as the live one for `clean`."
        ),
    ]
    say: Annotated[Words, about("What is to be agreed to, for people.")] = ""
    command: Annotated[tuple[Words, ...], about("The command, without a shell.", "list of texts")] = ()
    url: Annotated[Words, about("Where the question is sent to by POST.", "text")] = ""
    clean: Annotated[Duration | None, about("How long the two states have been the same without a break.")] = None
    every: Annotated[Duration, about("Time between two tries.")] = 30.0
    timeout: Annotated[Duration, about("Time one try may take.")] = 10.0
    longest: Annotated[Duration | None, about("Time after which the rollout pauses instead; by itself none.")] = None

    def __post_init__(self) -> None:
        given = {
            HoldKind.COMMAND: ("a command", bool(self.command and self.command[0])),
            HoldKind.WEBHOOK: ("a url", bool(self.url)),
            HoldKind.PARITY: ("a time to be clean", bool(self.clean)),
        }
        for kind, (what, is_given) in given.items():
            if (self.kind is kind) is not is_given:
                raise ValueError(f"{what} belongs to kind = {kind}, and that needs one")
        if self.url and not self.url.startswith(("http://", "https://")):
            raise ValueError("a url begins with http:// or https://")


def _instant(written: Any) -> Any:
    """Return an instant as ISO 8601.

    Raises:
        ValueError: it is none, or has no offset and would be another moment in every zone.
    """
    if not isinstance(written, str):
        return written
    if dt.datetime.fromisoformat(written).tzinfo is None:
        raise ValueError("it has no offset, such as Z or +02:00")
    return written


@dataclass(frozen=True, slots=True)
class Keys:
    """Who is taken by a step, besides its weight."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    always: Annotated[
        tuple[Annotated[Words, Field(min_length=1)], ...],
        about(
            "Assignment keys that are the canary's at any weight; `*` at the end stands for any rest.", "list of texts"
        ),
    ] = ()
    only_new_by: Annotated[
        Words,
        about("Attribute with the instant a key began at; the weight takes only those that began `since`.", "text"),
    ] = ""
    since: Annotated[
        str | None,
        BeforeValidator(_instant),
        about("From which instant on; by itself the rollout's beginning.", "instant with offset, 2026-11-01T00:00:00Z"),
    ] = None

    def __post_init__(self) -> None:
        if self.since is not None and not self.only_new_by:
            raise ValueError("since belongs to only_new_by")
        if not self.always and not self.only_new_by:
            raise ValueError("keys name at least one of always and only_new_by")


@dataclass(frozen=True, slots=True)
class Step:
    """A weight, and how long it stays."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    weight: Annotated[
        int, about("Percent of assignment keys on the canary.", "whole number from 0 to 100", ge=0, le=100)
    ]
    pause: Annotated[
        Pause,
        about("How long it stays.", 'seconds, a text such as "10m", or "until resumed"'),
    ]
    name: Annotated[Words, about("For people.")] = ""
    analysis: Annotated[bool, about("Whether limits are judged; a regression ends it at any moment.")] = True
    mirror: Annotated[
        bool, about("Whether read-only calls also go to the other version, whose answer is only compared.")
    ] = False
    hold: Annotated[Hold | None, about("What has to agree before the step begins.")] = None
    keys: Annotated[Keys | None, about("Who is taken besides the weight.")] = None
    limits: Annotated[tuple[Limit, ...], about("Limits besides the plan's.", "list of tables")] = ()


@dataclass(frozen=True, slots=True)
class FlagStage:
    """One flag's move."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    flag: Annotated[str, about("Which flag.", "text", min_length=1)]
    to: Annotated[Value, about("Its value from then on.", "a value of the flag")]
    soak: Annotated[Duration, about("Time after it before the next one.")]
    half_first: Annotated[
        bool, about("Move half of the keys for the first half of the soak: the others are their baseline.")
    ] = True
    min_stable: Annotated[
        Duration | None, about("Time the version must have run well after its promotion; by itself the flag's own.")
    ] = None
    if_too_young: Annotated[
        TooYoung, about("`wait` until `min_stable` is over, or `skip` the stage; a later plan can move the flag.")
    ] = TooYoung.WAIT
    limits: Annotated[tuple[Limit, ...], about("Limits besides the plan's.", "list of tables")] = ()

    @property
    def half_seconds(self) -> float:
        """For how long only half of the keys have the new value."""
        return self.soak / 2 if self.half_first else 0.0
