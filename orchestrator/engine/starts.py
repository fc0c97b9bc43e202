"""Who waits for a generation to be ready, and supervision's final word on those that never were.

Above: `driver`.  Below: the machine's state.
"""

from __future__ import annotations

import asyncio

from orchestrator.domain.generation import Standing
from orchestrator.domain.rollouts import events as ev
from orchestrator.domain.rollouts.state import State

LAST_WORDS = 64
"""Failed generations whose reason is kept for whoever asks late; one change is made at a time, so a few would do."""


class Starts:
    """Generations that are being started, and those who wait for them."""

    def __init__(self) -> None:
        """Nobody waits yet."""
        self._waiting: dict[int, asyncio.Future[str | None]] = {}
        self._failed: dict[int, str] = {}

    async def wait(self, number: int, state: State) -> str | None:
        """Wait until a generation is ready.

        Args:
            number: the generation's.
            state: the state now.

        Returns:
            None when it is ready, else the reason why it is not: supervision's final word, even when it was spoken
            before this was asked.
        """
        generation = state.generations.get(number)
        if generation is not None and generation.standing is Standing.READY:
            return None
        if number in self._failed:
            return self._failed[number]
        if generation is None:
            return "it was given up"
        future = self._waiting.setdefault(number, asyncio.get_running_loop().create_future())
        return await asyncio.shield(future)

    def hear(self, event: ev.Event) -> None:
        """Keep supervision's final word for whoever asks late."""
        if isinstance(event, ev.GenerationFailed):
            self._failed[event.generation] = event.reason
            for oldest in list(self._failed)[:-LAST_WORDS]:
                del self._failed[oldest]
        elif isinstance(event, ev.GenerationReady):
            self._failed.pop(event.generation, None)

    def settle(self, state: State) -> None:
        """Tell whoever waits for a generation what became of it."""
        for number, future in list(self._waiting.items()):
            generation = state.generations.get(number)
            if number in self._failed or generation is None:
                reason = self._failed.get(number, "it was given up")
            elif generation.standing is Standing.READY:
                reason = None
            else:
                continue
            del self._waiting[number]
            if not future.done():
                future.set_result(reason)
