"""The gates against a corpus of commands: each one that must not run is refused for its reason, in both modes."""

from __future__ import annotations

import re
import tomllib
from collections import defaultdict
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workers.reference.hands.errors import RefusedCommandError
from workers.reference.hands.gates import PREFIX, Command, check
from workers.reference.hands.grammar import words
from workers.reference.hands.programs import PROGRAMS

CORPUS = tomllib.loads((Path(__file__).parent / "corpus" / "commands.toml").read_text())
BLOCKED = [(reason, text) for reason, texts in CORPUS["blocked"].items() for text in texts]
ALLOWED = [(effect, text) for effect, texts in CORPUS["allowed"].items() for text in texts]
HARMFUL = [text for reason, text in BLOCKED if reason not in {"empty", "argument", "comment"}]

pytestmark = pytest.mark.requirement("HAND-1")


def refusal(text: str, *, strict: bool) -> RefusedCommandError | None:
    """Return what the gates say against a command, None when it passes."""
    try:
        check(text, strict=strict)
    except RefusedCommandError as error:
        return error
    return None


def passed(text: str) -> Command | None:
    """Return the command that a text gets through as, None when it does not."""
    try:
        return check(text, strict=False)
    except RefusedCommandError:
        return None


def test_the_corpus_is_as_large_as_it_should_be() -> None:
    assert len({text for _, text in BLOCKED}) == len(BLOCKED) >= 200
    assert len({text for _, text in ALLOWED}) == len(ALLOWED) >= 100
    assert not {text for _, text in BLOCKED} & {text for _, text in ALLOWED}


@pytest.mark.parametrize("strict", [False, True])
def test_every_blocked_command_is_refused_for_its_reason(strict: bool) -> None:  # noqa: FBT001 - the mode under test
    said = {text: error.reason if (error := refusal(text, strict=strict)) else "PASSED" for _, text in BLOCKED}
    assert said == {text: reason for reason, text in BLOCKED}


@pytest.mark.parametrize("strict", [False, True])
def test_every_allowed_command_passes_with_its_effect(strict: bool) -> None:  # noqa: FBT001 - the mode under test
    found = {text: check(text, strict=strict).effect.value for _, text in ALLOWED}
    assert found == {text: effect for effect, text in ALLOWED}


def test_the_modes_differ_in_the_prefix_alone() -> None:
    for _, text in BLOCKED:
        relaxed, strict = refusal(text, strict=False), refusal(text, strict=True)
        assert relaxed is not None
        assert strict is not None
        assert str(strict) == f"{PREFIX}{relaxed}"
        assert not str(relaxed).startswith(PREFIX)


def test_every_program_is_in_the_corpus() -> None:
    assert {words(text)[0] for _, text in ALLOWED} == set(PROGRAMS)


def names(text: str) -> frozenset[str]:
    """Read names separated by spaces."""
    return frozenset(text.split())


HARMLESS = names(
    "basename cat cmp cut date diff dirname du echo false file find git grep head ls md5sum mkdir node pwd python3"
    " sha256sum sort stat tail touch true uname uniq wc"
)
HARMLESS_GIT = names(
    "--version add blame branch cat-file commit describe diff grep log ls-files remote restore rev-list rev-parse"
    " shortlog show status tag"
)
HARMFUL_OPTIONS = defaultdict(
    lambda: re.compile(r"(?!)"),
    find=re.compile(r"-(delete|exec|execdir|ok|okdir|fprint|fprintf|fls|follow|L|H)"),
    git=re.compile(r"-O.+|--(output|ext-diff|textconv|exec-path|upload-pack|amend|no-index|open-files).*"),
    sort=re.compile(r"-[a-z]*o.*|--(output|compress|files0).*"),
    tail=re.compile(r"-[a-z]*[fF].*|--follow.*"),
    date=re.compile(r"-[a-z]*[sfr].*|--(set|file|reference).*|[^-+d].*"),
    python3=re.compile(r"-[^-].*"),
    node=re.compile(r"-[^-].*"),
)

SPACES = st.sampled_from([" ", "  ", "   "])
PREFIXES = st.sampled_from(
    ["", "/bin/", "./", "../", "//", "x=y ", "env ", "\\", "sudo ", "nice ", "busybox ", "-- ", "'' "]
)


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """Spell a blocked command differently: a path before it, other case, other spacing, quotes or escapes inside."""
    text = draw(st.sampled_from(HARMFUL))
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, len(text)))
        match draw(st.sampled_from(["prefix", "case", "space", "quote", "wrap", "escape", "insert"])):
            case "prefix":
                text = draw(PREFIXES) + text
            case "case":
                text = text[:place] + text[place:].swapcase()
            case "space":
                text = draw(SPACES).join(text.split(" "))
            case "quote":
                text = text[:place] + draw(st.sampled_from(["''", '""', "'", '"'])) + text[place:]
            case "wrap":
                head, _, rest = text.partition(" ")
                text = f"{head} '{rest}'"
            case "escape":
                text = text[:place] + "\\" + text[place:]
            case _:
                text = (
                    text[:place]
                    + draw(st.sampled_from(["\t", "\u200b", "\x00", "$@", "``", "#", "%", "-"]))
                    + text[place:]
                )
    return text


@settings(max_examples=150, deadline=None)
@given(mutated())
def test_a_blocked_command_spelt_differently_runs_nothing_that_is_blocked(text: str) -> None:
    command = passed(text)
    if command is None:
        return
    # What passes is judged by what would be run, not by how it was written, and by a list of its own.
    spoken = list(words(text))
    before_dashes = spoken[: spoken.index("--")] if "--" in spoken else spoken
    assert command.program == spoken[0]
    assert command.program in HARMLESS
    assert command.program != "git" or spoken[1] in HARMLESS_GIT
    assert not any(HARMFUL_OPTIONS[command.program].fullmatch(word) for word in before_dashes)
    assert not any(word.startswith("/") or ".." in word.split("/") for word in command.paths)


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=60))
def test_any_text_is_let_through_or_refused_and_nothing_else(text: str) -> None:
    command = passed(text)
    assert command is None or command.program in PROGRAMS
