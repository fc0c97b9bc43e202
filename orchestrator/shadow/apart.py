"""What all of control's answers to a call have in common against all of the rehearsal's, where each may be noise.

Five answers in a row that all lie to one side of six others, or that no longer vary at all, are no chance.  Both sides
are learned alike, and what was learned of them is laid beside each other.

Above: `repeats`.  Below: `making`, `node`, `texts`, `numbers`, `times`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from orchestrator.domain.comparison import Kind
from orchestrator.shadow.identity import is_strong
from orchestrator.shadow.leaves import ABSENT
from orchestrator.shadow.making import makings, words
from orchestrator.shadow.node import BY_CHANCE, Node
from orchestrator.shadow.numbers import FULL, SLACK, Misfit, Numbers, decimals
from orchestrator.shadow.parts import Part
from orchestrator.shadow.texts import Texts
from orchestrator.shadow.times import Times
from orchestrator.shadow.tokens import fine

FEW: Final = 2
"""Values of which another one may have escaped a few answers."""
OFTEN: Final = 2
"""Times that values have come on average before they count as all that there are."""
LONG: Final = 6
"""Decimals of a float that is not met twice by chance."""
SUSPECTED: Final = 3
"""Answers of a side below which nothing is said."""
FEWEST: Final = 4
"""Answers of a side, and one more of control, from which on what is said is sure."""
PROVEN: Final = 6
"""Likewise of what is tried on many values: in six of seven and six answers it is so once in 4,000."""
_STANDS: Final = "control varies it in each of {} answers, here it is the same in all {}"


class Apart(NamedTuple):
    """Something in which all answers of one side differ from all of the other: where, how, and a value of each side.

    `sure` tells whether there are so many that it is no chance; else more answers have to tell.
    """

    path: str
    misfit: Misfit
    control: Any = ABSENT
    rehearsal: Any = ABSENT
    sure: bool = True


def apart(mine: Node, theirs: Node, path: str = "$") -> Iterator[Apart]:
    """Yield where two sides are apart.

    Args:
        mine: what control's answers to one call show.
        theirs: what the rehearsal's do.
        path: where both are.
    """
    samples = min(mine.samples, theirs.samples)
    if samples >= SUSPECTED:
        sure = samples >= FEWEST < mine.samples
        yield from (Apart(path, one, _example(mine), _example(theirs), sure) for one in _here(mine, theirs))
        sure = samples >= PROVEN
        yield from (Apart(path, one, _example(mine), _example(theirs), sure) for one in _likely(mine, theirs))
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
    wrong = _stands(mine, theirs)
    if wrong is None and len(set(_values(mine))) > FEW and not theirs.moving:
        wrong = _another(mine, theirs)
    if wrong is not None:
        yield Kind.VALUE, wrong
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
        yield from makings(mine, theirs)


def _likely(mine: Node, theirs: Node) -> Iterator[Misfit]:
    """Yield what chance does to few answers now and then: there are many values and words of which it could be one."""
    if (theirs.moving or len(set(_values(mine))) <= FEW) and (wrong := _another(mine, theirs)) is not None:
        yield Kind.VALUE, wrong
    elif mine.texts is not None and theirs.texts is not None and (lone := words(mine, theirs)) is not None:
        yield Kind.VALUE, lone


def _distinct(node: Node) -> bool:
    """Return whether hardly a value of a path came twice: of six values, one."""
    values = _values(node)
    return len(values) > SUSPECTED and len(values) - len(set(values)) <= 1


def _stands(mine: Node, theirs: Node) -> str | None:
    """Say whether what hardly ever came twice stands still, be it in one place of many."""
    if not mine.moving or mine.kept or not theirs.kept or not _distinct(mine):
        return None
    if not mine.fixed and theirs.fixed and not theirs.moving:
        return _STANDS.format(mine.samples, theirs.samples)
    if theirs.moving and all(map(_never_twice, [*theirs.kept, *_values(mine)])):
        return f"control's {len(_values(mine))} values all differ, this one stands still"
    return None


def _never_twice(value: Any) -> bool:
    """Return whether a value is so long that it is not met twice by chance: an id, or a float with many decimals."""
    if isinstance(value, str):
        return is_strong(value) and not any(kind.startswith("T") for kind, _ in fine(value))
    return isinstance(value, float) and decimals(value) >= LONG


def _another(mine: Node, theirs: Node) -> str | None:
    """Say whether the one side has none of the values that the other has, though they come again.

    Where all values are new, others are no wonder.  Of three equally likely values one is all of five and none of six
    answers in 1 of 900 draws, and all of six and none of seven in 1 of 7,000.
    """
    values, others = _values(mine), [*theirs.loose, *theirs.kept]
    known = set(values)
    if not mine.moving or mine.fixed or not others or len(theirs.kept) < theirs.fixed or not known.isdisjoint(others):
        return None
    if theirs.fixed and not theirs.moving:
        return f"control has {len(known)} values here and never this one, which is in all {theirs.samples}"
    if mine.moving > 1 or OFTEN * len(known) > len(values):  # in several places one value may come again in one answer
        return None
    return f"control has {len(known)} values here again and again, and none of these"


def _values(node: Node) -> list[Any]:
    return node.loose or (node.numbers.recent if node.numbers is not None else [])


def _numbers(mine: Numbers, theirs: Numbers) -> Iterator[Misfit]:
    if mine.clock and theirs.clock:
        if mine.unit == theirs.unit and beyond((mine.early, mine.late), (theirs.early, theirs.late), SLACK):
            yield Kind.RANGE, _ranges((mine.early, mine.late), (theirs.early, theirs.late), " s from the call")
    elif beyond((mine.low, mine.high), (theirs.low, theirs.high)):
        yield Kind.RANGE, _ranges((mine.low, mine.high), (theirs.low, theirs.high))
    if mine.floats and not mine.ints and theirs.ints and not theirs.floats and mine.fewest:
        yield Kind.TYPE, f"control's {mine.n} numbers all had decimals, none of these {theirs.n} has"
    if mine.floats and theirs.floats and theirs.most < mine.most < FULL and _rounded(mine, theirs):
        yield _decimals(mine.most, theirs.most)


def _rounded(mine: Numbers, theirs: Numbers) -> bool:
    """Return whether control has some decimals more so often that it is no chance that these never do."""
    if theirs.most < mine.fewest:
        return True
    had = sum(decimals(one) > theirs.most for one in mine.recent)
    rate = had / (len(mine.recent) + 1)
    return bool((1.0 - rate) ** min(len(theirs.recent), theirs.known) < BY_CHANCE)


def _texts(mine: Texts, theirs: Texts) -> Iterator[Misfit]:
    for name, reading in mine.readings.items():
        other = theirs.readings.get(name)
        for skeleton, shape in reading.shapes.items() if other is not None and reading.useful else ():
            against = other.shapes.get(skeleton) if other is not None else None
            if against is not None:
                pairs = zip(shape.parts, against.parts, strict=True)
                yield from (found for one, two in pairs for found in _parts(one, two))


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


def _decimals(had: int, most: int) -> Misfit:
    return Kind.FORMAT, f"control's numbers had {had} decimals, these at most {most}"
