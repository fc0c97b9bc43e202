"""Builds the seccomp filter of a rehearsal as bytes: what is caught, what is refused at once, what passes.  Pure.

Above: `sandbox`.  Below: `syscalls`.  The program is a chain of comparisons (classic BPF, linux/filter.h); what reads
or computes passes it without leaving the kernel.
"""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Iterator
from typing import Final

from orchestrator.rehearsal.syscalls import AUDIT_ARCH, FILES, NETWORK, RING, SOCKET, Call

LOAD: Final = 0x20  # BPF_LD | BPF_W | BPF_ABS
EQUAL: Final = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
AT_LEAST: Final = 0x35  # BPF_JMP | BPF_JGE | BPF_K
ANY_BIT: Final = 0x45  # BPF_JMP | BPF_JSET | BPF_K
RETURN: Final = 0x06  # BPF_RET | BPF_K

ALLOW: Final = 0x7FFF0000
ASK: Final = 0x7FC00000  # SECCOMP_RET_USER_NOTIF
REFUSE: Final = 0x00050000  # SECCOMP_RET_ERRNO, the number in the low 16 bits

NUMBER_AT, ARCH_AT, ARGUMENTS_AT = 0, 4, 16
X32: Final = 0x40000000
"""From here on x86_64 counts the calls of another ABI, which would pass unseen."""

WRITING: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
AF_UNIX, AF_INET, AF_INET6, AF_NETLINK = 1, 2, 10, 16
EVERY_BIT: Final = 0xFFFFFFFF

Line = tuple[int, int, int, int]
"""Code, jump when true, jump when false, operand."""


def build(machine: str, *, asks: bool, network: bool, own_network: bool) -> bytes:
    """Return a filter.

    Args:
        machine: as `platform.machine()` names it.
        asks: whether the harness decides on what is caught; else files are left to the kernel's other means and
            sockets that lead away are refused unseen.
        network: whether the network may be used.
        own_network: whether the process has a network of its own, in which sockets lead nowhere.

    Raises:
        KeyError: no numbers are known for this machine.
    """
    lines: list[Line] = [
        (LOAD, 0, 0, ARCH_AT),
        (EQUAL, 1, 0, AUDIT_ARCH[machine]),
        (RETURN, 0, 0, REFUSE | errno.ENOSYS),
        (LOAD, 0, 0, NUMBER_AT),
    ]
    if machine == "x86_64":
        lines += [(AT_LEAST, 0, 1, X32), (RETURN, 0, 0, REFUSE | errno.ENOSYS)]
    lines += _when(RING, machine, [(RETURN, 0, 0, REFUSE | errno.ENOSYS)])
    if asks:
        for call in (*FILES, *(NETWORK[1:])):
            lines += _when(call, machine, list(_caught(call)))
    if not network:
        lines += _when(SOCKET, machine, list(_families(asks=asks, own_network=own_network)))
    lines.append((RETURN, 0, 0, ALLOW))
    return b"".join(struct.pack("=HBBI", *line) for line in lines)


def _when(call: Call, machine: str, body: list[Line]) -> list[Line]:
    """Return `body` for one call, skipped by every other."""
    number = call.number(machine)
    return [] if number is None else [(EQUAL, 0, len(body), number), *body]


def _caught(call: Call) -> Iterator[Line]:
    """Yield what asks the harness, unless the call's arguments say that it changes nothing."""
    if call.flags is not None:
        yield LOAD, 0, 0, ARGUMENTS_AT + 8 * call.flags
        yield ANY_BIT, 1, 0, WRITING
        yield RETURN, 0, 0, ALLOW
    elif call.pointer is not None:
        yield LOAD, 0, 0, ARGUMENTS_AT + 8 * call.pointer
        yield ANY_BIT, 3, 0, EVERY_BIT
        yield LOAD, 0, 0, ARGUMENTS_AT + 8 * call.pointer + 4
        yield ANY_BIT, 1, 0, EVERY_BIT
        yield RETURN, 0, 0, ALLOW
    yield RETURN, 0, 0, ASK


def _families(*, asks: bool, own_network: bool) -> Iterator[Line]:
    """Yield what becomes of `socket`: sockets within the machine pass, those that lead away only where they cannot."""
    passing = [AF_UNIX, AF_NETLINK, *([AF_INET, AF_INET6] if own_network else [])]
    yield LOAD, 0, 0, ARGUMENTS_AT
    for family in passing:
        yield EQUAL, 0, 1, family
        yield RETURN, 0, 0, ALLOW
    yield RETURN, 0, 0, ASK if asks else REFUSE | errno.EACCES
