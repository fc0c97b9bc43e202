"""The grammar of a command line: one program and its words, and nothing that a shell would make of them.

No shell ever sees the text.  It is refused all the same when it holds what a shell would act on outside quotes: whoever
wrote it meant something that will not happen, or hoped for something that must not.  Inside quotes these characters are
plain text, except for those that double quotes leave alive in a shell.  Above it stands `gates`, below it nothing.
"""

from __future__ import annotations

import re
import shlex
import unicodedata
from typing import Final

from workers.reference.hands.errors import RefusedCommandError

MOST_CHARACTERS: Final = 4096
"""A longer line is no command that somebody wrote by hand; a sanity bound."""
MOST_WORDS: Final = 256
"""Likewise."""

_PROGRAM: Final = re.compile(r"[a-z0-9][a-z0-9._+-]*")
_LINE_ENDS: Final = frozenset("\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029")
_LOOK_ALIKE_KINDS: Final = frozenset({"Pd", "Pi", "Pf", "Zs", "Sk", "Lm"})
# What looks like / \ | : * without being equivalent to it in Unicode's eyes.
_LOOK_ALIKES: Final = frozenset("\u2215\u2044\u2216\u29f5\u2223\u01c0\u2502\u2236\u2217\u066d\u2212\ua4fd\ua789")
_ALIVE: Final = {
    **dict.fromkeys(";|&", ("chaining", "commands cannot be chained; ask for each one by itself")),
    **dict.fromkeys("`()", ("substitution", "there are no subshells and no substitution; give the words themselves")),
    **dict.fromkeys("<>", ("redirection", "output cannot be redirected; it comes back in the answer")),
    **dict.fromkeys(
        "*?[]{}!", ("expansion", "nothing is expanded; put the text in single quotes to mean it literally")
    ),
    "\\": ("quoting", "a backslash escapes nothing here; use single quotes"),
}
_SUBSTITUTION: Final = ("substitution", "there is no substitution; give the words themselves")
_VARIABLE: Final = ("expansion", "variables are not expanded; put the text in single quotes to mean it literally")
_HOME: Final = ("expansion", "~ is not expanded; give a path inside the work tree")
_COMMENT: Final = ("comment", "there are no comments; put the text in single quotes to mean it literally")


def words(text: str) -> tuple[str, ...]:
    """Take a command line apart.

    Args:
        text: what the caller wrote.

    Returns:
        The program and its arguments, quotes removed.

    Raises:
        RefusedCommandError: the text is empty, too long, or holds what no plain command holds.
    """
    if len(text) > MOST_CHARACTERS:
        raise _refused("length", f"the command has {len(text)} characters; at most {MOST_CHARACTERS} are allowed")
    for place, character in enumerate(text):
        _check_character(character, place)
    _check_quoting(text)
    parts = tuple(shlex.split(text, comments=False, posix=True))
    if not parts:
        raise _refused("empty", "the command is empty; give a program and its arguments")
    if len(parts) > MOST_WORDS:
        raise _refused("length", f"the command has {len(parts)} words; at most {MOST_WORDS} are allowed")
    _check_program(text.strip(" ").split(" ", 1)[0], parts[0])
    return parts


def has_operators(text: str) -> bool:
    """Tell whether a word holds, as plain text, what a shell would act on if it were not quoted."""
    return any(character in _ALIVE or character in "$~#" for character in text)


def _check_character(character: str, place: int) -> None:
    """Refuse what is not one visible character of one line, and what only looks like another one."""
    if " " <= character <= "~":
        return
    where = f"U+{ord(character):04X} at position {place}"
    if character in _LINE_ENDS:
        raise _refused("multiline", f"the command has more than one line ({where}); give one line")
    kind = unicodedata.category(character)
    if kind == "Cf":
        raise _refused("lookalike", f"the command holds an invisible character ({where}); remove it")
    if kind.startswith("C"):
        raise _refused("control", f"the command holds a control character ({where}); remove it")
    plain = unicodedata.normalize("NFKC", character)
    if kind in _LOOK_ALIKE_KINDS or character in _LOOK_ALIKES or any(letter.isascii() for letter in plain):
        raise _refused("lookalike", f"{character!r} ({where}) can be taken for another character; write plain ASCII")


def _check_quoting(text: str) -> None:
    """Walk over the text as a POSIX shell would and refuse what it would act on."""
    quote = ""
    before = " "
    for place, character in enumerate(text):
        if quote:
            if character == quote:
                quote = ""
            elif quote == '"':
                _check_double_quoted(text, place)
        elif character in "'\"":
            quote = character
        else:
            _check_bare(text, place, before)
        before = character
    if quote:
        raise _refused("quoting", f"a {quote} is never closed; close it, or put it inside the other kind of quotes")


def _check_double_quoted(text: str, place: int) -> None:
    """Refuse what stays alive between double quotes."""
    character = text[place]
    if character == "`":
        raise _refused(*_SUBSTITUTION)
    if character == "$":
        raise _refused(*_dollar(text, place))
    if character == "\\":
        raise _refused(*_ALIVE["\\"])


def _check_bare(text: str, place: int, before: str) -> None:
    """Refuse what is alive outside quotes; `before` is the character to the left."""
    character = text[place]
    following = text[place + 1 : place + 2]
    if character == "$":
        raise _refused(*_dollar(text, place))
    if character in "<>" and following == "(":
        raise _refused(*_SUBSTITUTION)
    if character in _ALIVE:
        raise _refused(*_ALIVE[character])
    if character == "~" and before in " =:'\"":
        raise _refused(*_HOME)
    if character == "#" and before == " ":
        raise _refused(*_COMMENT)


def _dollar(text: str, place: int) -> tuple[str, str]:
    """Say what a dollar sign would have done."""
    return _SUBSTITUTION if text[place + 1 : place + 2] == "(" else _VARIABLE


def _check_program(written: str, word: str) -> None:
    """Require the program to be a bare name, written without quotes."""
    if "=" in written:
        raise _refused("assignment", f"{written!r} would set a variable; a command begins with its program")
    if written != word:
        raise _refused("quoting", f"the program is written {written!r}; write its bare name without quotes")
    if "/" in word:
        raise _refused("path", f"{word!r} is a path; name the program alone, it is looked for in the system's folders")
    if not _PROGRAM.fullmatch(word):
        raise _refused("program", f"{word!r} is no program's name; names are lower-case letters, digits, . _ + -")


def _refused(reason: str, message: str) -> RefusedCommandError:
    """Make the refusal."""
    return RefusedCommandError(reason, message)
