"""What was taken as noise, in words: of each path what varies there, on how many values that stands, and some of them.

A comparison says nothing of what is within the known noise.  This is for people who ask why: `shadow explain` shows it.

Above: the harness's report.  Below: `profile`, `node`, `redact`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from orchestrator.shadow.node import Node
from orchestrator.shadow.numbers import Numbers
from orchestrator.shadow.parts import Part
from orchestrator.shadow.profile import Profile
from orchestrator.shadow.redact import Redactor
from orchestrator.shadow.texts import Reading, Texts

SHOWN: Final = 3
"""Values of a path that are shown."""
PARTS: Final = 4
"""Parts of a text that are named."""
_KINDS: Final = {
    "T": "a point in time",
    "u": "a UUID",
    "c": "a clock",
    "p": "a duration",
    "q": "a quantity",
    "g": "a number",
    "f": "a number",
    "o": "random characters",
    "s": "the width of a column",
}
"""What a part of a text is, by its token's kind; the rest are letters and digits."""


@dataclass(frozen=True, slots=True)
class Noise:
    """One path at which the old code differs from itself.

    Attributes:
        path: where, without indexes.
        varies: what varies there and within which bounds it was seen, in words.
        answers: how many answers of one call it was learned from.
        values: how many values were seen there.
        differing: in how many of `pairs` pairs of values of one place they differed.
        pairs: of how many.
        seen: some of the values, redacted.
    """

    path: str
    varies: str
    answers: int
    values: int
    differing: int
    pairs: int
    seen: tuple[str, ...] = ()


def noise_of(profile: Profile, redactor: Redactor, most: int) -> list[Noise]:
    """Return the noise that a profile knows, in the order of its paths.

    Args:
        profile: of one tool.
        redactor: how values are shown.
        most: paths beyond which no more are told.
    """
    found: list[Noise] = []
    for path, node in _noisy(profile.root, "$"):
        if len(found) >= most:
            break
        seen = tuple(dict.fromkeys(redactor.shown(one, path) for one in _values(node)))[:SHOWN]
        varies = "; ".join(_varies(node))
        found.append(Noise(path, varies, node.samples, node.seen, node.differing, node.pairs, seen))
    return found


def _noisy(node: Node, path: str) -> Iterator[tuple[str, Node]]:
    if not node.noisy:
        return
    if node.here:
        yield path, node
    for key, child in node.children.items():
        yield from _noisy(child, f"{path}.{key}")
    if node.item is not None:
        yield from _noisy(node.item, f"{path}[]")
    if node.entry is not None and node.dynamic:
        yield from _noisy(node.entry, f"{path}{{}}")


def _values(node: Node) -> Iterator[object]:
    yield from node.loose[: 4 * SHOWN]
    if node.numbers is not None and node.numbers.floats:
        yield from node.numbers.recent[: 4 * SHOWN]


def _varies(node: Node) -> Iterator[str]:
    if node.optional:
        yield "comes and goes"
    if node.switches:
        yield f"changes its type ({', '.join(one.replace('>', ' to ') for one in node.switches)})"
    if node.reordered:
        yield "its order"
    if node.swing:
        yield f"its length ({node.low} to {node.high})"
    if node.dynamic:
        yield "the names of its members, which are ids"
    if node.free:
        yield "true or false"
    if node.numbers is not None:
        yield _number(node.numbers)
    if node.texts is not None:
        yield _text(node.texts)
    if node.moving and not (node.free or node.numbers is not None or node.texts is not None):
        yield "its value"


def _number(numbers: Numbers) -> str:
    if numbers.clock:
        return (
            f"a point in time, counted in {numbers.unit}, {numbers.early:+.3f} to {numbers.late:+.3f} s from the call"
        )
    what = "an integer" if numbers.ints and not numbers.floats else "a number"
    return f"{what} from {numbers.low:.15g} to {numbers.high:.15g}"


def _text(texts: Texts) -> str:
    reading = texts.steady()
    if reading is None:
        return f"a text of {texts.shortest} to {texts.longest} characters"
    name, chosen = reading
    shapes = len(chosen.shapes)
    of = "a text of one pattern" if shapes == 1 else f"a text of {shapes} patterns"
    parts = list(dict.fromkeys(_parts(chosen)))
    more = ", ..." if len(parts) > PARTS else ""
    words = f", in which varies: {', '.join(parts[:PARTS])}{more}" if parts and name else ""
    return f"{of}{words}"


def _parts(reading: Reading) -> Iterator[str]:
    for shape in reading.shapes.values():
        yield from (_part(one) for one in shape.parts if one.varies)


def _part(part: Part) -> str:
    if part.kind[0] in _KINDS:
        return _KINDS[part.kind[0]]
    length = str(part.shortest) if part.shortest == part.longest else f"{part.shortest} to {part.longest}"
    return f"{length} {'digits' if part.digits else 'letters and digits'}"
