"""The process that compares (`python -m orchestrator.mirroring.examine`): jobs and verdicts over the socket on stdin.

A process of its own, at low priority, so that no call waits in the daemon for a comparison; where cores are few, calls
and comparisons still share them.  It ends when the daemon closes the socket, or dies.  Above: `examiner` in the daemon
starts it.  Below: `judging`, `kept`.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import select
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from orchestrator.mirroring.judging import Judge
from orchestrator.mirroring.kept import PAUSE, Kept
from orchestrator.mirroring.messages import Begin, Job, Judged, decode_begin, decode_jobs, encode
from orchestrator.mirroring.room import Room
from orchestrator.rehearsal.profiles import Profiles
from orchestrator.rehearsal.redact import Redactor
from orchestrator.shadow.manifest import Expected, ManifestError, read_manifest
from orchestrator.shadow.redact import Redactor as Shown
from orchestrator.supervision.helper import DaemonSide
from orchestrator.supervision.priority import stand_back


def main() -> int:
    """Compare until the daemon wants no more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C is meant for the daemon, which then ends us
    stand_back()
    with contextlib.closing(DaemonSide()) as daemon, contextlib.suppress(ConnectionError):
        body = daemon.read()
        if body is not None:
            _serve(daemon, decode_begin(body))
    return 0


def _serve(daemon: DaemonSide, begin: Begin) -> None:
    kept = Kept(Path(begin.state_dir), begin.keep, Redactor(begin.key, begin.secrets), begin.secrets)
    profiles = Profiles(Path(begin.state_dir), Shown(begin.seal), begin.secrets)
    for note in profiles.seal_all():
        print(note, file=sys.stderr, flush=True)  # noqa: T201
    judge = Judge(
        profiles,
        Shown(begin.key),
        learn_from=begin.learn,
        decisions=begin.decisions,
        manifest=_manifest(begin.manifest),
        room=Room(*begin.waiting),
        note=kept.add,
    )
    try:
        while True:
            if not select.select([daemon], [], [], PAUSE)[0]:
                kept.write(time.monotonic())
                continue
            body = daemon.read()
            if body is None:
                return
            daemon.write(encode(list(_judged(judge, decode_jobs(body)))))
            kept.write(time.monotonic())
    finally:
        kept.write(time.monotonic(), at_once=True)


def _judged(judge: Judge, jobs: list[Job]) -> list[Judged]:
    """Compare; a pair on which the comparison itself fails is incomplete, and no reason to stop."""
    today = dt.datetime.now(dt.UTC).date()
    done: list[Judged] = []
    for job in jobs:
        try:
            done += judge.take(job, today)
        except Exception as error:  # noqa: BLE001 - whatever two workers may have said
            print(f"pair {job.number} of {job.tool!r} not compared: {error!r}", file=sys.stderr, flush=True)  # noqa: T201
            done.append(Judged(job.number, "incomplete", ("incomplete",)))
        os.sched_yield()  # else the kernel lets us finish our slice, a millisecond and more, while the daemon waits
    return done


def _manifest(text: str) -> Sequence[Expected]:
    try:
        return read_manifest(text) if text else ()
    except ManifestError as error:
        print(f"expected differences not used: {error}", file=sys.stderr, flush=True)  # noqa: T201
        return ()


if __name__ == "__main__":
    sys.exit(main())
