"""The envelope of one token of a text that varies: a number in a sentence, the random part of a path, an id.

Above: `texts`.  Below: `tokens`, `numbers`, `times`.
"""

from __future__ import annotations

import re
from typing import Final, TypeVar

import msgspec

from orchestrator.domain.comparison import Kind
from orchestrator.shadow.moments import moment
from orchestrator.shadow.numbers import Misfit, Numbers, decimals_misfit, real
from orchestrator.shadow.reach import reach
from orchestrator.shadow.times import Times
from orchestrator.shadow.tokens import FACTORS, Token, quantity, scaled

Envelope = TypeVar("Envelope", Numbers, Times)

SURE: Final = 40
"""Characters after which a kind of character that has not occurred is none of the token's."""
DIGITS: Final = 20
"""Characters after which digits are no hexadecimal ones: (10/16)^20 is .0001."""
SHORT_WORD: Final = 13
"""Characters below which letters alone are a word, of which the next one may have another length."""
WORDS: Final = 16
"""Words of which a list is kept."""
CLOSED: Final = (24, 3)
"""After so many samples, each word seen so often, a list of words is complete (Good-Turing: nothing was seen once)."""
_CHARACTERS: Final = (("0-9", 1), ("a-f", 2), ("g-z", 4), ("A-F", 8), ("G-Z", 16))
_CLASSES: Final = tuple((re.compile(f"[{span}]"), bit) for span, bit in _CHARACTERS)
_OTHER: Final = re.compile("[^0-9A-Za-z]")
_ENDS_IN_ZERO: Final = re.compile(r"\.\d*0(?!\d)")
_SMALL: Final = re.compile(r"(?<!\d)(?:0|[1-9]\d{0,2})(?!\d)")
_PIECE: Final = re.compile(r"(\d+(?:\.\d+)?)([^\d.]+)")
_LETTERS: Final = 2 | 4 | 8 | 16
_EXPONENT: Final = 2 | 8
"""Of a decimal number: the letter is an e or E."""
_DATED: Final = {"Y": 365.0 * 86400, "W": 7.0 * 86400, "D": 86400.0, "H": 3600.0, "M": 60.0, "S": 1.0}
"""Seconds of the parts of a duration such as `P1DT2H30M` (ISO 8601); its months are taken for minutes."""
OTHER: Final = 32
"""The bit of characters that are no letters and no digits."""
RANDOM: Final = 6
"""Characters from which on letters and digits together look random."""
JOINTS: Final = "_-+/="
"""Separators that random texts such as base64 have by chance."""
_NO_JOINTS: Final = str.maketrans("", "", JOINTS)
_NUMERIC: Final = "qgfp"
CLOCK: Final = "c"
"""A time of day, or hours, minutes and seconds: its number only says where it is, as midnight begins it anew."""


class Part(msgspec.Struct, omit_defaults=True):
    """What is known about one token's place."""

    kind: str
    varies: bool = False
    n: int = 0
    samples: int = 0
    shortest: int = 1 << 30
    longest: int = 0
    characters: int = 0
    classes: int = 0
    digits: bool = True
    padded: bool = False
    plus: bool = False
    fewest: int = 99
    most: int = 0
    zeros: bool = False
    natural: bool = True
    units: list[str] = []
    words: dict[str, int] = {}
    many: bool = False
    numbers: Numbers | None = None
    times: Times | None = None

    def learn(self, tokens: list[tuple[str, str, float | None]]) -> None:
        """Take in what one place had over the samples: kind, text, call time."""
        self.samples = max(self.samples, len(tokens))
        values: list[tuple[int | float, float | None]] = []
        moments = []
        for kind, text, at in tokens:
            self._learn_text(text)
            if kind.startswith("T"):
                found = moment(text, kind[2:], at)
                moments += [(found, at)] if found is not None else []
            number = self._learn_number(text)
            values += [(number, at)] if number is not None else []
        if moments:
            self.times = self.times or Times()
            self.times.learn(moments)
        if values and (self.kind in _NUMERIC or self.kind == CLOCK or self.digits):
            self.numbers = self.numbers or Numbers()
            self.numbers.learn(values)
            self.numbers.step = max([self.numbers.step, *(step(text) for _, text, _ in tokens)])

    def _learn_text(self, text: str) -> None:
        self.n += 1
        self.shortest, self.longest = min(self.shortest, len(text)), max(self.longest, len(text))
        self.characters += len(text)
        self.classes = classes(text, self.classes)
        self.digits = self.digits and is_digits(text)
        self.padded = self.padded or (len(text) > 1 and text[0] == "0")
        self.plus = self.plus or text[0] == "+"
        if not self.many:
            self.words[text] = self.words.get(text, 0) + 1
            if len(self.words) > WORDS:
                self.words, self.many = {}, True

    def _learn_number(self, text: str) -> int | float | None:
        read = self.value(text)
        if read is None or self.kind == "r":
            return read
        places = text_decimals(text)
        self.fewest, self.most = min(self.fewest, places), max(self.most, places)
        self.zeros = self.zeros or (places > 0 and _ENDS_IN_ZERO.search(text) is not None)
        measured = quantity(text)
        if measured is not None:
            self.natural = self.natural and 1.0 <= measured[2] < 1024.0  # noqa: PLR2004 - what people call natural
            if measured[1] not in self.units:
                self.units = [*self.units, measured[1]]
        return read

    def value(self, text: str) -> int | float | None:
        """Return the number that a token of this kind stands for, None where it is none."""
        if self.kind == "r":
            return int(text) if is_digits(text) and len(text) <= 40 else None  # noqa: PLR2004 - longer is no number
        if self.kind == "q":
            measured = quantity(text)
            return None if measured is None else measured[0]
        if self.kind == CLOCK:
            return seconds(text)
        if self.kind == "p":
            dated = text[0] == "P"
            return float(
                sum(
                    float(number) * (_DATED.get(unit[0], 1.0) if dated else FACTORS.get(unit.strip(), 1.0))
                    for number, unit in _PIECE.findall(text)
                )
            )
        return float(text.replace(",", "")) if self.kind in "gf" else None

    def merge(self, other: Part) -> None:
        """Take in what another part knows."""
        self.varies = self.varies or other.varies
        self.n += other.n
        self.samples = max(self.samples, other.samples)
        self.shortest, self.longest = min(self.shortest, other.shortest), max(self.longest, other.longest)
        self.characters += other.characters
        self.classes |= other.classes
        self.digits, self.padded = self.digits and other.digits, self.padded or other.padded
        self.plus = self.plus or other.plus
        self.fewest, self.most = min(self.fewest, other.fewest), max(self.most, other.most)
        self.zeros, self.natural = self.zeros or other.zeros, self.natural and other.natural
        self.units = [*self.units, *(one for one in other.units if one not in self.units)]
        counts = {word: self.words.get(word, 0) + other.words.get(word, 0) for word in [*self.words, *other.words]}
        self.many = self.many or other.many or len(counts) > WORDS
        self.words = {} if self.many else counts
        self.numbers = _merged(self.numbers, other.numbers)
        self.times = _merged(self.times, other.times)

    def plausible(self, mine: list[str], theirs: list[str], at: float | None) -> bool:
        """Return whether a column of tokens is surely noise: every text by itself, and all of them near each other."""
        for text in set(theirs):
            if self.misfit(None, (self.kind, text), at) is not None:
                return False
        if self.numbers is None or self.kind.startswith("T"):
            return True
        values = [self.value(text) for text in {*mine, *theirs}]
        known = [real(one) for one in values if one is not None]
        return bool(known) and len(known) == len(values) and self.numbers.together(min(known), max(known))

    def misfit(self, control: str | None, token: Token, at: float | None) -> Misfit | None:
        """Say what is wrong with a token, None if it is the noise that is known."""
        kind, text = token
        if self.kind.startswith("T"):
            found = moment(text, kind[2:], at)
            if found is None or self.times is None:
                return None if self.times is None else (Kind.FORMAT, "it is no date")
            return self.times.misfit(found, at)
        if self.kind in _NUMERIC:
            return self._numeric_misfit(control, text, at)
        return self._closed_misfit(text) or self._text_misfit(control, text, at)

    def _numeric_misfit(self, control: str | None, text: str, at: float | None) -> Misfit | None:
        number = self.value(text)
        if number is None or self.numbers is None:
            return Kind.FORMAT, f"control's {self.n} were written otherwise"
        measured = quantity(text)
        if measured is not None and self.units and measured[1] not in self.units:
            plain = self.natural and 1.0 <= measured[2] < 1024.0  # noqa: PLR2004 - what people call natural
            if not plain or not all(scaled(one, measured[1]) for one in self.units):
                return Kind.FORMAT, f"control's unit was {' or '.join(self.units)}"
        elif self.kind != "p":
            wrong = self._decimals_misfit(text)
            if wrong is not None:
                return wrong
        return self._signed_misfit(None if control is None else self.value(control), number, text, at)

    def _signed_misfit(self, control: float | None, number: float, text: str, at: float | None) -> Misfit | None:
        """Judge a number by its sign and size; where a plus is written, it may as well have been a minus."""
        assert self.numbers is not None  # noqa: S101 - whoever asks has looked
        plus = text[0] == "+"
        if number > 0.0 and (not plus if self.plus else plus and self.numbers.high > 0.0):
            return Kind.FORMAT, f"control's {self.n} had {'a' if self.plus else 'no'} plus where they were positive"
        wrong = self.numbers.range_misfit(control, number, at)
        if wrong is not None and (plus or self.plus):
            return self.numbers.range_misfit(None, -number, at)
        return wrong

    def _decimals_misfit(self, text: str) -> Misfit | None:
        if self.kind == "f" and classes(text) & ~self.classes & _EXPONENT:
            return Kind.FORMAT, f"control's {self.n} had no such exponent"
        places = text_decimals(text)
        if self.zeros and places < self.fewest:
            return Kind.FORMAT, f"control's {self.n} had {self.fewest} decimals or more, zeros at the end as well"
        return decimals_misfit(places, self.fewest, self.most, self.n)

    def _closed_misfit(self, text: str) -> Misfit | None:
        enough, often = CLOSED
        if self.many or self.samples < enough or text in self.words or min(self.words.values(), default=0) < often:
            return None
        return Kind.VALUE, f"control's {self.n} were always one of {len(self.words)} words"

    def _text_misfit(self, control: str | None, text: str, at: float | None) -> Misfit | None:
        if self.digits and self.kind == "r":
            if not is_digits(text):
                return None if self._hexadecimal(text) else (Kind.FORMAT, f"control's {self.n} were digits only")
            fixed = self.padded and not self.shortest <= len(text) <= self.longest
            number = self.value(text)
            if not fixed and self.numbers is not None and number is not None:
                read = None if control is None else self.value(control)
                return self.numbers.range_misfit(read, number, at)
        strange = classes(text) & ~self.allowed()
        if strange == OTHER and self.random and not _OTHER.search(text.translate(_NO_JOINTS)):
            strange = 0  # base64 and temporary names have one of these now and then
        if strange:
            return Kind.FORMAT, f"control's {self.n} had no characters such as these"
        low, high = self.lengths()
        if not low <= len(text) <= high and not self._counted(text):
            seen = f"{self.shortest}" if self.shortest == self.longest else f"{self.shortest} to {self.longest}"
            return Kind.FORMAT, f"control's {self.n} had {seen} characters, this one has {len(text)}"
        return None

    def _counted(self, text: str) -> bool:
        """Return whether it is a small number behind or before letters that never vary, as `w6` beside `w16`."""
        stem = _SMALL.sub("#", text)
        return stem.count("#") == 1 < len(stem) and {_SMALL.sub("#", word) for word in self.words} == {stem}

    def _hexadecimal(self, text: str) -> bool:
        """Return whether digits may have been hexadecimal ones, of which chance showed the first ten only."""
        few = self.characters < DIGITS and self.shortest == self.longest == len(text)
        return few and re.fullmatch("[0-9a-f]+|[0-9A-F]+", text) is not None

    @property
    def random(self) -> bool:
        """Whether the values look drawn at random: letters and digits, and not few."""
        return bool(self.classes & 1 and self.classes & _LETTERS and self.longest >= RANDOM)

    def allowed(self) -> int:
        """Return the classes of characters that may occur; few characters say little about those that have not."""
        if self.characters >= SURE and self.classes & 1:
            return self.classes
        wide = self.classes | (1 if self.classes & _LETTERS and self.classes & 1 else 0)
        if wide & (2 | 4):
            wide |= 2 | 4
        if wide & (8 | 16):
            wide |= 8 | 16
        return wide

    def lengths(self) -> tuple[int, int]:
        """Return the least and the greatest plausible length."""
        word = not self.classes & 1
        if self.shortest == self.longest and self.samples > 3 and not (word and self.longest < SHORT_WORD):  # noqa: PLR2004
            return self.shortest, self.longest  # four values of one length; a short word may be any other
        if word:
            return 1, 3 * self.longest + 5
        width = int(min(reach(self.samples), 5.0) * (self.longest - self.shortest)) + 1
        return max(1, self.shortest - width), self.longest + width


def classes(text: str, known: int = 0) -> int:
    """Return which classes of characters a text has, as bits, besides those that are known already."""
    for pattern, bit in _CLASSES:
        if not known & bit and pattern.search(text):
            known |= bit
    return known if known & OTHER or not _OTHER.search(text) else known | OTHER


def is_digits(text: str) -> bool:
    """Return whether a text is ASCII digits only."""
    return text.isascii() and text.isdigit()


def seconds(clock: str) -> float:
    """Return the seconds of a text such as `1:02:03.5` or `11:30`."""
    hours, minutes, *rest = clock.replace(",", ".").split(":")
    return 3600.0 * int(hours) + 60.0 * int(minutes) + float(rest[0] if rest else 0)


def step(text: str) -> float:
    """Return what the last digit of a quantity is worth in its base unit; 0 of a text that is none."""
    measured = quantity(text)
    return 0.0 if measured is None else FACTORS.get(measured[1].strip(), 1.0) * 10.0 ** -text_decimals(text)


def text_decimals(text: str) -> int:
    """Count the digits after a number's point, zeros included."""
    found = re.search(r"\.(\d+)", text)
    return len(found[1]) if found else 0


def _merged(mine: Envelope | None, theirs: Envelope | None) -> Envelope | None:
    if mine is None or theirs is None:
        return mine if theirs is None else theirs
    mine.merge(theirs)
    return mine
