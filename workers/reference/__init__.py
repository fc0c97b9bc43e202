"""A small, honest orchestration server on the official MCP SDK: what `make run` runs.

It keeps a queue of tasks that agents take, report on and have verified.  `__main__` starts it, `server` puts the tools
together, `tools/` holds them by noun, `tasks`, `scheduling` and `review` decide without any I/O, `store` and `database`
remember.  It imports the SDK, pydantic and `switchover_kit`, and nothing of the daemon: it stands for anybody's worker.
"""

from typing import Final

VERSION: Final = "1.0.0"
"""What the worker calls itself unless `--version-label` says otherwise."""
