"""What the OpenFeature Remote Evaluation Protocol (OFREP) is answered: pure, from a decision or a mistake.

Every answer has `value`, `variant` and `reason`, for some clients take a missing one for the code's default; a float
flag's value is written as a float, for to some clients `1` is none.  Above: `ofrep`.  Below: values of the flags.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from switchover_kit.decision import Decision

from orchestrator.flags.told import FlagView

Json = dict[str, Any]
ErrorCode = Literal["PARSE_ERROR", "TARGETING_KEY_MISSING", "INVALID_CONTEXT", "FLAG_NOT_FOUND", "GENERAL"]

TARGETING_KEY: Final = "targetingKey"
LONGEST_VARIANT: Final = 64
"""Characters; a longer value's variant is its digest."""


class OfrepError(Exception):
    """A request that cannot be evaluated.

    Attributes:
        code: the protocol's.
        status: of HTTP.
        body: what is answered.
    """

    def __init__(self, code: ErrorCode, details: str, key: str | None = None) -> None:
        super().__init__(details)
        self.code = code
        self.status = 404 if code == "FLAG_NOT_FOUND" else 400
        self.body = failure(code, details, key)


@dataclass(frozen=True, slots=True)
class Context:
    """Whom flags are evaluated for.

    Attributes:
        subject: the targeting key, None without one.
        attributes: everything else.
    """

    subject: str | None
    attributes: Json


def read_context(body: bytes, key: str | None = None) -> Context:
    """Read a request's context; without a body or a context it is empty.

    Args:
        body: what was posted.
        key: the flag that is asked for, for the answer; None in bulk.

    Raises:
        OfrepError: it is no JSON object, or its context cannot be used.
    """
    try:
        asked = json.loads(body) if body.strip() else {}
    except (ValueError, RecursionError) as error:
        raise OfrepError("PARSE_ERROR", f"the body is not JSON: {error}", key) from error
    if not isinstance(asked, dict):
        raise OfrepError("PARSE_ERROR", 'the body is a JSON object: {"context": {"targetingKey": ...}}', key)
    context = asked.get("context", {})
    if not isinstance(context, dict):
        raise OfrepError("INVALID_CONTEXT", "the context is a JSON object", key)
    subject = context.get(TARGETING_KEY)
    if subject is not None and not isinstance(subject, str):
        raise OfrepError("INVALID_CONTEXT", "the targetingKey is a text", key)
    attributes = {name: value for name, value in context.items() if name != TARGETING_KEY}
    return Context(subject or None, attributes)


def success(flag: FlagView, decided: Decision) -> Json:
    """Return a flag's evaluation; nothing in it changes unless the decision does: by that clients know what changed."""
    value = as_typed(flag.type, decided.value)
    return {
        "key": flag.key,
        "value": value,
        "variant": variant(value),
        "reason": decided.reason,
        "metadata": {"step": decided.step, "detail": decided.detail},
    }


def failure(code: ErrorCode, details: str, key: str | None = None) -> Json:
    """Return why something was not evaluated."""
    named: Json = {} if key is None else {"key": key}
    return {**named, "errorCode": code, "errorDetails": details}


def lacks_key(flag: FlagView, decided: Decision, context: Context) -> bool:
    """Tell whether a flag could not be decided properly because nobody was named: a percentage came to nothing."""
    if context.subject is not None or decided.step != "default":
        return False
    return splits(flag.targeting)


def splits(targeting: Mapping[str, Any] | None) -> bool:
    """Tell whether targeting divides subjects by percentages."""
    if not targeting:
        return False
    rules: Iterable[Any] = targeting.get("rules") or ()
    return bool(targeting.get("percentage")) or any("percent" in rule for rule in rules if isinstance(rule, Mapping))


def as_typed(kind: str, value: Any) -> Any:
    """Return a value as its type is written in JSON: a float has a point, also when it is whole."""
    whole = isinstance(value, int) and not isinstance(value, bool)
    return float(value) if kind == "float" and whole else value


def variant(value: Any) -> str:
    """Return a value's name: its text, or the digest of what is long or has parts."""
    told = value if isinstance(value, str) else json.dumps(value, sort_keys=True, separators=(",", ":"))
    if len(told) <= LONGEST_VARIANT and not isinstance(value, dict | list):
        return told
    return hashlib.sha256(told.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def etag(flags: list[Json]) -> str:
    """Return the entity tag of evaluations: another one exactly when one of them differs."""
    return f'"{hashlib.sha256(json.dumps(flags).encode()).hexdigest()[:32]}"'


def matches(if_none_match: str | None, tag: str) -> bool:
    """Tell whether a client's `If-None-Match` names an entity tag (RFC 9110, weak comparison)."""
    if if_none_match is None:
        return False
    named = [one.strip().removeprefix("W/") for one in if_none_match.split(",")]
    return "*" in named or tag in named
