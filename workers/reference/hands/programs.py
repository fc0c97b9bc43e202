"""Which programs may run and what each may be asked: all that is known to be harmless, and nothing else.

`PROGRAMS` is the whole list.  Left out on purpose: everything that runs other programs (shells, interpreters, make,
xargs, env, nice, timeout, find -exec), that removes or overwrites (rm, mv, cp, dd, git reset, git clean, git checkout),
that reaches the network (curl, ssh, git fetch, git push), and every option that names a program, an output file or a
place outside the work tree.  `FAMILIES` only serves messages: it says why a well-known program is not on the list.
Above it stands `gates`, below it `rules`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from workers.reference.hands.git_rules import GIT
from workers.reference.hands.rules import Effect, Kind, Rule

Commands = Mapping[str, Rule | Mapping[str, Rule]]
"""Rules by program; a program with subcommands has its rules by subcommand."""


def flags(text: str) -> frozenset[str]:
    """Read a list of options, separated by spaces."""
    return frozenset(text.split())


_VERSION: Final = Rule(flags=flags("--version"), rest=None, needs=flags("--version"))
_FIND: Final = Rule(
    flags=flags("-empty -print -print0 -not -a -o -depth -mount -xdev -ls"),
    values={
        **dict.fromkeys(("-name", "-iname", "-path", "-ipath"), Kind.TEXT),
        **dict.fromkeys(("-type", "-perm"), Kind.NAME),
        **dict.fromkeys(("-maxdepth", "-mindepth"), Kind.NUMBER),
        **dict.fromkeys(("-size", "-mtime", "-mmin", "-atime", "-amin", "-ctime", "-cmin", "-links"), Kind.AMOUNT),
        "-newer": Kind.PATH,
    },
    whole=True,
)
_GREP: Final = Rule(
    flags=flags(
        "-r -n -i -l -L -c -v -w -x -o -h -H -E -F -G -s -q -a -I --recursive --line-number --ignore-case --count"
        " --files-with-matches --files-without-match --invert-match --word-regexp --line-regexp --only-matching"
        " --no-filename --with-filename --extended-regexp --fixed-strings --basic-regexp --no-messages --quiet"
    ),
    values={
        **dict.fromkeys(("-A", "-B", "-C", "-m"), Kind.NUMBER),
        **dict.fromkeys(("--after-context", "--before-context", "--context", "--max-count"), Kind.NUMBER),
        **dict.fromkeys(("--include", "--exclude", "--exclude-dir"), Kind.TEXT),
    },
    attached={"--color": Kind.NAME, "--colour": Kind.NAME},
    first=(Kind.TEXT,),
    least=1,
)
_DIFF: Final = Rule(
    flags=flags("-u -q -s -i -w -b -B -y -N -a --brief --unified --ignore-case --ignore-all-space --side-by-side"),
    values={"-U": Kind.NUMBER},
    attached={"--unified": Kind.NUMBER},
    least=2,
    most=2,
    forced=("--no-dereference",),
)
# Without --check: its list would name files outside the work tree.
_SUMS: Final = Rule(flags=flags("-b -t --binary --text --tag"), least=1)

PROGRAMS: Final[Commands] = MappingProxyType(
    {
        "basename": Rule(flags=flags("-a --multiple"), values={"-s": Kind.TEXT, "--suffix": Kind.TEXT}, least=1),
        "cat": Rule(flags=flags("-n -b -s -A -e -E -t -T -v --number --number-nonblank --show-all"), least=1),
        "cmp": Rule(flags=flags("-s -l -b --silent --quiet --verbose --print-bytes"), least=2, most=2),
        "cut": Rule(
            flags=flags("-s --only-delimited --complement"),
            values={
                **dict.fromkeys(("-f", "-c", "-b", "--fields", "--characters", "--bytes"), Kind.NAME),
                **dict.fromkeys(("-d", "--delimiter"), Kind.TEXT),
            },
            least=1,
        ),
        "date": Rule(
            flags=flags("-u -R -I --utc --universal --rfc-email"),
            attached={"--iso-8601": Kind.NAME, "--rfc-3339": Kind.NAME, "-I": Kind.NAME},
            rest=Kind.CLOCK,
            most=1,
        ),
        "diff": _DIFF,
        "dirname": Rule(least=1),
        "du": Rule(
            flags=flags("-s -h -a -c -b -k -m --summarize --human-readable --all --total --bytes --apparent-size"),
            values={"-d": Kind.NUMBER, "--max-depth": Kind.NUMBER},
        ),
        "echo": Rule(flags=flags("-n"), rest=Kind.TEXT),
        "false": Rule(rest=None),
        "file": Rule(flags=flags("-b -i --brief --mime --mime-type --mime-encoding"), least=1),
        "find": _FIND,
        "git": GIT,
        "grep": _GREP,
        "head": Rule(
            flags=flags("-q -v --quiet --verbose"),
            values={"-n": Kind.NUMBER, "-c": Kind.NUMBER, "--lines": Kind.NUMBER, "--bytes": Kind.NUMBER},
            number=True,
            least=1,
        ),
        "ls": Rule(
            flags=flags(
                "-l -a -A -h -1 -t -r -S -R -d -F -i -s -p -g -o -n -C -x -U --all --almost-all --human-readable"
                " --reverse --recursive --directory --classify --inode --size"
            ),
            attached={"--color": Kind.NAME, "--sort": Kind.NAME, "--time-style": Kind.NAME},
        ),
        "md5sum": _SUMS,
        "node": _VERSION,
        "pwd": Rule(flags=flags("-P -L"), rest=None),
        "python3": _VERSION,
        "sha256sum": _SUMS,
        "sort": Rule(
            flags=flags(
                "-n -r -u -b -f -g -h -V -s -c --numeric-sort --reverse --unique --ignore-case --stable --check"
            ),
            values={
                **dict.fromkeys(("-k", "--key"), Kind.NAME),
                **dict.fromkeys(("-t", "--field-separator"), Kind.TEXT),
            },
            least=1,
        ),
        "stat": Rule(
            values={**dict.fromkeys(("-c", "--format"), Kind.TEXT)},
            attached={"--printf": Kind.TEXT},
            flags=flags("-t --terse"),
            least=1,
        ),
        "tail": Rule(
            flags=flags("-q -v --quiet --verbose"),
            values={"-n": Kind.AMOUNT, "-c": Kind.AMOUNT, "--lines": Kind.AMOUNT, "--bytes": Kind.AMOUNT},
            number=True,
            least=1,
        ),
        "true": Rule(rest=None),
        "uname": Rule(flags=flags("-a -s -r -m -o --all"), rest=None),
        # Its second argument would be an output file.
        "uniq": Rule(flags=flags("-c -d -u -i --count --repeated --unique --ignore-case"), least=1, most=1),
        "wc": Rule(flags=flags("-l -w -c -m -L --lines --words --bytes --chars --max-line-length"), least=1),
        "mkdir": Rule(Effect.CHANGES, flags=flags("-p -v --parents --verbose"), least=1),
        "touch": Rule(Effect.CHANGES, flags=flags("-c -a -m --no-create"), least=1),
    }
)

_WHY: Final = {
    "destructive": "it removes, overwrites or damages",
    "privilege": "it changes whose rights apply",
    "interpreter": "it runs whatever it is given",
    "wrapper": "it runs another command",
    "network": "it reaches the network; use web_fetch",
    "system": "it changes the machine",
}
_FAMILY_MEMBERS: Final = {
    "destructive": (
        "rm rmdir unlink shred dd mkfs truncate wipefs fdisk parted mkswap mv cp ln install rsync tar unzip "
        "zip cpio chmod chown chgrp chattr setfacl tee sed patch split csplit ed vi vim nano emacs"
    ),
    "privilege": ("sudo su doas pkexec runuser setpriv newgrp sg capsh login passwd chroot unshare nsenter"),
    "interpreter": (
        "sh bash dash zsh ksh fish csh tcsh ash busybox toybox python python2 python3 perl ruby php lua node nodejs "
        "deno bun awk gawk mawk nawk tclsh expect gdb m4 bc dc sqlite3 psql mysql osascript java go cargo "
        "rustc gcc cc make cmake ninja npm npx yarn pnpm pip pip3 pipx uv uvx gem bundle pytest tox nox "
        "ansible terraform jq"
    ),
    "wrapper": (
        "env xargs nice ionice timeout nohup setsid time stdbuf script watch parallel exec eval command "
        "builtin source strace ltrace flock taskset chrt systemd-run at batch crontab screen tmux entr direnv "
        "faketime proot fakeroot unbuffer run-parts start-stop-daemon logger prlimit coproc trap alias"
    ),
    "network": (
        "curl wget ssh scp sftp ftp telnet nc ncat netcat socat aria2c rclone dig nslookup ping openssl gh "
        "hub aws gcloud kubectl docker podman"
    ),
    "system": (
        "shutdown reboot halt poweroff init systemctl service mount umount kill killall pkill apt apt-get "
        "dpkg yum dnf apk brew snap sysctl modprobe insmod rmmod iptables nft useradd userdel usermod "
        "groupadd hostname export ulimit"
    ),
}
FAMILIES: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {name: (family, _WHY[family]) for family, members in _FAMILY_MEMBERS.items() for name in members.split()}
)
"""Why a well-known program may not run: its family and a sentence's end, by name."""
