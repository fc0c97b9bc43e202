"""A small tool whose answers vary as real ones do, for the tests of the shadow comparison."""

from __future__ import annotations

import datetime as dt
import json
import random
from collections.abc import Callable
from typing import Any

from orchestrator.domain.comparison import Comparison, Sample
from orchestrator.shadow.compare import Comparer
from orchestrator.shadow.profile import Profile, learn

START = 1_790_000_000.0
Change = Callable[[dict[str, Any]], None]


def fresh_id(rng: random.Random) -> str:
    text = f"{rng.getrandbits(128):032x}"
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}"


def iso(at: float) -> str:
    return dt.datetime.fromtimestamp(at, tz=dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def answer(at: float, rng: random.Random) -> dict[str, Any]:
    """Return one answer of the tool."""
    ids = [fresh_id(rng) for _ in range(5)]
    tasks = [
        {
            "id": ids[at_],
            "title": f"task number {at_}",
            "after": ids[at_ - 1],
            "took_ms": round(rng.uniform(5, 50), 2),
            "note": f"worker {rng.randint(1000, 60000)} wrote /tmp/run-{rng.getrandbits(32):08x}/{at_}.log "
            f"in {rng.randint(5, 60)}ms",
            "created": f"2024-03-0{at_ + 1}T10:00:00Z",
        }
        for at_ in range(5)
    ]
    workers = [{"name": name, "load": round(rng.uniform(0.1, 4.0), 2)} for name in ("ada", "bob", "cyd", "dan")]
    rng.shuffle(workers)
    return {
        "ok": True,
        "tasks": tasks,
        "workers": workers,
        "now": iso(at),
        "now_ms": int(at * 1000),
        "pid": rng.randint(300, 60000),
        "limit": 5,
        "by_id": {fresh_id(rng): {"team": team} for team in ("north", "south")},
        **({"warning": "slow disk"} if rng.random() < 0.5 else {}),
    }


def sample(value: Any, at: float) -> Sample:
    return Sample(json.dumps(value).encode(), at)


class Story:
    """The tool's control, what was learned from it, and what a rehearsal says."""

    def __init__(self, seed: int = 1, controls: int = 8) -> None:
        self.rng = random.Random(seed)
        self.at = START
        self.controls = [self.next() for _ in range(controls)]
        self.profile: Profile = learn("plan", "f1", [self.controls])
        self.comparer = Comparer(self.profile)

    def next(self, change: Change | None = None) -> Sample:
        self.at += self.rng.uniform(0.2, 3.0)
        value = answer(self.at, self.rng)
        if change is not None:
            change(value)
        return sample(value, self.at)

    def compare(self, change: Change | None = None) -> Comparison:
        return self.comparer.compare(self.controls[0], self.next(change))


def found(comparison: Comparison) -> set[tuple[str, str]]:
    return {(one.kind.value, one.path) for one in comparison.findings}
