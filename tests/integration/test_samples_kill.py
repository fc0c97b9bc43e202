"""`samples.db` after its writer was killed: whole batches, the last stored one included."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

import pytest

from state.sample_rows import Asked
from state.samples import SqliteSampleStore

BATCH = 40
ENOUGH = 25
"""Batches stored before the kill."""

WRITER = f"""
import asyncio, sys
from pathlib import Path
from state.sample_rows import SampleRow
from state.samples import SqliteSampleStore

async def main():
    store = await SqliteSampleStore.open(Path(sys.argv[1]))
    batch = 0
    while True:
        row = SampleRow(float(batch), 1, "active", "call", "do", "k", None, 0.0, "ok", 1.0, "{{}}")
        await store.add([row] * {BATCH})
        await store.checkpoint("e", b"%d" % batch)
        print(batch, flush=True)
        batch += 1

asyncio.run(main())
"""


@pytest.mark.requirement("SAMPLE-6")
async def test_killed_while_it_writes_every_batch_that_was_stored_is_there_whole(tmp_path: Path) -> None:
    path = tmp_path / "samples.db"
    async with asyncio.timeout(60):
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-c", WRITER, str(path), stdout=asyncio.subprocess.PIPE
        )
        assert child.stdout is not None
        said = [int(await child.stdout.readline()) for _ in range(ENOUGH)]
        child.send_signal(signal.SIGKILL)
        said += [int(line) for line in (await child.stdout.read()).split()]
        await child.wait()
        store = await SqliteSampleStore.open(path)
        rows = [row async for page in store.export(Asked()) for row in page]
        batches = [row.at for row in rows]
        assert len(batches) % BATCH == 0
        assert batches == sorted(batches)
        assert max(batches) >= said[-1]
        assert int(await store.last_checkpoint("e") or b"-1") >= said[-1]
        await store.add(rows[:1])
        await store.close()
