"""A profile as it is kept: what it remembers of values is keyed digests, and comes back only where it is seen again.

A digest tells nobody what it stands for, yet whoever has the key recognises the value when an answer holds it again.  A
comparison asks nothing but whether a value of its two answers was there before, so it misses nothing: `Seals.reveal`
puts back what the answers at hand hold, and what they do not hold equals none of their values anyway.  Every text is
sealed, as no rule knows all that is personal; numbers where the name of their member, or their check digit, tells that
they are.  Ranges, lengths, counts and patterns stay.

Above: the stores of profiles.  Below: `profile`, `node`, `redact`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, NamedTuple

import msgspec

from orchestrator.shadow.digests import encode
from orchestrator.shadow.node import Node
from orchestrator.shadow.numbers import Numbers
from orchestrator.shadow.parts import Part
from orchestrator.shadow.profile import FORMAT, SEALED, Profile, ProfileError
from orchestrator.shadow.redact import Redactor, is_private
from orchestrator.shadow.texts import READERS, Texts

_SEAL: Final = re.compile(r"<sealed:[a-p]{16}>")
_IN_JSON: Final = re.compile(r'"(<sealed:[a-p]{16}>)"')
_SHORTEST_CARD: Final = 10**12
_LONGEST_CARD: Final = 10**19
"""Between these two an integer may be a payment card's number (ISO/IEC 7812: up to 19 digits)."""
_ISSUER: Final = 6
"""Digits of a card's number that name its issuer, and may be shown."""


Index = dict[int, tuple[set[str], ...]]
"""By node of a profile what is sealed of it, as `_sealed` tells."""


class _Back(NamedTuple):
    """What is told of all paths: the names that came back, and the index."""

    names: dict[str, Any]
    sealed: Index


class Seals:
    """Seals profiles, and reveals what is seen again, with one key."""

    def __init__(self, redactor: Redactor) -> None:
        """Take whose key it is, and who tells which names are personal."""
        self._redactor = redactor

    def sealed(self, profile: Profile) -> bytes:
        """Return a profile to be kept; it stays as it is itself."""
        copy = msgspec.json.decode(profile.as_json(), type=Profile)
        names: set[str] = set()
        self._seal(copy.root, names, private=False)
        copy.links = {self._path(key, names): count for key, count in copy.links.items()}
        copy.residue = {self._path(key, names): count for key, count in copy.residue.items()}
        copy.format, copy.seal = SEALED, self._of("")
        return copy.as_json()

    def opened(self, body: bytes, tool: str, fingerprint: str) -> Profile | None:
        """Read a kept profile, sealed or from before there were seals.

        Returns:
            None where it is of another control, tool, format or key, and so has expired.

        Raises:
            ProfileError: it is no profile.
        """
        profile = self.read(body, tool)
        if (profile.tool, profile.fingerprint) != (tool, fingerprint) or not self.fits(profile):
            return None
        profile.format, profile.seal = FORMAT, ""
        return profile

    @staticmethod
    def read(body: bytes, name: str) -> Profile:
        """Read a kept profile of whatever tool.

        Raises:
            ProfileError: it is no profile.
        """
        try:
            return msgspec.json.decode(body, type=Profile)
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
            raise ProfileError(
                f"the kept profile of {name} cannot be read ({error}); delete it and it is learned anew"
            ) from None

    def fits(self, profile: Profile) -> bool:
        """Return whether a kept profile can be used: from before there were seals, or sealed with this key."""
        return profile.format == FORMAT or (profile.format == SEALED and profile.seal == self._of(""))

    def reveal(self, profile: Profile, values: Iterable[object], index: Index | None = None) -> bool:
        """Put back what some answers hold, in place.

        Args:
            profile: what was kept.
            values: the answers as they are read.
            index: of this profile, for who does it again and again; empty at first, and when others change the profile.

        Returns:
            Whether anything came back.
        """
        names: dict[str, Any] = {}
        index = {} if index is None else index
        found = self._reveal(profile.root, list(values), _Back(names, index), private=False)
        if names:
            index.clear()
            profile.links = {_path_of(key, names): count for key, count in profile.links.items()}
            profile.residue = {_path_of(key, names): count for key, count in profile.residue.items()}
        return found

    # --- sealing ------------------------------------------------------------------------------

    def _of(self, value: object) -> str:
        return f"<sealed:{self._redactor.letters(encode(value))}>"

    def _value(self, value: Any, *, private: bool) -> Any:
        if isinstance(value, str):
            return value if _SEAL.fullmatch(value) else self._of(value)
        return self._of(value) if _is_hidden(value, private=private) else value

    def _name(self, name: str) -> str:
        return name if _SEAL.fullmatch(name) or self._redactor.text(name) == name else self._of(name)

    def _seal(self, node: Node, names: set[str], *, private: bool) -> None:
        node.kept = [self._value(one, private=private) for one in node.kept]
        node.loose = [self._value(one, private=private) for one in node.loose]
        node.core = [encode(self._element(msgspec.json.decode(one), private=private)).decode() for one in node.core]
        if node.numbers is not None:
            _coarsen(node.numbers)
        for part in _parts(node.texts, node.keys):
            part.words = {self._value(word, private=True): count for word, count in part.words.items()}
            if part.numbers is not None:
                _coarsen(part.numbers)
        for name, child in node.children.items():
            self._seal(child, names, private=private or is_private(name))
        sealed = {name: self._name(name) for name in node.children}
        names.update(name for name, seal in sealed.items() if name != seal)
        node.children = {sealed[name]: child for name, child in node.children.items()}
        for below in (node.item, node.entry):
            if below is not None:
                self._seal(below, names, private=private)

    def _element(self, value: Any, *, private: bool) -> Any:
        """Return an element of a list with everything sealed in it."""
        if isinstance(value, dict):
            return {
                self._name(key): self._element(one, private=private or is_private(key)) for key, one in value.items()
            }
        if isinstance(value, list):
            return [self._element(one, private=private) for one in value]
        return self._value(value, private=private)

    def _path(self, key: str, names: set[str]) -> str:
        """Return a path, or two, without personal names; one that stands nowhere in the trie does not come back."""
        for name in sorted(names, key=len, reverse=True):
            key = key.replace(name, self._of(name))
        return "\t".join(self._redactor.text(one) for one in key.split("\t"))

    # --- revealing ----------------------------------------------------------------------------

    def _reveal(self, node: Node, values: list[Any], back: _Back, *, private: bool) -> bool:
        if not values:
            return False
        maps = [one for one in values if isinstance(one, dict)]
        lists = [one for one in values if isinstance(one, list)]
        members = {key for one in maps for key in one}
        known = self._known(node, values, back, private=private)
        if known:
            _put_back(node, known)
        found = bool(known)
        for name, child in node.children.items():
            column = [one[name] for one in maps if name in one]
            found |= self._reveal(child, column, back, private=private or is_private(name))
        if node.entry is not None:
            others = members - node.children.keys()
            column = [value for one in maps for key, value in one.items() if key in others]
            found |= self._reveal(node.entry, column, back, private=private)
        if node.item is not None:
            found |= self._reveal(node.item, [one for several in lists for one in several], back, private=private)
        return found

    def _known(self, node: Node, values: list[Any], back: _Back, *, private: bool) -> dict[str, Any]:
        """Return what sealed values of one path are, as far as the values that stand there tell."""
        sealed = back.sealed.get(id(node))
        if sealed is None:
            sealed = back.sealed[id(node)] = _sealed(node)
        if not any(sealed):
            return {}
        members = {key for one in values if isinstance(one, dict) for key in one}
        ways: tuple[Callable[[], Iterable[Any]], ...] = (
            lambda: _hidden(values, private=private),
            lambda: _below((one for one in values if isinstance(one, list)), private=private),
            lambda: _tokens(one for one in values if isinstance(one, str)),
            lambda: _tokens(members),
            lambda: members,
        )
        known: dict[str, Any] = {}
        for wanted, way in zip(sealed, ways, strict=True):
            found = {seal: one for one in way() if (seal := self._of(one)) in wanted} if wanted else {}
            wanted.difference_update(found)
            known.update(found)
        back.names.update((seal, known[seal]) for seal in node.children if seal in known)
        return known


def _sealed(node: Node) -> tuple[set[str], ...]:
    """Return what is sealed of a path: single values, elements, parts of texts, parts of names, and names."""
    kept = ([*node.kept, *node.loose], node.core, _words(node.texts), _words(node.keys), node.children)
    return tuple(
        {seal for one in several if isinstance(one, str) and "<sealed:" in one for seal in _SEAL.findall(one)}
        for several in kept
    )


def _is_hidden(value: Any, *, private: bool) -> bool:
    """Return whether a number is sealed."""
    return type(value) in {int, float} and (private or _is_card(value))


def _is_card(number: float) -> bool:
    """Tell whether a number may be a payment card's: its last digit is Luhn's."""
    if not _SHORTEST_CARD <= number < _LONGEST_CARD:
        return False
    digits = [int(one) for one in reversed(str(int(number)))]
    return sum(sum(divmod(2 * one, 10)) if place % 2 else one for place, one in enumerate(digits)) % 10 == 0


def _coarsen(numbers: Numbers) -> None:
    """Leave of what was seen of a number no single value; a bound that may be a card's number moves outward."""
    numbers.recent = []
    numbers.low, numbers.high = _outward(numbers.low, -1), _outward(numbers.high, 1)
    numbers.total, numbers.spread = _outward(numbers.total, 1), _outward(numbers.spread, 1)


def _outward(value: float, way: int) -> float:
    """Return a bound of which a card shows no more than its issuer: the first six digits."""
    size = abs(value)
    if not _is_card(size):
        return value
    step = 10 ** (len(str(int(size))) - _ISSUER)
    moved = int(size) // step * step
    way = way if value > 0 else -way
    moved += step if way > 0 else 0
    while _is_card(moved):
        moved += way * step
    return math.copysign(float(moved), value)


def _hidden(values: Iterable[Any], *, private: bool) -> Iterator[Any]:
    """Yield those of some single values that are sealed when they are kept, each once."""
    single = {(type(one), one) for one in values if isinstance(one, str) or _is_hidden(one, private=private)}
    return (one for _, one in single)


def _below(values: Iterable[Any], *, private: bool) -> Iterator[Any]:
    """Yield everything in some values that may be sealed: texts, numbers and names."""
    for value in values:
        if isinstance(value, dict):
            for key, one in value.items():
                yield key
                yield from _below([one], private=private or is_private(key))
        elif isinstance(value, list):
            yield from _below(value, private=private)
        else:
            yield from _hidden([value], private=private)


def _tokens(texts: Iterable[str]) -> set[str]:
    return {token for text in set(texts) for reader in READERS.values() for _, token in reader(text)}


def _parts(*several: Texts | None) -> Iterator[Part]:
    for texts in several:
        for reading in texts.readings.values() if texts is not None else ():
            yield from reading.kinds.values()
            for shape in reading.shapes.values():
                yield from shape.parts


def _words(texts: Texts | None) -> Iterator[str]:
    return (word for part in _parts(texts) for word in part.words)


def _put_back(node: Node, known: dict[str, Any]) -> None:
    node.kept = [_open(one, known) for one in node.kept]
    node.loose = [_open(one, known) for one in node.loose]
    node.core = [_core(one, known) for one in node.core]
    for part in _parts(node.texts, node.keys):
        counts: dict[str, int] = {}
        for word, count in part.words.items():
            plain = _open(word, known)
            counts[plain] = counts.get(plain, 0) + count
        part.words = counts
    children: dict[str, Node] = {}
    for name, child in node.children.items():
        plain = _open(name, known)
        if plain in children:
            children[plain].merge(child)
        else:
            children[plain] = child
    node.children = children


def _open(one: Any, known: dict[str, Any]) -> Any:
    return known.get(one, one) if isinstance(one, str) else one


def _core(element: str, known: dict[str, Any]) -> str:
    def plain(found: re.Match[str]) -> str:
        return encode(known[found[1]]).decode() if found[1] in known else found[0]

    if "<sealed:" not in element:
        return element
    # a name that came back may stand elsewhere in the order of names
    return encode(msgspec.json.decode(_IN_JSON.sub(plain, element))).decode()


def _path_of(key: str, names: dict[str, Any]) -> str:
    """Return a path, or two in their order, with the names that came back."""
    return "\t".join(sorted(_SEAL.sub(lambda found: str(names.get(found[0], found[0])), key).split("\t")))
