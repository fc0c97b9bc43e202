"""The daemon of the demo, and the verbs typed at it.

Above: the story.  Below: the `switchover` command beside this Python.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from asyncio.subprocess import PIPE, STDOUT, Process
from pathlib import Path
from typing import Any, Final, TextIO

SWITCHOVER: Final = str(Path(sys.executable).with_name("switchover"))
ROOT: Final = Path(__file__).parents[3]
STARTING: Final = 30.0
"""Seconds the daemon may take until it serves."""
SETTINGS: Final = f"""\
[samples]
process_every = 1.0

[upgrade]
suite = "{Path(__file__).with_name("suite.toml")}"
repeats = 2
"""
"""Only what makes a rehearsal take seconds: a few calls, few repeats."""


class Narrator:
    """Prints each line with the seconds since the beginning, and keeps all of them.

    Attributes:
        lines: what was printed.
        names: what places of this machine are called in it.
    """

    def __init__(self, out: TextIO) -> None:
        """Begin now."""
        self.lines: list[str] = []
        self.names = {sys.executable: "python", f"{ROOT}/": ""}
        self._out = out
        self._began = time.monotonic()

    @property
    def seconds(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self._began

    def say(self, text: str = "") -> None:
        """Print a line of the story."""
        self._print(text)

    def shown(self, text: str) -> None:
        """Print a line that a verb printed, without the places of this machine."""
        for place, name in self.names.items():
            text = text.replace(place, name)
        self._print(f"    {text}")

    def _print(self, text: str) -> None:
        line = f"{self.seconds:5.1f} s  {text}".rstrip()
        self.lines.append(line)
        self._out.write(line + "\n")
        self._out.flush()


class Stage:
    """A running daemon in a directory of its own."""

    def __init__(self, state_dir: Path, narrator: Narrator) -> None:
        """Build it; `start` runs the daemon."""
        self.state_dir = state_dir
        narrator.names[str(state_dir)] = "STATE"
        self._narrator = narrator
        self._environ = {**os.environ, "SWITCHOVER_STATE_DIR": str(state_dir), "NO_COLOR": "1"}
        self._daemon: Process | None = None

    @property
    def socket(self) -> Path:
        """Where tools are called."""
        return self.state_dir / "run" / "tools.sock"

    async def start(self, *command: str) -> None:
        """Run the daemon around a worker and wait until it serves.

        Raises:
            RuntimeError: it does not.
        """
        self.state_dir.mkdir(parents=True, exist_ok=True)
        config = self.state_dir / "demo.toml"
        config.write_text(SETTINGS)
        self._daemon = await asyncio.create_subprocess_exec(
            SWITCHOVER, "serve", "--config", str(config), "--", *command,
            cwd=ROOT, env=self._environ, stdout=PIPE, stderr=STDOUT,
        )  # fmt: skip
        async with asyncio.timeout(STARTING):
            while await self._quietly("status") != 0:
                if self._daemon.returncode is not None:
                    said = await self._daemon.stdout.read() if self._daemon.stdout is not None else b""
                    raise RuntimeError(f"the daemon ended: {said.decode(errors='replace')}")
                await asyncio.sleep(0.2)

    async def stop(self) -> None:
        """Let the daemon drain and stop."""
        if self._daemon is not None and self._daemon.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._daemon.send_signal(signal.SIGTERM)
            await self._daemon.communicate()

    async def type(self, *verb: str) -> int:
        """Type a verb, show it and what it prints; return its exit status."""
        self._narrator.say(f"$ switchover {' '.join(_short(word) for word in verb)}")
        process = await self._begun(*verb)
        if process.stdout is not None:
            async for line in process.stdout:
                self._narrator.shown(line.decode(errors="replace").rstrip())
        return await process.wait()

    async def asked(self, *verb: str) -> Any:
        """Return what a verb prints as JSON."""
        process = await self._begun(*verb)
        out, _ = await process.communicate()
        return json.loads(out)

    async def _quietly(self, *verb: str) -> int:
        process = await self._begun(*verb)
        await process.communicate()
        return process.returncode or 0

    async def _begun(self, *verb: str) -> Process:
        return await asyncio.create_subprocess_exec(
            SWITCHOVER, *verb, cwd=ROOT, env=self._environ, stdout=PIPE, stderr=STDOUT
        )


def _short(word: str) -> str:
    """Show a path by its name alone."""
    return Path(word).name if "/" in word else word
