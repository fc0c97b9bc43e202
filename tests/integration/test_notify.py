"""Notices over real HTTP: what a receiver gets, in which order, how often, and what nobody gets to see."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from hook_receiver import ENDLESS, HANG, OK, Receiver, receiver, status
from structlog.testing import capture_logs

from orchestrator.domain.flags.records import FlagRow, FlagWrite
from orchestrator.domain.ports import Clock, FlagStore
from orchestrator.notify.notifier import Notifier
from orchestrator.notify.options import NotifyOptions
from orchestrator.telemetry.clock import SystemClock
from state.flag_entries import Notice
from state.store import OrchestratorStore

SECRET = "a secret of good length"  # noqa: S105 - an example
PAUSE = 0.005
"""Seconds between two looks at the outbox."""

BOUND = 60.0
"""Seconds that any wait here may take before the test fails."""


class Stopped:
    """A clock that stands still, so that what is due later never is."""

    def __init__(self) -> None:
        self._now = SystemClock().wall() + BOUND  # changes made during the test are not ahead of it

    def monotonic(self) -> float:
        return 0.0

    def wall(self) -> float:
        return self._now


@asynccontextmanager
async def opened(tmp_path: Path) -> AsyncIterator[FlagStore]:
    store = await OrchestratorStore.open(tmp_path / "orchestrator.db")
    try:
        yield store.flags
    finally:
        await store.close()


@asynccontextmanager
async def running(notifier: Notifier) -> AsyncIterator[None]:
    task = asyncio.create_task(notifier.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()


def hooked(
    store: FlagStore, at: Receiver, *, clock: Clock | None = None, timeout: float = BOUND, give_up: float = 60
) -> Notifier:
    """Return a notifier whose one webhook is `at`, with a token in the path."""
    address = f"http://user:path-token@127.0.0.1:{at.port}/path-token?key=path-token"
    options = NotifyOptions((address,), SECRET, retry_initial=0.001, give_up_after=give_up, timeout=timeout)
    return Notifier(store, options, clock or SystemClock())


async def flip(store: FlagStore, notifier: Notifier, flag: str, to: object, *, cause: str = "person") -> None:
    row = FlagRow(flag, json.dumps(to), is_set=True, targeting=None, salt="", hash_version=1)
    at = SystemClock().wall()
    await store.write(FlagWrite([row], "ann", at, "for the demo", cause, destinations=notifier.names))
    notifier.wake()


async def until(store: FlagStore, fits: Callable[[Sequence[Notice]], bool]) -> list[Notice]:
    """Wait until the outbox is as told, and return it, oldest first."""
    async with asyncio.timeout(BOUND):
        while not fits(rows := await store.outbox_page(99)):  # type: ignore[arg-type]  # noqa: ASYNC110 - no event is set
            await asyncio.sleep(PAUSE)
    return list(rows)[::-1]  # type: ignore[arg-type]


def ended(rows: Sequence[Notice]) -> bool:
    return all(row.state != "pending" for row in rows)


def tried(rows: Sequence[Notice]) -> bool:
    return all(row.attempts for row in rows)


@pytest.mark.requirement("FLAG-27")
async def test_a_receiver_gets_each_change_signed_in_order_and_again_after_a_500(tmp_path: Path) -> None:
    async with receiver() as hook, opened(tmp_path) as store:
        notifier = hooked(store, hook)
        hook.answers += [status(500), status(503), OK]
        await flip(store, notifier, "MODE", "compact", cause="timer")
        await flip(store, notifier, "MODE", "vérbose")
        async with running(notifier):
            rows = await until(store, ended)
        assert [row.state for row in rows] == ["delivered", "delivered"]
    assert [json.loads(posted.body)["to"] for posted in hook.posted] == ["compact"] * 3 + ["vérbose"]
    assert [posted.headers["x-switchover-delivery"] for posted in hook.posted] == [rows[0].id] * 3 + [rows[1].id]
    for posted in hook.posted:
        expected = hmac.new(SECRET.encode(), posted.body, hashlib.sha256).hexdigest()
        assert posted.headers["x-hub-signature-256"] == f"sha256={expected}"
        assert posted.headers["x-switchover-event"] == "flag.changed"
        assert posted.headers["x-switchover-timestamp"].isdigit()
        assert posted.headers["content-type"] == "application/json"
        assert json.loads(posted.body)["id"] == posted.headers["x-switchover-delivery"]
    assert json.loads(hook.posted[0].body)["cause"] == "timer"
    assert json.loads(hook.posted[3].body)["diff"] == {"value": {"from": "compact", "to": "vérbose"}}


@pytest.mark.requirement("FLAG-26")
async def test_retry_after_is_honoured_and_other_answers_are_judged_by_their_status(tmp_path: Path) -> None:
    async with receiver() as hook, opened(tmp_path) as store:
        clock = Stopped()
        notifier = hooked(store, hook, clock=clock, give_up=7200)
        async with running(notifier):
            for flag, answer in {"A": status(404), "B": status(302, location="/"), "C": ENDLESS}.items():
                hook.answers.append(answer)
                await flip(store, notifier, flag, 1)
                await until(store, tried)
            hook.answers.append(status(429, retry_after="3600"))
            await flip(store, notifier, "D", 1)
            rows = await until(store, tried)
    assert [row.state for row in rows] == ["failed", "pending", "delivered", "pending"]
    assert [row.error for row in rows[:2]] == [
        "answered 404",
        "answered 302; webhooks follow no redirection, name the final address",
    ]
    assert (rows[3].error, rows[3].due) == ("answered 429", clock.wall() + 3600)
    assert len(hook.posted) == 4


@pytest.mark.requirement("FLAG-25")
async def test_a_restarted_daemon_repeats_only_what_was_not_answered_and_under_the_same_id(tmp_path: Path) -> None:
    async with receiver() as hook:
        hook.answers += [OK, HANG]
        async with opened(tmp_path) as store:
            notifier = hooked(store, hook)
            await flip(store, notifier, "A", 1)
            async with running(notifier):
                await until(store, ended)
                await flip(store, notifier, "B", 1)
                await hook.until(2)
        async with opened(tmp_path) as store, running(hooked(store, hook)):
            rows = await until(store, ended)
    ids = [posted.headers["x-switchover-delivery"] for posted in hook.posted]
    assert ids == [rows[0].id, rows[1].id, rows[1].id]
    assert [row.attempts for row in rows] == [1, 1]


@pytest.mark.requirement("FLAG-28")
async def test_no_trouble_brings_an_address_or_the_secret_into_logs_errors_or_the_outbox(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with receiver() as hook, opened(tmp_path) as store:
        hook.answers += [HANG, b"rubbish\r\n\r\n", status(400)]
        notifier = hooked(store, hook, timeout=3.0)
        with capture_logs() as logs:
            async with running(notifier):
                await flip(store, notifier, "A", 1)
                rows = await until(store, ended)
        stopped = hook.port
    told = [line["reason"] for line in logs if "reason" in line]
    assert told == ["no answer within 3 s", "no connection (RemoteProtocolError)", "answered 400"]
    async with opened(tmp_path) as store:
        notifier = hooked(store, Receiver(stopped), give_up=0)
        with capture_logs() as more_logs:
            async with running(notifier):
                await flip(store, notifier, "B", 1)
                rows += await until(store, ended)
    assert rows[-1].error.startswith("no connection (ConnectError")
    everything = f"{logs}{more_logs}{rows}{caplog.text}{notifier.trouble}{notifier.names}"
    assert "path-token" not in everything
    assert SECRET not in everything
    assert "path-token" not in (tmp_path / "orchestrator.db").read_bytes().decode(errors="replace")


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")  # apprise imports it
@pytest.mark.requirement("FLAG-29")
async def test_apprise_tells_people_in_words_and_is_kept_quiet(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with receiver() as hook, opened(tmp_path) as store:
        hook.answers += [status(500), status(200)]
        addresses = (f"json://user:path-token@127.0.0.1:{hook.port}/path-token", "nonsense://token")
        options = NotifyOptions(apprise=addresses, retry_initial=0.001)
        notifier = Notifier(store, options, SystemClock())
        async with running(notifier):
            await flip(store, notifier, "MODE", "verbose", cause="rollback")
            rows = await until(store, ended)
    people, nonsense = rows
    assert (people.state, people.attempts) == ("delivered", 2)
    assert (nonsense.state, nonsense.attempts) == ("failed", 1)
    assert nonsense.error.startswith("apprise does not understand the address")
    told = json.loads(hook.posted[-1].body)
    assert (told["title"], told["type"]) == ("Flag MODE is new: verbose", "warning")
    assert "by ann (by a rollback)." in told["message"]
    assert "Reason: for the demo" in told["message"]
    assert "token" not in f"{rows}{caplog.text}{notifier.names}"
