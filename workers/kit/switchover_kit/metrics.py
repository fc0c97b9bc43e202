"""What one call cost and how good its answer was, in the form Switchover reads from a result's `_meta`.

Above it stands a worker's tool, which puts the returned value into its result; below it nothing.
"""

from __future__ import annotations

import math
from typing import Final

METRICS_KEY: Final = "io.switchover/metrics"
"""Key of a result's `_meta` under which Switchover looks for metrics."""


class MetricsError(ValueError):
    """A metric is not a finite number."""


def metrics(
    *, tokens: float | None = None, cost: float | None = None, quality: float | None = None, **more: float
) -> dict[str, dict[str, float]]:
    """Build the `_meta` value that reports one call's metrics.

    Leave out what you do not know: a made-up number is judged like a measured one.

    Args:
        tokens: tokens the call used.
        cost: money the call cost, in whatever currency all generations of the worker report.
        quality: how good the answer is; more is better, the scale is the worker's own but must stay the same from
            one generation to the next.
        more: any further numbers, by name.

    Returns:
        ``{"io.switchover/metrics": {...}}`` with the numbers that were given; merge it into a larger `_meta` with
        ``{**metrics(tokens=812), ...}``.

    Raises:
        MetricsError: a value is not an int or float, or is NaN or infinite (JSON knows neither).
    """
    given = {"tokens": tokens, "cost": cost, "quality": quality}
    known = {name: value for name, value in given.items() if value is not None}
    return {METRICS_KEY: {name: _finite(name, value) for name, value in {**known, **more}.items()}}


def _finite(name: str, value: object) -> float:
    """Return `value` unchanged if it is a finite number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise MetricsError(
            f"metric {name!r} is {value!r} ({type(value).__name__}); give an int or float, or leave it out"
        )
    try:
        finite = math.isfinite(value)
    except OverflowError:  # an int beyond what a float can hold
        finite = False
    if not finite:
        raise MetricsError(f"metric {name!r} is not a finite number; give a finite one, or leave it out")
    return value
