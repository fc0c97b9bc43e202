"""Workers beside a generation's own: one for its other era, or one for a single session.

Above: `wiring` wants them.  Below: the fleet runs them, the dispatcher sends to them; the engine is not concerned.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import anyio

from orchestrator.domain.errors import UNSUPPORTED_VERSION
from orchestrator.domain.ports import Link
from orchestrator.domain.protocol import HANDSHAKE_VERSIONS, STATELESS_VERSION, Era, Place
from orchestrator.proxy.dispatch import Dispatcher
from orchestrator.proxy.link import WorkerLink
from orchestrator.proxy.lists import Lists
from orchestrator.proxy.parking import Standing, due
from orchestrator.proxy.restoring import restore
from orchestrator.proxy.session import Session
from orchestrator.supervision.fleet import Fleet
from orchestrator.telemetry.logging import get_logger

log = get_logger("daemon")

LinkMaker = Callable[[int, Callable[[], None], Session | None], WorkerLink]
"""(generation, called at the end of stdout, the one session it serves) -> a link."""


class Others:
    """Has other workers started when they are wanted, and stopped when they are not.

    Attributes:
        idle: seconds after which the workers of an idle session are parked; None or 0 for never; changed on reload.
    """

    def __init__(
        self, dispatcher: Dispatcher, fleet: Fleet, lists: Lists, link: LinkMaker, *, warm: int, idle: float | None
    ) -> None:
        """Build it.

        Args:
            dispatcher: wants workers, and sends to them.
            fleet: runs them.
            lists: tells sessions of lists that differ.
            link: makes the proxy's end of a worker's pipes.
            warm: workers of single sessions that are kept for the way back, all sessions together.
            idle: seconds after which the workers of an idle session are parked; None or 0 for never.
        """
        self.idle = idle
        self.dispatcher = dispatcher
        self.fleet = fleet
        self.lists = lists
        self._link = link
        self._limit = warm
        self._warm: list[Place] = []
        dispatcher.on_wanted = self.wanted
        dispatcher.on_closed = self.closed

    def wanted(self, place: Place, session: Session | None) -> None:
        """Have a worker started for a place."""
        owner = OtherWorker(self, place, session)
        if session is None:
            self.fleet.want(place, owner)
            return
        hello = session.value.hello() if session.value.asked_version and place.era is Era.HANDSHAKE else None
        self.fleet.want(place, owner, lambda number, eof: self._link(number, eof, session), hello)

    def closed(self, session: Session) -> None:
        """Stop the workers of a session that is gone."""
        for place in [place for place in self.fleet.others if place.session == session.value.id]:
            self.fleet.release(place)
        self._warm = [place for place in self._warm if place.session != session.value.id]

    def settled_in(self, link: WorkerLink) -> None:
        """A session has its new worker: tell of lists that differ, and bound what stays warm."""
        session = self.dispatcher.sessions.get(link.place.session)
        if session is None:
            self.fleet.release(link.place)
            return
        former = [one for one in self.dispatcher.own_links(session) if one is not link and one.era is link.era]
        if former and self.dispatcher.serving(session, session.key, link.era) is not link:
            former = [link]  # traffic moved on while it was started
        else:
            self.lists.swapped(session, link)
            session.parked = False
        self._warm += [one.place for one in former]
        serving = link.place if link not in former else None
        warm = dict.fromkeys(self._warm)  # each once
        self._warm = [place for place in warm if place != serving and place in self.fleet.others]
        while len(self._warm) > self._limit:
            self.fleet.release(self._warm.pop(0))

    # --- parking ------------------------------------------------------------------------------

    async def watch(self) -> None:
        """Park the workers of idle sessions, for ever."""
        while True:  # noqa: ASYNC110 - time is what it waits for
            await anyio.sleep(self.park(self.dispatcher.now()))

    def park(self, now: float) -> float:
        """Park whoever may be; return in how many seconds to look again."""
        own: dict[str, list[WorkerLink]] = {}
        for place, link in self.dispatcher.links.items():
            if place.session in self.dispatcher.sessions:
                own.setdefault(place.session, []).append(link)
        sessions = self.dispatcher.sessions
        ripe, wait = due((standing(sessions[name], links, now) for name, links in own.items()), now, self.idle)
        for name in ripe:
            self._park(sessions[name], own[name])
        return wait

    def _park(self, session: Session, links: list[WorkerLink]) -> None:
        """Stop a session's workers; nothing is sent to them from here on, so a call that comes now gets a fresh one."""
        newest = max(links, key=lambda link: link.since)
        session.parked = True
        for link in links:
            self.dispatcher.suspend(link)
            self.fleet.release(link.place)
        self._warm = [place for place in self._warm if place.session != session.value.id]
        log.info("session parked", session=session.value.id, generation=newest.generation, workers=len(links))


def standing(session: Session, links: Iterable[WorkerLink], now: float) -> Standing:
    """Say how long the workers of a session have had nothing to do, and what keeps it from being parked."""
    links = list(links)
    reasons = (
        ("a call is not answered", session.calls),
        ("a question is not answered", session.questions.any),
        ("a resource is subscribed to", session.value.subscriptions),
        ("a task is not over", any(link.busy_until(now) is not None for link in links)),
        ("the daemon waits for an answer", any(link.asked for link in links)),
    )
    held = next((reason for reason, holds in reasons if holds), "")
    return Standing(session.value.id, max(max(link.last_heard, link.since) for link in links), held)


class OtherWorker:
    """Hears from the keeper of one such worker; fits `supervision.care.KeeperOwner`."""

    def __init__(self, others: Others, place: Place, session: Session | None) -> None:
        """Build the joint for one place."""
        self._others = others
        self._place = place
        self._session = session

    def ready(self, generation: int, link: Link) -> None:
        """Take it into service."""
        assert isinstance(link, WorkerLink)  # noqa: S101 - the daemon's link factory makes no other
        session = self._others.dispatcher.sessions.get(self._place.session)
        if session is not None:
            restore(link, session)  # before the calls that wait for it
        self._others.dispatcher.attach(link)
        log.info("worker ready", generation=generation, era=self._place.era.value, session=self._place.session or None)
        if self._session is None:
            self._others.lists.learned(link)
        else:
            self._others.settled_in(link)

    def suspended(self, link: Link) -> None:
        """Send it nothing more."""
        assert isinstance(link, WorkerLink)  # noqa: S101 - likewise
        self._others.dispatcher.suspend(link)

    def lost(self, link: Link, reason: str) -> None:
        """Account for its calls."""
        assert isinstance(link, WorkerLink)  # noqa: S101 - likewise
        self._others.dispatcher.detach(link, reason)

    def down(self, generation: int, reason: str) -> None:
        """Its calls wait while it is started again."""

    def failed(self, generation: int, reason: str) -> None:  # noqa: ARG002 - the place names it
        """Answer the calls it was for, in the worker's own words where it gave any."""
        keeper = self._others.fleet.others.get(self._place)
        refusal = keeper.refusal if keeper is not None else None
        if refusal is not None:
            self._others.dispatcher.refuse_place(self._place, refusal.error)
        elif self._place.session or (keeper is not None and keeper.restarts):
            self._others.dispatcher.fail_place(self._place, reason)  # it can be had; only not now
        else:
            self._others.dispatcher.refuse_place(self._place, _speechless(self._place.era, reason))


def _speechless(era: Era, reason: str) -> dict[str, Any]:
    """Build the error for clients of an era in which the worker does not start and says nothing itself."""
    supported = list(HANDSHAKE_VERSIONS) if era is Era.STATELESS else [STATELESS_VERSION]
    requested = STATELESS_VERSION if era is Era.STATELESS else HANDSHAKE_VERSIONS[-1]
    data = {"supported": supported, "requested": requested}
    return {"code": UNSUPPORTED_VERSION, "message": f"the worker does not speak this version: {reason}", "data": data}
