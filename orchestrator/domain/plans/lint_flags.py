"""Rules about a plan's flag stages.

Above: `lint`.  Below: `findings`, `times`, the flags' declarations.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from orchestrator.domain.flags.declaration import Declaration
from orchestrator.domain.flags.values import Value, fitted, same, show
from orchestrator.domain.plans.epochs import Place
from orchestrator.domain.plans.fields import lasting
from orchestrator.domain.plans.findings import Expected, Finding, error, warning
from orchestrator.domain.plans.steps import FlagStage
from orchestrator.domain.plans.times import Moment, min_stable, timeline


def flag_findings(expected: Expected) -> Iterator[Finding]:
    """Yield what is found about the flag stages: each is seen with the values that the stages before it leave."""
    declared = expected.registry.declarations
    values = {key: one.default for key, one in declared.items()}
    for at, stage in enumerate(expected.plan.flags):
        declaration = declared.get(stage.flag)
        if declaration is None:
            yield _unknown(expected, ("flags", at, "flag"), stage)
            continue
        to = fitted(declaration.type, declaration.values, stage.to)
        if to is None:
            yield error(
                "unknown-value",
                ("flags", at, "to"),
                f"{stage.flag} cannot be {show(stage.to)}",
                f"allowed: {declaration.allowed}",
            )
            continue
        yield from _move(expected, at, declaration, to, values)
        values[stage.flag] = to
    for moment in timeline(expected.plan, expected.registry):
        if moment.place[0] == "flags":
            yield from _time(expected, moment)


def _unknown(expected: Expected, place: Place, stage: FlagStage) -> Finding:
    if stage.flag in expected.registry.invalid:
        why = expected.registry.invalid[stage.flag]
        return error("unknown-flag", place, f"{stage.flag} cannot be used: {why}", "mend its declaration")
    guess = expected.registry.nearest(stage.flag)
    known = ", ".join(expected.registry.declarations)
    return error(
        "unknown-flag",
        place,
        f"{stage.flag} is not declared",
        f"did you mean {guess}?" if guess else f"declared: {known or 'none'}",
    )


def _move(
    expected: Expected, at: int, declaration: Declaration, to: Value, values: Mapping[str, Value]
) -> Iterator[Finding]:
    if same(values[declaration.key], to):
        yield warning(
            "flag-stays",
            ("flags", at, "to"),
            f"{declaration.key} is {show(to)} already",
            "leave the stage out, unless somebody may have set another value before",
        )
    if declaration.kill_switch and not same(to, declaration.safe):
        yield error(
            "kill-switch",
            ("flags", at, "flag"),
            f"{declaration.key} is the kill switch: at {show(to)} every other flag answers its safe value",
            "leave it to people",
        )
    if same(to, declaration.safe):
        return
    for needed in declaration.prerequisites:
        if not any(same(values.get(needed.flag, ""), value) for value in needed.values):
            yield _unmet(expected, at, declaration, needed.flag, " or ".join(map(show, needed.values)))


def _unmet(expected: Expected, at: int, declaration: Declaration, needed: str, wanted: str) -> Finding:
    later = next(
        (number for number, stage in enumerate(expected.plan.flags) if stage.flag == needed and number > at), None
    )
    return error(
        "prerequisite-later" if later is not None else "prerequisite-unmet",
        ("flags", at),
        f"{declaration.key} needs {needed} to be {wanted}"
        + (", which moves only later" if later is not None else ", and no stage before it does that"),
        "change the order of the two" if later is not None else f"move {needed} first",
    )


def _time(expected: Expected, moment: Moment) -> Iterator[Finding]:
    at = int(moment.place[1])
    stage = expected.plan.flags[at]
    declaration = expected.registry.declarations.get(stage.flag)
    wants = declaration.min_stable if declaration else 0.0
    if stage.min_stable is not None and stage.min_stable < wants:
        yield warning(
            "min-stable-shortened",
            (*moment.place, "min_stable"),
            f"{stage.flag} wants a version that ran well for {lasting(wants)}, and not {lasting(stage.min_stable)}",
            "leave min_stable out, unless this is meant",
        )
    if moment.waited:
        wanted = lasting(min_stable(stage, expected.registry))
        yield warning(
            "waits-for-min-stable",
            moment.place,
            f"it waits {lasting(moment.waited)} until the version has run well for {wanted}, and so does all after it",
            'move the stage to the end, say if_too_young = "skip", or give it a min_stable of its own',
        )
    if moment.skipped:
        yield warning(
            "skipped",
            moment.place,
            f"the version has not run for long enough for {stage.flag} by then, so the stage is always skipped",
            "leave it out and move the flag later with a plan of its own",
        )
    if stage.soak == 0:
        yield error(
            "soak-without-time",
            (*moment.place, "soak"),
            f"{stage.flag} has no soak, so nothing is judged before the next stage",
            "give it some minutes",
        )
