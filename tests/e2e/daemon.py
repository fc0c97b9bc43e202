"""A real daemon for tests: run as people run it, on a state directory of its own, and gone without a trace.

Every process it starts inherits a variable with a value of its own (`RUN`), so what is left at the end is found, named
and ended by its pid.  Above: the tests of `e2e`.  Below: the executable `switchover` and nothing of its inside; it is
forked where nothing depends on how it is started, because that takes half of the time (`forked`).
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from http.client import HTTPException
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from control_connection import ControlConnection
from forked import Forked, run
from processes import command_line, with_variable

EXECUTABLE = str(Path(sys.executable).with_name("switchover"))
WORKERS = Path(__file__).parent.parent / "workers"

RUN = "E2E_RUN"
"""Environment variable that every process of one `RunningDaemon` carries; its value is unique."""
MARK = "SWITCHOVER_DAEMON"
"""Environment variable that the daemon gives to every process below it, workers and their children."""

START = 60.0
"""Seconds from the daemon's start until `/readyz` must say yes."""
STOP = 60.0
"""Seconds from SIGTERM until the daemon must have ended."""
SWEEP = 15.0
"""Seconds after the daemon's end in which every process below it must be gone."""
ANSWER = 60.0
"""Seconds one answer of the control plane, or one run of a verb, may take."""
PAUSE = 0.02
"""Seconds between two looks at something that has no event to wait for."""

FOREIGN = ("SWITCHOVER_", "STATE_DIRECTORY", "RUNTIME_DIRECTORY", "LOGS_DIRECTORY", "XDG_STATE_HOME", "NOTIFY_SOCKET",
           "WATCHDOG_", "LISTEN_", "NO_COLOR", "FORCE_COLOR")  # fmt: skip
"""Beginnings of variables that would lead a daemon or a verb elsewhere; inherited ones are kept back."""


class DaemonError(AssertionError):
    """The daemon did not do what every daemon does; the message has its stderr."""


def echo_worker(*options: str) -> list[str]:
    """Return the command of the echo worker, such as `echo_worker("--version", "2")`."""
    return [sys.executable, str(WORKERS / "echo_worker.py"), *options]


class RunningDaemon:
    """One daemon over all its lives on one state directory; a context manager that leaves nothing behind.

    Attributes:
        home: temporary directory with everything of this daemon, short enough for sockets.
        state_dir: its state directory.
        exit_status: how its last life ended, None while it lives; negative is a signal.
    """

    def __init__(
        self,
        command: Sequence[str],
        config: str | None,
        env: Mapping[str, str],
        cwd: Path | None,
        options: Sequence[str],
        *,
        forked: bool = True,
    ) -> None:
        """Prepare a daemon; `start` is the door."""
        self.home = Path(tempfile.mkdtemp(prefix="sw-", dir="/tmp"))
        self.state_dir = self.home / "s"
        self.exit_status: int | None = None
        self._command = list(command)
        self._options = list(options)
        self._cwd = cwd or self.home
        self._env = dict(env)
        self._run = uuid.uuid4().hex
        self._config = self.home / "switchover.toml"
        if config is not None:
            self.write_config(config)
        self._forked = forked
        self._process: subprocess.Popen[bytes] | Forked | None = None

    @classmethod
    def start(
        cls,
        command: Sequence[str] = (),
        *,
        config: str | None = None,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        options: Sequence[str] = (),
        ready: bool = True,
        forked: bool = True,
    ) -> Self:
        """Start a daemon and wait until it is ready.

        Args:
            command: the worker's command; none at all when the configuration names it.
            config: text of a configuration file, TOML.
            env: variables on top of this process's own.
            cwd: working directory of the daemon; `home` by default.
            options: further options of `serve`.
            ready: whether to wait for readiness.
            forked: whether it and its verbs are forked instead of started, which is sooner done.

        Raises:
            DaemonError: it ended or did not become ready; nothing is left of it.
        """
        daemon = cls(command, config, env or {}, cwd, options, forked=forked)
        try:
            daemon._launch()
            if ready:
                daemon.wait_ready()
        except BaseException:
            daemon.clean_up()
            raise
        return daemon

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop it as a service manager would; complain about what it leaves, unless the test failed already."""
        try:
            if self.running:
                self.stop()
            self.wait_gone()
        except DaemonError:
            if error is None:
                raise
        finally:
            self.clean_up()

    # --- where things are -------------------------------------------------------------------------

    @property
    def tools_socket(self) -> Path:
        """Where clients speak MCP."""
        return self.state_dir / "run" / "tools.sock"

    @property
    def control_socket(self) -> Path:
        """Where the control plane speaks HTTP."""
        return self.state_dir / "run" / "control.sock"

    @property
    def log_file(self) -> Path:
        """Its log, JSON lines."""
        return self.state_dir / "logs" / "switchover.jsonl"

    @property
    def pid(self) -> int:
        """The daemon's process id, also of a daemon that has ended."""
        assert self._process is not None
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the daemon's process lives."""
        return self._process is not None and self._process.poll() is None

    def stderr(self) -> str:
        """Return what all its lives have written to stderr."""
        with contextlib.suppress(FileNotFoundError):
            return (self.home / "stderr").read_text(errors="replace")
        return ""

    def log(self, event: str | None = None) -> list[dict[str, Any]]:
        """Return its log lines, or those of one event; a line may be some 20 ms late."""
        with contextlib.suppress(FileNotFoundError):
            lines = [json.loads(line) for line in self.log_file.read_text().splitlines()]
            return [line for line in lines if event is None or line.get("event") == event]
        return []

    def write_config(self, text: str) -> None:
        """Replace its configuration file; it reads it when it is told to (`reload`)."""
        self._config.write_text(text)

    def reload(self, text: str) -> None:
        """Replace its configuration file and have it read."""
        self.write_config(text)
        self.verb("reload")

    # --- what it is asked -------------------------------------------------------------------------

    def control(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> tuple[int, Any]:
        """Make one request to the control plane; return its HTTP status and its answer, decoded when it is JSON."""
        with contextlib.closing(ControlConnection(self.control_socket, ANSWER)) as connection:
            sent = None if body is None else json.dumps(body)
            connection.request(method, path, sent, {"content-type": "application/json"})
            answer = connection.getresponse()
            text = answer.read().decode()
        is_json = answer.getheader("content-type", "").startswith("application/json")
        return answer.status, json.loads(text) if is_json else text

    def status(self) -> dict[str, Any]:
        """Return what `/v1/status` says."""
        status, answer = self.control("GET", "/v1/status")
        assert status == HTTPStatus.OK, answer
        return dict(answer)

    def verb(self, name: str, **body: Any) -> dict[str, Any]:
        """Have a verb done, such as `verb("weight", weight=25)`; fail the test when it is refused.

        A canary may break clients unless the test says otherwise: workers with other tools stand in for new versions.
        """
        if name == "canary":
            body.setdefault("allow_breaking", True)
        status, answer = self.control("POST", f"/v1/{name}", body)
        assert status == HTTPStatus.OK, answer
        return dict(answer)

    def cli(
        self, *words: str, stdin: str = "", timeout: float = ANSWER, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run `switchover WORDS` against this daemon."""
        words, variables = (EXECUTABLE, *words), self.environment(env)
        if self._forked:
            return run(words, cwd=self.home, env=variables, stdin=stdin, timeout=timeout)
        return subprocess.run(
            words,
            input=stdin,
            env=variables,
            cwd=self.home,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def environment(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return an environment in which verbs find this daemon."""
        own = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
        own.pop("LINES", None)  # a verb is to measure its own terminal, not to believe in the one the tests run in
        own.pop("COLUMNS", None)
        return {**own, **self._env, RUN: self._run, "SWITCHOVER_STATE_DIR": str(self.state_dir), **(more or {})}

    # --- its life ---------------------------------------------------------------------------------

    def wait_ready(self, timeout: float = START) -> None:
        """Wait until calls can be served."""
        reason = "nobody listens on its control socket"

        def ready() -> bool:
            nonlocal reason
            try:
                status, answer = self.control("GET", "/readyz")
            except (OSError, HTTPException):
                return False
            reason = str(answer["reason"])
            return status == HTTPStatus.OK

        if not self._until(ready, timeout):
            ended = "" if self.running else f", and it ended with status {self.exit_status}"
            raise DaemonError(f"not ready: {reason}{ended}; its stderr:\n{self.stderr()}")

    def wait_listening(self, timeout: float = START) -> None:
        """Wait until the control plane answers, whether calls can be served or not."""

        def listening() -> bool:
            try:
                return self.control("GET", "/healthz")[0] == HTTPStatus.OK
            except (OSError, HTTPException):
                return False

        if not self._until(listening, timeout):
            raise DaemonError(f"nobody listens on its control socket; its stderr:\n{self.stderr()}")

    def wait_standing(self, timeout: float = START) -> None:
        """Wait until every generation is ready, not only the active one."""
        if not self._until(lambda: {one["standing"] for one in self.status()["generations"]} == {"ready"}, timeout):
            raise DaemonError(f"some generation is not ready; its stderr:\n{self.stderr()}")

    def wait_exit(self, timeout: float = STOP) -> int:
        """Wait until the daemon's process has ended by itself; return its exit status."""
        assert self._process is not None
        try:
            self.exit_status = self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise DaemonError(f"it did not end within {timeout:g} s; its stderr:\n{self.stderr()}") from None
        return self.exit_status

    def signal(self, number: signal.Signals) -> None:
        """Send the daemon itself a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    def stop(self, timeout: float = STOP) -> int:
        """End it with SIGTERM; return its exit status.  One that does not end is killed, and that is an error."""
        self.signal(signal.SIGTERM)
        try:
            return self.wait_exit(timeout)
        except DaemonError:
            self.kill9()
            raise

    def kill9(self) -> None:
        """Kill the daemon, and only it, at once."""
        self.signal(signal.SIGKILL)
        self.wait_exit()

    def restart(self, command: Sequence[str] | None = None, *, ready: bool = True) -> None:
        """Start it again on the same state directory, after stopping it if it runs.

        Args:
            command: the command line's worker from now on; the same as before by default.
            ready: whether to wait for readiness.
        """
        if self.running:
            self.stop()
        if command is not None:
            self._command = list(command)
        self._launch()
        if ready:
            self.wait_ready()

    def processes(self) -> list[int]:
        """Return the pids of its living processes from any of its lives, itself and its warden included."""
        found = with_variable(RUN, self._run)  # but not what was forked: the kernel shows with what it was started
        return sorted({*found, self.pid}) if self.running else found

    def workers(self) -> list[int]:
        """Return the pids of those that carry the daemon's own mark: workers and what they started."""
        return with_variable(RUN, self._run, also=MARK)

    def wait_gone(self, timeout: float = SWEEP) -> None:
        """Wait until no process of it is left, all of them having ended by themselves."""
        if not _poll(lambda: not self.processes(), timeout):
            left = {pid: command_line(pid) for pid in self.processes()}
            raise DaemonError(f"processes are left behind: {left}; its stderr:\n{self.stderr()}")

    def clean_up(self) -> None:
        """End whatever is left of it, by pid, and remove its directory."""
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if self._process is not None:
            self._process.wait(STOP)
        shutil.rmtree(self.home, ignore_errors=True)

    def _launch(self) -> None:
        config = ["--config", str(self._config)] if self._config.exists() else []
        worker = ["--", *self._command] if self._command else []
        words = [EXECUTABLE, "serve", "--state-dir", str(self.state_dir), *config, *self._options, *worker]
        self.exit_status = None
        with (self.home / "stderr").open("ab") as stderr, Path(os.devnull).open("rb") as nothing:
            start = Forked if self._forked else subprocess.Popen
            self._process = start(
                words, cwd=self._cwd, env=self.environment(), stdin=nothing.fileno(), stdout=stderr.fileno(),
                stderr=stderr.fileno(),
            )  # fmt: skip

    def _until(self, condition: Callable[[], bool], timeout: float) -> bool:
        """Wait for a condition for as long as the daemon lives."""
        found = False

        def over() -> bool:
            nonlocal found
            if not self.running:
                self.wait_exit()
                return True
            found = condition()
            return found

        return _poll(over, timeout) and found


def _poll(condition: Callable[[], bool], timeout: float) -> bool:
    """Look again and again until a condition holds; return whether it did in time."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            return False
        select.select([], [], [], PAUSE)
    return True
