"""A rehearsal without a daemon: the old version is named, not in service, and this process stands in for the daemon.

For jobs that run every night or with every change, where nothing serves.  The harness is the same program, with the
same artifacts and exit status; only the process in service is not asked, as there is none.  Above: the verb `upgrade`.
Below: `rehearsal.request`, `settings`; the flags' page is made here.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click
import msgspec
from switchover_kit.page import PageError

from orchestrator.access.key import Purpose, key_for, load_key
from orchestrator.cli.canary import program
from orchestrator.cli.errors import FailedError
from orchestrator.domain.errors import SwitchoverError
from orchestrator.domain.flags.document import document, payload
from orchestrator.domain.flags.flags import FlagSet, chosen
from orchestrator.domain.generation import Spec
from orchestrator.domain.rehearsal import EXIT_FAILED, KILLED, Options
from orchestrator.flags.publisher import Publisher
from orchestrator.flags.registry_file import read_registry
from orchestrator.rehearsal.artifacts import FOLDER, PROGRESS, new_run, read_progress
from orchestrator.rehearsal.request import Begun, Request
from orchestrator.rehearsal.suite import SuiteError, read
from orchestrator.settings import Paths, Settings, load
from orchestrator.supervision.fingerprint import fingerprint
from orchestrator.supervision.process import LAUNCHER, Grace
from orchestrator.supervision.warden import MARK, mark_of_life

VIEW: Final = "rehearsal"
LOOK_EVERY: Final = 0.3
"""Seconds between two looks at the progress; the flags' page wants a heartbeat every second."""
BEGUN_BY: Final = 30.0
"""Seconds the program has to say that it begins."""
OLD: Final = 1
"""Number that the old version goes by: it is no generation of any daemon."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is rehearsed, as it was named.

    Attributes:
        old: command of the old version, one text of shell words.
        old_cwd: its working directory.
        new: command of the new version.
        cwd: its working directory.
        env: variables of the new version.
        source: directory of its code, None for the configuration's.
        suite: file with the calls, None for the configuration's.
        run: the run's id, None for the time.
        options: what else was asked for.
    """

    old: str
    old_cwd: Path
    new: tuple[str, ...]
    cwd: Path
    env: dict[str, str]
    source: Path | None
    suite: Path | None
    run: str | None
    options: Options


def rehearse(wanted: Wanted, paths: Paths, config: Path | None, show: Callable[[dict[str, Any]], None]) -> int:
    """Rehearse, showing what happens; return the exit status.

    Raises:
        FailedError: it cannot begin; the message says why and what to do.
        UsageError: what was named cannot be used.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a job that is cancelled has it clear up, too
    try:
        settings = load(config, dict(os.environ), {})
        run = wanted.run or new_run(time.time())
        _make(paths.state_dir, "name another with --state-dir")
        with tempfile.TemporaryDirectory(prefix="switchover-") as place:
            publisher = Publisher(Path(place, "flags"))
            suite = wanted.suite or settings.upgrade.suite
            page = _pinned(publisher, settings, suite)
            request = _request(wanted, run, settings, paths, page)
            try:
                return _run(request, paths, publisher, show)
            finally:
                publisher.close()
    except (SwitchoverError, SuiteError, PageError, OSError) as error:
        raise FailedError(str(error)) from error


def _pinned(publisher: Publisher, settings: Settings, suite: Path | None) -> Path:
    """Publish every flag at its safe value, or at what the suite says."""
    registry = read_registry(settings.flags.file).registry
    safe = {key: one.safe for key, one in registry.declarations.items()}
    values = {**safe, **(read(suite).flags if suite is not None else {})}
    return publisher.publish(VIEW, 1, payload(document(registry, FlagSet(version=1), chosen(registry, values))))


def _request(wanted: Wanted, run: str, settings: Settings, paths: Paths, page: Path) -> Request:
    words = _words(wanted.old)
    suite = wanted.suite or settings.upgrade.suite
    source = wanted.source or settings.worker.source
    state = settings.worker.state or paths.worker_state
    _make(state, "name the worker's state in worker.state")
    key = load_key(settings.access.key_file, paths.state_dir)
    return Request(
        run=run,
        state_dir=str(paths.state_dir),
        worker_state=str(state),
        old=_spec((program(words[0]), *words[1:]), wanted.old_cwd, {}, None),
        new=_spec(wanted.new, wanted.cwd, wanted.env, source),
        generation=OLD,
        options=wanted.options,
        settings=settings.upgrade.model_dump(mode="json"),
        suite=None if suite is None else str(suite),
        environ={**os.environ, MARK: mark_of_life(uuid.uuid4().hex)},
        flags=str(page),
        tools_socket=None,
        grace=Grace(settings.worker.stop_grace.close_stdin, settings.worker.stop_grace.terminate),
        start_timeout=settings.worker.start_timeout,
        key=key_for(Purpose.REHEARSAL, key).hex(),
    )


def _make(directory: Path, mend: str) -> None:
    """Make a directory that is to be worked in.

    Raises:
        FailedError: it cannot be made, or is none.
    """
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except FileExistsError as error:
        raise FailedError(f"{directory} is no directory; {mend}") from error
    except OSError as error:
        raise FailedError(f"the directory {directory} cannot be made ({error.strerror}); {mend}") from error


def _words(command: str) -> list[str]:
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise click.UsageError(f"--old {command!r} is no command: {error}") from error
    if not words or not words[0]:
        raise click.UsageError("name the old version's command: --old 'python my_server.py'")
    return words


def _spec(command: tuple[str, ...], cwd: Path, env: dict[str, str], source: Path | None) -> Spec:
    if source is not None and not source.is_dir():
        raise FailedError(f"the source {source} is not a directory")
    root = None if source is None else str(source.absolute())
    path = env.get("PATH", os.environ.get("PATH"))
    place = str(cwd.absolute())
    return Spec(command=command, cwd=place, env=env, fingerprint=fingerprint(command, place, path, root), source=root)


def _run(request: Request, paths: Paths, publisher: Publisher, show: Callable[[dict[str, Any]], None]) -> int:
    """Start the harness, tied to this process, and show its progress until it ends; Ctrl-C has it clear up first."""
    harness = subprocess.Popen(
        [sys.executable, "-S", "-I", LAUNCHER, str(os.getpid()), sys.executable, "-m", "orchestrator.rehearse"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=paths.state_dir,
        env=request.environ,
        start_new_session=True,
    )
    with harness:
        try:
            _begin(harness, request)
            click.echo(f"[upgrade] rehearsal {request.run}; artifacts in {paths.state_dir / FOLDER / request.run}")
            return _follow(harness, paths.state_dir / FOLDER / request.run / PROGRESS, publisher, show)
        except BaseException:
            harness.kill()
            raise


def _begin(harness: subprocess.Popen[bytes], request: Request) -> None:
    """Hand the request over and wait until the program says that it begins."""
    assert harness.stdin is not None and harness.stdout is not None  # noqa: S101, PT018 - both are pipes
    late = threading.Timer(BEGUN_BY, harness.kill)
    late.start()
    try:
        harness.stdin.write(msgspec.json.encode(request))
        harness.stdin.close()
        begun = msgspec.json.decode(harness.stdout.readline(), type=Begun)
    except (OSError, msgspec.MsgspecError) as error:
        raise FailedError("the harness did not begin; what it said stands above") from error
    finally:
        late.cancel()
    if begun.refused:
        raise FailedError(begun.refused)


def _follow(
    harness: subprocess.Popen[bytes], progress: Path, publisher: Publisher, show: Callable[[dict[str, Any]], None]
) -> int:
    """Show what happens until the program has ended; return its exit status."""
    shown = 0
    while True:
        try:
            status = _wait(harness)
            publisher.beat()
            for event in read_progress(progress):
                if event["n"] > shown:
                    shown = event["n"]
                    show(event)
            if status is not None:
                return _ended(status, show)
        except KeyboardInterrupt:
            click.echo("[upgrade] cancelling; what was copied is being removed", err=True)
            harness.send_signal(signal.SIGTERM)


def _ended(status: int, show: Callable[[dict[str, Any]], None]) -> int:
    """Return the program's exit status; one that was killed could not say its last line itself."""
    if status >= 0:
        return status
    show({"end": True, "message": KILLED})
    return EXIT_FAILED


def _wait(harness: subprocess.Popen[bytes]) -> int | None:
    try:
        return harness.wait(LOOK_EVERY)
    except subprocess.TimeoutExpired:
        return None
