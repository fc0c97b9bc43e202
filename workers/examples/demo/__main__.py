"""The story: version 1 serves, version 2 takes over step by step, version 3 is bad and is taken back.

    python -m workers.examples.demo [--without-rehearsal] [--state-dir DIR] [--record FILE]

Above: `make demo`.  Below: `stage` runs the daemon and types the verbs, `traffic` calls tools all the while.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from workers.examples.demo.stage import ROOT, Narrator, Stage
from workers.examples.demo.traffic import Traffic

HERE: Final = Path(__file__).parent
PLAN: Final = HERE / "plan.toml"
GOOD: Final = (sys.executable, "-m", "workers.reference", "--version-label")
BAD: Final = (sys.executable, str(ROOT / "tests/candidates/candidate.py"), "--change", "errors", "--version-label", "3")


async def play(state_dir: Path, narrator: Narrator, *, rehearse: bool) -> bool:
    """Play the story; return whether it went as it should."""
    verb = ("upgrade", "--plan", _plan(state_dir, rehearse=rehearse), *(() if rehearse else ("--force-plan",)), "--")
    stage = Stage(state_dir, narrator)
    narrator.say("Version 1 of a tool server is started behind the daemon, and eight clients call its tools.")
    await stage.start(*GOOD, "1")
    traffic = Traffic(stage.socket)
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(traffic.run())
            try:
                return await _upgrades(stage, narrator, traffic, verb)
            finally:
                traffic.stop()
    finally:
        await stage.stop()


def _plan(state_dir: Path, *, rehearse: bool) -> str:
    """Return the plan's file; one without a rehearsal is written beside the daemon's state."""
    if rehearse:
        return str(PLAN)
    plan = state_dir / PLAN.name
    state_dir.mkdir(parents=True, exist_ok=True)
    plan.write_text(PLAN.read_text().replace("[rehearsal]", "[rehearsal]\nrun = false"))
    return str(plan)


async def _upgrades(stage: Stage, narrator: Narrator, traffic: Traffic, verb: tuple[str, ...]) -> bool:
    narrator.say()
    narrator.say("Version 2 is rehearsed beside it, gets 10 % and 50 % of the missions, then all; then two flags move.")
    good = await stage.type(*verb, *GOOD, "2")
    narrator.say()
    narrator.say("Version 3 fails in 6 % of its calls, and nobody knows.")
    bad = await stage.type(*verb, *BAD)
    narrator.say()
    await stage.type("why")
    cause = (await stage.asked("why", "--json"))["rollout"]["cause"]
    narrator.say()
    for line in closing(traffic, cause):
        narrator.say(line)
    return good == 0 and bad == 1 and not traffic.counts["lost"]


def closing(traffic: Traffic, cause: dict[str, Any]) -> list[str]:
    """Return the closing lines.

    Args:
        traffic: what became of the calls.
        cause: why the last rollout went back, as `why --json` tells of it.
    """
    counts, failures = traffic.counts, traffic.failures
    took = f"{cause['at'] - failures[0]:.1f} s after the first failed call" if failures else "nothing failed"
    return [
        f"calls served:      {counts['answered'] + counts['failed']}, of which version 3 failed {counts['failed']}",
        f"calls lost:        {counts['lost']}",
        f"time to rollback:  {took}",
        f"why:               {cause['words']}",
    ]


def main() -> int:
    """Play it; exit status 0 when it went as it should."""
    parser = argparse.ArgumentParser(prog="demo", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--state-dir", type=Path, help="where the daemon keeps its state; a throw-away one by default")
    parser.add_argument("--without-rehearsal", action="store_true", help="leave the rehearsals out: half a minute")
    parser.add_argument("--record", type=Path, help="write what was printed to this file, too")
    asked = parser.parse_args()
    narrator = Narrator(sys.stdout)
    with tempfile.TemporaryDirectory(prefix="switchover-demo-") as made:
        well = asyncio.run(play(asked.state_dir or Path(made), narrator, rehearse=not asked.without_rehearsal))
    if asked.record is not None:
        asked.record.write_text("\n".join(narrator.lines) + "\n")
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
