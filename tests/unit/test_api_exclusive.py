"""A rollback that would lose what was written, over the control API: refused with what is lost, done when agreed to."""

from __future__ import annotations

from pathlib import Path

import pytest
from control_story import control_plane
from rollout_asked import begin, now, plan_file

pytestmark = pytest.mark.requirement("EXCLUSIVE-5")

ALONE = 'state = "exclusive"\n[rehearsal]\nrun = false\n[bake]\nhealth = "1h"\nunlock = "1h"\nmirror = false\n'
LOST = "going back loses what was written since 2027-01-15 08:00:00 UTC"


async def test_what_a_rollback_loses_is_said_and_has_to_be_agreed_to(tmp_path: Path) -> None:
    async with control_plane(tmp_path) as plane:
        await begin(plane, tmp_path, plan=plan_file(tmp_path, ALONE, "alone"))
        await plane.control.engine.settled()
        assert (await now(plane))["phase"] == "baking"
        for path in ("/v1/rollback", "/v1/rollout/abort", "/guard/rollback"):
            status, told = await plane.ask("POST", path, {"reason": "slow"})
            assert (status, told["reason"]) == (
                409,
                f"{LOST}; to do it all the same: switchover rollback --lose-writes",
            )
        plane.control.rollouts.verbs._lost = lambda: "3 calls that may have written"
        status, told = await plane.ask("POST", "/v1/rollback", {"lose_writes": True, "reason": "slow"})
        assert status == 200
        await plane.control.engine.settled()
        shown = await now(plane)
        assert shown["phase"] == "rolled_back"
        assert "slow; going back loses 3 calls that may have written since" in shown["cause"]["words"]
