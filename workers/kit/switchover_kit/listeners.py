"""Who wants to hear of changed flags, and what each is told: callbacks in the order in which they were added.

Above it stands `following`, below it the snapshots that are compared.
"""

from __future__ import annotations

import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, NamedTuple

from switchover_kit.snapshot import Snapshot
from switchover_kit.values import same


class Changed(NamedTuple):
    """What a callback is told.

    Attributes:
        version: the flags version that reads answer by now.
        changes: (key, before, after) of every flag whose plain value changed; None where there was or is no flag.
        trouble: why flags answer safe values now, None when they do not.
    """

    version: int
    changes: tuple[tuple[str, Any, Any], ...]
    trouble: str | None


Callback = Callable[[Changed], object]


class Listeners:
    """Callbacks, and the snapshot they were told of last.  Any thread may use it; one at a time tells."""

    def __init__(self, told: Snapshot) -> None:
        self._callbacks: tuple[Callback, ...] = ()
        self._told = told
        self._telling = threading.Lock()

    def add(self, callback: Callback) -> Callable[[], None]:
        """Call a function after every change from now on; return what ends that."""
        self._callbacks = (*self._callbacks, callback)

        def end() -> None:
            kept = list(self._callbacks)
            with suppress(ValueError):
                kept.remove(callback)
            self._callbacks = tuple(kept)

        return end

    def tell(self, newest: Callable[[], Snapshot]) -> None:
        """Tell everybody what changed, until they know the newest snapshot; nothing while another thread does."""
        while (snapshot := newest()) is not self._told:
            if not self._telling.acquire(blocking=False):
                return
            try:
                before, self._told = self._told, snapshot
                self._tell(before, snapshot)
            finally:
                self._telling.release()

    def after_fork(self) -> None:
        """Go on in a forked child, whatever another thread of the parent was doing."""
        self._telling = threading.Lock()

    def _tell(self, before: Snapshot, after: Snapshot) -> None:
        """Call every callback with what differs between two snapshots."""
        callbacks = self._callbacks
        if not callbacks:
            return
        changed = Changed(after.document.flags_version, tuple(_differences(before, after)), after.trouble)
        if (changed.version, changed.trouble) == (
            before.document.flags_version,
            before.trouble,
        ) and not changed.changes:
            return
        for callback in callbacks:
            try:
                callback(changed)
            except Exception:  # noqa: BLE001 - one callback's error is its own
                with suppress(OSError, ValueError, AttributeError):
                    traceback.print_exc(file=sys.stderr)


def _differences(before: Snapshot, after: Snapshot) -> Iterator[tuple[str, Any, Any]]:
    """Yield each flag whose plain value differs."""
    old, new = before.plain(), after.plain()
    for key in sorted(old.keys() | new.keys()):
        one, other = old.get(key), new.get(key)
        if (key in old) != (key in new) or not same(one, other):
            yield key, one, other
