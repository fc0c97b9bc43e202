"""What all texts of the one side have in their making and none of the other's: a separator, a unit, letters, a word.

A text that changes its wording is no pattern that one answer could be held against; but what each of its wordings says,
such as a count or a name, all of control's texts have.

Above: `apart`.  Below: `node`, `texts`, `tokens`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Final

from orchestrator.domain.comparison import Kind
from orchestrator.shadow.node import KEPT, Node
from orchestrator.shadow.numbers import Misfit
from orchestrator.shadow.parts import JOINTS, Part
from orchestrator.shadow.texts import FINEST, MAY_BE_IDS, Texts
from orchestrator.shadow.tokens import LITERAL, PADDING, Token, fine, skeleton

MANY: Final = 20
"""Texts of which one has `JOINTS` if any has: .4 of 32 characters of base64 have a given one."""
FEWEST: Final = 4
"""Values of a part that tell what it is made of."""
_UNIT: Final = re.compile("[A-Za-zµ%]+")
_MEASURED: Final = "qp"
"""Kinds of tokens that have units."""
_LETTERS: Final = (
    (re.compile("[A-Z]"), "capital letters"),
    (re.compile("[a-z]"), "small letters"),
    (re.compile("[0-9]"), "digits"),
)
_ONLY: Final = "of all texts only {} have {}, and always"
SHOWN: Final = 4
"""Words that are named."""
_NO_WORDS: Final = (LITERAL, PADDING)


def makings(mine: Node, theirs: Node) -> Iterator[Misfit]:
    """Yield what all texts of the one side have in their making and none of the other's, if there is anything.

    Args:
        mine: what control's answers to one call show of a path.
        theirs: what the rehearsal's do.
    """
    if mine.texts is None or theirs.texts is None:
        return
    few = len(JOINTS) if min(mine.texts.n, theirs.texts.n) < MANY else 0
    for one, other, whose in ((theirs, mine, "these"), (mine, theirs, "control's")):
        moving, still = _held(one), _held(other)
        if one.texts is None or other.texts is None or moving is None or still is None:
            continue
        never = {*other.texts.marks, *"".join(still[1])}
        if marks := "".join(mark for mark in one.texts.always if mark not in never and mark not in JOINTS[:few]):
            yield Kind.FORMAT, _ONLY.format(whose, repr(marks))
            return
        if made := _always(moving[0], [*still[0], *still[1]]):
            yield Kind.FORMAT, _ONLY.format(whose, ", ".join(made))
            return
    yield from _letters(mine.texts, theirs.texts)


def _letters(mine: Texts, theirs: Texts) -> Iterator[Misfit]:
    """Yield letters that a part has on one side only: behind `sess-` they are seen in no whole text."""
    for name, shape in mine.readings[FINEST].shapes.items() if FINEST in mine.readings else ():
        against = theirs.readings[FINEST].shapes.get(name) if FINEST in theirs.readings else None
        for one, two in zip(shape.parts, against.parts, strict=True) if against is not None else ():
            if not (_drawn(one) and _drawn(two)):
                continue
            for here, there, whose in ((two.words, one.words, "these"), (one.words, two.words, "control's")):
                if made := _always(list(here), list(there)):
                    yield Kind.FORMAT, _ONLY.format(whose, ", ".join(made))
                    return


def _drawn(part: Part) -> bool:
    """Return whether a part may be an id, of which all values are known and not few."""
    return part.varies and part.kind in MAY_BE_IDS and not part.many and part.samples >= FEWEST


def _held(node: Node) -> tuple[list[str], list[str]] | None:
    """Return the texts that vary and those that stand still; None where not all of them are known."""
    moving, still = ([one for one in side if isinstance(one, str)] for side in (node.loose, node.kept))
    whole = len(node.loose) < KEPT and len(node.kept) == node.fixed
    return (moving, still) if whole else None


def _always(moving: list[str], others: list[str]) -> list[str]:
    """Return what all of some texts are made of and no other one is."""
    seen = set[str]().union(*(_made(text) for text in others))
    return sorted(set[str].intersection(*(_made(text) for text in moving)) - seen) if moving else []


def _made(text: str) -> set[str]:
    """Return what a text is made of: the units of its numbers, and the kinds of its letters."""
    measured = (one for kind, one in fine(text) if kind in _MEASURED)
    units = {f"numbers in {unit}" for one in measured for unit in _UNIT.findall(one)}
    return units | {words for pattern, words in _LETTERS if pattern.search(text)}


def words(mine: Node, theirs: Node) -> str | None:
    """Say which words and numbers all texts of the one side have and none of the other's, if there are any.

    Texts that come in ever new patterns are prose, in which there would be too many words to try.

    Args:
        mine: what control's answers to one call show of a path.
        theirs: what the rehearsal's do.
    """
    sides = [[fine(text) for text in _all(node)] for node in (mine, theirs)]
    if not all(sides) or not _closed([*sides[0], *sides[1]]):
        return None
    had = [[{text for kind, text in one if kind not in _NO_WORDS and kind[0] != "T"} for one in side] for side in sides]
    for one, other, whose in ((0, 1, "control's"), (1, 0, "these")):
        if lone := set[str].intersection(*had[one]) - set[str]().union(*had[other]):
            return _ONLY.format(whose, ", ".join(map(repr, sorted(lone)[:SHOWN])))
    return None


def _all(node: Node) -> list[str]:
    """Return all texts of a path; none where not all of them are known."""
    held = _held(node)
    return [] if held is None else [*held[0], *held[1]]


def _closed(texts: list[tuple[Token, ...]]) -> bool:
    """Return whether most texts have a pattern that others have, too."""
    counts = Counter(map(skeleton, texts))
    return 2 * sum(count == 1 for count in counts.values()) <= len(texts)
