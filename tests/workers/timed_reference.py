"""The reference worker, which also says what each call took inside (`generation_ms`) and which generation served it.

    python timed_reference.py [OPTIONS]     options of `workers.reference`

Above: the plan `engine` in `tests/e2e`, whose limits want to know.  Below: the real server, of which nothing is copied.
"""

from __future__ import annotations

import os
import sys
import time
from functools import wraps
from typing import Any

from switchover_kit import METRICS_KEY

from workers.reference import __main__ as worker
from workers.reference import server

SERVED_BY = "tests/generation"
GENERATION = int(os.environ.get("SWITCHOVER_GENERATION", "0"))


async def timed(context: Any, call_next: Any) -> Any:
    """Answer a message; to a call's answer add what it took and who gave it."""
    began = time.perf_counter()
    result = await call_next(context)
    if context.method != "tools/call" or not isinstance(result, dict):
        return result
    meta = result.get("_meta", {})
    metrics = {**meta.get(METRICS_KEY, {}), "generation_ms": 1000 * (time.perf_counter() - began)}
    return {**result, "_meta": {**meta, METRICS_KEY: metrics, SERVED_BY: GENERATION}}


def main() -> int:
    """Run the worker; return its exit status."""
    build = server.build

    @wraps(build)
    def with_times(*values: Any, **named: Any) -> Any:
        built = build(*values, **named)
        built.middleware.append(timed)
        return built

    server.build = with_times
    return worker.main(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
