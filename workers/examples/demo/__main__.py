"""The story: version 1 serves, version 2 takes over step by step, version 3 is bad and is taken back.

    python -m workers.examples.demo [--state-dir DIR] [--record FILE]

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
PLAN: Final = str(HERE / "plan.toml")
GOOD: Final = (sys.executable, "-m", "workers.reference", "--version-label")
BAD: Final = (sys.executable, str(ROOT / "tests/candidates/candidate.py"), "--change", "errors", "--version-label", "3")


async def play(state_dir: Path, narrator: Narrator) -> bool:
    """Play the story; return whether it went as it should."""
    stage = Stage(state_dir, narrator)
    narrator.say("Version 1 of a tool server is started behind the daemon, and eight clients call its tools.")
    await stage.start(*GOOD, "1")
    traffic = Traffic(stage.socket)
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(traffic.run())
            try:
                return await _upgrades(stage, narrator, traffic)
            finally:
                traffic.stop()
    finally:
        await stage.stop()


async def _upgrades(stage: Stage, narrator: Narrator, traffic: Traffic) -> bool:
    narrator.say()
    narrator.say("Version 2 is rehearsed beside it, gets 10 % and 50 % of the missions, then all; then two flags move.")
    good = await stage.type("upgrade", "--plan", PLAN, "--", *GOOD, "2")
    narrator.say()
    narrator.say("Version 3 fails in 6 % of its calls, and nobody knows.")
    bad = await stage.type("upgrade", "--plan", PLAN, "--", *BAD)
    narrator.say()
    await stage.type("why")
    last = (await stage.asked("status", "--json"))["rollout"]
    narrator.say()
    for line in closing(traffic.counts, last):
        narrator.say(line)
    return good == 0 and bad == 1 and not traffic.counts["lost"]


def closing(counts: Any, last: dict[str, Any]) -> list[str]:
    """Return the closing lines.

    Args:
        counts: what became of the calls.
        last: the last rollout, as `status --json` tells of it.
    """
    served = counts["answered"] + counts["failed"]
    cause = last.get("cause") or {}
    began = last.get("began")
    took = f"{cause['at'] - began:.1f} s after its first call could go there" if cause and began else "unknown"
    return [
        f"calls served:      {served} ({counts['failed']} of them failed, by version 3)",
        f"calls lost:        {counts['lost']}",
        f"time to rollback:  {took}",
        f"why:               {cause.get('words', 'unknown')}",
    ]


def main() -> int:
    """Play it; exit status 0 when it went as it should."""
    parser = argparse.ArgumentParser(prog="demo", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--state-dir", type=Path, help="where the daemon keeps its state; a throw-away one by default")
    parser.add_argument("--record", type=Path, help="write what was printed to this file, too")
    asked = parser.parse_args()
    narrator = Narrator(sys.stdout)
    with tempfile.TemporaryDirectory(prefix="switchover-demo-") as made:
        well = asyncio.run(play(asked.state_dir or Path(made), narrator))
    if asked.record is not None:
        asked.record.write_text("\n".join(narrator.lines) + "\n")
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
