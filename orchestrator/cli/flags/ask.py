"""What the verbs of `flags` ask the daemon, and how they read what people type.

Above: the verbs.  Below: `cli.control`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import quote

import click
from pydantic import BaseModel, ValidationError

from orchestrator.api.flags.models import ChangedShown
from orchestrator.cli.control import ask, paths_of
from orchestrator.cli.errors import FailedError
from orchestrator.cli.flags.show import told

FLAGS: Final = "/v1/flags"
Shape = TypeVar("Shape", bound=BaseModel)


def fetch(state_dir: Path | None, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """Make one request; see `control.ask`."""
    return ask(paths_of(state_dir), method, path, body)


def understood(shape: type[Shape], answer: dict[str, Any]) -> Shape:
    """Return an answer as what it means.

    Raises:
        FailedError: it is of another shape.
    """
    try:
        return shape.model_validate(answer)
    except ValidationError as error:
        raise FailedError(
            f"the daemon's answer is not what this command knows; is the daemon of another version? {error}"
        ) from error


def show_answer(
    state_dir: Path | None, path: str, shape: type[Shape], show: Callable[[Shape], None], *, as_json: bool
) -> None:
    """Ask for how something stands, and show it: for a person, or as JSON."""
    answer = fetch(state_dir, "GET", path)
    if as_json:
        show_json(answer)
    else:
        show(understood(shape, answer))


def path_of(key: str, *more: str) -> str:
    """Return the path of one flag, or of something about it.

    Raises:
        FailedError: no flag can have such a key, and no address either.
    """
    if key.strip(".") == "" or "/" in key or not key.isprintable():
        raise FailedError(f"there is no flag {key!a}; see: switchover flags list")
    return "/".join((FLAGS, quote(key, safe=""), *more))


def change(state_dir: Path | None, method: str, path: str, body: dict[str, Any], *, as_json: bool) -> None:
    """Have flags changed, show what was done, and fail if it was waited for readers in vain."""
    answer = fetch(state_dir, method, path, body)
    changed = understood(ChangedShown, answer)
    if as_json:
        show_json(answer)
        applied = changed.applied
        whole = applied is None or not (applied.late or applied.silent)
    else:
        whole = told(changed)
    if not whole:
        sys.exit(1)


def show_json(answer: Any) -> None:
    """Print an answer as JSON."""
    click.echo(json.dumps(answer, indent=2))


def pairs(words: Iterable[str], what: str) -> dict[str, str]:
    """Read words of the form NAME=VALUE.

    Raises:
        UsageError: one is not, or a name comes twice.
    """
    found: dict[str, str] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not name or not equals:
            raise click.UsageError(f"{what} {word!r} is not of the form NAME=VALUE")
        if name in found:
            raise click.UsageError(f"{what} {name} comes twice")
        found[name] = value
    return found


def attributes(words: Iterable[str]) -> dict[str, Any]:
    """Read attributes: numbers, `true` and other JSON as such, everything else as text."""
    return {name: _json_or_text(value) for name, value in pairs(words, "--attribute").items()}


def document(file: Any, name: str) -> dict[str, Any]:
    """Read a JSON object from an open file.

    Raises:
        FailedError: it holds none.
    """
    try:
        found = json.load(file)
    except (ValueError, RecursionError) as error:
        raise FailedError(f"{name} is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise FailedError(f"{name} holds no JSON object")
    return found


def _json_or_text(value: str) -> Any:
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value
