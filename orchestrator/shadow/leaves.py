"""Whether one single value may stand where control had another.

Above: `walk`, `columns`.  Below: `node`, `texts`, `numbers`, `times`.
"""

from __future__ import annotations

from typing import Any, Final

from orchestrator.domain.comparison import Kind
from orchestrator.shadow.moments import moment
from orchestrator.shadow.node import KEPT, Node, name_of
from orchestrator.shadow.numbers import SCALES, SLACK, Misfit, clock_unit
from orchestrator.shadow.times import WINDOW, ticking
from orchestrator.shadow.tokens import fine, skeleton

Call = tuple[float | None, float | None]
"""When control and rehearsal were called, in seconds since the epoch."""
SAME: Final = "control never varied it ({} values)"
SEEN: Final = 2
"""Samples that have to have a member that is there at times only, before it is known whether it varies."""
DAY: Final = 86400.0
"""Seconds around the call in which a point in time is fresh; servers write times of their own zone."""
LONG: Final = 2000
"""Characters beyond which a text that stands still is not searched for dates."""
ABSENT: Final = object()
"""Stands for control's value where it has none of this type."""


def misfit(node: Node | None, control: Any, value: Any, call: Call, kept: frozenset[Any]) -> Misfit | None:
    """Say what is wrong with a single value beside control's of the same type, None if nothing is.

    Args:
        node: what is known about the path.
        control: control's value.
        value: the rehearsal's.
        call: when both were called.
        kept: `node.keeps()`, which takes a while.
    """
    same = control == value and type(control) is type(value)
    if node is None or not node.moving:
        unknown = node is not None and node.optional and node.samples < SEEN
        if same or unknown or coarse_clock(control, value, call):
            return None
        return Kind.VALUE, SAME.format(0 if node is None else node.seen)
    if same:
        return _stale(node, value, call) if control not in kept else None
    if _stood(node, control, kept) and not _ticked(control, value, call):
        return Kind.VALUE, "control varies other values here, never this one"
    return fits(node, control, value, call[1])


def _stood(node: Node, control: Any, kept: frozenset[Any]) -> bool:
    """Return whether control's value has to stay, though others vary: such a text never does, or not this value."""
    if control in kept:
        return True
    if not isinstance(control, str) or node.texts is None or not node.kept:
        return False
    return control in node.kept and control not in node.loose and not node.texts.knows(control)


def _ticked(control: Any, value: Any, call: Call) -> bool:
    """Return whether two texts differ in nothing but fresh points in time: those may stand still for a while."""
    if not isinstance(control, str) or not isinstance(value, str) or max(len(control), len(value)) > LONG:
        return False
    mine, theirs = fine(control), fine(value)
    return skeleton(mine) == skeleton(theirs) and all(
        one == two or (one[0] == two[0] and _moved_on(one, two[1], call)) for one, two in zip(mine, theirs, strict=True)
    )


def _moved_on(token: tuple[str, str], text: str, call: Call) -> bool:
    kind, before = token
    if not kind.startswith("T") or call[0] is None or call[1] is None:
        return False
    one, two = moment(before, kind[2:], call[0]), moment(text, kind[2:], call[1])
    if one is None or two is None or abs(two.seconds - call[1]) > DAY:
        return False
    return one.spelling == two.spelling and abs(two.seconds - one.seconds) <= WINDOW


def _stale(node: Node, value: Any, call: Call) -> Misfit | None:
    """Say whether a value that is the same on both sides should have moved on: it fits the first call only."""
    clock = isinstance(value, str) or (node.numbers is not None and node.numbers.clock)
    if not clock or fits(node, value, value, call[0]) is not None:
        return None
    return fits(node, value, value, call[1])


def fits(node: Node, control: Any, value: Any, at: float | None) -> Misfit | None:
    """Say what is wrong with a single value of a path that varies; control may be `ABSENT`."""
    if isinstance(value, str):
        if node.texts is None:
            return _as_kept(node, value)
        return node.texts.misfit(control if isinstance(control, str) else None, value, at)
    if type(value) in {int, float}:
        if node.numbers is None:
            return _as_kept(node, value)
        return node.numbers.misfit(control if type(control) in {int, float} else None, value, at)
    if isinstance(value, bool) and node.free:
        return None
    return _as_kept(node, value) if not _switches_to(node, value) else None


def _switches_to(node: Node, value: Any) -> bool:
    return any(one.endswith(f">{name_of(value)}") for one in node.switches)


def fits_new(node: Node, value: Any, at: float | None) -> Misfit | None:
    """Say what is wrong with a single value of a member that is there at times only."""
    if node.moving:
        return fits(node, ABSENT, value, at)
    return _as_kept(node, value) if 0 < len(node.kept) < KEPT and node.samples >= SEEN else None


def _as_kept(node: Node, value: Any) -> Misfit | None:
    """Judge a value of a type that stands still wherever control has it."""
    if any(one == value and type(one) is type(value) for one in node.kept) or value in node.loose:
        return None
    return Kind.VALUE, f"control never had this {name_of(value)} here"


def coarse_clock(control: Any, value: Any, call: Call) -> bool:
    """Return whether two values that differ are the hour, day or second in which each was called."""
    if isinstance(control, str) and isinstance(value, str):
        if len(control) > LONG or len(value) > LONG:
            return False
        mine, theirs = fine(control), fine(value)
        if skeleton(mine) != skeleton(theirs):
            return False
        return all(
            one == two or (one[0] == two[0] and _tick(one, call[0]) and _tick(two, call[1]))
            for one, two in zip(mine, theirs, strict=True)
        )
    if type(control) is type(value) and type(value) in {int, float}:
        return _near(control, call[0]) and _near(value, call[1])
    return False


def _tick(token: tuple[str, str], at: float | None) -> bool:
    kind, text = token
    found = moment(text, kind[2:], at) if kind.startswith("T") else None
    return found is not None and ticking(found, at)


def _near(value: float, at: float | None) -> bool:
    if at is None or not 1e8 < abs(value) < 1e20:  # noqa: PLR2004 - an epoch since 1973, in ns at most
        return False
    unit = clock_unit(value, at)
    return unit is not None and abs(value / SCALES[unit] - at) <= SLACK
