"""Who wants to hear of changed flags, and what each is told: callbacks in the order in which they were added.

Above it stands `following`, below it the snapshots that are compared.
"""

from __future__ import annotations

import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import cached_property
from typing import Any

from switchover_kit.snapshot import Snapshot
from switchover_kit.values import same


class Changed:
    """What a callback is told.

    Attributes:
        version: the flags version that reads answer by now.
        trouble: why flags answer safe values now, None when they do not.
    """

    def __init__(self, before: Snapshot, after: Snapshot) -> None:
        """Compare nothing yet."""
        self.version = after.document.flags_version
        self.trouble = after.trouble
        self._before, self._after = before, after

    @cached_property
    def changes(self) -> tuple[tuple[str, Any, Any], ...]:
        """(key, before, after) of every flag whose plain value changed; None where there was or is no flag.

        Worked out when it is first asked for: most callbacks read the flags that they care about, and a change comes
        to every process of the machine at the same moment.
        """
        return tuple(_differences(self._before, self._after))

    def __repr__(self) -> str:
        return f"Changed(version={self.version}, changes={self.changes}, trouble={self.trouble!r})"


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
                if self._callbacks:
                    self._tell(Changed(before, snapshot), before)
            finally:
                self._telling.release()

    def after_fork(self) -> None:
        """Go on in a forked child, whatever another thread of the parent was doing."""
        self._telling = threading.Lock()

    def _tell(self, changed: Changed, before: Snapshot) -> None:
        """Call every callback, unless nothing that it is told of differs."""
        is_news = changed.version != before.document.flags_version or changed.trouble != before.trouble
        if not is_news and not changed.changes:
            return
        for callback in self._callbacks:
            try:
                callback(changed)
            except Exception:  # noqa: BLE001 - one callback's error is its own
                with suppress(OSError, ValueError, AttributeError):
                    traceback.print_exc(file=sys.stderr)


def _differences(before: Snapshot, after: Snapshot) -> Iterator[tuple[str, Any, Any]]:
    """Yield each flag whose plain value differs."""
    keys = _suspects(before, after)
    old, new = before.plain(keys), after.plain(keys)
    for key in sorted(keys):
        one, other = old.get(key), new.get(key)
        if (key in old) != (key in new) or not same(one, other):
            yield key, one, other


def _suspects(before: Snapshot, after: Snapshot) -> set[str]:
    """Return the flags whose plain value may differ; asking all of them would compile all, in every process."""
    old, new = before.document.flags, after.document.flags
    changed = {key for key in old.keys() | new.keys() if old.get(key) != new.get(key)}
    stops = any(
        isinstance(raw, Mapping) and raw.get("kill_switch") for key in changed for raw in (old.get(key), new.get(key))
    )
    if stops or before.trouble != after.trouble or before.forced != after.forced:
        return {*old, *new}
    return changed | {key for key, raw in new.items() if isinstance(raw, Mapping) and raw.get("prerequisites")}
