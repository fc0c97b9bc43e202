"""Keeps one process's flags up with its page: what reads answer by, replaced whole when something has changed.

Above it stands `flags`, whose reads compare `_words[CHANGE]` with `_applied` and call `_look` when they differ or when
`_budget` is used up; below it `feed`, `snapshot`, `listeners` and `push`.

A read never waits.  One thread at a time looks; the others go on answering by what was applied last, until the new
snapshot is there for all.  Only the first snapshot, `refresh` and the push thread wait for their turn.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Mapping
from contextlib import suppress
from itertools import repeat
from typing import Any, Final

from switchover_kit.environment import FLAGS, ContractError, Role, environment
from switchover_kit.feed import Feed, Standing
from switchover_kit.forced import Forcing
from switchover_kit.listeners import Listeners
from switchover_kit.noise import say
from switchover_kit.page_format import CHANGE
from switchover_kit.push import Push
from switchover_kit.push_messages import Hello
from switchover_kit.snapshot import NOTHING, Asked, Snapshot, Values

MOST_READS: Final = 64
"""Reads between two looks at the clock in a process that reads often: spread over so many, a look is not felt."""
OFTEN_NS: Final = 50_000_000
"""Nanoseconds: reads further apart than this look at the clock each time."""
SOCKET_SUFFIX: Final = ".sock"
"""What follows a page's path in the path of its push socket."""
MOST_SAID: Final = 100
"""Sentences that are said once; what comes after so many is not said at all."""
_NEVER: Final = -1
"""A change word that no page has."""


class Following:
    """What reads answer by, and how it is kept up."""

    def __init__(
        self, path: str | os.PathLike[str] | None, *, push: bool, environ: Mapping[str, str], clock: Callable[[], int]
    ) -> None:
        """Read the page for the first time, and start the push thread where it is wanted."""
        self._environ = dict(environ)
        self._forcing = Forcing(self._environ)
        self._started_for = _started_for(self._environ)
        self._path, self._why_none = _usable(path)
        self._clock = clock
        self._push_wanted = push
        self._push: Push | None = None
        self._said: set[str] = set()
        self._noted: set[str] = set()
        self._looked, self._often = 0, 0
        self._budget = repeat(None, 0)
        self._lock = threading.Lock()
        self._feed = Feed(self._path, self._why_none)
        self._use(Snapshot(NOTHING, None, self._forcing))
        self._apply(self._feed.look(clock()))
        self._listeners = Listeners(self._snapshot)
        _all.add(self)
        self._keep_pushing()

    def refresh(self) -> int:
        """Look at the page now, tell callbacks, and return the version that every read answers by from here on."""
        self._look(wait=True)
        self._listeners.tell(self._newest)
        return self._snapshot.document.flags_version

    @property
    def forced(self) -> dict[str, Any]:
        """The flags that this process's environment forces, with their values."""
        return dict(self._snapshot.forced)

    def hello(self) -> Hello:
        """Return what this process tells the daemon of itself."""
        snapshot = self._snapshot
        return Hello(os.getpid(), *self._started_for, snapshot.document.flags_version, snapshot.forced)

    def take_read(self) -> list[str]:
        """Return the flags that were read and not returned before; each once a snapshot, or after `note_anew`."""
        if not self._noted:
            return []
        keys = self._noted.copy()
        self._noted.difference_update(keys)
        return sorted(keys)

    def note_anew(self) -> None:
        """Take every flag that is read from now on for read again."""
        with self._lock:
            now = self._snapshot
            self._use(Snapshot(now.document, now.trouble, self._forcing))

    def start_pushing(self) -> None:
        """Start the push thread, if there is none."""
        self._push_wanted = True
        self._keep_pushing()

    def close(self) -> None:
        """End the push thread.  Reads go on without one."""
        self._push_wanted = False
        push, self._push = self._push, None
        if push is not None:
            push.close()

    def _look(self, *, wait: bool = False) -> None:
        """See whether something has changed or the daemon is gone, and apply it."""
        # Without waiting also because a signal handler may read flags in the middle of this.
        if not self._lock.acquire(blocking=wait):
            return
        try:
            now = self._clock()
            if self._words[CHANGE] != self._applied or not self._feed.holds(self._standing, now):
                self._apply(self._feed.look(now))
            # Who reads rarely must not have to read many times before the daemon's end is noticed.
            self._often = min(2 * self._often + 1, MOST_READS) if now - self._looked < OFTEN_NS else 0
            self._looked = now
            self._budget = repeat(None, self._often)
        finally:
            self._lock.release()
        if self._push is None:
            self._keep_pushing()
            if self._push is None:
                self._listeners.tell(self._newest)

    def _apply(self, standing: Standing) -> None:
        """Answer by what was found from now on."""
        before = self._snapshot
        self._standing = standing
        if standing.document is not before.document or standing.trouble != before.trouble:
            # Between these lines no comparison of another thread may hold: it would read the old beside the new.
            self._applied = _NEVER
            self._use(Snapshot(standing.document, standing.trouble, self._forcing))
            if self._snapshot.ignored or standing.trouble != before.trouble:
                self._speak(before, self._snapshot)
        self._words = standing.words
        self._applied = standing.change

    def _use(self, snapshot: Snapshot) -> None:
        """Put a snapshot in the place of the one before."""
        self._snapshot = snapshot
        self._deciders = Asked(snapshot, self._noted.add)
        self._values = Values(snapshot, self._deciders)

    def _newest(self) -> Snapshot:
        """Return the snapshot that reads answer by."""
        return self._snapshot

    def _keep_pushing(self) -> None:
        """Start the push thread where one is wanted and none runs, as in a child that was forked."""
        if not self._push_wanted or self._push is not None or self._path is None:
            return
        if not self._lock.acquire(blocking=False):
            return
        try:
            if self._push is None:
                push = Push(self._path + SOCKET_SUFFIX, self)
                push.start()
                self._push = push
        except (RuntimeError, OSError):  # no thread, or no pipe, to be had now: reads do without, and try again
            return
        finally:
            self._lock.release()

    def _speak(self, before: Snapshot, after: Snapshot) -> None:
        """Say on stderr what somebody has to know, once."""
        for sentence in after.ignored:
            self._say_once(sentence)
        if before.trouble is None and after.trouble is not None:
            say(f"flags answer their safe values: {after.trouble}")
        elif before.trouble is not None and after.trouble is None:
            say(f"flags answer by version {after.document.flags_version} again")

    def _say_once(self, sentence: str) -> None:
        """Say something that was not said yet."""
        if sentence not in self._said and len(self._said) < MOST_SAID:
            self._said.add(sentence)
            say(sentence)

    def _after_fork(self) -> None:
        """Go on in a forked child, whatever another thread of the parent was in the middle of."""
        self._lock = threading.Lock()
        self._listeners.after_fork()
        self._feed = Feed(self._path, self._why_none, self._snapshot.document)
        self._noted.clear()
        self._applied = _NEVER
        self._standing = self._standing._replace(change=_NEVER)
        self._use(self._snapshot)
        self._budget = repeat(None, 0)
        push, self._push = self._push, None
        if push is not None:
            push.forget()


def _started_for(environ: Mapping[str, str]) -> tuple[int, str]:
    """Return the generation and the role of this process; those of one without Switchover where they are nonsense."""
    with suppress(ContractError):
        started = environment(environ=environ)
        return started.generation, str(started.role)
    return 0, str(Role.SERVING)


def _usable(path: str | os.PathLike[str] | None) -> tuple[str | None, str]:
    """Return the page's path, None with the reason where it cannot be used."""
    if path is None:
        return None, f"{FLAGS} is not set, so there is no daemon to ask"
    text = os.fspath(path)
    if not os.path.isabs(text):  # noqa: PTH117 - a text that is empty is no path, and Path("") is "."
        return None, f"{FLAGS} is {text!r}; it must be an absolute path"
    return text, ""


_all: weakref.WeakSet[Following] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for following in tuple(_all):
        following._after_fork()  # noqa: SLF001 - this file's own


os.register_at_fork(after_in_child=_after_fork_in_child)
