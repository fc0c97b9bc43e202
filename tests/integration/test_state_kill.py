"""kill -9 at any moment: whatever was acknowledged is there afterwards."""

from __future__ import annotations

import asyncio
import random
import sys
from pathlib import Path

import pytest

from state.journal import SqliteJournal
from state.store import OrchestratorStore

BOUND = 60.0
"""Seconds that one round may take before the test fails."""

ROUNDS = 10

APPENDER = """
import asyncio, sys
from pathlib import Path
from state.journal import SqliteJournal

async def append(journal, who):
    for n in range(1_000_000):
        seq = await journal.append(f"{sys.argv[2]}/{who}/{n}/" + "x" * (n * 97 % 5000))
        print(seq, f"{sys.argv[2]}/{who}/{n}/", flush=True)

async def main():
    print("opening", flush=True)
    journal = await SqliteJournal.open(Path(sys.argv[1]))
    await asyncio.gather(*(append(journal, who) for who in range(3)))

asyncio.run(main())
"""

PUTTER = """
import asyncio, sys
from pathlib import Path
from state.store import OrchestratorStore

async def main():
    print("opening", flush=True)
    desired = (await OrchestratorStore.open(Path(sys.argv[1]))).desired
    n = int((entry.value if (entry := await desired.get("a")) else 0))
    while True:
        n += 1
        revision = await desired.txn({"a": str(n), "b": str(n)})
        print(revision, n, flush=True)

asyncio.run(main())
"""


async def acknowledged_before_kill(code: str, path: Path, round_: int, lines: int) -> list[list[str]]:
    """Run `code`, kill it when it has printed `lines` lines, and return all that it printed, in words."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, str(path), str(round_), stdout=asyncio.subprocess.PIPE
    )
    assert child.stdout is not None
    async with asyncio.timeout(BOUND):
        seen = [await child.stdout.readline() for _ in range(lines)]
        child.kill()
        seen += (await child.stdout.read()).splitlines(keepends=True)
        await child.wait()
    whole = [line.decode().split() for line in seen if line.endswith(b"\n")]
    assert whole[0] == ["opening"]
    return whole[1:]


@pytest.mark.requirement("STATE-2")
async def test_every_acknowledged_append_is_there_after_kill_9(tmp_path: Path) -> None:
    path, chance = tmp_path / "journal.db", random.Random(11)
    acknowledged: dict[int, str] = {}
    for round_ in range(ROUNDS):
        lines = 1 if round_ == 0 else chance.randrange(2, 200)  # the first dies while it creates the file
        for seq, begin in await acknowledged_before_kill(APPENDER, path, round_, lines):
            acknowledged[int(seq)] = begin
        journal = await SqliteJournal.open(path)
        stored = {record.seq: record.record for record in await journal.tail(1_000_000)}
        await journal.close()
        assert sorted(stored) == list(range(1, len(stored) + 1))
        assert {seq: stored[seq][: len(begin)] for seq, begin in acknowledged.items()} == acknowledged
    assert len(acknowledged) > ROUNDS


@pytest.mark.requirement("STATE-2")
async def test_every_acknowledged_transaction_is_there_whole_after_kill_9(tmp_path: Path) -> None:
    path, chance = tmp_path / "orchestrator.db", random.Random(13)
    for round_ in range(ROUNDS // 2):
        acknowledged = await acknowledged_before_kill(PUTTER, path, round_, chance.randrange(2, 200))
        store = await OrchestratorStore.open(path)
        first, second = await store.desired.range("")
        revision = await store.desired.revision()
        await store.close()
        assert first.value == second.value
        assert first.modified == second.modified == revision
        assert acknowledged[-1] in ([str(revision), first.value], [str(revision - 1), str(int(first.value or 0) - 1)])
