"""All generations' processes; fits `domain.ports.Fleet`.

Above: the engine starts and retires generations, the daemon stops them all.  Below: one `Keeper` per generation.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anyio
from anyio.abc import TaskGroup

from orchestrator.domain.errors import RequestFailedError, StartError
from orchestrator.domain.generation import Generation, Role
from orchestrator.domain.ports import Clock, Link
from orchestrator.domain.protocol import Era, Place
from orchestrator.supervision import private_copy
from orchestrator.supervision.care import Care, KeeperOwner, LinkFactory, Terms
from orchestrator.supervision.environment import environment_of
from orchestrator.supervision.keeper import Keeper
from orchestrator.supervision.readiness import stateless_meta
from orchestrator.supervision.stderr import Hiding
from orchestrator.supervision.suspicion import after_deadline
from orchestrator.telemetry.logging import get_logger

log = get_logger("supervision")

Hello = dict[str, Any]
"""Parameters of `initialize`."""


class Fleet:
    """Starts, retires and watches over the serving process of each generation.

    Attributes:
        keepers: one for each generation that runs or is to run, by number.
        others: keepers of the processes that serve a generation's other era, or one session alone.
        error_lines: how many lines at level ERROR or above each generation has written to stderr.
    """

    def __init__(
        self,
        tasks: TaskGroup,
        care: Care,
        *,
        contract: Mapping[str, str],
        environment: Mapping[str, str],
        copies: Path,
        link_factory: LinkFactory,
        owner: KeeperOwner,
        clock: Clock,
        hiding: Hiding,
    ) -> None:
        """Build a fleet.

        Args:
            tasks: where keepers run.
            care: bounds and times, shared and changed on reload.
            contract: `SWITCHOVER_*` variables every worker gets besides its own.
            environment: the daemon's own environment.
            copies: directory of the private copies.
            link_factory: makes the proxy's end of a worker's pipes.
            owner: is told what happens.
            clock: monotonic time.
            hiding: takes out of what workers write to stderr what may not be told.
        """
        self._hiding = hiding
        self.keepers: dict[int, Keeper] = {}
        self.others: dict[Place, Keeper] = {}
        self.error_lines: Counter[int] = Counter()
        self._succeeded: set[Keeper] = set()
        self._starts = anyio.Semaphore(care.starts)
        self._tasks = tasks
        self._care = care
        self._contract = contract
        self._environment = environment
        self._copies = copies
        self._link_factory = link_factory
        self._owner = owner
        self._clock = clock

    def start(self, generation: Generation) -> None:
        """Have a serving process run; does nothing when one runs or is being started."""
        number = generation.number
        if number in self.keepers:
            return
        keeper = self.keepers[number] = self._keeper(generation, self._owner)
        self._tasks.start_soon(self._keep, keeper, name=f"generation {number}")

    def want(
        self, place: Place, owner: KeeperOwner, link_factory: LinkFactory | None = None, hello: Hello | None = None
    ) -> None:
        """Have another process of a generation run: for its other era, or for one session alone.

        Does nothing while the generation's own process is not ready (its era is not known yet), when that one serves
        the place, or when there is a process for it already that is not about to end.

        Args:
            place: what the process is to serve.
            owner: is told how it fares.
            link_factory: makes the proxy's end of its pipes; the fleet's own when None.
            hello: the client's `initialize` parameters, for a session's own process.
        """
        first = self.keepers.get(place.generation)
        before = self.others.get(place)
        if first is None or first.link is None or first.retiring or (before is not None and not before.retiring):
            return
        if not place.session and first.era is place.era:
            return
        if before is not None:
            self._succeeded.add(before)
        starts = self._starts if place.session else None
        keeper = self._keeper(first.generation, owner, place.era, link_factory, hello, starts=starts)
        self.others[place] = keeper
        self._tasks.start_soon(self._keep_other, place, keeper, name=f"worker of {place}")

    def release(self, place: Place) -> None:
        """Drain and stop the process of a place that is not needed any more."""
        keeper = self.others.get(place)
        if keeper is not None:
            keeper.retire()

    def _keeper(
        self,
        generation: Generation,
        owner: KeeperOwner,
        era: Era | None = None,
        link_factory: LinkFactory | None = None,
        hello: Hello | None = None,
        *,
        starts: anyio.Semaphore | None = None,
    ) -> Keeper:
        number = generation.number
        environment = environment_of(
            generation.spec, self._environment, number=number, role=Role.SERVING, contract=self._contract
        )
        terms = Terms(
            self._care,
            environment,
            self._copies,
            link_factory or self._link_factory,
            owner,
            self._clock,
            hello,
            starts,
            self.error_lines,
            self._hiding,
        )
        return Keeper(generation, terms, era)

    def retire(self, number: int) -> None:
        """Drain a generation in the background, then stop it and remove its private copy."""
        keepers = [keeper for keeper in self._all() if keeper.generation.number == number]
        for keeper in keepers:
            keeper.retire()
        self._tasks.start_soon(self._clean_up, number, keepers, name=f"retire {number}")

    def _all(self) -> list[Keeper]:
        return [*self.keepers.values(), *self.others.values(), *self._succeeded]

    def suspect(self, link: Link) -> None:
        """Look at a worker that let calls' deadlines pass: one that does not answer a ping either is replaced."""
        keeper = next((keeper for keeper in self._all() if keeper.link is link), None)
        if keeper is None:
            return
        keeper.suspicion = after_deadline(keeper.suspicion, link)
        if keeper.suspicion.expired >= self._care.after_deadlines and not keeper.probed:
            keeper.probed = True
            self._tasks.start_soon(self._probe, keeper, link, name=f"probe {link.generation}")

    async def stop(self, drain: float) -> None:
        """Retire every process, all at once, and return when they are gone."""
        for keeper in self._all():
            keeper.retire(drain)
        for keeper in self._all():
            await keeper.ended.wait()

    async def kill(self) -> None:
        """End every process at once."""
        for keeper in self._all():
            await keeper.kill()

    async def _keep(self, keeper: Keeper) -> None:
        number = keeper.generation.number
        try:
            await keeper.run()
        finally:
            if self.keepers.get(number) is keeper:
                del self.keepers[number]

    async def _keep_other(self, place: Place, keeper: Keeper) -> None:
        try:
            await keeper.run()
        finally:
            self._succeeded.discard(keeper)
            if self.others.get(place) is keeper:
                del self.others[place]

    async def _clean_up(self, number: int, keepers: list[Keeper]) -> None:
        for keeper in keepers:
            await keeper.ended.wait()
        await anyio.to_thread.run_sync(private_copy.remove, number, self._copies)
        log.info("generation retired", generation=number)

    async def _probe(self, keeper: Keeper, link: Link) -> None:
        """Ask for a sign of life; any answer at all is one, an error included."""
        method, params = (
            ("ping", None) if link.era is Era.HANDSHAKE else ("server/discover", {"_meta": stateless_meta()})
        )
        try:
            with anyio.fail_after(self._care.ping_timeout):
                await link.request(method, params)
        except TimeoutError:
            log.warning(
                "worker is hung, replacing it", generation=link.generation, ping_timeout=self._care.ping_timeout
            )
            if keeper.link is link:
                keeper.condemn(f"it hung: neither a call nor a ping within {self._care.ping_timeout:g} s was answered")
        except (RequestFailedError, StartError):
            pass
        finally:
            keeper.probed = False
