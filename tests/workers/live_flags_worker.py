"""A worker for tests that reads its flags through the kit, as a worker's author would: two lines and no more.

It is the echo worker with two tools more.  `flags` tells what it reads now; `until` waits for a flag's value, woken by
the kit's callback.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import threading

from echo_worker import TOOLS, Json, ToolError, Worker, tool
from switchover_kit import Flags, flags

PATIENCE = 60.0
"""Seconds `until` waits."""


class FlagWorker(Worker):
    """The echo worker, with flags."""

    def __init__(self, version: str, live: Flags) -> None:
        super().__init__(version, 0.0)
        self.live = live
        self.changed = threading.Condition()
        self.tools |= {"flags": self.tell, "until": self.until}
        live.on_change(self.heard)

    def heard(self, *_what: object) -> None:
        """Wake who waits."""
        with self.changed:
            self.changed.notify_all()

    def tell(self, arguments: Json, _cancelled: threading.Event) -> tuple[str, Json]:
        """Return the values of some flags."""
        values = {key: self.live.value(key) for key in arguments.get("keys", [])}
        told = {"values": values, "version": self.live.version, "trouble": self.live.trouble, "pid": os.getpid()}
        return json.dumps(values), told

    def until(self, arguments: Json, cancelled: threading.Event) -> tuple[str, Json]:
        """Return as soon as a flag has a value."""
        key, value = arguments["key"], arguments["value"]
        with self.changed:
            if not self.changed.wait_for(lambda: self.live.value(key) == value, PATIENCE):
                raise ToolError(f"{key} is {self.live.value(key)!r} still")
        return self.tell({"keys": [key]}, cancelled)


def main() -> None:
    """Answer requests until stdin closes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--version", default="1")
    options = parser.parse_args()
    TOOLS.extend(tool(name, f"Look at flags: {name}.", readOnlyHint=True) for name in ("flags", "until"))
    worker = FlagWorker(options.version, flags())
    for line in sys.stdin:
        worker.take(json.loads(line))


if __name__ == "__main__":
    main()
