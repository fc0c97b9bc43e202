"""How a program's arguments are judged: every option and every argument has to be known, all others are refused.

A rule lists what is allowed instead of what is not, because nobody knows all that is not.  An option's value that
begins with a dash is refused unless it is attached, so that no option can hide where another one's value is expected.
Above it stand `programs`, which holds the rules, and `gates`; below it nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from workers.reference.hands.errors import RefusedCommandError


class Effect(StrEnum):
    """What a command does to the world."""

    READS = "reads"
    """It changes nothing."""
    CHANGES = "changes"
    """It changes files in the work tree."""


class Kind(StrEnum):
    """What an argument means to its program."""

    TEXT = "text"
    """Any text; it names nothing."""
    PATH = "path"
    """A path inside the work tree."""
    REVISION = "revision"
    """A revision or a path, as git tells them apart; judged as a path."""
    NUMBER = "number"
    """A whole number without a sign."""
    AMOUNT = "amount"
    """A number with an optional sign and unit, as in +10k or -7."""
    NAME = "name"
    """Letters, digits and , . : _ - only."""
    CLOCK = "clock"
    """A format that begins with a plus sign: without it `date` would set the clock."""
    LINES = "lines"
    """A range of lines, as in 3,9."""


_PATTERNS: Mapping[Kind, re.Pattern[str]] = {
    Kind.NUMBER: re.compile(r"[0-9]{1,9}"),
    Kind.AMOUNT: re.compile(r"[+-]?[0-9]{1,12}[A-Za-z]?"),
    Kind.NAME: re.compile(r"[A-Za-z0-9][A-Za-z0-9,.:_-]*"),
    Kind.CLOCK: re.compile(r"\+.*"),
    Kind.LINES: re.compile(r"[0-9]{1,9}(,\+?[0-9]{1,9})?"),
}


@dataclass(frozen=True, slots=True)
class Rule:
    """What one program, or one subcommand, may be asked.

    Attributes:
        effect: what it does to the world.
        flags: options without a value.
        values: options that always need a value, with its kind; attached or in the next word.
        attached: long options whose value can only follow an equals sign, and short ones that it can only touch.
        first: kinds of the first arguments, in order.
        rest: kind of all further arguments; None when there may be none.
        least: how many arguments there have to be.
        most: how many there may be.
        needs: options of which one has to be there.
        number: whether an option may be a number, as in -5.
        whole: whether options are words with a single dash, as those of `find`, and never clusters.
        forced: what is put before the arguments.
    """

    effect: Effect = Effect.READS
    flags: frozenset[str] = frozenset()
    values: Mapping[str, Kind] = field(default_factory=dict)
    attached: Mapping[str, Kind] = field(default_factory=dict)
    first: tuple[Kind, ...] = ()
    rest: Kind | None = Kind.PATH
    least: int = 0
    most: int = 200
    needs: frozenset[str] = frozenset()
    number: bool = False
    whole: bool = False
    forced: tuple[str, ...] = ()


def judge(name: str, rule: Rule, arguments: Iterable[str]) -> tuple[str, ...]:
    """Judge a command's arguments.

    Args:
        name: the program, with its subcommand, for messages.
        rule: what it may be asked.
        arguments: the words after it.

    Returns:
        The arguments that are or may be paths, for the shell part to look at in the file system.

    Raises:
        RefusedCommandError: an argument is not known to be harmless.
    """
    return _Judge(name, rule).run(arguments)


def check_path(name: str, text: str) -> None:
    """Refuse a path that leaves the work tree by its name alone.

    Raises:
        RefusedCommandError: it is absolute, climbs, or reaches into git's own folder.
    """
    parts = text.split("/")
    if text.startswith(("/", "~")):
        raise RefusedCommandError("path", f"{name}: {text!r} is not inside the work tree; give a relative path")
    if ".." in parts or any(part.endswith(":..") for part in parts):
        raise RefusedCommandError("path", f"{name}: {text!r} climbs out of its folder; give a path without ..")
    if any(part.casefold() == ".git" for part in parts):
        raise RefusedCommandError("path", f"{name}: {text!r} is git's own; use git's subcommands")


class _Judge:
    """One command's arguments on their way through."""

    def __init__(self, name: str, rule: Rule) -> None:
        self._name = name
        self._rule = rule
        self._paths: list[str] = []
        self._used: set[str] = set()
        self._count = 0

    def run(self, arguments: Iterable[str]) -> tuple[str, ...]:
        words = iter(arguments)
        for word in words:
            if word == "--" and not self._rule.whole:
                for rest in words:
                    self._argument(rest)
            elif word.startswith("-") and word != "-":
                self._option(word, words)
            else:
                self._argument(word)
        self._complete()
        return tuple(self._paths)

    def _complete(self) -> None:
        """Require what has to be there."""
        rule = self._rule
        if self._count < rule.least:
            raise self._refused("argument", f"needs {rule.least} arguments or more; it has {self._count}")
        if rule.needs and not rule.needs & self._used:
            raise self._refused("option", f"is only allowed with {' or '.join(sorted(rule.needs))}")

    def _argument(self, word: str) -> None:
        rule = self._rule
        kind = rule.first[self._count] if self._count < len(rule.first) else rule.rest
        self._count += 1
        if kind is None or self._count > rule.most:
            raise self._refused("argument", f"takes no further argument here; leave {word!r} out")
        self._value(kind, word, "argument")

    def _option(self, word: str, words: Iterator[str]) -> None:
        if word.startswith("--") and not self._rule.whole:
            self._long(word, words)
        elif self._rule.whole:
            self._whole(word, words)
        elif self._rule.number and word[1:].isascii() and word[1:].isdigit():
            self._value(Kind.NUMBER, word[1:], word)
        else:
            self._cluster(word, words)

    def _long(self, word: str, words: Iterator[str]) -> None:
        name, equals, value = word.partition("=")
        self._used.add(name)
        kind = self._rule.values.get(name)
        if equals and (known := kind or self._rule.attached.get(name)):
            self._value(known, value, name)
        elif not equals and kind:
            self._next(kind, name, words)
        elif equals or name not in self._rule.flags:
            raise self._unknown(name)

    def _whole(self, word: str, words: Iterator[str]) -> None:
        kind = self._rule.values.get(word)
        if kind is not None:
            self._next(kind, word, words)
        elif word not in self._rule.flags:
            raise self._unknown(word)

    def _cluster(self, word: str, words: Iterator[str]) -> None:
        """Judge short options, as in -la, -n5 and -n 5."""
        for place, letter in enumerate(word[1:], 1):
            name, value = f"-{letter}", word[place + 1 :]
            self._used.add(name)
            if kind := self._rule.values.get(name) or (self._rule.attached.get(name) if value else None):
                if value:
                    self._value(kind, value, name)
                else:
                    self._next(kind, name, words)
                return
            if name not in self._rule.flags:
                raise self._unknown(name)

    def _next(self, kind: Kind, name: str, words: Iterator[str]) -> None:
        """Take the next word as an option's value."""
        value = next(words, None)
        if value is None:
            raise self._refused("option", f"{name} needs a value")
        if value.startswith("-") and kind is not Kind.AMOUNT:
            raise self._refused("option", f"{name} is followed by {value!r}; attach a value that begins with a dash")
        self._value(kind, value, name)

    def _value(self, kind: Kind, value: str, where: str) -> None:
        """Judge one value."""
        pattern = _PATTERNS.get(kind)
        if pattern is not None and not pattern.fullmatch(value):
            raise self._refused("argument", f"{where} is {value!r}, which is no {kind.value}")
        if kind in {Kind.PATH, Kind.REVISION}:
            if value == "-" or not value:
                raise self._refused("argument", f"{value!r} is no path here; there is no standard input")
            check_path(self._name, value)
            self._paths.append(value)

    def _unknown(self, option: str) -> RefusedCommandError:
        rule = self._rule
        known = " ".join(sorted({*rule.flags, *rule.values, *rule.attached})) or "none"
        return self._refused("option", f"option {option} is not known to be harmless (allowed: {known})")

    def _refused(self, reason: str, message: str) -> RefusedCommandError:
        return RefusedCommandError(reason, f"{self._name}: {message}")
