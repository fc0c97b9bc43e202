"""Holds a rehearsed process to its snapshot: bubblewrap where it works, else Landlock, and seccomp with both.

Which means this machine has is tried out once, by starting something and looking.  Above: `processes`, `preflight`.
Below: `confine` (the script that gives everything up), `seccomp_filter`, `bounds`, landlock(7), bwrap(1).
"""

from __future__ import annotations

import ctypes
import json
import os
import platform
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from orchestrator.rehearsal import seccomp_filter
from orchestrator.rehearsal.bounds import DEVICES, Bounds, Means
from orchestrator.rehearsal.syscalls import AUDIT_ARCH

CONFINE: Final = str(Path(__file__).with_name("confine.py"))
PROBE_SECONDS: Final = 10.0
LANDLOCK_CREATE: Final = 444
VERSION_ASKED: Final = 1  # LANDLOCK_CREATE_RULESET_VERSION

WRITE_FILE, REMOVE_DIR, REMOVE_FILE = 1 << 1, 1 << 4, 1 << 5
MAKE_ANY: Final = 0b1111111 << 6
REFER, TRUNCATE, IOCTL_DEV = 1 << 13, 1 << 14, 1 << 15
TCP: Final = 0b11
SCOPES: Final = 0b11
TRUNCATE_ABI, NETWORK_ABI, DEVICE_ABI, SCOPE_ABI, REFER_ABI = 3, 4, 5, 6, 2


@dataclass(frozen=True, slots=True)
class Hold:
    """What this machine can hold a process with.

    Attributes:
        means: the strongest that works.
        sees: whether what was attempted and stopped can be told.
        landlock: version of the kernel's Landlock, 0 for none.
        words: in words, with what is missing.
    """

    means: Means
    sees: bool
    landlock: int
    words: str

    @property
    def whole(self) -> bool:
        """Whether nothing is missing."""
        return self.sees and (self.means is Means.BUBBLEWRAP or self.landlock >= SCOPE_ABI)


def find_hold(allowed: Sequence[Means] = (Means.BUBBLEWRAP, Means.LANDLOCK)) -> Hold:
    """Try out what works here; takes some 50 ms.

    Args:
        allowed: the means that may be used.
    """
    version = landlock_version()
    known = platform.machine() in AUDIT_ARCH
    for means in (Means.BUBBLEWRAP, Means.LANDLOCK):
        if means not in allowed or not known or (means is Means.LANDLOCK and not version):
            continue
        for sees in (True, False):
            if _works(Hold(means, sees, version, "")):
                return Hold(means, sees, version, _words(means, version, sees=sees))
    why = (
        "neither bubblewrap nor Landlock works here" if known else f"no system calls are known for {platform.machine()}"
    )
    return Hold(Means.NONE, sees=False, landlock=version, words=f"{why}: nothing holds a dry run but the worker itself")


def landlock_version() -> int:
    """Return the version of the kernel's Landlock, 0 when there is none."""
    libc = ctypes.CDLL(None, use_errno=True)
    return max(0, int(libc.syscall(LANDLOCK_CREATE, None, ctypes.c_size_t(0), VERSION_ASKED)))


def held(command: Sequence[str], cwd: str, bounds: Bounds, hold: Hold, channel: int) -> list[str]:
    """Return the command that runs another one within its bounds.

    Args:
        command: program and arguments.
        cwd: its working directory.
        bounds: what it may touch.
        hold: what this machine can do.
        channel: descriptor, inherited, by which the sentry gets the listener; unused when the hold sees nothing.
    """
    if hold.means is Means.NONE:
        return list(command)
    code = seccomp_filter.build(
        platform.machine(),
        asks=hold.sees,
        network=bounds.network,
        own_network=hold.means is Means.BUBBLEWRAP and not bounds.network,
    )
    rules = _landlock(bounds, hold.landlock) if hold.means is Means.LANDLOCK else None
    spec = {"filter": code.hex(), "listener": hold.sees, "channel": channel, "landlock": rules}
    confined = [sys.executable, "-S", "-I", CONFINE, json.dumps(spec), *command]
    return [*_bubblewrap(bounds, cwd), *confined] if hold.means is Means.BUBBLEWRAP else confined


def _bubblewrap(bounds: Bounds, cwd: str) -> list[str]:
    """Return the words before the command: everything readable, the bounds writable, process numbers of its own."""
    words = ["bwrap", "--die-with-parent", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--cap-drop", "ALL"]
    words += [] if bounds.network else ["--unshare-net"]
    words += ["--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc"]
    for entry in _machine_wide():
        words += ["--ro-bind", entry, entry]
    for root in bounds.writable:
        words += ["--bind", root, root]
    return [*words, "--chdir", cwd, "--"]


def _machine_wide() -> Iterator[str]:
    """Yield what of `/proc` is no process's own and may be written, such as `/proc/sys`.

    bwrap covers some of it by itself, but not where the daemon is root: it looks whether it may write to the directory
    (nobody may) and not to the files in it, which root may without any capability.
    """
    with os.scandir("/proc") as entries:
        for entry in sorted(entries, key=lambda one: one.name):
            if not entry.name.isdecimal() and not entry.is_symlink():
                mode = entry.stat().st_mode
                if stat.S_ISDIR(mode) or mode & stat.S_IWUSR:
                    yield entry.path


def _landlock(bounds: Bounds, version: int) -> dict[str, Any]:
    """Return the rules that `confine` enforces."""
    optional = ((REFER, REFER_ABI), (TRUNCATE, TRUNCATE_ABI), (IOCTL_DEV, DEVICE_ABI))
    rights = WRITE_FILE | REMOVE_DIR | REMOVE_FILE | MAKE_ANY
    rights |= sum(right for right, since in optional if version >= since)
    on_files = rights & (WRITE_FILE | TRUNCATE | IOCTL_DEV)
    roots = [[root, rights if Path(root).is_dir() else on_files] for root in bounds.writable]
    return {
        "fs": rights,
        "net": TCP if version >= NETWORK_ABI and not bounds.network else 0,
        "scoped": SCOPES if version >= SCOPE_ABI else 0,
        "size": 24 if version >= SCOPE_ABI else 16 if version >= NETWORK_ABI else 8,
        "allow": [*roots, *([device, on_files] for device in sorted(DEVICES))],
    }


def _works(hold: Hold) -> bool:
    """Start something that tries to leave, and see that it can do what it may and nothing else."""
    if hold.means is Means.BUBBLEWRAP and shutil.which("bwrap") is None:
        return False
    from orchestrator.rehearsal.sentry import Sentry  # noqa: PLC0415 - it needs `bounds` alone; a ring otherwise

    with tempfile.TemporaryDirectory(prefix="switchover-probe-") as folder:
        inside, outside = Path(folder, "inside"), Path(folder, "outside")
        inside.mkdir()
        bounds = Bounds((str(inside),), means=hold.means)
        sentry = Sentry(bounds)
        words = held(
            ["sh", "-c", f"echo x > {inside}/x; echo x > {outside}"], "/", bounds, hold, sentry.channel.fileno()
        )
        try:
            process = subprocess.Popen(
                words, pass_fds=[sentry.channel.fileno()], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            sentry.start()
            with process:
                try:
                    process.wait(PROBE_SECONDS)
                finally:
                    process.kill()  # so that one that hangs is not waited for; nothing happens to one that has ended
        except (OSError, subprocess.TimeoutExpired):
            return False
        finally:
            sentry.close()
        held_in = (inside / "x").exists() and not outside.exists()
        return held_in and (bool(sentry.attempts()) or not hold.sees)


def _words(means: Means, version: int, *, sees: bool) -> str:
    said = "bubblewrap" if means is Means.BUBBLEWRAP else f"Landlock (version {version}) and seccomp"
    gaps = []
    if means is Means.LANDLOCK and version < SCOPE_ABI:
        gaps.append("signals and abstract sockets of other processes are not out of reach")
    if means is Means.LANDLOCK and version < TRUNCATE_ABI:
        gaps.append("files elsewhere could be cut to nothing")
    if not sees:
        gaps.append("what was attempted cannot be told, and Unix sockets elsewhere can be talked to")
    return "; but ".join([said, ", ".join(gaps)]) if gaps else said
