"""A version of the reference worker with one planted change: `python candidate.py --change NAME [--seed N] [OPTIONS]`.

Further options are the reference worker's own.  `--list` prints the changes.  Above: a daemon or a test that runs it as
a worker.  Below: `candidate_changes`, and the real server, of which nothing is copied.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from functools import wraps
from random import Random
from typing import Any

from candidate_changes import BY_NAME, table

from workers.reference import __main__ as worker
from workers.reference import server


def main(arguments: Sequence[str] | None = None) -> int:
    """Plant the change and run the worker; return its exit status."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--change", choices=BY_NAME, default="none", help="what is different (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="what happens by chance is drawn from it")
    parser.add_argument("--list", action="store_true", help="print the changes and end")
    options, rest = parser.parse_known_args(arguments)
    if options.list:
        print(table())
        return 0
    plant(options.change, options.seed)
    return worker.main(rest)


def plant(name: str, seed: int) -> None:
    """Plant a change in this process, before the server is built."""
    middleware = BY_NAME[name].plant(Random(seed))
    if middleware is None:
        return
    build = server.build

    @wraps(build)
    def changed(*values: Any, **named: Any) -> Any:
        built = build(*values, **named)
        built.middleware.append(middleware)
        return built

    server.build = changed


if __name__ == "__main__":
    sys.exit(main())
