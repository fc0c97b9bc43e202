"""What comparing costs, from bytes to verdict, against DeepDiff, jsondiff and jycm.

    python bench/shadow_speed.py [--quick]

Bodies of 1 kB to 1 MB of records in which several members of every record are noise that was learned.  Equal pairs
are equal up to it; changed ones have 50 changes (fewer where there are fewer records).  Each figure is the best of its
rounds, rounds interleaved, so that both sides of a ratio had the same machine.  The peers compare the same bytes with
what they do by default; a peer that does not end within its time is left out.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deepdiff import DeepDiff

from bench.figures import Report
from bench.processes import ROOT
from bench.shadow_world import iso, uuid4
from orchestrator.domain.comparison import Sample, Verdict
from orchestrator.shadow.compare import Comparer
from orchestrator.shadow.profile import learn

SIZES = {"1kB": 3, "10kB": 28, "100kB": 280, "1MB": 2800}
"""Records that make about so many bytes."""
CHANGES = 50
SHUFFLED = 10_000
PEER_SIZES = {"jsondiff": ("1kB", "10kB", "100kB"), "jycm": ("1kB", "10kB")}
"""What each peer is given: at the next size it takes minutes."""
PEER_SECONDS = 30.0
START = 1.79e9


@dataclass(frozen=True)
class Bodies:
    """A comparison to be timed: the learned comparer, control, an equal rehearsal and a changed one."""

    comparer: Comparer
    control: Sample
    equal: Sample
    changed: Sample


def records(count: int, at: float, rng: random.Random) -> list[dict[str, Any]]:
    """Return records of which five members vary."""
    ids = [uuid4(rng) for _ in range(count)]
    return [
        {
            "id": ids[n],
            "name": f"record-{n:05d}",
            "status": "active",
            "score": n * 1.5,
            "tags": ["blue", "green"],
            "owner": {"team": f"team-{n % 7}", "level": n % 3},
            "updated_at": iso(at - rng.random(), "ms"),
            "took_ms": round(rng.uniform(5, 50), 2),
            "note": f"handled record-{n:05d} in {rng.randint(5, 60)}ms",
            "text": "the quick brown fox jumps over the lazy dog",
            "parent": ids[n - 1],
        }
        for n in range(count)
    ]


def sample(value: Any, at: float) -> Sample:
    """Return a value as a sample."""
    return Sample(json.dumps(value).encode(), at)


def bodies(count: int) -> Bodies:
    """Learn from six answers of so many records, and make a pair of each kind."""
    rng = random.Random(count)
    calls = iter(range(20))

    def answer() -> tuple[dict[str, Any], float]:
        at = START + next(calls)
        return {"ok": True, "items": records(count, at, rng)}, at

    controls = [sample(*answer()) for _ in range(6)]
    value, at = answer()
    changed, later = answer()
    for n in range(0, count, max(1, count // CHANGES)):
        changed["items"][n]["status"] = "broken"
    made = Bodies(Comparer(learn("t", "f", [controls])), controls[0], sample(value, at), sample(changed, later))
    if made.comparer.compare(made.control, made.equal).verdict is not Verdict.EQUAL:
        raise SystemExit("the pair that should be equal is not")
    found = made.comparer.compare(made.control, made.changed).findings
    if len(found) != len(range(0, count, max(1, count // CHANGES))):
        raise SystemExit(f"{len(found)} changes were found")
    return made


def best(rounds: int, *calls: Callable[[], object]) -> list[float]:
    """Return the best milliseconds of each call, rounds interleaved."""
    times = [float("inf")] * len(calls)
    for _ in range(rounds):
        for at, call in enumerate(calls):
            began = time.perf_counter()
            call()
            times[at] = min(times[at], 1000 * (time.perf_counter() - began))
    return times


def size(report: Report, name: str, made: Bodies, rounds: int) -> None:
    """Measure one size beside DeepDiff."""
    compare, control = made.comparer.compare, made.control
    mine_equal, mine_changed, deepdiff = best(
        rounds,
        lambda: compare(control, made.equal),
        lambda: compare(control, made.changed),
        lambda: DeepDiff(json.loads(control.body), json.loads(made.changed.body)),
    )
    report.note(f"{name}.bytes", len(control.body))
    report.note(f"{name}.equal_ms", mine_equal)
    report.note(f"{name}.changed_ms", mine_changed)
    report.note(f"{name}.deepdiff_ms", deepdiff)
    large = name == "1MB"
    report.note(f"{name}.equal_of_deepdiff", deepdiff / mine_equal, ">= 25" if large else None)
    report.note(f"{name}.changed_of_deepdiff", deepdiff / mine_changed, ">= 20" if large else None)
    for peer, sizes in PEER_SIZES.items():
        taken = peer_ms(peer, made) if name in sizes else None
        if taken is not None:
            report.note(f"{name}.{peer}_ms", taken)
            report.note(f"{name}.changed_of_{peer}", taken / mine_changed)


def peer_ms(name: str, made: Bodies) -> float | None:
    """Time a peer in the interpreter that has it; None where it is missing or does not end."""
    python = ROOT / ".venv-bench" / "bin" / "python"
    if not python.exists():
        return None
    with tempfile.TemporaryDirectory() as folder:
        paths = Path(folder, "control"), Path(folder, "rehearsal")
        for path, one in zip(paths, (made.control, made.changed), strict=True):
            path.write_bytes(one.body)
        command = [str(python), str(ROOT / "bench" / "shadow_peers.py"), name, *map(str, paths), "3"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=PEER_SECONDS, check=True)
        except (subprocess.TimeoutExpired, subprocess.CalledProcessError) as error:
            print(f"{name} is left out: {type(error).__name__}")
            return None
    return float(done.stdout)


def shuffled(report: Report, rounds: int) -> None:
    """Measure 10,000 records in another order, 1 % of them changed."""
    rng = random.Random(1)

    def answer(at: float) -> list[dict[str, Any]]:
        rows = [{"key": f"k{n}", "value": n, "state": "on", "at": iso(at, "ms")} for n in range(SHUFFLED)]
        rng.shuffle(rows)
        return rows

    few = [[row for row in answer(START + n) if row["value"] < 200] for n in range(6)]
    comparer = Comparer(learn("t", "f", [[sample(rows, START + n) for n, rows in enumerate(few)]]))
    control, changed = answer(START + 8), answer(START + 9)
    for row in changed[:: SHUFFLED // 100]:
        row["state"] = "off"
    pair = sample(control, START + 8), sample(changed, START + 9)
    found = comparer.compare(*pair).findings
    if len(found) != 100 or {one.path for one in found} != {"$[].state"}:
        raise SystemExit(f"of 100 changes among shuffled records {len(found)} were found")
    report.note("shuffled_10000.ms", best(rounds, lambda: comparer.compare(*pair))[0], "<= 100")


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    quick = parser.parse_args().quick
    report = Report("shadow_speed", quick)
    for name, count in SIZES.items():
        size(report, name, bodies(count), (3 if name == "1MB" else 5) if quick else 9)
    shuffled(report, 5 if quick else 15)
    report.print()


if __name__ == "__main__":
    main()
