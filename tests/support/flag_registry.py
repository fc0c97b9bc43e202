"""The flags that a daemon in a test declares: the kill switch, `MODE`, and whatever its test adds.

Above: `flag_daemon`, `rollout_stories`.  Below: nobody.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

ALWAYS: Final = """
[flags.DISABLE_NEW]
type = "enum"
values = ["0", "1"]
default = "0"
safe = "0"
kill_switch = true

[flags.MODE]
type = "enum"
values = ["legacy", "wsjf"]
default = "legacy"
safe = "legacy"
"""


def declared(folder: Path, more: str) -> Path:
    """Write a registry into a folder; return the file."""
    registry = folder / "flags.toml"
    registry.write_text(ALWAYS + more)
    return registry
