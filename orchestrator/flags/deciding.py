"""The daemon's own reading of the flags: the kit's evaluator over the published document.

Above: `service`.  Below: the kit.  One evaluator for workers and daemon, so that both always say the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from switchover_kit.decision import Decision
from switchover_kit.targeting import Deciders


class Deciding:
    """Answers for one document at a time."""

    def __init__(self) -> None:
        self._deciders = Deciders({})

    def take(self, document: Mapping[str, Any]) -> None:
        """Decide by this document from now on."""
        self._deciders = Deciders(document["flags"])

    def decide(self, key: str, subject_key: str | None, attributes: Mapping[str, Any] | None, now: float) -> Decision:
        """Return what a flag answers for a subject; `now` in seconds since the Unix epoch."""
        return self._deciders[key](subject_key, attributes, now)

    def explain(self, key: str, subject_key: str | None, attributes: Mapping[str, Any] | None, now: float) -> Decision:
        """Return the same with the subject's bucket in its detail, where a percentage took part."""
        return self._deciders.explain(key, subject_key, attributes, now)
