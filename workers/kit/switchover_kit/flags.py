"""Live flags in a worker's process: `flags().value("PROMPT_MODE", "compact")`.

Above it stand a worker's own code and `gates`; below it `following`, which keeps up what is read here.  A read compares
one word of shared memory with the one that was applied and looks a key up in a dict: no lock, no system call, no
thread.  No read raises.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from switchover_kit.decision import Decision
from switchover_kit.document import safe_value
from switchover_kit.environment import FLAGS
from switchover_kit.following import Following
from switchover_kit.forced import like, variable
from switchover_kit.listeners import Callback
from switchover_kit.page_format import CHANGE
from switchover_kit.snapshot import MISSING
from switchover_kit.subject import NOBODY, USED, current
from switchover_kit.values import ValueRefusedError

_NOW = time.time


class Flags(Following):
    """The flags of one process, read from one page.  Any number of threads may use it, and forked children, too."""

    def __init__(
        self,
        path: str | os.PathLike[str] | None,
        *,
        push: bool = True,
        environ: Mapping[str, str] | None = None,
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        """Read the page for the first time, and start the push thread.

        Args:
            path: the page's absolute path, None for none.
            push: whether a thread of this process hears of changes, calls callbacks and acknowledges to the daemon.
            environ: the variables that may force flags; the process's own when None.  They are read once.
            clock: nanoseconds of CLOCK_MONOTONIC.
        """
        super().__init__(path, push=push, environ=os.environ if environ is None else environ, clock=clock)

    def value(self, key: str, default: Any = None) -> Any:
        """Return a flag's value: for the subject of the call under way where one was named, else for nobody.

        Args:
            key: the flag.
            default: what to answer for a flag that there is not, which is any where no document was ever read.
        """
        if USED and current() is not NOBODY:
            return self._value_in_call(key, default)
        try:
            for _ in self._budget:
                if self._words[CHANGE] == self._applied:
                    found = self._values[key]
                    return found if found is not MISSING else self._otherwise(key, default)
                break
            self._look()
            found = self._values[key]
            return found if found is not MISSING else self._otherwise(key, default)
        except Exception:  # noqa: BLE001 - no read raises; what cannot be looked up is not there
            return default

    def decide(self, key: str, subject_key: str | None = None, attributes: Mapping[str, Any] | None = None) -> Decision:
        """Return what a flag answers for one subject, and which step of its evaluation says so.

        Without key and attributes that is the subject of the call under way (see `subject`), or nobody in particular.

        Args:
            key: the flag.
            subject_key: what lists and percentages go by.
            attributes: what rules go by.
        """
        if USED and subject_key is None and attributes is None:
            subject_key, attributes = current()
        try:
            for _ in self._budget:
                if self._words[CHANGE] == self._applied:
                    return self._deciders[key](subject_key, attributes, _NOW())
                break
            self._look()
            return self._deciders[key](subject_key, attributes, _NOW())
        except Exception as error:  # noqa: BLE001 - no read raises
            return self._undecided(key, error)

    def value_for(
        self,
        key: str,
        subject_key: str | None = None,
        attributes: Mapping[str, Any] | None = None,
        default: Any = None,
    ) -> Any:
        """Return a flag's value for one subject (see `decide`); `default` for a flag that there is not."""
        decision = self.decide(key, subject_key, attributes)
        return decision.value if decision.step != "missing" else default

    def is_open(self, key: str, subject_key: str | None = None, attributes: Mapping[str, Any] | None = None) -> bool:
        """Return whether a gate is open: only True opens it; no other value does, nor a flag that there is not."""
        return self.decide(key, subject_key, attributes).value is True

    def _value_in_call(self, key: str, default: Any) -> Any:
        decision = self.decide(key)
        return decision.value if decision.step != "missing" else self._otherwise(key, default)

    def __getitem__(self, key: str) -> Any:
        """Return a flag's value, None for a flag that there is not."""
        return self.value(key)

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self._snapshot.document.flags))

    def __contains__(self, key: object) -> bool:
        return key in self._snapshot.document.flags

    @property
    def version(self) -> int:
        """The flags version that reads answer by, 0 where no document was ever read."""
        self._look()
        return self._snapshot.document.flags_version

    @property
    def trouble(self) -> str | None:
        """Why flags answer their safe values, None when they do not."""
        self._look()
        return self._snapshot.trouble

    def on_change(self, callback: Callback) -> Callable[[], None]:
        """Have a function called after every change.

        It is called in the push thread; without one, by the read that finds the change.  An error of its own is said
        on stderr and harms nobody else.

        Args:
            callback: takes a `Changed`.

        Returns:
            A function that ends this.
        """
        return self._listeners.add(callback)

    def _otherwise(self, key: str, default: Any) -> Any:
        """Return the value of a flag that there is not: what the environment forces, as far as that can be told."""
        text = self._environ.get(variable(key)) if self._forcing.by_key else None
        if text is None:
            return default
        try:
            return like(default, text)
        except ValueRefusedError as error:
            self._say_once(f"{variable(key)} is ignored: {error}")
            return default

    def _undecided(self, key: str, error: Exception) -> Decision:
        """Return the decision of a flag that could not be asked as it was, a key or attributes of a wrong kind."""
        safe = None
        if isinstance(key, str):
            safe = safe_value(self._snapshot.document.flags.get(key))
        return Decision(safe, "invalid", "UNKNOWN", f"It was asked in a way it cannot be: {error!r}.")


_own: Flags | None = None
_making = threading.Lock()


def flags(push: bool | None = None) -> Flags:  # noqa: FBT001 - nobody writes `flags(False)`, and it is asked at every read
    """Return this process's flags: those of the page that `SWITCHOVER_FLAGS` names.

    Args:
        push: whether a thread may hear of changes.  The first call decides, True where it says nothing; a later True
            starts the thread, a later False does not end it.
    """
    own = _own
    return own if own is not None and not push else _made(push=push)


def _made(*, push: bool | None) -> Flags:
    """Make the process's flags the first time, and start their thread where one is wanted now."""
    global _own  # noqa: PLW0603 - one a process is what it is for
    with _making:
        if _own is None:
            _own = Flags(os.environ.get(FLAGS), push=push is not False)
        elif push:
            _own.start_pushing()
        return _own


def _after_fork_in_child() -> None:
    """Let no child wait for a thread that stayed with its parent."""
    global _making  # noqa: PLW0603
    _making = threading.Lock()


os.register_at_fork(after_in_child=_after_fork_in_child)
