"""Time jsondiff and jycm on two bodies: run by `shadow_speed` with the interpreter that has them.

    python bench/shadow_peers.py NAME CONTROL REHEARSAL ROUNDS

Prints milliseconds a comparison, from bytes.  Above: `shadow_speed`.  Below: nothing.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any


def jsondiff(one: Any, two: Any) -> None:
    """Compare by jsondiff."""
    import jsondiff as peer  # type: ignore[import-not-found]  # noqa: PLC0415 - only where it is installed

    peer.diff(one, two)


def jycm(one: Any, two: Any) -> None:
    """Compare by jycm."""
    from jycm.jycm import YouchamaJsonDiffer  # type: ignore[import-not-found]  # noqa: PLC0415 - likewise

    YouchamaJsonDiffer(one, two).get_diff()


def main() -> None:
    """Measure one peer."""
    name, control, rehearsal, rounds = sys.argv[1:]
    compare = {"jsondiff": jsondiff, "jycm": jycm}[name]
    bodies = Path(control).read_bytes(), Path(rehearsal).read_bytes()
    times = []
    for _ in range(int(rounds)):
        began = time.perf_counter()
        compare(*map(json.loads, bodies))
        times.append(time.perf_counter() - began)
    print(1000 * min(times))


if __name__ == "__main__":
    main()
