"""What stands for the world in a simulation: a router, processes that are ready at once, a journal that forgets.

Each fits its port in `domain.ports`.  What takes time in the world takes none here and comes back as an event that
`Surroundings.pending` holds until the simulation hands it to the driver.  Above: `simulation`.  Below: the guard.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from orchestrator.domain.evidence.look import Look, Watch
from orchestrator.domain.evidence.samples import Sample
from orchestrator.domain.generation import Generation, Spec
from orchestrator.domain.plans.plan import Plan
from orchestrator.domain.plans.steps import Hold
from orchestrator.domain.rollouts import events as ev
from orchestrator.domain.rollouts.state import Moved
from orchestrator.domain.routing import Lane, RoutingTable
from orchestrator.guard.guard import Guard
from orchestrator.guard.warm_up import initial_delay
from orchestrator.simulating.traffic import Told, Traffic


class VirtualClock:
    """Time that stands until somebody sets it; fits `domain.ports.Clock`."""

    def __init__(self, begin: float) -> None:
        self.now = begin

    def monotonic(self) -> float:
        """Return the time that is set."""
        return self.now

    def wall(self) -> float:
        """Return the time that is set, Unix seconds."""
        return self.now


class LastRecord:
    """A journal that keeps its newest record alone: a simulation is never killed."""

    def __init__(self) -> None:
        self.count = 0
        self._record: str | None = None

    async def append(self, record: str) -> int:
        """Keep one record and return its number."""
        self.count += 1
        self._record = record
        return self.count

    async def last(self) -> str | None:
        """Return the newest record."""
        return self._record


class TrafficRouter:
    """Has the simulated calls go by the newest table."""

    def __init__(self, traffic: Traffic) -> None:
        self._served = traffic.served

    def replace(self, table: RoutingTable) -> RoutingTable:
        """Route by `table` from now on, unless it is an older one."""
        replaced = self._served.table
        if table.revision >= replaced.revision:
            self._served.table = table
        return replaced


class ReadyFleet:
    """Processes that are ready as soon as they are started."""

    def __init__(self, pending: deque[ev.Event]) -> None:
        self._pending = pending

    def start(self, generation: Generation) -> None:
        """Have a process ready."""
        self._pending.append(ev.GenerationReady(generation.number))

    def retire(self, number: int) -> None:
        """Do nothing: nobody runs."""


class Surroundings:
    """A rollout's surroundings; fits `domain.ports.Conductor`.

    Attributes:
        pending: events that wait to be handed to the driver.
        guard: judges the present epoch; None when nothing is watched.
    """

    def __init__(self, plan: Plan, traffic: Traffic, clock: VirtualClock) -> None:
        self.pending: deque[ev.Event] = deque()
        self.guard: Guard | None = None
        self.stop_at_holds = False
        self._plan = plan
        self._served = traffic.served
        self._clock = clock
        self._since = 0.0
        self._told: Look | None = None
        self._fresh = False

    # --- the port -----------------------------------------------------------------------------

    def observe(self, watch: Watch | None, mirror: Lane | None) -> None:
        """Watch an epoch from now on; the one that is watched goes on."""
        self._served.mirror = mirror
        if self.guard is not None and watch == self.guard.watch:
            return
        past = self.guard.figures() if self.guard is not None else None
        former = self.guard.watch if self.guard is not None else None
        self.guard = None if watch is None else Guard(self._plan, watch, past)
        self._served.flag, self._served.share = (watch.flag, watch.share) if watch is not None else ("", 0.0)
        delay = initial_delay(self._plan, watch, former) if watch is not None else 0.0
        self._since, self._told, self._fresh = self._clock.now + delay, None, False

    def rehearse(self, rollout: str, spec: Spec) -> None:  # noqa: ARG002 - the port's
        """Take the rehearsal as passed."""
        passed = ev.RehearsalEnded(rollout=rollout, failed=False, shared_state=True, words="taken as passed")
        self.pending.append(passed)

    def cancel_rehearsal(self, rollout: str) -> None:
        """Do nothing: none runs."""

    def ask(self, rollout: str, hold: Hold | None) -> None:
        """Have a command or webhook agree, without asking it."""
        if hold is not None and not self.stop_at_holds:
            self.pending.append(ev.HoldAgreed(rollout, "taken as agreed"))

    def move_flags(self, rollout: str, moved: Sequence[Moved]) -> None:
        """Do nothing: the traffic goes by what is watched."""

    def reset_flags(self, rollout: str, flags: Sequence[str]) -> None:  # noqa: ARG002 - the port's
        """Have the flags at their safe values."""
        self.pending.append(ev.FlagsReset(rollout))

    def cut_over(self, rollout: str, old: int, new: int) -> None:  # noqa: ARG002 - the port's
        """Have the new version take the state over at once."""
        self.pending += [ev.GenerationReady(new), ev.CutOverDone(rollout, self._clock.now, "")]

    def cut_back(self, rollout: str, old: int, new: int, *, aside: bool) -> None:  # noqa: ARG002 - the port's
        """Have the old version take it back at once."""
        self.pending += [ev.GenerationReady(old), ev.CutBackDone(rollout)]

    # --- the guard ----------------------------------------------------------------------------

    def tell(self, told: Told) -> None:
        """Tell the guard; a look that says something new is pending then, as in the daemon."""
        guard = self.guard
        if guard is None or told.at < self._since:
            return
        if isinstance(told, Sample):
            guard.sample(told)
        else:
            guard.pair(told)
        self._fresh = True
        if guard.due(self._clock.now):
            self._look(guard, told=False)

    def look(self) -> None:
        """Have a last look at the part that ends pending, where there is anything new."""
        if self.guard is not None and self.guard.watch.judged and self._fresh:
            self._look(self.guard, told=True)

    def _look(self, guard: Guard, *, told: bool) -> None:
        look = guard.look(self._clock.now)
        before = self._told
        if told or before is None or (before.verdict, before.doubtful) != (look.verdict, look.doubtful):
            self._told, self._fresh = look, False
            self.pending.append(ev.Looked(look))
