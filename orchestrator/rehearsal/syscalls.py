"""The system calls by which a process changes something beyond itself: their numbers, and where each names its target.

Above: `seccomp_filter` catches them, `sentry` judges them.  Below: nothing.
Numbers: arch/x86/entry/syscalls/syscall_64.tbl and include/uapi/asm-generic/unistd.h of Linux 6.18.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

CWD: Final = -1
"""Stands for the working directory where a call has no descriptor to start from."""


@dataclass(frozen=True, slots=True)
class Call:
    """One system call.

    Attributes:
        name: as in its manual page.
        x86_64: its number there, None where it does not exist.
        aarch64: likewise.
        paths: pairs (index of the descriptor argument or CWD, index of the path argument) of what it changes.
        descriptor: index of an argument whose open file it changes itself, None for none.
        flags: index of the argument whose open flags say whether it writes, None when it always changes something.
        pointer: index of an argument that is null when nothing is addressed, None when that does not matter.
    """

    name: str
    x86_64: int | None
    aarch64: int | None
    paths: tuple[tuple[int, int], ...] = ()
    descriptor: int | None = None
    flags: int | None = None
    pointer: int | None = None

    def number(self, machine: str) -> int | None:
        """Return its number on a machine."""
        return self.x86_64 if machine == "x86_64" else self.aarch64


_FIRST: Final = ((CWD, 0),)
_SECOND: Final = ((CWD, 1),)
_BOTH: Final = ((CWD, 0), (CWD, 1))
_AT: Final = ((0, 1),)
_AT_BOTH: Final = ((0, 1), (2, 3))

FILES: Final = (
    Call("open", 2, None, _FIRST, flags=1),
    Call("openat", 257, 56, _AT, flags=2),
    Call("openat2", 437, 437, _AT),
    Call("creat", 85, None, _FIRST),
    Call("truncate", 76, 45, _FIRST),
    Call("mkdir", 83, None, _FIRST),
    Call("mkdirat", 258, 34, _AT),
    Call("rmdir", 84, None, _FIRST),
    Call("unlink", 87, None, _FIRST),
    Call("unlinkat", 263, 35, _AT),
    Call("rename", 82, None, _BOTH),
    Call("renameat", 264, 38, _AT_BOTH),
    Call("renameat2", 316, 276, _AT_BOTH),
    Call("link", 86, None, _BOTH),
    Call("linkat", 265, 37, _AT_BOTH),
    Call("symlink", 88, None, _SECOND),
    Call("symlinkat", 266, 36, ((1, 2),)),
    Call("mknod", 133, None, _FIRST),
    Call("mknodat", 259, 33, _AT),
    Call("chmod", 90, None, _FIRST),
    Call("fchmod", 91, 52, descriptor=0),
    Call("fchmodat", 268, 53, _AT),
    Call("fchmodat2", 452, 452, _AT),
    Call("chown", 92, None, _FIRST),
    Call("lchown", 94, None, _FIRST),
    Call("fchown", 93, 55, descriptor=0),
    Call("fchownat", 260, 54, _AT),
    Call("utime", 132, None, _FIRST),
    Call("utimes", 235, None, _FIRST),
    Call("futimesat", 261, None, _AT),
    Call("utimensat", 280, 88, _AT),
    Call("setxattr", 188, 5, _FIRST),
    Call("lsetxattr", 189, 6, _FIRST),
    Call("fsetxattr", 190, 7, descriptor=0),
    Call("removexattr", 197, 14, _FIRST),
    Call("lremovexattr", 198, 15, _FIRST),
    Call("fremovexattr", 199, 16, descriptor=0),
)
"""What changes files."""

SOCKET: Final = Call("socket", 41, 198)
CONNECT: Final = Call("connect", 42, 203)
BIND: Final = Call("bind", 49, 200)
SENDTO: Final = Call("sendto", 44, 206, pointer=4)
SENDMSG: Final = Call("sendmsg", 46, 211)
NETWORK: Final = (SOCKET, CONNECT, BIND, SENDTO, SENDMSG)
"""What reaches other processes and machines."""

RING: Final = Call("io_uring_setup", 425, 425)
"""A second way to open and connect, past every filter; programs do without it where a kernel lacks it."""

AUDIT_ARCH: Final = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
"""How the kernel names a machine to a filter (linux/audit.h)."""


def by_number(machine: str) -> dict[int, Call]:
    """Return the calls that are judged, by their number on a machine."""
    return {number: call for call in (*FILES, *NETWORK) if (number := call.number(machine)) is not None}
