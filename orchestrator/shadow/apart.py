"""What all of control's answers to a call have in common against all of the rehearsal's, where each may be noise.

Five answers in a row that all lie to one side of six others, or that no longer vary at all, are no chance.  Both sides
are learned alike, and what was learned of them is laid beside each other.

Above: `repeats`.  Below: `node`, `texts`, `numbers`, `times`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from orchestrator.domain.comparison import Kind
from orchestrator.shadow.leaves import ABSENT
from orchestrator.shadow.node import KEPT, Node
from orchestrator.shadow.numbers import FULL, SLACK, Misfit, Numbers
from orchestrator.shadow.parts import JOINTS, Part
from orchestrator.shadow.texts import Texts
from orchestrator.shadow.times import Times
from orchestrator.shadow.tokens import fine

TWO: Final = 2
"""Values of which one may be all that is met in a few answers."""
FEWEST: Final = 4
"""Answers of a side below which nothing is said."""
MANY: Final = 20
"""Texts of which one has `JOINTS` if any has: .4 of 32 characters of base64 have a given one."""
_UNIT: Final = re.compile("[A-Za-zµ%]+")
_MEASURED: Final = "qp"
"""Kinds of tokens that have units."""
_LETTERS: Final = (
    (re.compile("[A-Z]"), "capital letters"),
    (re.compile("[a-z]"), "small letters"),
    (re.compile("[0-9]"), "digits"),
)
_STANDS: Final = "control varies it in each of {} answers, here it is the same in all {}"


class Apart(NamedTuple):
    """Something in which all answers of one side differ from all of the other: where, how, and a value of each side."""

    path: str
    misfit: Misfit
    control: Any = ABSENT
    rehearsal: Any = ABSENT


def apart(mine: Node, theirs: Node, path: str = "$") -> Iterator[Apart]:
    """Yield where two sides are apart.

    Args:
        mine: what control's answers to one call show.
        theirs: what the rehearsal's do.
        path: where both are.
    """
    if min(mine.samples, theirs.samples) >= FEWEST:
        yield from (Apart(path, one, _example(mine), _example(theirs)) for one in _here(mine, theirs))
    for key, child in mine.children.items():
        if key in theirs.children:
            yield from apart(child, theirs.children[key], f"{path}.{key}")
    if mine.item is not None and theirs.item is not None:
        yield from apart(mine.item, theirs.item, f"{path}[]")
    if mine.entry is not None and theirs.entry is not None and mine.dynamic and theirs.dynamic:
        yield from apart(mine.entry, theirs.entry, f"{path}{{}}")


def _example(node: Node) -> Any:
    """Return a value that was seen; `ABSENT` where none is remembered, as of lists."""
    recent = node.numbers.recent if node.numbers is not None else []
    return next(iter([*node.loose[:1], *recent[:1], *node.kept[:1]]), ABSENT)


def _here(mine: Node, theirs: Node) -> Iterator[Misfit]:
    if (
        mine.moving
        and not mine.fixed
        and theirs.fixed
        and not theirs.moving
        and (_distinct(mine) or _new(mine, theirs))
    ):
        yield Kind.VALUE, _STANDS.format(mine.samples, theirs.samples)
    emptied = theirs.high == 0 < mine.low
    if mine.swing and (emptied or beyond((mine.low, mine.high), (theirs.low, theirs.high))):
        yield (
            Kind.LENGTH,
            f"control's lists had {mine.low} to {mine.high} elements, these {theirs.low} to {theirs.high}",
        )
    if mine.numbers is not None and theirs.numbers is not None:
        yield from _numbers(mine.numbers, theirs.numbers)
    if mine.texts is not None and theirs.texts is not None:
        yield from _texts(mine.texts, theirs.texts)
        yield from _forms(mine, theirs)


def _distinct(node: Node) -> bool:
    """Return whether hardly a value of a path came twice: of six values, one."""
    values = _values(node)
    return len(values) > FEWEST and len(values) - len(set(values)) <= 1


def _new(mine: Node, theirs: Node) -> bool:
    """Return whether what stands still on the one side is none of several values that the other has.

    Of one distribution it is in at most 1 of 1,900 draws of six and five: p^5 (1 - p)^6 is greatest at p = 5/11.
    """
    values = set(_values(mine))
    return len(values) > TWO and bool(theirs.kept) and values.isdisjoint(theirs.kept)


def _values(node: Node) -> list[Any]:
    return node.loose or (node.numbers.recent if node.numbers is not None else [])


def _numbers(mine: Numbers, theirs: Numbers) -> Iterator[Misfit]:
    if mine.clock and theirs.clock:
        if mine.unit == theirs.unit and beyond((mine.early, mine.late), (theirs.early, theirs.late), SLACK):
            yield Kind.RANGE, _ranges((mine.early, mine.late), (theirs.early, theirs.late), " s from the call")
    elif beyond((mine.low, mine.high), (theirs.low, theirs.high)):
        yield Kind.RANGE, _ranges((mine.low, mine.high), (theirs.low, theirs.high))
    if mine.floats and theirs.floats and theirs.most < mine.fewest < FULL:
        yield _decimals(mine.fewest, theirs.most)


def _texts(mine: Texts, theirs: Texts) -> Iterator[Misfit]:
    for name, reading in mine.readings.items():
        other = theirs.readings.get(name)
        for skeleton, shape in reading.shapes.items() if other is not None and reading.useful else ():
            against = other.shapes.get(skeleton) if other is not None else None
            if against is not None:
                pairs = zip(shape.parts, against.parts, strict=True)
                yield from (found for one, two in pairs for found in _parts(one, two))


def _forms(mine: Node, theirs: Node) -> Iterator[Misfit]:
    """Yield what all texts of the one side have in their making and none of the other's."""
    assert mine.texts is not None and theirs.texts is not None  # noqa: PT018, S101 - whoever asks has looked
    few = len(JOINTS) if min(mine.texts.n, theirs.texts.n) < MANY else 0
    for one, other, whose in ((theirs, mine, "these"), (mine, theirs, "control's")):
        moving, still = _held(one), _held(other)
        if one.texts is None or other.texts is None or moving is None or still is None:
            continue
        never = {*other.texts.marks, *"".join(still[1])}
        if marks := "".join(mark for mark in one.texts.always if mark not in never and mark not in JOINTS[:few]):
            yield Kind.FORMAT, f"of all texts only {whose} have {marks!r}, and always"
            return
        seen = set[str]().union(*(_made(text) for text in [*still[0], *still[1]]))
        always = set[str].intersection(*(_made(text) for text in moving[0])) - seen if moving[0] else set[str]()
        if always:
            yield Kind.FORMAT, f"of all texts only {whose} have {', '.join(sorted(always))}, and always"
            return


def _held(node: Node) -> tuple[list[str], list[str]] | None:
    """Return the texts that vary and those that stand still; None where not all of them are known."""
    moving, still = ([one for one in side if isinstance(one, str)] for side in (node.loose, node.kept))
    whole = len(node.loose) < KEPT and len(node.kept) == node.fixed
    return (moving, still) if whole else None


def _made(text: str) -> set[str]:
    """Return what a text is made of: the units of its numbers, and the kinds of its letters."""
    measured = (one for kind, one in fine(text) if kind in _MEASURED)
    units = {f"numbers in {unit}" for one in measured for unit in _UNIT.findall(one)}
    return units | {words for pattern, words in _LETTERS if pattern.search(text)}


def _parts(mine: Part, theirs: Part) -> Iterator[Misfit]:
    if not mine.varies or min(mine.samples, theirs.samples) < FEWEST:
        return
    if not theirs.varies:
        if not mine.many and max(mine.words.values(), default=2) == 1:
            yield Kind.VALUE, _STANDS.format(mine.samples, theirs.samples)
    elif mine.times is not None and theirs.times is not None:
        yield from _times(mine.times, theirs.times)
    elif mine.numbers is not None and theirs.numbers is not None and not mine.kind.startswith("T"):
        one, two = mine.numbers, theirs.numbers
        if beyond((one.low, one.high), (two.low, two.high)):
            yield Kind.RANGE, _ranges((one.low, one.high), (two.low, two.high))
        if mine.units and theirs.units and not {*mine.units} & {*theirs.units}:
            yield Kind.FORMAT, f"control's unit was always {' or '.join(mine.units)}, here it never is"
        elif theirs.most < mine.fewest < FULL:
            yield _decimals(mine.fewest, theirs.most)


def _times(mine: Times, theirs: Times) -> Iterator[Misfit]:
    if mine.clock and theirs.clock and beyond((mine.early, mine.late), (theirs.early, theirs.late), SLACK):
        yield Kind.RANGE, _ranges((mine.early, mine.late), (theirs.early, theirs.late), " s from the call")


def beyond(mine: tuple[float, float], theirs: tuple[float, float], least: float = 0.0) -> bool:
    """Return whether two ranges of values are farther apart than both together are wide.

    Of six and five values of one distribution they are in less than 1 of 10,000 draws (drawn 100,000 times each from
    uniform, normal, exponential and lognormal ones, dice, and mixtures of two).

    Args:
        mine: the least and the greatest value of control.
        theirs: of the rehearsal.
        least: by how much they have to be apart anyhow.
    """
    (low, high), (other, another) = mine, theirs
    return max(other - high, low - another) > max(high - low + another - other, least)


def _ranges(mine: tuple[float, float], theirs: tuple[float, float], unit: str = "") -> str:
    return f"control had {mine[0]:.6g} to {mine[1]:.6g}{unit}, here it is {theirs[0]:.6g} to {theirs[1]:.6g}"


def _decimals(fewest: int, most: int) -> Misfit:
    return Kind.FORMAT, f"control's numbers had at least {fewest} decimals, these at most {most}"
