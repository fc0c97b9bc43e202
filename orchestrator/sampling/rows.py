"""Samples as rows of `samples.db` and back; keys leave as keyed digests.

Above: `keeping`, `measuring`.  Below: `domain.evidence.samples`, `state.sample_rows`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import Final

import msgspec

from orchestrator.domain.evidence.samples import Origin, Outcome, Pair, Sample
from orchestrator.domain.routing import Lane
from state.sample_rows import PairRow, Row, SampleRow

DIGEST: Final = 12
"""Bytes of a key's digest: among a billion keys two are alike with a probability of one in 10**11."""

_encode = msgspec.json.encode


class Pseudonyms:
    """Digests of assignment keys, the same for the same key as long as the daemon's key is the same."""

    def __init__(self, secret: bytes) -> None:
        """Begin with the daemon's key."""
        key = blake2b(secret, person=b"samples").digest()

        @lru_cache(maxsize=8192)
        def digest(name: str) -> str:
            return blake2b(name.encode(errors="surrogatepass"), key=key, digest_size=DIGEST).hexdigest()

        self._digest = digest

    def of(self, key: str) -> str:
        """Return a key's digest, "" for none."""
        return self._digest(key) if key else ""


def rows_of(told: Sequence[Sample | Pair], pseudonyms: Pseudonyms, rollout: str) -> list[Row]:
    """Return what is stored of samples and pairs, in their order."""
    return [
        _sample_row(one, pseudonyms, rollout) if isinstance(one, Sample) else _pair_row(one, pseudonyms, rollout)
        for one in told
    ]


def _sample_row(one: Sample, pseudonyms: Pseudonyms, rollout: str) -> SampleRow:
    return SampleRow(
        one.at,
        one.generation,
        one.lane.value,
        one.origin.value,
        one.tool,
        pseudonyms.of(one.key),
        one.treated,
        one.share,
        None if one.outcome is None else one.outcome.value,
        one.duration,
        _encode(one.metrics).decode() if one.metrics else "{}",
        rollout,
    )


def _pair_row(one: Pair, pseudonyms: Pseudonyms, rollout: str) -> PairRow:
    digest = pseudonyms.of(one.key)
    old, new = (_encode(msgspec.structs.replace(side, key=pseudonyms.of(side.key))) for side in (one.old, one.new))
    classes, decisions = _encode(one.classes), _encode(one.decisions)
    return PairRow(one.at, one.tool, digest, old.decode(), new.decode(), classes.decode(), decisions.decode(), rollout)


def told_by(row: Row) -> Sample | Pair:
    """Return what a row was made of, but for the keys."""
    if isinstance(row, PairRow):
        return Pair(
            at=row.at,
            tool=row.tool,
            key=row.key,
            old=msgspec.json.decode(row.old, type=Sample),
            new=msgspec.json.decode(row.new, type=Sample),
            classes=msgspec.json.decode(row.classes, type=tuple[str, ...]),
            decisions=msgspec.json.decode(row.decisions, type=tuple[str, ...]),
        )
    return Sample(
        at=row.at,
        generation=row.generation,
        lane=Lane(row.lane),
        origin=Origin(row.origin),
        tool=row.tool,
        key=row.key,
        treated=row.treated,
        share=row.share,
        outcome=None if row.outcome is None else Outcome(row.outcome),
        duration=row.duration,
        metrics=msgspec.json.decode(row.metrics, type=dict[str, float]),
    )
