"""Which options are worth a thought: those that no other one beats in everything.

The library is moocore: a small C core with exactly this (after Kung, Luccio and Preparata, 1975), kept by the authors
of the hypervolume code that others reuse, and with little more than numpy beneath it.  pymoo would bring a framework
for searching large spaces with evolutionary algorithms; a handful of options is enumerated, not searched.
Above it stands `engine`, below it `forecast`.  It is imported late: numpy takes a tenth of a second to load, and with
MO_ENGINE off nobody needs it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from workers.reference.choice.forecast import Forecast


def objectives(option: Forecast) -> tuple[float, float, float, float]:
    """Return cost, minutes, missing quality and share: everything that is to be small."""
    return option.cost, option.minutes, 100 - option.quality, option.share


def pareto_front(options: Sequence[Forecast]) -> list[Forecast]:
    """Return the options that no other one dominates, in their order; of equal ones all stay."""
    if not options:
        return []
    kept = library().is_nondominated([objectives(option) for option in options], keep_weakly=True)
    return [option for option, keep in zip(options, kept, strict=True) if keep]


def library() -> Any:
    """Return the library; who asks early waits for it while nobody waits for them."""
    import moocore  # type: ignore[import-untyped]  # noqa: PLC0415

    return moocore
