"""A suite: the calls that old and new code are both asked, read from TOML, or from JSON where a file's name says so.

Above: `harness`, `shadow_run`.  Below: `suite_words` says what is wrong with one.  A text argument
`${plan.structuredContent.task.id}` stands for what an earlier call of the same process answered there, so that a suite
can go on with what it made.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from orchestrator.rehearsal import suite_words

REFERENCE: Final = re.compile(r"\$\{([^${}.]+)((?:\.[^${}.]+)+)\}")
MOST_CALLS: Final = 1000
MOST_BYTES: Final = 16 << 20
JSON: Final = ".json"
"""How the name of a suite ends that is JSON; it can hold null, which TOML has not."""


class SuiteError(Exception):
    """A suite cannot be used; the message names the file, the place and what is allowed."""


class MissingAnswerError(Exception):
    """An argument refers to something that no earlier call answered."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Expect(_Part):
    """What the new code's answer must be, whatever the old code says.

    Attributes:
        error: whether the tool must fail, or must not; None where both will do.
        contains: texts that must be in it.
        within: seconds it may take.
    """

    error: bool | None = None
    contains: list[str] = Field(default_factory=list)
    within: float | None = Field(None, gt=0)


class Case(_Part):
    """One call.

    Attributes:
        tool: the tool.
        arguments: its arguments.
        name: what it is called in reports; the tool's name, numbered where that stands more than once.
        repeats: how often each process is asked in a row.
        expect: what must hold.
    """

    tool: str = Field(min_length=1)
    arguments: dict[str, Any] = Field(default_factory=dict)
    name: str = ""
    repeats: int = Field(1, ge=1, le=100)
    expect: Expect = Field(default_factory=Expect)


class Suite(_Part):
    """All calls of a shadow run.

    Attributes:
        call: the calls, in their order.
        repeats: how often old and new code are each run in turn; None for what the configuration says.
        flags: values that flags have in both, by key; all others are safe.
        origin: where it comes from, in words.
        left_out: tools that a proposal could not call, with why.
    """

    call: list[Case] = Field(min_length=1, max_length=MOST_CALLS)
    repeats: int | None = Field(None, ge=1, le=50)
    flags: dict[str, str | int | float | bool] = Field(default_factory=dict)
    origin: str = ""
    left_out: dict[str, str] = Field(default_factory=dict)


def read(path: Path) -> Suite:
    """Read a suite.

    Raises:
        SuiteError: it cannot be read, or is none.
    """
    form = "JSON" if path.suffix == JSON else "TOML"
    try:
        content = suite_words.parsed(_text(path), form)
    except OSError as error:
        raise SuiteError(f"the suite {path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SuiteError(f"the suite {path} is no text in UTF-8 (byte {error.start + 1})") from error
    except (ValueError, RecursionError) as error:
        said = "it is nested too deep" if isinstance(error, RecursionError) else str(error)
        raise SuiteError(f"the suite {path} is no {form}: {said}") from error
    try:
        suite = Suite.model_validate({**_table(path, content), "origin": str(path)})
        return _checked(path, named(suite))
    except ValidationError as error:
        raise SuiteError(f"the suite {path} cannot be used: {suite_words.told(error)}") from error
    except RecursionError as error:
        raise SuiteError(f"the suite {path} cannot be used: it is nested too deep") from error


def _table(path: Path, content: Any) -> dict[str, Any]:
    if not isinstance(content, dict):
        raise SuiteError(f'the suite {path} cannot be used: write an object with the list "call"')
    return content


def _checked(path: Path, suite: Suite) -> Suite:
    """Return a suite every call of which can be sent, and refers only to calls before it."""
    before: list[str] = []
    for number, case in enumerate(suite.call, 1):
        wrong = suite_words.unsendable(case.arguments)
        unknown = [name for name in _references(case.arguments) if name not in before]
        if wrong is None and unknown:
            known = f"before it come: {', '.join(before)}" if before else "none comes before it"
            wrong = f"arguments: ${{{unknown[0]}...}} names no earlier call; {known}"
        if wrong is not None:
            raise SuiteError(f"the suite {path} cannot be used: call {number} ({case.name}): {wrong}")
        before.append(case.name)
    return suite


def _references(arguments: Any) -> Iterator[str]:
    """Yield the names of the calls that arguments refer to."""
    if isinstance(arguments, dict | list):
        for one in arguments.values() if isinstance(arguments, dict) else arguments:
            yield from _references(one)
    elif isinstance(arguments, str):
        yield from (match[1] for match in REFERENCE.finditer(arguments))


def _text(path: Path) -> str:
    """Return a file's text; a device or a pipe would never end, and what is longer was not written as a suite.

    Raises:
        OSError: it cannot be read.
        SuiteError: it is no file, or too long.
        UnicodeDecodeError: it is no text.
    """
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:  # waits for no pipe
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise SuiteError(f"the suite {path} cannot be used: it is no ordinary file")
        body = file.read(MOST_BYTES + 1)
    if len(body) > MOST_BYTES:
        raise SuiteError(f"the suite {path} cannot be used: it is longer than {MOST_BYTES >> 20} MiB")
    return body.decode()


def named(suite: Suite) -> Suite:
    """Return a suite in which every call has a name of its own.

    Raises:
        SuiteError: two calls were given one name.
    """
    taken: set[str] = set()
    calls = []
    for case in suite.call:
        name = case.name or case.tool
        if case.name and name in taken:
            raise SuiteError(f"{suite.origin}: two calls are named {name!r}; give each its own name")
        number = 1
        while name in taken:
            number += 1
            name = f"{case.tool} {number}"
        taken.add(name)
        calls.append(case.model_copy(update={"name": name}))
    return suite.model_copy(update={"call": calls})


def filled(arguments: Any, answers: Mapping[str, Any]) -> Any:
    """Return arguments with references to earlier answers replaced by what was answered.

    Args:
        arguments: as the suite has them.
        answers: results so far, by the call's name.

    Raises:
        MissingAnswerError: something refers to what was not answered.
    """
    if isinstance(arguments, dict):
        return {key: filled(value, answers) for key, value in arguments.items()}
    if isinstance(arguments, list):
        return [filled(value, answers) for value in arguments]
    if not isinstance(arguments, str):
        return arguments
    if whole := REFERENCE.fullmatch(arguments):
        return _found(whole, answers)
    return REFERENCE.sub(lambda match: str(_found(match, answers)), arguments)


def _found(match: re.Match[str], answers: Mapping[str, Any]) -> Any:
    value: Any = answers.get(match[1])
    for part in match[2].split(".")[1:]:
        if isinstance(value, list) and part.isdecimal() and int(part) < len(value):
            value = value[int(part)]
        elif isinstance(value, dict) and part in value:
            value = value[part]
        else:
            raise MissingAnswerError(f"no earlier call answered {match[0]}")
    return value
