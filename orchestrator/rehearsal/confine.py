"""Started between the sandbox and a worker: gives up what a rehearsal must not have, then becomes the worker.

Runs as a script (`python -S -I confine.py SPEC COMMAND ...`) with nothing but the standard library.  SPEC is JSON:
`filter` (hexadecimal BPF, made by `seccomp_filter`), `listener` (whether the harness decides on what it catches),
`channel` (descriptor that takes the listener, -1 for none) and `landlock` (null, or the rules of `sandbox`).

Numbers and structures: seccomp(2), landlock(7), prctl(2), capset(2).
"""

from __future__ import annotations

import array
import ctypes
import json
import os
import platform
import socket
import struct
import sys
import threading
from typing import Any

PR_SET_NO_NEW_PRIVS = 38
PR_CAPBSET_DROP = 24
CAPABILITIES = 64
CAPABILITY_VERSION = 0x20080522

SECCOMP = {"x86_64": 317, "aarch64": 277}
CAPSET = {"x86_64": 126, "aarch64": 91}
SET_MODE_FILTER = 1
NEW_LISTENER = 1 << 3
WAIT_KILLABLE_RECV = 1 << 5

LANDLOCK_CREATE, LANDLOCK_ADD, LANDLOCK_RESTRICT = 444, 445, 446
RULE_PATH_BENEATH = 1

CANNOT_CONFINE = 125
NOT_EXECUTABLE = 126
NOT_FOUND = 127

libc = ctypes.CDLL(None, use_errno=True)


class ConfineError(Exception):
    """The kernel refused a part of the confinement; nothing was started."""


def checked(result: int, doing: str) -> int:
    """Return what a system call returned; raise ConfineError where it failed."""
    if result < 0:
        raise ConfineError(f"cannot {doing}: {os.strerror(ctypes.get_errno())}")
    return result


def drop_capabilities() -> None:
    """Give up every capability, also those that a later exec would bring back; without any there is nothing to do."""
    for number in range(CAPABILITIES):
        libc.prctl(PR_CAPBSET_DROP, number, 0, 0, 0)
    header, empty = struct.pack("Ii", CAPABILITY_VERSION, 0), bytes(24)
    checked(libc.syscall(CAPSET[platform.machine()], header, empty), "drop capabilities")


def restrict_files(rules: dict[str, Any]) -> None:
    """Allow changes below the named places only (Landlock)."""
    attributes = struct.pack("QQQ", rules["fs"], rules["net"], rules["scoped"])[: rules["size"]]
    ruleset = checked(libc.syscall(LANDLOCK_CREATE, attributes, len(attributes), 0), "make a Landlock ruleset")
    for path, access in rules["allow"]:
        try:
            place = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:  # a device this machine does not have
            continue
        rule = struct.pack("=Qi", access, place)
        checked(libc.syscall(LANDLOCK_ADD, ruleset, RULE_PATH_BENEATH, rule, 0), f"allow {path}")
        os.close(place)
    checked(libc.syscall(LANDLOCK_RESTRICT, ruleset, 0), "enforce the Landlock ruleset")
    os.close(ruleset)


def install(code: bytes, *, listener: bool) -> int:
    """Install a BPF filter; return the listener's descriptor, 0 without one."""
    buffer = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("HxxxxxxP", len(code) // 8, ctypes.addressof(buffer))
    number = SECCOMP[platform.machine()]
    if not listener:
        return checked(libc.syscall(number, SET_MODE_FILTER, 0, program), "install the seccomp filter")
    for flags in (NEW_LISTENER | WAIT_KILLABLE_RECV, NEW_LISTENER):  # the second for kernels before 5.19
        descriptor = libc.syscall(number, SET_MODE_FILTER, flags, program)
        if descriptor >= 0:
            return int(descriptor)
    raise ConfineError(f"cannot install the seccomp listener: {os.strerror(ctypes.get_errno())}")


def confine(spec: dict[str, Any]) -> None:
    """Give everything up, in the order in which each step still allows the next."""
    checked(libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "set no_new_privs")
    drop_capabilities()
    if spec["landlock"] is not None:
        restrict_files(spec["landlock"])
    if not spec["listener"]:
        install(bytes.fromhex(spec["filter"]), listener=False)
        return
    # A filter holds for the thread that installs it: one from before can still send without being judged itself.
    listeners: list[int] = []
    installed = threading.Event()
    sender = threading.Thread(target=send, args=(spec["channel"], installed, listeners))
    sender.start()
    try:
        listeners.append(install(bytes.fromhex(spec["filter"]), listener=True))
    finally:
        installed.set()
        sender.join()


def send(channel: int, installed: threading.Event, listeners: list[int]) -> None:
    """Hand the listener to the harness once it is there."""
    installed.wait()
    with socket.socket(fileno=channel) as sending:
        for listener in listeners:
            sending.sendmsg([b"l"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [listener]))])
            os.close(listener)


def main(argv: list[str]) -> int:
    """Confine, then exec; returns only when something cannot be done."""
    spec, command = json.loads(argv[1]), argv[2:]
    try:
        confine(spec)
    except (ConfineError, OSError) as error:
        sys.stderr.write(f"cannot confine the worker: {error}\n")
        return CANNOT_CONFINE
    try:
        os.execvp(command[0], command)  # noqa: S606 - this program's purpose
    except OSError as error:
        sys.stderr.write(f"cannot execute {command[0]!r}: {error.strerror}\n")
        return NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_EXECUTABLE


if __name__ == "__main__":
    sys.exit(main(sys.argv))
