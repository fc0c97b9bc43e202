"""What `switchover status` shows: the daemon's status as lines for people.

Above: the verb `status`.  Below: `api.models` for the shape, `terminal` for columns and colours.
"""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import wrap
from typing import Final

from orchestrator.api.models import FlagsInForce, GenerationStatus, Queue, Status
from orchestrator.cli.terminal import GAP, GREEN, RED, YELLOW, Cell, columns, heading, paint
from orchestrator.domain.plans.fields import DAY, HOUR, MINUTE, lasting
from orchestrator.domain.rehearsal import alarm
from orchestrator.domain.words import counted
from orchestrator.telemetry.render import BOLD, DIM, printable

KIB: Final = 1024
MILLI: Final = 1000

LANES: Final = ("active", "canary", "previous")
"""The order of the rows; generations in no lane come last."""
STYLES: Final = {"ready": GREEN, "starting": YELLOW, "down": RED}
HEADING: Final = (
    "lane", "gen", "standing", "server", "pid", "up", "calls", "errors", "p50", "p95", "restarts", "cpu", "memory",
    "note",
)  # fmt: skip
NUMBERS: Final = frozenset({1, 4, 5, 6, 7, 8, 9, 10, 11, 12})
NONE: Final = "-"
SHOWN: Final = 5
"""Late readers that are named."""
GRAINS: Final = ((int(DAY), int(HOUR)), (int(HOUR), int(MINUTE)))
"""Units from which on nothing below the next smaller one is told."""


def is_serving(status: Status) -> bool:
    """Return whether the active generation is ready."""
    active = _active(status)
    return active is not None and active.standing == "ready"


def view(status: Status, now: float, *, colour: bool, width: int | None = None) -> list[str]:
    """Return the status as lines.

    Args:
        status: what the daemon said.
        now: wall time, Unix seconds.
        colour: whether to style them.
        width: columns in which sentences are kept; no bound by default.
    """
    order = {lane: place for place, lane in enumerate(LANES)}
    known = sorted(status.generations, key=lambda one: (order.get(one.lane or "", len(LANES)), one.number))
    table = columns([heading(*HEADING), *map(_row, known)], numbers=NUMBERS, colour=colour)
    sentences = [
        (_movement(status, now), ""),
        *_compared(status.queue),
        *((f"trouble: {printable(told)}", RED) for told in troubles(status)),
    ]
    lines = [*_header(status, colour=colour), "", *table, ""]
    for sentence, style in sentences:
        lines += [paint(line, style, colour=colour) for line in (wrap(sentence, width) if width else [sentence])]
    return lines


def troubles(status: Status) -> Iterator[str]:
    """Say in words what is not as it should be, worst first."""
    active = _active(status)
    if active is None:
        yield "there is no active generation: calls wait"
    elif active.standing != "ready":
        why = f" ({active.note})" if active.note else ""
        yield f"the active generation {active.number} is {active.standing}{why}: calls wait for it or are refused"
    if status.trouble:
        yield status.trouble
    if status.flags is not None:
        yield from _flag_troubles(status.flags)
    for generation in status.generations:
        if generation.fingerprint_changed:
            yield (
                f"the files of generation {generation.number} have changed since it was made: "
                "what runs may not be what was tried"
            )
    if status.queue.shadow_diffs_error:
        yield status.queue.shadow_diffs_error
    if status.queue.shadow_diffs is not None and (alarmed := alarm(status.queue.shadow_diffs.in_a_row)):
        yield f"{alarmed}; read them with: switchover shadow diff"
    if status.unmet:
        yield (
            f"a worker that all sessions share asked its client for {', '.join(status.unmet)}, which is refused: "
            'it can have that with worker.isolation = "session"'
        )


def _flag_troubles(flags: FlagsInForce) -> Iterator[str]:
    if flags.trouble:
        yield flags.trouble
    if flags.late:
        named = ", ".join(f"{one.pid} of generation {one.generation} ({one.applied})" for one in flags.late[:SHOWN])
        more = f" and {len(flags.late) - SHOWN} more" if len(flags.late) > SHOWN else ""
        yield f"flags version {flags.version} is not applied yet by process {named}{more}"


def duration(seconds: float | None) -> str:
    """Return seconds as plans and `why` say them, in whole ones: `42 s`, `12 min 5 s`, `3 h 5 min`, `2 d 4 h`."""
    if seconds is None:
        return NONE
    whole = int(seconds)
    grain = next((second for first, second in GRAINS if whole >= first), 1)
    return lasting(whole - whole % grain)


def milliseconds(value: float | None) -> str:
    """Return milliseconds to about three figures, as seconds above a thousand."""
    if value is None:
        return NONE
    return f"{_three(value)} ms" if value < MILLI else f"{_three(value / MILLI)} s"


def memory(size: int) -> str:
    """Return bytes in MiB, or in GiB from one on."""
    mib = size / KIB**2
    return f"{mib:.0f}M" if mib < KIB else f"{mib / KIB:.1f}G"


def _three(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:.0f}"  # noqa: PLR2004


def _active(status: Status) -> GenerationStatus | None:
    number = status.lanes.get("active")
    return next((generation for generation in status.generations if generation.number == number), None)


def _header(status: Status, *, colour: bool) -> list[str]:
    routing = (
        paint(f"switchover {status.version}", BOLD, colour=colour),
        f"up {duration(status.uptime)}",
        f"revision {status.revision}",
        status.phase,
        f"weight {status.weight} %",
        paint("kill switch ON", RED, colour=colour) if status.kill_switch else "kill switch off",
    )
    work = (
        counted(status.sessions, "session") + (f", {status.parked} of them parked" if status.parked else ""),
        f"{counted(status.in_flight, 'call')} in flight, {status.waiting} of them waiting",
        *([] if status.flags is None else [f"flags version {status.flags.version}"]),
        f"memory {memory(status.memory_bytes)}",
    )
    return [GAP.join(routing), GAP.join(work)]


def _row(known: GenerationStatus) -> list[Cell]:
    runs = known.pid is not None
    return [
        Cell(known.lane or NONE, BOLD if known.lane == "active" else ""),
        Cell(str(known.number)),
        Cell(known.standing, STYLES.get(known.standing, "")),
        Cell(printable(known.server) or NONE),
        Cell(str(known.pid) if runs else NONE),
        Cell(duration(known.uptime)),
        Cell(str(known.calls)),
        Cell(str(known.errors), RED if known.errors else ""),
        Cell(milliseconds(known.p50_ms)),
        Cell(milliseconds(known.p95_ms)),
        Cell(str(known.restarts), YELLOW if known.restarts else ""),
        Cell(f"{known.cpu_seconds:.1f} s" if runs else NONE),
        Cell(memory(known.memory_bytes) if runs else NONE),
        Cell(_note(known), YELLOW if known.fingerprint_changed else DIM),
    ]


def _note(known: GenerationStatus) -> str:
    counted = {"lost": known.lost, "expired": known.expired, "replayed": known.replayed}
    parts = ["files changed"] if known.fingerprint_changed else []
    parts += [printable(known.note)] if known.note else []
    parts += [f"{count} {what}" for what, count in counted.items() if count]
    parts += [f"{known.own} of the calls by rehearsals"] if known.own else []
    return ", ".join(parts)


def _compared(queue: Queue) -> Iterator[tuple[str, str]]:
    """Say what the newest rehearsal found, and with which style."""
    found = queue.shadow_diffs
    if found is not None:
        count = counted(found.count, "difference") if found.count else "no difference"
        told = f"last rehearsal: {count}, {printable(found.recorded_at)}, {printable(found.path)}"
        yield told, YELLOW if found.count else ""


def _movement(status: Status, now: float) -> str:
    last = status.last_switch
    if last is None:
        return "last switch: none yet"
    gap = milliseconds(last.longest_gap_ms)
    felt = "no calls around it" if last.longest_gap_ms is None else f"longest gap between two answers {gap}"
    return f"last switch: to revision {last.revision}, {duration(max(0.0, now - last.at))} ago, {felt}"
