"""The harness as a program of its own: `python -m orchestrator.rehearse`, a request on stdin, artifacts on the disk.

A process of its own, so that copying, parsing and comparing cost no call of the daemon's a millisecond; tied to the
daemon, so that it never outlives it.  SIGTERM cancels the run, which then clears up.  The composition root of the room
`rehearsal`.  Above: `orchestrator.upgrades` in the daemon starts it.  Below: `rehearsal`, `comparing`, `state`.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import anyio
import msgspec

from orchestrator.comparing import LearnedComparer
from orchestrator.domain.errors import SwitchoverError
from orchestrator.domain.rehearsal import EXIT_FAILED
from orchestrator.rehearsal.artifacts import ArtifactError, Artifacts
from orchestrator.rehearsal.harness import Harness
from orchestrator.rehearsal.job import Job
from orchestrator.rehearsal.redact import Redactor, known_secrets
from orchestrator.rehearsal.request import Begun, Request
from orchestrator.rehearsal.samples import Comparer
from orchestrator.rehearsal.suite import SuiteError
from orchestrator.shadow.manifest import Expected, ManifestError, read_manifest
from orchestrator.shadow.redact import Redactor as Shown
from state.errors import StorageError
from state.upgrade_lock import UpgradeLock

ENDING: Final = (signal.SIGTERM, signal.SIGINT)
"""Signals on which it clears up and ends."""


def comparer_of(job: Job, key: bytes, known: Sequence[str] = ()) -> Comparer:
    """Return who tells what differs.

    Args:
        job: what is rehearsed.
        key: of this installation.
        known: secrets that are known.

    Raises:
        ManifestError: the expected differences cannot be used, or not be read.
    """
    manifest = _manifest(job.settings.expected) if job.settings.expected is not None else ()
    today = dt.datetime.now(dt.UTC).date()
    return LearnedComparer(job.old.fingerprint, job.state_dir, manifest, today, Shown(key), known)


def _manifest(path: Path) -> tuple[Expected, ...]:
    try:
        return read_manifest(path.read_text(encoding="utf-8"))
    except (ManifestError, UnicodeDecodeError) as error:
        raise ManifestError(f"the expected differences {path} (upgrade.expected) cannot be used: {error}") from error
    except OSError as error:
        said = f"the expected differences {path} (upgrade.expected) cannot be read: {error.strerror}"
        raise ManifestError(said) from error


def main() -> int:
    """Read the request, run it, return its exit status."""
    request = msgspec.json.decode(sys.stdin.buffer.read(), type=Request)
    with ExitStack() as stack:
        try:
            job = request.job()
            lock = stack.enter_context(UpgradeLock.take(job.state_dir, job.run))
            known = known_secrets(job.environ, dict(job.old.env), dict(job.new.env))
            redactor = Redactor(bytes.fromhex(request.key), known)
            comparer = comparer_of(job, bytes.fromhex(request.key), known)
            kept = Artifacts(job.state_dir, job.run, redactor, known)
        except FileExistsError:
            return _refuse(f"there is a rehearsal {request.run} already; choose another --id")
        except (StorageError, SuiteError, ManifestError, SwitchoverError, OSError) as error:
            return _refuse(str(error))
        early: list[int] = []  # whoever hears that it has begun may end it at once, before the loop hears signals
        for number in ENDING:
            signal.signal(number, lambda heard, _frame: early.append(heard))
        _tell(Begun())
        try:
            return anyio.run(_run, Harness(job, kept, lock, comparer), early)
        except ArtifactError as error:  # nobody can read it anywhere else
            sys.stderr.write(f"the rehearsal {job.run} failed and cannot write down why: {error}\n")
            return EXIT_FAILED


async def _run(harness: Harness, early: list[int]) -> int:
    """Run it; asked to end once or many times, also before this (`early`), it is cancelled once and clears up."""
    with anyio.CancelScope() as scope:
        loop = asyncio.get_running_loop()
        for number in ENDING:
            loop.add_signal_handler(number, scope.cancel)
        if early:
            scope.cancel()
        return await harness.run()
    return EXIT_FAILED


def _refuse(reason: str) -> int:
    _tell(Begun(reason))
    return EXIT_FAILED


def _tell(begun: Begun) -> None:
    """Say how it begins; nobody reads stdout afterwards."""
    os.write(1, msgspec.json.encode(begun) + b"\n")
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 1)
    os.close(silent)


if __name__ == "__main__":
    sys.exit(main())
