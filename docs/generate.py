"""Writes the generated pages: `python -m docs.generate`.

Above: `make docs`; a test compares the pages with what this would write.  Below: the code the pages describe.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from docs import generate_plans, generate_rollout
from orchestrator.settings.keys import Key, keys, sections

HERE: Final = Path(__file__).parent

INTRODUCTION: Final = """\
# Configuration

<!-- Written by `make docs` from orchestrator/settings/model.py; change that. -->

Every setting has a default, so `switchover serve -- COMMAND` needs none of this page. What is set more than once counts
in this order: the command line, then the environment, then the file, then the default.

- **File**: `switchover serve --config FILE`, in [TOML](https://toml.io). Relative paths in it start from its directory,
  and `~` is the home directory.
- **Environment**: `SWITCHOVER_<SECTION>__<KEY>`, with two underscores wherever the key has a dot. Lists are written as
  shell words, and a variable of the worker as `SWITCHOVER_WORKER__ENV__NAME=value`. Otherwise an empty variable counts
  as not set.
- **Command line**: the words after `--` are `worker.command`.

A key that does not exist, a value of another type, or one out of its bounds ends the start. The message lists every
problem at once with its file and line, variable or flag, and says what is allowed.

`kill -HUP` (or `switchover reload`) reads everything again. Settings marked *now* take effect at once, for what begins
from then on; the others at the next restart, and the daemon says which. A bad file changes nothing.

```toml
[worker]
command = ["python", "server.py"]
env = { LOG_LEVEL = "info" }
stop_grace.terminate = 10.0

[limits]
call_timeout = 60.0

[sockets]
mode = 0o660
group = "tools"
```
"""

PLACES: Final = """
## Where files are

| what | first of these that is set |
|---|---|
| state directory | `--state-dir`, `$SWITCHOVER_STATE_DIR`, `$STATE_DIRECTORY`, `$XDG_STATE_HOME/switchover`, \
`~/.local/state/switchover` |
| runtime directory, with `tools.sock` and `control.sock` | `$RUNTIME_DIRECTORY`, `run` in the state directory |
| log directory, with `switchover.jsonl` | `$LOGS_DIRECTORY`, `logs` in the state directory |

systemd sets the variables without our prefix, from `StateDirectory=` and its like; of several directories the first
counts. Verbs such as `switchover status` find their daemon by the same rule. The path of a socket may have 107 bytes at
most, which is the kernel's bound.
"""


def configuration() -> str:
    """Return the page of all settings."""
    return "".join((INTRODUCTION, *_sections(), PLACES))


def _sections() -> Iterator[str]:
    for name, meaning in sections().items():
        yield f"\n## `[{name}]`\n\n{meaning}\n\n"
        yield "| key | value | default | meaning | environment | on reload |\n|---|---|---|---|---|---|\n"
        for key in keys().values():
            if key.name.rpartition(".")[0] == name:
                yield _row(key)


def _row(key: Key) -> str:
    variable = f"{key.env}__NAME" if isinstance(key.default, dict) else key.env
    cells = (
        f"`{key.name}`",
        key.allowed.replace("|", "\\|"),
        _default(key),
        key.meaning,
        f"`{variable}`",
        "now" if key.reloadable else "at restart",
    )
    return f"| {' | '.join(cells)} |\n"


def _default(key: Key) -> str:
    default: Any = key.default
    if default in (None, {}, ()):
        return "none"
    if key.name == "sockets.mode":
        return f"`{default:#o}`"
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    if isinstance(default, int):
        return f"`{default:_}`"
    return f'`"{default}"`' if isinstance(default, str) else f"`{default}`"


PAGES: Final[Mapping[str, Callable[[], str]]] = {
    "configuration.md": configuration,
    "plan-format.md": generate_plans.page,
    "rollout.md": generate_rollout.page,
}
"""Each generated page and who writes it."""


def main() -> None:
    """Write every generated page."""
    for name, write in PAGES.items():
        (HERE / name).write_text(write(), encoding="utf-8")


if __name__ == "__main__":
    main()
