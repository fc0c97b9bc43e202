"""Plans for tests: random ones, a good one to spoil, and TOML made of a document."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from flags_story import flag
from hypothesis import strategies as st

from orchestrator.domain.evidence.badness import Kind
from orchestrator.domain.flags.declaration import Registry, registry
from orchestrator.domain.plans.freeze import ORDER, FreezeWindow
from orchestrator.domain.plans.limits import (
    Answer,
    Direction,
    Judge,
    JudgeKind,
    Limit,
    Metric,
    Policy,
    Slower,
    Source,
    Spread,
    Statistic,
    Tighter,
    Window,
)
from orchestrator.domain.plans.lint import Finding, lint
from orchestrator.domain.plans.plan import Bake, Plan, Promotion, Rehearsal, StateUse
from orchestrator.domain.plans.steps import FlagStage, Hold, HoldKind, Keys, Step, TooYoung

ERROR = Limit("error", margin=0.05, min_samples=30)
GOOD = Plan(
    name="good",
    steps=(Step(10, 600.0), Step(50, 600.0)),
    flags=(FlagStage("A", "on", 300.0), FlagStage("B", "on", 300.0)),
    limits=(ERROR,),
)
"""A plan in which lint finds nothing."""
FLAGS, _ = registry([flag("A"), flag("B", needs=["A"])])


def good(**changes: Any) -> Plan:
    """Return the good plan with changes."""
    return replace(GOOD, **changes)


def rules(plan: Plan, flags: Registry = FLAGS, **options: Any) -> list[str]:
    """Return which rules found something."""
    return [finding.rule for finding in lint(plan, flags, **options)]


def found(rule: str, plan: Plan, flags: Registry = FLAGS, **options: Any) -> Finding:
    """Return what one rule found, which must be all there is."""
    (finding,) = lint(plan, flags, **options)
    assert finding.rule == rule
    return finding


def toml(document: Mapping[str, Any]) -> str:
    """Write a document as TOML, with `[[...]]` for lists of tables and inline tables within."""
    plain = {name: value for name, value in document.items() if not _is_tables(value)}
    lines = [f"{name} = {_inline(value)}" for name, value in plain.items()]
    for name, tables in document.items():
        if not _is_tables(tables):
            continue
        for table in tables:
            lines += [f"[[{name}]]", *(f"{key} = {_inline(value)}" for key, value in table.items())]
    return "\n".join(lines)


def _is_tables(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(one, dict) for one in value)


def _inline(value: Any) -> str:
    if isinstance(value, dict):
        return (
            "{ "
            + ", ".join(f"{json.dumps(key, ensure_ascii=False)} = {_inline(one)}" for key, one in value.items())
            + " }"
        )
    if isinstance(value, list):
        return "[" + ", ".join(map(_inline, value)) + "]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


text = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=8)
some = st.text("abcXYZ019_-", min_size=1, max_size=8)
numbers = st.floats(-1e6, 1e6, allow_nan=False)
positive = st.floats(1e-6, 1e6)
durations = st.floats(0, 1e7)
switches = st.booleans()

windows = st.builds(Window, st.none() | st.integers(1, 1000), st.none() | durations)


@st.composite
def limits(draw: st.DrawFn) -> Limit:
    """Draw a limit with one of its four bounds."""
    bound = draw(st.sampled_from(["margin", "relative", "most", "least"]))
    compares = bound in {"margin", "relative"}
    return Limit(
        draw(st.sampled_from(["error", "duration", "tokens", "quality", "mine"]) | some),
        **{bound: draw(positive if compares else numbers)},
        direction=draw(st.none() | st.sampled_from(Direction)) if compares else None,
        kind=draw(st.none() | st.sampled_from(Kind)),
        statistic=draw(st.sampled_from(Statistic)),
        judge=draw(st.none() | st.sampled_from(JudgeKind)),
        min_samples=draw(st.integers(0, 1000)),
        window=draw(st.none() | windows),
        scale=draw(st.none() | positive),
    )


holds = st.one_of(
    st.builds(Hold, st.just(HoldKind.PERSON), text, longest=st.none() | durations),
    st.builds(Hold, st.just(HoldKind.COMMAND), text, st.tuples(some, text), every=durations, timeout=durations),
    st.builds(Hold, st.just(HoldKind.WEBHOOK), text, url=st.just("https://example.org/agree")),
    st.builds(Hold, st.just(HoldKind.PARITY), text, clean=durations.filter(bool)),
)
keys = st.one_of(
    st.builds(Keys, st.lists(some, min_size=1, max_size=3).map(tuple)),
    st.builds(Keys, only_new_by=some, since=st.none() | st.just("2026-11-01T00:00:00+01:00")),
)
several_limits = st.lists(limits(), max_size=2).map(tuple)
steps = st.builds(
    Step, st.integers(0, 100), st.none() | durations, text, switches, switches, st.none() | holds, st.none() | keys,
    several_limits,
)  # fmt: skip
flag_values = st.sampled_from(["on", "off", "other"]) | switches | st.integers(-5, 5) | numbers | text
stages = st.builds(
    FlagStage, st.sampled_from(["A", "B", "C"]) | some, flag_values, durations, switches, st.none() | durations,
    st.sampled_from(TooYoung), several_limits,
)  # fmt: skip
clock = st.builds("{:02}:{:02}".format, st.integers(0, 23), st.integers(0, 59))


@st.composite
def freezes(draw: st.DrawFn) -> FreezeWindow:
    """Draw a freeze window."""
    begin, end = draw(st.tuples(clock, clock | st.just("24:00")).filter(lambda both: both[0] != both[1]))
    days = draw(st.lists(st.sampled_from(ORDER), min_size=1, max_size=7).map(tuple))
    return FreezeWindow(draw(st.sampled_from(["UTC", "Europe/Vienna", "Asia/Kathmandu"])), days, begin, end)


metrics = st.one_of(
    st.builds(Metric, some, st.sampled_from(Kind), st.sampled_from([Source.CALL, Source.SAMPLES]), unit=text),
    st.builds(Metric, some, st.sampled_from(Kind), st.just(Source.PROMETHEUS), some),
)
judges = st.builds(
    Judge, st.sampled_from(JudgeKind), st.floats(1e-6, 0.99), st.sampled_from(Spread), st.integers(1, 100)
)
policies = st.builds(
    Policy, durations, st.integers(1, 10), st.lists(st.integers(0, 99), max_size=3).map(tuple),
    st.none() | st.builds(Tighter, st.integers(0, 99), st.floats(0.01, 0.99)),
    st.none() | st.builds(Slower, st.floats(0, 0.99), st.floats(1.01, 100)), switches,
)  # fmt: skip
plans = st.builds(
    Plan,
    name=some,
    description=text,
    new_generation=switches,
    state=st.sampled_from(StateUse),
    deadline=st.none() | durations,
    on_deadline=st.sampled_from([Answer.PAUSE, Answer.ROLL_BACK]),
    on_regression=st.sampled_from([Answer.PAUSE, Answer.ROLL_BACK]),
    on_inconclusive=st.sampled_from([Answer.PAUSE, Answer.RETREAT, Answer.ROLL_BACK, Answer.GO_ON]),
    on_missing_data=st.sampled_from([Answer.PAUSE, Answer.WAIT, Answer.ROLL_BACK, Answer.GO_ON]),
    rehearsal=st.builds(Rehearsal, switches, switches, switches, st.sampled_from(["safe", "live"])),
    steps=st.lists(steps, max_size=4).map(tuple),
    promotion=st.builds(Promotion, st.none() | holds),
    bake=st.builds(Bake, durations, durations, switches),
    flags=st.lists(stages, max_size=3).map(tuple),
    limits=several_limits,
    metrics=st.lists(metrics, max_size=2).map(tuple),
    judge=judges,
    policy=policies,
    freeze=st.lists(freezes(), max_size=2).map(tuple),
)
"""Any plan a file can say."""
