"""What git may be asked: to look, to add and to commit.  Nothing here throws work away or runs a program.

Git itself runs programs that its configuration, attributes and hooks name.  `HARDENING` turns off what can be turned
off from outside.  What remains are the content filters (`filter.*`) that the work tree's own `.git/config` names, as
git-lfs needs them: they are the operator's choice, because no tool of this worker writes there.  No option that
git knows as a way to a program or a file is on a list: -c, -C, --exec-path, --upload-pack, --output, --ext-diff,
--textconv, --open-files-in-pager, --show-signature, --no-index.  Above it stands `programs`, below it `rules`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from workers.reference.hands.rules import Effect, Kind, Rule

HARDENING: Final = tuple(
    word
    for setting in (
        "core.hooksPath=/dev/null",  # no program of the repository's around a commit
        "core.fsmonitor=false",  # `status` would start the program it names
        "core.pager=cat",
        "core.editor=false",
        "core.sshCommand=false",
        "core.gitProxy=false",
        "commit.gpgSign=false",  # signing would start gpg.program
        # `--format=%G?` would start what verifies, whichever format the repository says it signs in.
        *(f"gpg.{name}program=false" for name in ("", "openpgp.", "x509.", "ssh.")),
        "log.showSignature=false",
        "interactive.diffFilter=",
        "credential.helper=",
        "protocol.allow=never",
        "safe.bareRepository=explicit",  # files that look like a repository are not one
        "submodule.recurse=false",
        "gc.auto=0",  # it would go on in the background
        "maintenance.auto=false",
    )
    for word in ("-c", setting)
)
"""Words that go between git and its subcommand; they overrule the work tree's own configuration."""

_NO_PROGRAMS: Final = ("--no-ext-diff", "--no-textconv")


def _flags(text: str) -> frozenset[str]:
    """Read a list of options, separated by spaces."""
    return frozenset(text.split())


_DIFF_FLAGS: Final = _flags(
    "-p --patch -s --no-patch --stat --shortstat --numstat --name-only --name-status --summary --no-color -w -b -R"
    " --ignore-all-space --ignore-space-change --check --no-renames -M -C --word-diff --minimal --patience -z"
)
_DIFF_ATTACHED: Final = {
    **dict.fromkeys(("-U", "--unified", "--abbrev"), Kind.NUMBER),
    **dict.fromkeys(("--diff-filter", "--word-diff", "--color", "--stat"), Kind.NAME),
}
_LOG_FLAGS: Final = _flags(
    "--oneline --graph --all --branches --tags --remotes --decorate --no-decorate --merges --no-merges --reverse -i"
    " --first-parent --abbrev-commit --follow --date-order --topo-order --author-date-order --full-history --left-right"
    " --cherry-pick -F -E --regexp-ignore-case --fixed-strings --extended-regexp --invert-grep --all-match --no-walk"
)
_LOG_VALUES: Final = {
    **dict.fromkeys(("-n", "--max-count", "--skip"), Kind.NUMBER),
    **dict.fromkeys(("--since", "--until", "--after", "--before", "--author", "--committer", "--grep"), Kind.TEXT),
    **dict.fromkeys(("-S", "-G"), Kind.TEXT),
}
_LOG_ATTACHED: Final = {
    **_DIFF_ATTACHED,
    **dict.fromkeys(("--format", "--pretty"), Kind.TEXT),
    **dict.fromkeys(("--date", "--decorate"), Kind.NAME),
}
_LOG: Final = Rule(
    flags=_DIFF_FLAGS | _LOG_FLAGS,
    values=_LOG_VALUES,
    attached=_LOG_ATTACHED,
    rest=Kind.REVISION,
    number=True,
    forced=_NO_PROGRAMS,
)

GIT: Final[Mapping[str, Rule]] = MappingProxyType(
    {
        "--version": Rule(rest=None),
        "add": Rule(Effect.CHANGES, flags=_flags("-A -u -n -v -N --all --update --dry-run --verbose --intent-to-add")),
        "blame": Rule(
            flags=_flags("-l -s -e -w -f -n --show-name --show-number --show-email --porcelain"),
            values={"-L": Kind.LINES},
            rest=Kind.REVISION,
            least=1,
            forced=("--no-textconv",),
        ),
        "branch": Rule(
            flags=_flags("-a -r -v -vv --all --remotes --list --show-current --verbose --no-color"), rest=None
        ),
        "cat-file": Rule(flags=_flags("-p -t -s -e"), rest=Kind.REVISION, least=1, most=1, needs=_flags("-p -t -s -e")),
        "commit": Rule(
            Effect.CHANGES,
            flags=_flags("-a -q --all --quiet --allow-empty"),
            values={"-m": Kind.TEXT, "--message": Kind.TEXT},
            needs=_flags("-m --message"),
        ),
        "describe": Rule(
            flags=_flags("--tags --always --dirty --all --long"), attached={"--abbrev": Kind.NUMBER}, rest=Kind.REVISION
        ),
        "diff": Rule(
            flags=_DIFF_FLAGS | _flags("--cached --staged --quiet --exit-code --merge-base"),
            attached=_DIFF_ATTACHED,
            rest=Kind.REVISION,
            forced=_NO_PROGRAMS,
        ),
        "grep": Rule(
            flags=_flags(
                "-n -i -l -L -c -w -v -E -F -G -h -H --cached --untracked --count --line-number --ignore-case"
            ),
            values={"-A": Kind.NUMBER, "-B": Kind.NUMBER, "-C": Kind.NUMBER},
            first=(Kind.TEXT,),
            rest=Kind.REVISION,
            least=1,
            forced=("--no-textconv",),
        ),
        "log": _LOG,
        "ls-files": Rule(
            flags=_flags("-m -o -c -d -s -z --modified --others --cached --deleted --stage --exclude-standard")
        ),
        "remote": Rule(flags=_flags("-v --verbose"), rest=None),
        "restore": Rule(Effect.CHANGES, flags=_flags("--staged -S -q --quiet"), least=1, needs=_flags("--staged -S")),
        "rev-list": Rule(
            flags=_LOG_FLAGS | _flags("--count --objects"), values=_LOG_VALUES, rest=Kind.REVISION, number=True, least=1
        ),
        "rev-parse": Rule(
            flags=_flags("--verify --abbrev-ref --short --is-inside-work-tree --show-prefix -q --quiet"),
            attached={"--short": Kind.NUMBER, "--abbrev-ref": Kind.NAME},
            rest=Kind.REVISION,
        ),
        "shortlog": Rule(
            flags=_flags("-s -n -e --summary --numbered --email --no-merges"), rest=Kind.REVISION, least=1
        ),
        "show": _LOG,
        "status": Rule(
            flags=_flags("-s -b -z --short --branch --porcelain --ignored --long"),
            attached={
                "--porcelain": Kind.NAME,
                "--untracked-files": Kind.NAME,
                "--ignored": Kind.NAME,
                "-u": Kind.NAME,
            },
        ),
        "tag": Rule(flags=_flags("-l --list"), rest=None),
    }
)
"""Rules by subcommand; `git` without one of these words right behind it is refused."""
