"""Targeting once more, slowly and plainly, straight from the document: what the compiled evaluator is held against.

Also the documents, subjects and attributes that it is held against it with.  No clock: that has tests of its own.
"""

from __future__ import annotations

from typing import Any

from flag_documents import asks, flag, needs, rule
from hypothesis import strategies as st
from switchover_kit.bucket import bucket

SUBJECTS = [f"mission-{number}" for number in range(8)]
VALUES = ["off", "on", "other"]
MIXED: list[Any] = [1, True, "1", 1.0, 0, False, "", "planner", "plan", 2.5, 10**30]


def answer(  # noqa: C901, PLR0911 - one plain reading from top to bottom
    flags: dict[str, Any], key: str, subject: str | None, attributes: dict[str, Any]
) -> tuple[Any, str]:
    """Return what a flag answers, and the step that says so."""
    one = flags[key]
    for other, raw in flags.items():
        if raw["kill_switch"] and raw["value"] != raw["safe"] and other != key:
            return one["safe"], "disable_new"
    targeting = one["targeting"] or {}
    if subject:
        if subject in targeting.get("deny", []):
            return one["safe"], "deny"
        if subject in targeting.get("allow", {"keys": []})["keys"]:
            return targeting["allow"]["value"], "allow"
        if subject in targeting.get("forced", {}):
            return targeting["forced"][subject], "forced"
    for needed in one["prerequisites"]:
        if answer(flags, needed["flag"], subject, attributes)[0] not in needed["values"]:
            return one["safe"], "prerequisite"
    for each in targeting.get("rules", []):
        if all(matches(condition, subject, attributes) for condition in each["when"]) and (
            each.get("percent") is None or within(one, subject, each["percent"])
        ):
            return each["value"], "rule"
    if "percentage" in targeting and within(one, subject, targeting["percentage"]["percent"]):
        return targeting["percentage"]["value"], "percentage"
    return one["value"], "default"


def within(one: dict[str, Any], subject: str | None, percent: float) -> bool:
    return bool(subject) and bucket(str(subject), one["salt"], one["hash_version"]) < percent


def kind(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    return "number" if isinstance(value, int | float) else type(value).__name__


def equal(one: Any, other: Any) -> bool:
    return kind(one) == kind(other) and one == other


def matches(  # noqa: PLR0911 - likewise
    condition: dict[str, Any], subject: str | None, attributes: dict[str, Any]
) -> bool:
    """Return whether a condition holds; each comparison is for its own types only."""
    given = {**attributes, "key": subject or None}.get(condition["attribute"])
    op, wanted = condition["op"], condition["value"]
    if given is None:
        return False
    if op in {"eq", "ne", "in", "not_in"}:
        wanted = wanted if op.endswith("in") else [wanted]
        known = any(kind(given) == kind(one) for one in wanted)
        return known and any(equal(given, one) for one in wanted) == (op in {"eq", "in"})
    if op == "contains":
        if isinstance(given, list):
            return any(equal(one, wanted) for one in given)
        return isinstance(given, str) and isinstance(wanted, str) and wanted in given
    if op in {"starts_with", "ends_with"}:
        return isinstance(given, str) and (given.startswith(wanted) if op == "starts_with" else given.endswith(wanted))
    if kind(given) != "number":
        return False
    return {"gt": given > wanted, "ge": given >= wanted, "lt": given < wanted, "le": given <= wanted}[op]


values = st.sampled_from(VALUES)
subjects = st.sampled_from([*SUBJECTS, None, ""])
keys = st.lists(st.sampled_from(SUBJECTS), max_size=3)
names = st.sampled_from(["agent_type", "cohort", "age"])
percent = st.sampled_from([0, 0.5, 10, 33.3, 50, 90, 100])
mixed = st.sampled_from(MIXED)
conditions = st.one_of(
    st.builds(asks, names, st.sampled_from(["eq", "ne"]), mixed),
    st.builds(asks, names, st.sampled_from(["in", "not_in"]), st.lists(mixed, min_size=1, max_size=3)),
    st.builds(asks, names, st.sampled_from(["gt", "ge", "lt", "le"]), st.sampled_from([0, 1, 2.5, 10**30])),
    st.builds(asks, names, st.sampled_from(["starts_with", "ends_with", "contains"]), st.sampled_from(["1", "plan"])),
    st.builds(asks, names, st.just("contains"), mixed.filter(lambda value: value != "")),
    st.builds(asks, st.just("key"), st.sampled_from(["eq", "ne", "starts_with"]), st.sampled_from(SUBJECTS)),
)
rules = st.builds(
    lambda when, value, part: rule(*when, value=value, **({} if part is None else {"percent": part})),
    st.lists(conditions, min_size=1, max_size=3),
    values,
    st.none() | percent,
)
targetings = st.none() | st.fixed_dictionaries(
    {},
    optional={
        "deny": keys,
        "allow": st.fixed_dictionaries({"value": values, "keys": keys}),
        "forced": st.dictionaries(st.sampled_from(SUBJECTS), values, max_size=2),
        "rules": st.lists(rules, max_size=3),
        "percentage": st.fixed_dictionaries({"value": values, "percent": percent}),
    },
)
attributes = st.dictionaries(names, mixed | st.none() | st.lists(mixed, max_size=2), max_size=3)
documents = st.builds(
    lambda own, of_p, of_q, value, wanted, killed: {
        "DISABLE_NEW": flag("on" if killed else "off", kill_switch=True),
        "Q": flag("on", targeting=of_q, salt="q"),
        "P": flag("other", targeting=of_p, salt="p", prerequisites=[needs("Q", "on", "other")]),
        "F": flag(
            value, targeting=own, prerequisites=[] if wanted is None else [needs("P", *wanted), needs("Q", "on")]
        ),
    },
    targetings,
    targetings,
    targetings,
    values,
    st.none() | st.lists(values, min_size=1, max_size=2),
    st.sampled_from([False, False, False, True]),
)
