"""Parts of rehearsals: processes held to a snapshot, and the harness's program run on a request.

Above: integration tests.  Below: `orchestrator.rehearsal`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec

from orchestrator.domain.generation import Role, Spec
from orchestrator.domain.rehearsal import Options
from orchestrator.rehearsal.processes import Terms, Wanted
from orchestrator.rehearsal.redact import Redactor
from orchestrator.rehearsal.request import Request
from orchestrator.rehearsal.sandbox import Hold
from orchestrator.settings import Upgrade
from orchestrator.supervision.process import Grace
from orchestrator.supervision.warden import MARK

WORKERS = Path(__file__).parent.parent / "workers"
GRACE = Grace(close_stdin=2.0, terminate=1.0)
ENOUGH = 60.0
"""Seconds any process here may take."""


def spec(*command: str, cwd: Path = WORKERS, source: Path | None = None) -> Spec:
    """Describe a worker of tests/workers, or any command of Python's."""
    words = (sys.executable, "-S", str(WORKERS / command[0]), *command[1:])
    return Spec(words, str(cwd), source=None if source is None else str(source))


def wanted(hold: Hold, state: Path, *command: str, network: bool = False) -> Wanted:
    """Describe a process of role rehearsal on a snapshot."""
    terms = Terms(hold, dict(os.environ), None, network, (), GRACE, ENOUGH, 1 << 20, Redactor(b"k"))
    return Wanted(spec(*command), Role.REHEARSAL, 1, state, terms)


def request(state_dir: Path, run: str, old: Spec, new: Spec, **changes: Any) -> Request:
    """Return a request for the harness's program."""
    settings = Upgrade(**{"repeats": 1, "spare_bytes": 0, **changes.pop("settings", {})})
    made = Request(
        run=run,
        state_dir=str(state_dir),
        worker_state=str(state_dir / "worker"),
        old=old,
        new=new,
        generation=1,
        options=changes.pop("options", Options()),
        settings=settings.model_dump(mode="json"),
        suite=changes.pop("suite", None),
        environ={**os.environ, MARK: f"test-{os.getpid()}-{run}"},
        flags=None,
        tools_socket=None,
        grace=GRACE,
        start_timeout=ENOUGH,
        key="6b" * 32,
    )
    return msgspec.structs.replace(made, **changes)


def begin(asked: Request) -> subprocess.Popen[bytes]:
    """Start the harness's program on a request and return it once it has begun or refused (its first line is read)."""
    program = subprocess.Popen(
        [sys.executable, "-m", "orchestrator.rehearse"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=asked.environ,
    )
    assert program.stdin is not None
    program.stdin.write(msgspec.json.encode(asked))
    program.stdin.close()
    return program


def refusal(program: subprocess.Popen[bytes]) -> str:
    """Return why a program does not begin, "" when it does."""
    assert program.stdout is not None
    return str(json.loads(program.stdout.readline())["refused"])


def finish(program: subprocess.Popen[bytes]) -> int:
    """Wait for a program's end and return its exit status."""
    assert program.stdout is not None
    assert program.stderr is not None
    with program.stdout, program.stderr as errors:
        status = program.wait(ENOUGH)
        said = errors.read().decode()
    assert "Traceback" not in said, said
    return status


def rehearsed(asked: Request) -> int:
    """Run a whole rehearsal; return its exit status."""
    program = begin(asked)
    assert refusal(program) == ""
    return finish(program)


def artifact(state_dir: Path, run: str, name: str) -> Any:
    """Return one of a run's artifacts."""
    return json.loads((state_dir / "upgrades" / run / f"{name}.json").read_bytes())


def events(state_dir: Path, run: str) -> list[dict[str, Any]]:
    """Return a run's progress so far."""
    try:
        lines = (state_dir / "upgrades" / run / "progress.jsonl").read_bytes().split(b"\n")[:-1]
    except OSError:
        return []
    return [json.loads(line) for line in lines]


def repository(path: Path, files: dict[str, str]) -> Path:
    """Make a git repository in which everything is committed."""
    path.mkdir()
    for name, content in files.items():
        (path / name).write_text(content)
    author = ["-c", "user.name=t", "-c", "user.email=t@localhost", "-c", "commit.gpgsign=false"]
    for words in (["init", "-q"], ["add", "-A"], [*author, "commit", "-q", "-m", "one"]):
        subprocess.run(["git", "-C", str(path), *words], check=True, capture_output=True)
    return path
