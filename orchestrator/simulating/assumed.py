"""What a simulation takes for granted, said in sentences: recorded samples are not the rollout that they stand for.

Pure.  Above: `simulation`.  Below: `recording`, `subjects`, the plan.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from orchestrator.domain.plans.fields import lasting
from orchestrator.domain.plans.plan import Plan
from orchestrator.domain.plans.steps import HoldKind
from orchestrator.domain.routing import Lane, RoutingTable, choose
from orchestrator.simulating.recording import Recording
from orchestrator.simulating.subjects import FIRST_CALL, Subjects, always_of, new_by

EDGE: Final = 5_000
"""Calls of each end of a part that happen; evidence of that many calls says what there is to say."""

TEN: Final = 10
"""Calls a minute from which on they are told in whole ones."""

APART: Final = 0.5
"""Overlap of the two versions' times below which it is said that they were not recorded side by side."""


def assumed(plan: Plan, recording: Recording, speed: float, subjects: Subjects) -> Iterator[str]:
    """Yield what is taken for granted of a recording under a plan, a sentence each.

    Args:
        plan: what is carried out.
        recording: what happens.
        speed: how many times as fast calls come as they were recorded.
        subjects: what calls say of their subjects.
    """
    if not recording.calls:
        yield "no call was recorded, so none comes"
        return
    yield from _versions(plan, recording)
    rate = recording.per_second * 60 * speed
    each = f"{rate:,.0f}" if rate >= TEN else f"{rate:.2g}"
    faster = "" if speed == 1.0 else f" ({speed:.2g} times as fast as recorded)"
    yield f"calls come as recorded over {lasting(recording.lasts)}, {each} a minute{faster}, with tool and key"
    if all(one.treated is None for _, one in recording.calls):
        yield (
            "while nothing is on trial only some calls are stored (samples.idle_per_second): where there are more, "
            "--rate says how many"
        )
    if recording.left:
        yield f"{recording.left} calls of other generations are not used"
    yield from _mirrored(plan, recording)
    yield from _flags(plan, recording)
    yield from _new(plan, subjects)
    yield from _always(plan, recording, subjects)
    yield from _holds(plan)


def _versions(plan: Plan, recording: Recording) -> Iterator[str]:
    old, new = recording.numbers
    if not plan.new_generation:
        yield f"every call gives what the next recorded call of generation {new} gave, which has run for long already"
    elif not recording.new:
        yield (
            f"only generation {old} was recorded, so both versions give what it gave: "
            "what is simulated is an upgrade to a version that is no different"
        )
    else:
        yield (
            f"generation {old} stands for the old version ({len(recording.old):,} calls), {new} for the new one "
            f"({len(recording.new):,}): who serves a call is drawn anew, and it gives what that version's next "
            "recorded call of the same tool gave"
        )
        if recording.overlap < APART:
            yield (
                "the two were not recorded side by side: what changed with the time (load, data, the hour) "
                "counts as a difference of the versions"
            )
        yield "what belongs to a key alone (its own load, its own data) is not kept"


def _mirrored(plan: Plan, recording: Recording) -> Iterator[str]:
    wanted = any(step.mirror for step in plan.steps) or (plan.new_generation and plan.bake.mirror)
    if not wanted:
        return
    if recording.pairs:
        yield f"mirrored calls are the {len(recording.pairs):,} that were recorded, as often as they were"
    else:
        yield (
            "no mirrored calls were recorded: each pair is made of the next call of either version with that tool, "
            "which varies more than one call asked twice, and every call counts as one that only reads"
        )


def _flags(plan: Plan, recording: Recording) -> Iterator[str]:
    if not plan.flags:
        return
    if recording.treated and recording.without:
        yield (
            f"calls with a flag's new value give what the {len(recording.treated):,} calls recorded with a flag on "
            "trial gave, whichever flag that was"
        )
    else:
        yield "no flag was on trial in the recording: its new value is simulated as one that makes no difference"


def _new(plan: Plan, subjects: Subjects) -> Iterator[str]:
    for name in new_by(plan):
        told = subjects.attributes.get(name)
        if told is None:
            yield (
                f"samples keep no attributes, so no call says its {name}, and a step that takes only new keys takes "
                f"nobody: with --attribute {name}={FIRST_CALL} a key is as old as its first call"
            )
        elif told == FIRST_CALL:
            yield (
                f"each call says as its {name} when its key's first call came: a key that began before it was recorded "
                "counts as a new one, so that more calls are on trial than would be"
            )
        else:
            began = datetime.fromtimestamp(float(told), UTC).isoformat().replace("+00:00", "Z")
            yield f"each call says {began} as its {name}"


def _always(plan: Plan, recording: Recording, subjects: Subjects) -> Iterator[str]:
    named = always_of(plan)
    if not named:
        return
    listed = ", ".join(named)
    table = RoutingTable(active=1, canary=2, always=named)
    keys = {one.key for _, one in recording.calls if choose(table, one.key).lane is Lane.CANARY}
    if keys:
        one = "1 recorded key is" if len(keys) == 1 else f"{len(keys):,} recorded keys are"
        yield f"{one} among those that are always on the canary ({listed})"
    if subjects.always:
        yield f"{subjects.always * 100:g} % of the keys, drawn anew, are taken to be {listed}: always on the canary"
    elif not keys:
        yield (
            f"recorded keys are pseudonyms, so none is {listed}, and nobody is on the canary at any weight: "
            "--always says how many percent of the keys are"
        )


def _holds(plan: Plan) -> Iterator[str]:
    holds = [step.hold for step in plan.steps if step.hold is not None]
    holds += [plan.promotion.hold] if plan.promotion.hold is not None else []
    if any(hold.kind is not HoldKind.PERSON for hold in holds):
        yield "commands, webhooks and the parity of states that are asked agree at once; none is run"
