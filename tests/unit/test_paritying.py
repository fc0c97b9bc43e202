"""What was followed, read back when the daemon starts."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import anyio
import pytest

from orchestrator.domain.generation import Spec
from orchestrator.in_force import InForce
from orchestrator.paritying.kept import CLOCK, FOLDER, ClockError, Followed, keep, load
from orchestrator.paritying.live import Parity
from orchestrator.proxy.mirror import Mirror

pytestmark = pytest.mark.requirement("PARITY-5")


def test_a_clock_reads_back_as_it_was_kept_and_one_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    assert load(tmp_path) is None
    followed = Followed(spec=Spec(("true",), "/"), generation=1, begun=1.0, copied=2.0, last=3)
    keep(tmp_path, followed)
    assert load(tmp_path) == followed
    (tmp_path / FOLDER / CLOCK).write_text("{")
    with pytest.raises(ClockError, match=CLOCK):
        load(tmp_path)


async def test_a_clock_that_cannot_be_read_keeps_no_daemon_from_starting_and_leaves_no_copy(tmp_path: Path) -> None:
    (tmp_path / FOLDER / "copy").mkdir(parents=True)
    (tmp_path / FOLDER / CLOCK).write_text("{")
    here = cast("InForce", SimpleNamespace(paths=SimpleNamespace(state_dir=tmp_path)))
    async with anyio.create_task_group() as tasks:
        parity = Parity(tasks, cast("Mirror", SimpleNamespace()), here)
        await parity.resume()
    assert not (tmp_path / FOLDER).exists()
    assert (parity.status().on, parity.clean_for(9.0)) == (False, 0.0)
