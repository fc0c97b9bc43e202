"""What happens to a step whose words, log line or audit cannot be made: it stands, and the engine goes on."""

from __future__ import annotations

import pytest
from engine_world import KILL_ON, READY, WITH_CANARY, Life, Stores, canary, living, weight
from structlog.testing import capture_logs

from orchestrator.domain.rollouts import events as ev
from orchestrator.domain.rollouts.rollout import State

pytestmark = pytest.mark.requirement("ENG-5")


def with_broken_words(life: Life) -> None:
    """Have every step fail to be told from now on."""

    def tell(event: ev.Event, _before: State, _after: State) -> None:
        raise IndexError(f"no words for {type(event).__name__}")

    life.driver._on_step = tell


@pytest.mark.parametrize("event", [weight(5), KILL_ON], ids=["asked", "to safety"])
async def test_a_step_that_cannot_be_told_is_answered_stands_and_is_logged_as_an_error(event: ev.Event) -> None:
    stores = Stores()
    async with living(stores) as life:
        await life.ask(*WITH_CANARY)
        with_broken_words(life)
        with capture_logs() as logs:
            answer = await life.ask(event)
        assert answer.accepted
        assert life.table == answer.state.table
        (said,) = (one for one in logs if one["log_level"] == "error")
        assert (said["event"], said["asked"]) == ("step taken but not told", type(event).__name__)
    async with living(stores) as life:  # the record that was written says the same
        assert life.driver.state.table.revision >= answer.state.table.revision
        assert (life.table.weight, life.table.kill_switch) == (
            answer.state.table.weight,
            answer.state.table.kill_switch,
        )


async def test_after_a_step_that_could_not_be_told_the_engine_decides_what_waits_behind_it() -> None:
    async with living(Stores()) as life:
        await life.ask(*WITH_CANARY[:2])
        with_broken_words(life)
        life.driver.post(canary("two"))
        life.driver.post(READY[1])
        assert (await life.ask(weight(5))).accepted
        assert (life.table.canary, life.table.weight) == (2, 5)
