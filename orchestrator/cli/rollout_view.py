"""What is shown of a rollout: in lines for the live view, in one line for who follows it.

Pure: what the daemon said in, lines out.  Above: the verbs `status` and `upgrade`.  Below: `terminal`, the shapes.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from textwrap import wrap
from typing import Final

from orchestrator.api.rollouts.shown import HappenedShown, LimitShown, RolloutNow, RolloutShown, StageShown
from orchestrator.cli.status_view import NONE, duration
from orchestrator.cli.terminal import GREEN, RED, YELLOW, Cell, columns, heading, paint
from orchestrator.domain.rollouts.why import figure, more_words, odds
from orchestrator.domain.words import counted
from orchestrator.telemetry.render import BOLD, DIM, printable

PHASES: Final = {"done": GREEN, "rolled_back": RED, "rolling_back": RED}
VERDICTS: Final = {"regression": RED, "broken_telemetry": RED, "no_data": YELLOW, "within_margin": GREEN}
MARKS: Final = {
    "to_come": "[ ]", "waiting": "[.]", "half": "[/]", "whole": "[>]", "moved": "[x]", "skipped": "[-]",
    "reset": "[!]", "theirs": "[?]",
}  # fmt: skip
"""How far a flag's stage is; the word stands beside it."""
STAGES: Final = {"moved": GREEN, "half": YELLOW, "whole": YELLOW, "reset": RED, "theirs": YELLOW}
HEADING: Final = ("limit", "verdict", "on trial", "baseline", "samples", "evidence", "needed", "note")
NUMBERS: Final = frozenset({2, 3, 4, 5, 6})
LATEST: Final = 5
"""Happenings that are shown."""
RECENT: Final = 24 * 3600.0
"""Seconds for which the end of a rollout is still shown with all its figures."""


def lines(now: RolloutNow, *, colour: bool, width: int | None = None) -> list[str]:
    """Return a rollout as lines; none where there was none.

    Args:
        now: what the daemon said.
        colour: whether to style them.
        width: columns in which sentences are kept; no bound by default.
    """
    rollout = now.rollout
    if rollout is None:
        return []
    head = [
        (_title(rollout), BOLD),
        (_where(rollout), PHASES.get(rollout.phase, YELLOW if rollout.paused else "")),
        *([] if rollout.hold is None else [(printable(rollout.hold.words), "")]),
        *([(printable(rollout.rehearsal), "")] if rollout.rehearsal else []),
        *[(printable(words), YELLOW) for words in rollout.unanswered],
        *_paused(rollout),
    ]
    shown = [line for text, style in head for line in _kept(text, style, colour=colour, width=width)]
    if not rollout.over:
        shown += _kept(_weights(rollout), "", colour=colour, width=width)
    if not rollout.over or now.now - rollout.entered < RECENT:
        shown += _evidence(rollout, colour=colour)
        shown += _flags(rollout.flags, colour=colour)
        shown += _happened(now.events, colour=colour, width=width)
    return shown


def brief(rollout: RolloutShown) -> str:
    """Return a rollout in one line."""
    parts = [rollout.step if not rollout.paused else f"paused at {rollout.step}"]
    if rollout.rehearsal:
        parts.append(rollout.rehearsal)
    if rollout.left is not None:
        parts.append(f"{duration(rollout.left)} left")
    if rollout.weight_actual is not None and rollout.candidate is not None:
        parts.append(f"{rollout.weight_actual:.1f} % of {rollout.calls} calls on trial")
    if rollout.look is not None:
        parts += [f"{one.metric} {_proof(one)}" for one in rollout.look.limits if one.applies]
    return printable("; ".join(parts))


def _title(rollout: RolloutShown) -> str:
    command = f": {' '.join(rollout.command)}" if rollout.command else ""
    return printable(f"rollout {rollout.id}, plan {rollout.plan}{command}")


def _where(rollout: RolloutShown) -> str:
    left = f", {duration(rollout.left)} left" if rollout.left is not None and not rollout.paused else ""
    return printable(f"{rollout.where}{left}{_deadline(rollout.deadline_left)}")


def _deadline(left: float | None) -> str:
    if left is None:
        return ""
    return f", deadline in {duration(left)}" if left > 0 else ", its deadline has passed"


def _paused(rollout: RolloutShown) -> Iterator[tuple[str, str]]:
    if rollout.paused is not None:
        left = f" ({duration(rollout.paused.left)} of it left)" if rollout.paused.left is not None else ""
        yield printable(f"PAUSED{left}: {rollout.paused.cause.words}; go on with: switchover resume"), YELLOW


def _weights(rollout: RolloutShown) -> str:
    if rollout.candidate is None:
        return f"generation {rollout.baseline} serves; no new version"
    actual = "no calls yet" if rollout.weight_actual is None else f"actual {rollout.weight_actual:.1f} %"
    return (
        f"weight {rollout.weight} % to generation {rollout.candidate}, {actual}; "
        f"{counted(rollout.calls, 'call')} since {rollout.step} began"
    )


def _evidence(rollout: RolloutShown, *, colour: bool) -> list[str]:
    look = rollout.look
    if look is None:
        return []
    differ = "" if look.disagreement is None else f"; {look.disagreement * 100:.1f} % of mirrored answers differ"
    said = f"look {look.number}: {_words(look.verdict)}, {look.trial} calls on trial against {look.baseline}{differ}"
    rows = [_row(one) for one in look.limits if one.applies]
    table = columns([heading(*HEADING), *rows], numbers=NUMBERS, colour=colour) if rows else []
    return ["", paint(said, VERDICTS.get(look.verdict, ""), colour=colour), *table]


def _row(one: LimitShown) -> list[Cell]:
    more = more_words(one.more, one.noun) if one.more else ""
    doubt = "in doubt" if one.doubtful else ""
    note = "; ".join(filter(None, (more, doubt, one.note)))
    return [
        Cell(printable(one.limit), BOLD),
        Cell(_words(one.verdict), VERDICTS.get(one.verdict, "")),
        Cell(_figure(one, one.trial.figure)),
        Cell(_figure(one, one.baseline.figure)),
        Cell(f"{one.trial.samples}/{one.baseline.samples}"),
        Cell(odds(one.evidence) if one.needed else NONE),
        Cell(odds(one.needed) if one.needed else NONE),
        Cell(printable(note), DIM),
    ]


def _proof(one: LimitShown) -> str:
    return f"{odds(one.evidence)} of {odds(one.needed)}" if one.needed else _words(one.verdict)


def _flags(stages: Sequence[StageShown], *, colour: bool) -> list[str]:
    if not stages:
        return []
    shown = [
        paint(printable(f"{MARKS.get(one.state, '[ ]')} {one.flag}={one.to} {_words(one.state)}"),
              STAGES.get(one.state, ""), colour=colour)
        for one in stages
    ]  # fmt: skip
    causes = [paint(printable(f"    {one.flag}: {one.cause}"), RED, colour=colour) for one in stages if one.cause]
    return ["", *shown, *causes]


def _happened(events: Sequence[HappenedShown], *, colour: bool, width: int | None) -> list[str]:
    told = [(time.strftime("%H:%M:%S", time.localtime(event.at)), words) for event in events for words in event.words][
        -LATEST:
    ]
    if not told:
        return []
    kept = [_kept(printable(f"{moment}  {words}"), DIM, colour=colour, width=width) for moment, words in told]
    return ["", *(line for some in kept for line in some)]


def _kept(text: str, style: str, *, colour: bool, width: int | None) -> list[str]:
    return [paint(line, style, colour=colour) for line in (wrap(text, width) if width else [text])]


def _words(name: str) -> str:
    return name.replace("_", " ")


def _figure(one: LimitShown, value: float | None) -> str:
    return NONE if value is None else printable(figure(one.metric, value, one.unit))
