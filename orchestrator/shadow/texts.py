"""The envelope of a text that varies: the shapes it has, and in each shape which parts vary and how.

A part that is the same in all samples of one place is not noise, even where another place has something else there: it
has to be the control's in the rehearsal.  A part that varies has its own envelope.  Texts that hardly ever come in one
shape twice are read coarsely, and if that does not help they are free: their length is all that is known.

Above: `leaves`.  Below: `parts`, `tokens`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from orchestrator.domain.comparison import Kind
from orchestrator.shadow.numbers import Misfit
from orchestrator.shadow.parts import DIGITS, Part
from orchestrator.shadow.reach import reach
from orchestrator.shadow.tokens import LITERAL, PADDING, Token, coarse, fine, skeleton, words

Values = list[tuple[str, float | None]]
"""What one place had over the samples, with the call times."""
SHAPES: Final = 48
"""Shapes kept of one path; beyond them a part is judged by the other parts of its kind."""
LOOSE: Final = 3
"""Different values of one place from which on it is asked whether they have a shape in common."""
FEWEST: Final = 4
"""Samples of a part that tell something of it, in texts that change their pattern."""
NEW: Final = 0.1
"""Share of texts with a pattern of their own from which on another new one says nothing."""
LONG: Final = 20_000
"""Characters beyond which a text is free."""
_NO_MARKS: Final = re.compile(r"[^\W_]+")
_ANYTHING: Final = dict.fromkeys("ro", "[A-Za-z0-9_+/=~-]+")
"""What a random part may hold once it has separators."""
MAY_BE_IDS: Final = "uor"
"""Kinds of tokens that may be ids: quantities and times are none, however long."""
CHANGING: Final = "it is made otherwise than control's texts, which change their wording ({} known)"
FINEST: Final = "fine"
READERS: Final = {FINEST: fine, "words": words, "coarse": coarse}
"""Ways to read a text, the finest first."""


class Shape(msgspec.Struct, omit_defaults=True):
    """One skeleton: its parts, separators left out."""

    parts: list[Part]
    compared: int = 0
    """Places that had two texts of this skeleton, so that it is known which parts vary."""

    def reworded(self, tokens: tuple[Token, ...]) -> bool:
        """Return whether a text of this skeleton has most of the words otherwise that never vary: it is another one."""
        values = (token for token in tokens if token[0] != LITERAL)
        still = [
            text in part.words
            for part, (_, text) in zip(self.parts, values, strict=True)
            if not (part.varies or part.many or part.kind == PADDING)
        ]
        return 2 * sum(still) < len(still)


class Reading(msgspec.Struct, omit_defaults=True):
    """What one way of reading makes of a path's texts."""

    shapes: dict[str, Shape] = {}
    kinds: dict[str, Part] = {}
    """All parts that vary, by kind: for shapes that were never seen."""
    switches: bool = False
    places: int = 0
    loose: int = 0
    full: bool = False
    texts: int = 0
    fresh: int = 0
    """Texts whose pattern no other text of their place has: as often the next one has a new one (Good-Turing)."""

    def learn(self, rows: list[tuple[tuple[Token, ...], float | None]]) -> None:
        """Take in what one place had over the samples."""
        by_shape: dict[str, list[tuple[tuple[Token, ...], float | None]]] = {}
        for tokens, at in rows:
            by_shape.setdefault(skeleton(tokens), []).append((tokens, at))
        different = len({tokens for tokens, _ in rows})
        self.places += 1
        self.switches = self.switches or len(by_shape) > 1
        self.texts += len(rows)
        once = sum(len(same) == 1 for same in by_shape.values())
        self.fresh += once
        self.loose += different >= LOOSE and 2 * len(by_shape) > different and 2 * once > len(rows)
        for name, same in by_shape.items():
            self._learn_shape(name, same)

    def _learn_shape(self, name: str, rows: list[tuple[tuple[Token, ...], float | None]]) -> None:
        columns = [column for column in zip(*(tokens for tokens, _ in rows), strict=True) if column[0][0] != LITERAL]
        shape = self.shapes.get(name)
        if shape is None and len(self.shapes) < SHAPES:
            shape = self.shapes[name] = Shape([Part(column[0][0][0]) for column in columns])
        self.full = self.full or shape is None
        if shape is not None and len(rows) > 1:
            shape.compared += 1
        for index, column in enumerate(columns):
            learned = [(kind, text, at) for (kind, text), (_, at) in zip(column, rows, strict=True)]
            varies = len({text for _, text in column}) > 1
            if varies:
                general = self.kinds.setdefault(column[0][0][0], Part(column[0][0][0], varies=True))
                general.learn(learned)
            if shape is not None:
                part = shape.parts[index]
                if varies and not part.varies:
                    shape.parts[index] = part = Part(part.kind, varies=True)
                if varies or not part.varies:
                    part.learn(learned)

    def merge(self, other: Reading) -> None:
        """Take in what another reading knows."""
        self.switches = self.switches or other.switches
        self.texts, self.fresh = self.texts + other.texts, self.fresh + other.fresh
        self.places, self.loose, self.full = (
            self.places + other.places,
            self.loose + other.loose,
            self.full or other.full,
        )
        for kind, part in other.kinds.items():
            if kind in self.kinds:
                self.kinds[kind].merge(part)
            else:
                self.kinds[kind] = part
        for name, shape in other.shapes.items():
            mine = self.shapes.get(name)
            if mine is None:
                self.shapes[name] = shape
                continue
            mine.compared += shape.compared
            for index, (one, two) in enumerate(zip(mine.parts, shape.parts, strict=True)):
                if one.varies == two.varies:
                    one.merge(two)
                elif two.varies:
                    mine.parts[index] = two

    @property
    def useful(self) -> bool:
        """Whether the values of most places have a shape in common."""
        return bool(self.shapes) and 5 * self.loose <= self.places

    def judge(
        self, control: tuple[Token, ...] | None, tokens: tuple[Token, ...], at: float | None
    ) -> tuple[Misfit | None, bool]:
        """Say what is wrong with a text that differs, None if it is the noise that is known, and whether that is sure.

        It is not sure where control never had two texts of this pattern in one place, or changes patterns anyway: then
        a coarser reading may know better.  `control` is None where control has no text here.
        """
        name = skeleton(tokens)
        shape = self.shapes.get(name)
        if control is not None and skeleton(control) == name:
            pairs = [(one, two) for one, two in zip(control, tokens, strict=True) if one[0] != LITERAL]
            known = shape is not None and shape.compared > 0
            parts = shape.parts if shape is not None and known else [self.kinds.get(two[0][0]) for _, two in pairs]
            judged = (
                (None if _fills(pairs, index) else _part_misfit(part, one[1], two, at), part)
                for index, (part, (one, two)) in enumerate(zip(parts, pairs, strict=True))
            )
            misfit, weak = next(((one, _is_weak(part)) for one, part in judged if one is not None), (None, False))
            if misfit is not None and self.switches and shape is not None and (not known or shape.reworded(tokens)):
                return self._otherwise(), False
            timed = not weak and any(kind.startswith("T") for kind, _ in tokens)
            return misfit, known and (timed or not self.switches)
        if shape is None or (control is not None and not self.switches) or (self.switches and shape.reworded(tokens)):
            return self._otherwise(), False
        values = [token for token in tokens if token[0] != LITERAL]
        judge = _lone_misfit if shape.compared else self._once_misfit
        return _first(judge(part, token, at) for part, token in zip(shape.parts, values, strict=True)), False

    def _once_misfit(self, part: Part, token: Token, at: float | None) -> Misfit | None:
        """Judge a part of a text whose pattern no place had twice, so that it is not known whether the part varies."""
        if token[1] in part.words:
            return None
        general = self.kinds.get(part.kind)
        if general is None or general.digits != part.digits:
            return self._otherwise()
        return general.misfit(None, token, at)

    def _otherwise(self) -> Misfit:
        known, runs = len(self.shapes), self.kinds.get("r")
        if self.switches or (runs is not None and not runs.classes & 1):  # words, and not all have as many
            return Kind.FORMAT, CHANGING.format(known)
        return Kind.FORMAT, f"it is made otherwise than control's texts ({known} pattern{'' if known == 1 else 's'})"

    def may_split(self, control: tuple[Token, ...], text: str) -> bool:
        """Return whether a text has another pattern only because its random parts brought separators of their own.

        What control keeps of its own text has to be there then, in order.
        """
        shape = self.shapes.get(skeleton(control))
        if self.switches or shape is None or not shape.compared:
            return True
        parts = iter(shape.parts)
        pieces = [
            re.escape(text_) if kind == LITERAL else _split_pattern(next(parts), text_) for kind, text_ in control
        ]
        return re.fullmatch("".join(pieces), text, re.DOTALL) is not None

    def varying(self, control: tuple[Token, ...], tokens: tuple[Token, ...]) -> Iterator[tuple[int, str, str]]:
        """Yield the parts that vary of two texts of one shape: index, control's text, the other text."""
        name = skeleton(tokens)
        if name != skeleton(control):
            return
        shape = self.shapes.get(name)
        pairs = [(one, two) for one, two in zip(control, tokens, strict=True) if one[0] != LITERAL]
        for index, (one, two) in enumerate(pairs):
            if one[0] in MAY_BE_IDS and (shape.parts[index].varies if shape is not None else one != two):
                yield index, one[1], two[1]


class Texts(msgspec.Struct, omit_defaults=True):
    """What is known about a text that varies."""

    n: int = 0
    samples: int = 0
    shortest: int = 1 << 30
    longest: int = 0
    readings: dict[str, Reading] = {}
    marks: str = ""
    """Separators that occurred."""
    always: str = ""
    """Separators that all texts of some place have."""

    def learn(self, values: Values) -> None:
        """Take in what one place had over the samples."""
        self.n += len(values)
        self.samples = max(self.samples, len(values))
        lengths = [len(text) for text, _ in values]
        self.shortest, self.longest = min(self.shortest, *lengths), max(self.longest, *lengths)
        if self.longest > LONG:
            return
        marks = [frozenset(_NO_MARKS.sub("", text)) for text, _ in values]
        self.marks = _union(self.marks, *marks)
        self.always = _union(self.always, frozenset.intersection(*marks))
        for name, reader in READERS.items():
            reading = self.readings.setdefault(name, Reading())
            reading.learn([(reader(text), at) for text, at in values])

    def merge(self, other: Texts) -> None:
        """Take in what another envelope knows."""
        self.n += other.n
        self.samples = max(self.samples, other.samples)
        self.shortest, self.longest = min(self.shortest, other.shortest), max(self.longest, other.longest)
        self.marks, self.always = _union(self.marks, other.marks), _union(self.always, other.always)
        for name, reading in other.readings.items():
            if name in self.readings:
                self.readings[name].merge(reading)
            else:
                self.readings[name] = reading

    def knows(self, text: str) -> bool:
        """Return whether a place that varies had a text of this pattern."""
        if self.longest > LONG or not (reading := self.readings.get("fine")) or reading.full:
            return True
        return skeleton(fine(text)) in reading.shapes

    def useful(self) -> list[tuple[str, Reading]]:
        """Return the useful readings, the finest first; none for a free text."""
        if self.longest > LONG:
            return []
        return [(name, self.readings[name]) for name in READERS if name in self.readings and self.readings[name].useful]

    def steady(self) -> tuple[str, Reading] | None:
        """Return the finest reading in which no place changes its pattern, else the finest; None for a free text."""
        useful = self.useful()
        return next(iter([one for one in useful if not one[1].switches] or useful), None)

    def misfit(self, control: str | None, text: str, at: float | None) -> Misfit | None:
        """Say what is wrong with a text that differs, None if it is the noise that is known."""
        useful = self.useful()
        if not useful:
            return self._length_misfit(text)
        first: Misfit | None = None
        for name, reading in useful:
            reader = READERS[name]
            wrong, sure = reading.judge(None if control is None else reader(control), reader(text), at)
            if wrong is None:
                return None
            first = first or wrong
            if sure or not (control is None or reading.may_split(reader(control), text)):
                break
        lively = all(one.switches and one.fresh > NEW * one.texts for _, one in useful)
        if first is not None and first[0] is Kind.FORMAT and lively:
            return self._length_misfit(text)
        return first

    def _length_misfit(self, text: str) -> Misfit | None:
        width = int(min(reach(self.samples), 5.0) * (self.longest - self.shortest)) + self.longest // 2
        low = max(min(1, self.shortest), self.shortest - width)
        if low <= len(text) <= self.longest + width:
            return None
        return (
            Kind.RANGE,
            f"control's {self.n} texts had {self.shortest} to {self.longest} characters, this one {len(text)}",
        )

    def varying(self, control: str, text: str) -> list[tuple[int, str, str]]:
        """Return the parts that vary of two texts: index, control's text, the other text."""
        chosen = self.steady()
        if chosen is None:
            return []
        name, reading = chosen
        return list(reading.varying(READERS[name](control), READERS[name](text)))


def changing(rule: str) -> bool:
    """Return whether a rule says that a text is worded otherwise than those that change their wording."""
    return rule.startswith(CHANGING.partition("{")[0])


def _split_pattern(part: Part, text: str) -> str:
    """Return what may stand in a part's place if it brought separators of its own; digits bring none."""
    if not part.varies:
        return re.escape(text)
    if part.kind == "r" and part.digits and part.characters >= DIGITS:
        return r"\d+"
    return _ANYTHING.get(part.kind, ".+?")


def _first(wrong: Iterator[Misfit | None]) -> Misfit | None:
    return next((one for one in wrong if one is not None), None)


def _union(*several: Iterable[str]) -> str:
    return "".join(sorted(set().union(*several)))


def _fills(pairs: list[tuple[Token, Token]], index: int) -> bool:
    """Return whether spaces are as many more as a neighbour's characters are fewer: the column's width stands still."""
    one, two = pairs[index]
    if one[0] != PADDING or one == two:
        return False
    wider = len(two[1]) - len(one[1])
    return any(len(mine[1]) - len(theirs[1]) == wider for mine, theirs in pairs[max(0, index - 1) : index + 2])


def _is_weak(part: Part | None) -> bool:
    """Return whether a part that varies was seen too rarely to be relied on."""
    return part is not None and part.varies and part.samples < FEWEST


def _part_misfit(part: Part | None, control: str, token: Token, at: float | None) -> Misfit | None:
    if part is not None and part.varies:
        if control == token[1] and part.times is None:
            return None
        return part.misfit(control, token, at)
    if control == token[1]:
        return None
    return Kind.VALUE, "control varies other parts of this text, never this one"


def _lone_misfit(part: Part, token: Token, at: float | None) -> Misfit | None:
    """Judge a part of a text whose control has another shape."""
    if part.varies:
        return part.misfit(None, token, at)
    if part.many or token[1] in part.words:
        return None
    return Kind.VALUE, "control never varied this part of texts with this pattern"
