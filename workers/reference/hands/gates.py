"""The gates: what a command line has to pass before anything runs, in both modes the same.

`DANGER_GATES` decides how strictly they are enforced, not what they block.  Mode 0 refuses with a plain message.  Mode
1 refuses with `[DANGER_GATES]` before it, so that a refusal is found in every log, and applies the restrictions that
the operator added in `Further`.  Above it stands `tools/commands`, below it `grammar`, `rules` and `programs`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from workers.reference.hands.errors import RefusedCommandError
from workers.reference.hands.git_rules import HARDENING
from workers.reference.hands.grammar import has_operators, words
from workers.reference.hands.programs import FAMILIES, PROGRAMS, Commands
from workers.reference.hands.rules import Effect, Rule, judge

PREFIX: Final = "[DANGER_GATES] "
"""Begins every refusal of mode 1."""


@dataclass(frozen=True, slots=True)
class Command:
    """A command that passed.

    Attributes:
        program: its bare name, to be found in the system's own folders.
        arguments: what comes after it, hardening included.
        effect: what it does to the world.
        paths: the arguments that are or may be paths; they stay inside the work tree by name, the file system has yet
            to agree.
    """

    program: str
    arguments: tuple[str, ...]
    effect: Effect
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Further:
    """What mode 1 restricts beyond the gates; all off unless the operator asks.

    Attributes:
        ascii_only: no character outside ASCII.
        no_quoted_operators: not even quoted text may hold ; | & < > $ and the like.
        read_only: no command that changes anything.
    """

    ascii_only: bool = False
    no_quoted_operators: bool = False
    read_only: bool = False


NOTHING_FURTHER: Final = Further()
"""The gates alone."""


def check(text: str, *, strict: bool, further: Further = NOTHING_FURTHER, programs: Commands = PROGRAMS) -> Command:
    """Let a command line through, or refuse it.

    Args:
        text: what the caller wrote.
        strict: the flag `DANGER_GATES`.
        further: more restrictions, for mode 1 only.
        programs: what is allowed.

    Raises:
        RefusedCommandError: it is not known to be harmless; the message says why.
    """
    try:
        parts = words(text)
        command = _known(parts, programs)
        if strict:
            _restrict(text, parts, command, further)
    except RefusedCommandError as error:
        raise RefusedCommandError(error.reason, f"{PREFIX}{error}") if strict else error from None
    return command


def _known(parts: tuple[str, ...], programs: Commands) -> Command:
    """Find the rule and judge the arguments by it."""
    program, *arguments = parts
    known = programs.get(program)
    if known is None:
        raise _unknown_program(program, programs)
    if isinstance(known, Rule):
        paths = judge(program, known, arguments)
        return Command(program, (*known.forced, *arguments), known.effect, paths)
    return _subcommand(program, known, arguments)


def _subcommand(program: str, rules: Mapping[str, Rule], arguments: list[str]) -> Command:
    """Do the same for a program with subcommands: the first word has to be one of them."""
    allowed = ", ".join(sorted(rules))
    if not arguments:
        raise RefusedCommandError("subcommand", f"{program} needs a subcommand: {allowed}")
    name, *rest = arguments
    rule = rules.get(name)
    if rule is None:
        raise RefusedCommandError("subcommand", f"{program} {name!r} is not known to be harmless (allowed: {allowed})")
    paths = judge(f"{program} {name}", rule, rest)
    return Command(program, (*HARDENING, name, *rule.forced, *rest), rule.effect, paths)


def _unknown_program(program: str, programs: Commands) -> RefusedCommandError:
    """Say why a program may not run."""
    family, why = FAMILIES.get(program.partition(".")[0], ("program", "it is not known to be harmless"))
    return RefusedCommandError(family, f"{program} may not run: {why} (allowed: {', '.join(sorted(programs))})")


def _restrict(text: str, parts: tuple[str, ...], command: Command, further: Further) -> None:
    """Apply the operator's own restrictions."""
    if further.ascii_only and not text.isascii():
        raise RefusedCommandError("restricted", "this worker takes ASCII only in commands; write it without accents")
    if further.no_quoted_operators and any(has_operators(part) for part in parts):
        raise RefusedCommandError("restricted", "this worker takes no ; | & < > $ and the like, not even in quotes")
    if further.read_only and command.effect is not Effect.READS:
        raise RefusedCommandError("restricted", f"this worker only runs commands that read; {command.program} changes")
