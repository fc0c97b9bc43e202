"""What the flags room says to others: values without behaviour.

Above: `api`, `cli` and whoever subscribes.  Below: `domain`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestrator.domain.flags.declaration import Prerequisite
from orchestrator.domain.flags.values import Value


@dataclass(frozen=True, slots=True)
class Difference:
    """One flag's part in a change.

    Attributes:
        key: the flag.
        before: its value before; None where it was not declared or stored.
        after: its value after; None where it is no longer.
        targeting_before: its targeting before.
        targeting_after: its targeting after.
    """

    key: str
    before: Value | None
    after: Value | None
    targeting_before: Mapping[str, Any] | None = None
    targeting_after: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Changed:
    """A change that was made, or found to be none.

    Attributes:
        version: the flags version now in force.
        changes: what differs, empty when everything was so already (the version is the old one then).
        at: when, seconds since the Unix epoch.
        actor: who asked.
        reason: why, in the actor's words.
        cause: what made it happen: `person`, `timer`, `rollback`, `registry`, `database`, ...
        written: False when it takes effect but could not be written down (a move to safety on a full disk).
    """

    version: int
    changes: tuple[Difference, ...]
    at: float
    actor: str
    reason: str = ""
    cause: str = "person"
    written: bool = True


@dataclass(frozen=True, slots=True)
class Reader:
    """A process that reads the flags and said so over its view's push socket.

    Attributes:
        pid: its process id, as the kernel says.
        generation: the generation it says it belongs to; 0 without.
        role: what it says it was started for.
        view: the view it reads, such as `live`.
        applied: the flags version it has applied.
        since: when it connected, seconds since the Unix epoch.
        forced: the flags its environment forces, and to what.
    """

    pid: int
    generation: int
    role: str
    view: str
    applied: int
    since: float
    forced: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WorkerSeen:
    """A worker process of the daemon's own.

    Attributes:
        pid: its process id.
        generation: whose it is.
        role: what it was started for.
    """

    pid: int
    generation: int
    role: str = "serving"


@dataclass(frozen=True, slots=True)
class Applied:
    """Who has applied a flags version.

    Attributes:
        version: the version.
        readers: all readers of the live view.
        late: those of them that have not applied it.
        silent: workers that never connected: they may read the page without saying so, or know nothing of flags.
    """

    version: int
    readers: tuple[Reader, ...]
    late: tuple[Reader, ...]
    silent: tuple[WorkerSeen, ...]


@dataclass(frozen=True, slots=True)
class FlagView:
    """Everything about one flag.

    Attributes:
        key: its name.
        type: enum, bool, int, float, string or object; "" when its declaration cannot be read.
        values: the values it may have, None for all of its type.
        default: its value while nobody set one.
        safe: its value when in doubt.
        on: the value it is meant to reach.
        value: its value now.
        is_set: whether somebody set it.
        targeting: who gets what instead, as in the snapshot document.
        salt: what its buckets are salted with.
        hash_version: version of its buckets' hash.
        prerequisites: what must hold before it leaves its safe value.
        risk: what the other values risk.
        owner: who is asked about it.
        description: what it does.
        expires: the day from which it should be gone.
        env: the variable that forces it, beside `SWITCHOVER_FLAG_<KEY>`.
        kill_switch: whether it makes every other flag answer its safe value.
        min_stable: seconds a version has to run well before it moves.
        invalid: why it cannot be used and answers its safe value, None when it can.
        changed_at: when its value or targeting last changed, seconds since the Unix epoch; None for never.
        read_at: when a worker was last known to read it; None for never since the daemon started.
        forced: the readers whose environment forces it, and to what: pid -> value.
    """

    key: str
    type: str
    values: tuple[Value, ...] | None = None
    default: Value | None = None
    safe: Value | None = None
    on: Value | None = None
    value: Value | None = None
    is_set: bool = False
    targeting: Mapping[str, Any] | None = None
    salt: str = ""
    hash_version: int = 1
    prerequisites: tuple[Prerequisite, ...] = ()
    risk: str = ""
    owner: str = ""
    description: str = ""
    expires: dt.date | None = None
    env: str | None = None
    kill_switch: bool = False
    min_stable: float = 0.0
    invalid: str | None = None
    changed_at: float | None = None
    read_at: float | None = None
    forced: Mapping[int, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Remembered:
    """One change of one flag, from the history.

    Attributes:
        seq: its number; a page of the history ends at one.
        version: the flags version it made.
        key: the flag.
        before: its value before, None where it was not stored.
        after: its value after, None where it was forgotten.
        targeting_before: its targeting before.
        targeting_after: its targeting after.
        actor: who asked.
        reason: why.
        cause: what made it happen.
        at: when, seconds since the Unix epoch.
    """

    seq: int
    version: int
    key: str
    before: Value | None
    after: Value | None
    targeting_before: Mapping[str, Any] | None
    targeting_after: Mapping[str, Any] | None
    actor: str
    reason: str
    cause: str
    at: float


@dataclass(frozen=True, slots=True)
class AsOf:
    """The flags as they stood once.

    Attributes:
        version: the flags version.
        at: when it was written, seconds since the Unix epoch; 0.0 before the first write.
        values: every stored flag's value.
        targeting: the targeting of those that had one.
    """

    version: int
    at: float
    values: Mapping[str, Value]
    targeting: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class FlagsStatus:
    """The flags in a few words, for `status` and the metrics.

    Attributes:
        version: the flags version.
        readers: how many processes are connected to the push socket of the live view.
        late: those that have not applied the version yet.
        changes: changes of single flags since the daemon started.
        trouble: what is not as it should be, None in health.
    """

    version: int
    readers: int
    late: tuple[Reader, ...]
    changes: int
    trouble: str | None
