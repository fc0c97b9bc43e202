"""What is known about a tool's noise: learned from its control, kept as JSON, gone when the control is another one.

Above: the harness keeps it between runs; `compare`.  Below: `learn`, `walk`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from orchestrator.domain.comparison import Answer, Sample
from orchestrator.domain.errors import SwitchoverError
from orchestrator.shadow.columns import Columns
from orchestrator.shadow.identity import Links, learn_links, rows_of
from orchestrator.shadow.learn import learn_case
from orchestrator.shadow.node import Node
from orchestrator.shadow.values import Unreadable, read
from orchestrator.shadow.walk import Walk

FORMAT: Final = 1
"""Of a profile that tells its values, as it is while it is used; one of another format is learned anew."""
SEALED: Final = 2
"""Of one that is kept: `sealing` made its values digests."""
ENOUGH: Final = 5
"""Samples of a case from which on its noise is known well (measured: 5 to 8)."""


class ProfileError(SwitchoverError):
    """A kept profile cannot be used; let it be learned anew."""


class Profile(msgspec.Struct, omit_defaults=True):
    """The noise of one tool.

    Attributes:
        tool: its name.
        fingerprint: of the control's generation; noise of other code is no evidence.
        samples: answers that were learned from.
        unread: answers that could not be.
        cases: cases that were learned from.
        root: the trie of paths.
        links: which ids refer to each other.
        residue: differences that were still found between control's own samples, by kind and path.
        checked: pairs of control's samples that were searched for those.
        seal: tells, of a sealed one, with which key it was.
    """

    tool: str
    fingerprint: str
    format: int = FORMAT
    samples: int = 0
    unread: int = 0
    cases: int = 0
    root: Node = msgspec.field(default_factory=Node)
    links: Links = {}
    residue: dict[str, int] = {}
    checked: int = 0
    seal: str = ""

    def as_json(self) -> bytes:
        """Return the profile with every value that it remembers; only what `sealing` made of it may be written."""
        return msgspec.json.encode(self)

    @property
    def enough(self) -> bool:
        """Whether so many samples of one case were seen that a rare noise is likely known."""
        return self.root.samples >= ENOUGH

    def merge(self, other: Profile) -> None:
        """Take in what another profile of the same tool and control knows.

        Raises:
            ProfileError: it is of another tool or control.
        """
        if (self.tool, self.fingerprint) != (other.tool, other.fingerprint):
            raise ProfileError(f"the profiles are of {self.tool} and {other.tool}, or of two controls; learn one anew")
        copy = msgspec.json.decode(other.as_json(), type=Profile)
        self.samples, self.unread = self.samples + copy.samples, self.unread + copy.unread
        self.cases, self.checked = self.cases + copy.cases, self.checked + copy.checked
        self.root.merge(copy.root)
        self.root.finish()
        for key, (kept, parted) in copy.links.items():
            mine = self.links.setdefault(key, [0, 0])
            mine[:] = [mine[0] + kept, mine[1] + parted]
        for key, count in copy.residue.items():
            self.residue[key] = self.residue.get(key, 0) + count


def learn(tool: str, fingerprint: str, cases: Iterable[Sequence[Sample]]) -> Profile:
    """Learn a tool's noise from control's samples, those of each case together.

    Args:
        tool: the tool's name.
        fingerprint: of the control's generation.
        cases: for each case the control's answers; of one answer alone nothing is learned.
    """
    profile = Profile(tool, fingerprint)
    read_cases = []
    for samples in cases:
        readable = [
            (value, one.at) for one in samples if one.answer is Answer.RESULT and usable(value := read(one.body))
        ]
        profile.unread += len(samples) - len(readable)
        profile.samples += len(readable)
        if not readable:
            continue
        node = learn_case(readable)
        if profile.cases:
            profile.root.merge(node)
        else:
            profile.root = node
        profile.cases += 1
        read_cases.append(readable)
    profile.root.finish()
    _learn_links(profile, read_cases)
    return profile


def usable(value: object) -> bool:
    """Return whether a body could be read."""
    return not isinstance(value, Unreadable)


def _learn_links(profile: Profile, cases: list[list[tuple[object, float | None]]]) -> None:
    """Compare control with itself: what ids do, and what is still found, which is no evidence against anybody."""
    everything = _All()
    for samples in cases:
        first, at = samples[0]
        for value, other in samples[1:]:
            walk = Walk(Columns(everything), (at, other))
            walk.walk(profile.root, first, value)
            learn_links(profile.links, rows_of(walk.ids))
            profile.checked += 1
            for key in {f"{one.kind} {one.path}" for one in walk.found}:
                profile.residue[key] = profile.residue.get(key, 0) + 1


class _All(frozenset[str]):
    """Every path: while learning it is not known yet which ones refer to each other."""

    def __contains__(self, path: object) -> bool:
        return True


def kept_profile(body: bytes, tool: str, fingerprint: str) -> Profile | None:
    """Read a kept profile; None where it is of another control, tool or format, and so has expired.

    Raises:
        ProfileError: it is no profile.
    """
    try:
        profile = msgspec.json.decode(body, type=Profile)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise ProfileError(
            f"the kept profile of {tool} cannot be read ({error}); delete it and it is learned anew"
        ) from None
    fits = (profile.tool, profile.fingerprint, profile.format) == (tool, fingerprint, FORMAT)
    return profile if fits else None
