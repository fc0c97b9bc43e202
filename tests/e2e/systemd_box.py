"""A real systemd for a test: booted as PID 1 of fresh namespaces in about half a second, gone without a trace.

Above stand the tests that put the shipped units under a real service manager; below, `systemd_box.sh` makes the
namespaces and the overlay.  Everything a test waits for arrives as a line in one FIFO (the units' `ExecStartPost=` and
`ExecStopPost=` write there, and so may workers), so nothing sleeps and every wait has a bound.
"""

from __future__ import annotations

import os
import select
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO

CHECKOUT = Path(__file__).resolve().parents[2]
SCRIPT = Path(__file__).with_name("systemd_box.sh")
SYSTEMD = Path("/lib/systemd/systemd")

BOOT = 20.0
"""Seconds a boot may take; half a second is usual."""

PATIENCE = 60.0
"""Seconds anything else may take, far above what was ever seen (two seconds)."""

HIDDEN = ("/root", "/home", "/run/user", "/tmp", "/var/tmp")
"""What `ProtectHome=` and `PrivateTmp=` take out of a service's sight."""

TARGET = "[Unit]\nDefaultDependencies=no\nAllowIsolate=yes\nWants=systemd-journald.service\n"

EVENTS = "/run/share/events"


def visible() -> list[Path]:
    """Return the directories the checkout's executable needs: the checkout and its interpreter's home."""
    return [CHECKOUT, Path(sys.base_prefix).resolve()]


def unit_override(*lines: str) -> str:
    """Return a drop-in that runs the checkout's executable and reports starts and ends, plus `lines`."""
    hidden = [str(path) for path in visible() if any(path.is_relative_to(parent) for parent in HIDDEN)]
    seen = ["ProtectHome=tmpfs", f"BindReadOnlyPaths={' '.join(hidden)}"] if hidden else []
    return "\n".join([
        "[Service]",
        f"Environment=PATH={CHECKOUT}/.venv/bin:/usr/local/bin:/usr/bin:/bin PYTHONDONTWRITEBYTECODE=1",
        f"ExecStartPost=+/bin/sh -c 'echo started $MAINPID > {EVENTS}'",
        f"ExecStopPost=+/bin/sh -c 'echo stopped $SERVICE_RESULT > {EVENTS}'",
        *seen,
        *lines,
        "",
    ])  # fmt: skip


@dataclass
class Fifo:
    """A named pipe between the test and the processes of a box, a line an event."""

    path: Path
    _fd: int = field(init=False)
    _rest: bytes = b""

    def __post_init__(self) -> None:
        """Make it, for every user of the box; the test holds both ends, so that nobody ever waits to open it."""
        os.mkfifo(self.path)
        self.path.chmod(0o666)
        self._fd = os.open(self.path, os.O_RDWR | os.O_NONBLOCK)

    def next(self, within: float = PATIENCE) -> str:
        """Return the next line; raise TimeoutError when none comes within `within` seconds."""
        deadline = time.monotonic() + within
        while b"\n" not in self._rest:
            if not select.select([self._fd], [], [], max(0.0, deadline - time.monotonic()))[0]:
                raise TimeoutError(f"{self.path.name}: nothing within {within} s")
            self._rest += os.read(self._fd, 65536)
        line, self._rest = self._rest.split(b"\n", 1)
        return line.decode()

    def tell(self, line: str) -> None:
        """Write one line."""
        os.write(self._fd, f"{line}\n".encode())

    def close(self) -> None:
        """Close the test's ends."""
        os.close(self._fd)


@dataclass(frozen=True)
class Box:
    """A booted systemd.

    Attributes:
        pid: its PID 1, as this machine counts.
        cgroup: its root cgroup, as this machine names it.
        events: what its units and workers report, /run/share/events inside.
        gate: what its workers may wait for, /run/share/gate inside.
    """

    pid: int
    cgroup: Path
    events: Fifo
    gate: Fifo

    def run(self, *argv: str, check: bool = True, within: float = PATIENCE) -> subprocess.CompletedProcess[str]:
        """Run a command inside as root; raise AssertionError with its output when it fails and `check` is set."""
        done = subprocess.run(
            ["nsenter", f"--target={self.pid}", "--all", *argv],
            capture_output=True,
            text=True,
            timeout=within,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        assert not check or done.returncode == 0, f"{argv}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done

    def systemctl(self, *arguments: str) -> str:
        """Run systemctl inside and return what it printed; on failure the units' journal is in the error."""
        done = self.run("systemctl", *arguments, check=False)
        assert done.returncode == 0, f"systemctl {arguments}: {done.stderr}\n{self.journal()}"
        return done.stdout

    def show(self, unit: str, name: str) -> str:
        """Return one property of a unit."""
        return self.systemctl("show", unit, "--value", f"--property={name}").strip()

    def journal(self) -> str:
        """Return the end of what the units and systemd itself wrote."""
        return self.run("journalctl", "--no-pager", "--output=cat", "--lines=400", check=False).stdout

    def path(self, inner: str) -> Path:
        """Return where this machine sees the box's path `inner`."""
        return Path(f"/proc/{self.pid}/root{inner}")

    def connect(self, inner: str) -> socket.socket:
        """Return a connection to a Unix socket of the box; every read of it is bounded."""
        peer = socket.socket(socket.AF_UNIX)
        peer.settimeout(PATIENCE)
        try:
            peer.connect(str(self.path(inner)))
        except OSError:
            peer.close()
            raise
        return peer

    def processes(self, unit: str) -> list[int]:
        """Return the processes of a unit's cgroup and those below it, as this machine counts."""
        found: list[int] = []
        for group in self.cgroup.rglob(f"{unit}/**/cgroup.procs"):
            with suppress(FileNotFoundError):
                found += [int(line) for line in group.read_text().split()]
        return found

    def eventually(self, holds: Callable[[], bool], within: float = PATIENCE) -> None:
        """Ask `holds` every 50 ms; raise TimeoutError when it is never so."""
        deadline = time.monotonic() + within
        while not holds():
            if time.monotonic() > deadline:
                raise TimeoutError(f"did not hold within {within} s\n{self.journal()}")
            select.select([], [], [], 0.05)


def cgroup_root() -> Path:
    """Return where this machine's cgroup2 hierarchy is mounted."""
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, where, kind, *_ = line.split()
        if kind == "cgroup2":
            return Path(where)
    raise RuntimeError("no cgroup2 hierarchy is mounted; mount one: mount -t cgroup2 none /sys/fs/cgroup")


def lay_out(directory: Path, files: Mapping[str, str]) -> None:
    """Write the box's target and `files` (path below /etc -> text) to `directory`/etc."""
    for name, text in {"systemd/system/box.target": TARGET, **files}.items():
        path = directory / "etc" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def await_boot(ready: socket.socket, starter: subprocess.Popen[bytes], log: Path) -> int:
    """Return the host pid of the box's PID 1 once it reports that the boot is complete; closes `ready`.

    PID 1 goes on sending its state there for ever, and once nobody reads it would stop at a full queue.
    """
    ended = os.pidfd_open(starter.pid)
    deadline = time.monotonic() + BOOT
    try:
        while True:
            readable, _, _ = select.select([ready.fileno(), ended], [], [], max(0.0, deadline - time.monotonic()))
            if ready.fileno() not in readable:
                raise RuntimeError(f"the box did not boot: {log.read_text()}")
            if b"READY=1" in ready.recv(65536).splitlines():
                children = Path(f"/proc/{starter.pid}/task/{starter.pid}/children").read_text()
                return int(children.split()[0])
    finally:
        ready.close()
        os.close(ended)


def start(directory: Path, cgroup: Path, output: IO[bytes]) -> subprocess.Popen[bytes]:
    """Start a box; it dies with this process, however this process ends."""
    return subprocess.Popen(
        ["setpriv", "--pdeathsig=KILL", "bash", SCRIPT, "start", directory, cgroup, *visible()],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
    )


def remove(cgroup: Path) -> None:
    """End whatever is left in a box's cgroups and remove them; its mounts went with its last process."""
    (cgroup / "cgroup.kill").write_text("1")
    with (cgroup / "cgroup.events").open() as events:
        poll = select.poll()
        poll.register(events, select.POLLPRI)
        while "populated 1" in events.read():
            if not poll.poll(PATIENCE * 1000):
                raise TimeoutError(f"processes of the box outlived it: {cgroup}")
            events.seek(0)
    for group in sorted(cgroup.rglob("*/"), reverse=True):
        group.rmdir()
    cgroup.rmdir()


@contextmanager
def booted(files: Mapping[str, str]) -> Iterator[Box]:
    """Boot a box for the length of a `with` block.

    Args:
        files: path below /etc -> text, over what this machine has there.

    Yields:
        The box, its boot complete.
    """
    with ExitStack() as undo:
        directory = Path(undo.enter_context(TemporaryDirectory(prefix="switchover-box-")))
        share = directory / "share"
        share.mkdir(mode=0o755)
        lay_out(directory, files)
        fifos = [undo.enter_context(closing(Fifo(share / name))) for name in ("events", "gate")]
        ready = undo.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        ready.bind(str(share / "boot.sock"))
        cgroup = cgroup_root() / directory.name
        cgroup.mkdir()
        undo.callback(remove, cgroup)
        log = directory / "boot.log"
        starter = undo.enter_context(start(directory, cgroup, undo.enter_context(log.open("wb"))))
        undo.callback(starter.kill)
        yield Box(await_boot(ready, starter, log), cgroup, *fifos)


def missing() -> str:
    """Return why no box can be booted here, an empty string when one can."""
    if os.geteuid() != 0:
        return "needs root: namespaces and mounts"
    if not SYSTEMD.exists():
        return f"needs systemd installed ({SYSTEMD} is missing)"
    tools = [tool for tool in ("nsenter", "unshare", "setpriv", "ip") if shutil.which(tool) is None]
    return f"needs {', '.join(tools)}" if tools else ""
