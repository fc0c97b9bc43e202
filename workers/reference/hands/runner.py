"""Runs one command that passed the gates: no shell, no terminal, bounded time and output, a small environment.

The command gets a session and process group of its own, all of which is killed when the time is over, when too much
was written, or when the call is cancelled; the kernel kills it when this worker dies.  It cannot gain rights that this
worker lacks (no setuid).  Above it stands `tools/commands`, below it `tree` and the operating system.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import anyio
from anyio.abc import ByteReceiveStream, Process

from workers.reference.hands.errors import HandError
from workers.reference.hands.gates import Command
from workers.reference.hands.tree import Tree

SEARCH: Final = "/usr/local/bin:/usr/bin:/bin"
"""Where programs are looked for: folders of the system's, whatever this worker's own PATH says."""
SECONDS: Final = 20.0
"""How long a command may take unless the caller says otherwise."""
MOST_BYTES: Final = 256 * 1024
"""How much a command may write, stdout and stderr together; about 64,000 tokens."""

_GRACE: Final = 5.0  # seconds for the kernel to take a killed process away
_LAUNCH: Final = ("--no-new-privs", "--pdeathsig", "KILL", "--")
_PLAIN: Final = {
    "PATH": SEARCH,
    "HOME": "/nonexistent",
    "LANG": "C.UTF-8",
    "LC_ALL": "C.UTF-8",
    "TZ": "UTC",
    "TERM": "dumb",
    "PAGER": "cat",
    "EMAIL": "reference-worker@localhost",  # git's author when the work tree names none
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_OPTIONAL_LOCKS": "0",  # `git status` shall not write
    "GIT_ALLOW_PROTOCOL": "",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_EDITOR": "false",
    "GIT_ASKPASS": "false",
    "GIT_PAGER": "cat",
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a command ended.

    Attributes:
        status: its exit status; None when it was stopped for writing too much.
        stdout: what it wrote there; bytes that are no UTF-8 are replaced.
        stderr: likewise.
        truncated: whether it was stopped for writing too much.
    """

    status: int | None
    stdout: str
    stderr: str
    truncated: bool


class Runner:
    """Runs commands in one work tree."""

    def __init__(self, tree: Tree, environ: Mapping[str, str] | None = None, most_bytes: int = MOST_BYTES) -> None:
        """Keep what is needed.

        Args:
            tree: where commands run.
            environ: this worker's own variables, of which only SWITCHOVER_* go on: by them the daemon finds what a
                worker left behind.
            most_bytes: bound of stdout and stderr together.
        """
        self._tree = tree
        own = os.environ if environ is None else environ
        self._marks = {name: value for name, value in own.items() if name.startswith("SWITCHOVER_")}
        self._most = most_bytes

    async def run(self, command: Command, seconds: float = SECONDS) -> Outcome:
        """Run a command to its end.

        Args:
            command: what passed the gates.
            seconds: how long it may take.

        Raises:
            HandError: a path leads out of the work tree, the program is not installed, or the time was not enough.
        """
        for path in command.paths:
            self._tree.require_inside(path)
        words = [_found("setpriv"), *_LAUNCH, _found(command.program), *command.arguments]
        root = self._tree.root.resolve()
        try:
            process = await anyio.open_process(
                words, stdin=subprocess.DEVNULL, cwd=root, env=self._environment(root), start_new_session=True
            )
        except OSError as error:
            raise HandError(f"{command.program} cannot run in {root}: {error.strerror}; create the work tree") from None
        caught = _Caught(process, self._most)
        with anyio.move_on_after(seconds) as scope:
            await caught.until_end()
        if scope.cancelled_caught and not caught.full:
            raise HandError(f"{command.program} did not end within {seconds:g} s and was stopped; ask for less")
        return caught.outcome()

    def _environment(self, root: Path) -> dict[str, str]:
        """Return all variables that a command sees."""
        return {**self._marks, **_PLAIN, "GIT_CEILING_DIRECTORIES": str(root.parent)}


class _Caught:
    """A running command and what it wrote."""

    def __init__(self, process: Process, most: int) -> None:
        self._process = process
        self._left = most
        self._written: dict[Literal["stdout", "stderr"], bytearray] = {"stdout": bytearray(), "stderr": bytearray()}
        self.full = False

    async def until_end(self) -> None:
        """Listen until the command ends, or kill it, with all that it started, when it writes too much."""
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(self._listen, self._process.stdout, "stdout")
                group.start_soon(self._listen, self._process.stderr, "stderr")
            await self._process.wait()
        finally:
            self._kill()
            with anyio.move_on_after(_GRACE, shield=True):
                await self._process.aclose()

    async def _listen(self, stream: ByteReceiveStream | None, name: Literal["stdout", "stderr"]) -> None:
        """Keep what comes through one pipe."""
        if stream is None:
            return
        async for chunk in stream:
            self._written[name] += chunk[: self._left]
            self.full = self.full or len(chunk) > self._left
            self._left -= min(len(chunk), self._left)
            if self.full:
                self._kill()

    def _kill(self) -> None:
        """Kill the whole group; it may have ended by itself."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def outcome(self) -> Outcome:
        """Tell how it ended."""
        stdout, stderr = (bytes(text).decode(errors="replace") for text in self._written.values())
        return Outcome(None if self.full else self._process.returncode, stdout, stderr, self.full)


def _found(program: str) -> str:
    """Return where a program is.

    Raises:
        HandError: it is not installed in the system's folders.
    """
    place = shutil.which(program, path=SEARCH)
    if place is None:
        raise HandError(f"{program} is not installed in {SEARCH}; install it there")
    return place
