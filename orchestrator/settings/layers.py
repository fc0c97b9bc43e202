"""The three sources of settings, each as one layer: the TOML file, the environment, the command line.

Above: `loading` lays the layers over each other.  Below: `lines` and `keys` tell where a value came from.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from orchestrator.settings.declare import CONTRACT
from orchestrator.settings.keys import JOINT, PREFIX, keys, nearest
from orchestrator.settings.lines import Place, find_lines, line_of
from orchestrator.settings.model import Settings
from orchestrator.settings.problems import Problem, explain, unknown

COMMAND_LINE: Final = "command line"
VARIABLES: Final = "worker.env"
VARIABLE_PREFIX: Final = f"{PREFIX}WORKER{JOINT}ENV{JOINT}"
TOML_PLACE: Final = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")


@dataclass(frozen=True, slots=True)
class Layer:
    """What one source says.

    Attributes:
        values: nested tables, as the model has them; only what the source sets.
        origin: names the source of a place for people.
        textual: every value is text and has to be read as what its key wants.
        base: directory that relative paths start from.
        problems: what was wrong before any value was looked at.
    """

    values: Mapping[str, Any]
    origin: Callable[[Place], str]
    textual: bool = False
    base: Path = field(default_factory=Path.cwd)
    problems: tuple[Problem, ...] = ()

    def read(self) -> tuple[dict[str, Any], list[Problem]]:
        """Return the values in their right types, and every problem of this layer (then the values are empty)."""
        validate = Settings.model_validate_strings if self.textual else Settings.model_validate
        try:
            values = validate(dict(self.values)).model_dump(exclude_unset=True)
        except ValidationError as error:
            found = [explain(one, self.origin(one["loc"])) for one in error.errors(include_url=False)]
            return {}, [*self.problems, *found]
        return values, list(self.problems)

    def sets(self, name: str) -> bool:
        """Return whether this source sets the dotted key `name`."""
        table: Any = self.values
        for part in name.split("."):
            if not isinstance(table, Mapping) or part not in table:
                return False
            table = table[part]
        return True


def file_layer(path: Path) -> Layer:
    """Read a TOML file; one that cannot be read gives an empty layer with the problem."""
    try:
        text = path.read_bytes().decode()
        values = tomllib.loads(text)
    except OSError as error:
        return _broken(path, f"cannot be read: {error.strerror or error}; name a readable TOML file with --config")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        return _broken(f"{path}:{line}", f"is not UTF-8 text: {error.reason}")
    except RecursionError:
        return _broken(path, "is nested too deeply")
    except ValueError as error:  # also what tomllib lets through unwrapped, such as numbers of 5000 digits
        return _not_toml(path, text, str(error))
    lines = find_lines(text)

    def origin(place: Place) -> str:
        line = line_of(lines, place)
        return f"{path}:{line}" if line else str(path)

    return Layer(values, origin, base=path.absolute().parent)


def environment_layer(environ: Mapping[str, str]) -> Layer:
    """Read the variables `SWITCHOVER_<SECTION>__<KEY>`; an empty one counts as not set."""
    by_variable = {key.env: key.name for key in keys().values()}
    values: dict[str, Any] = {}
    problems: list[Problem] = []
    for variable in sorted(name for name in environ if name.startswith(PREFIX)):
        name = by_variable.get(variable)
        if variable.startswith(VARIABLE_PREFIX):
            _put(values, (*VARIABLES.split("."), variable.removeprefix(VARIABLE_PREFIX)), environ[variable])
        elif name == VARIABLES:
            problems.append(Problem(variable, VARIABLES, f"set one variable each: {VARIABLE_PREFIX}NAME=value"))
        elif name is None:
            problems.extend(_misspelt(variable, by_variable))
        elif environ[variable]:
            _put(values, name.split("."), environ[variable])

    def origin(place: Place) -> str:
        parts = [str(part) for part in place]
        if parts[:2] == VARIABLES.split("."):
            return VARIABLE_PREFIX + parts[2]
        return PREFIX + JOINT.join(parts).upper()

    return Layer(values, origin, textual=True, problems=tuple(problems))


def flag_layers(flags: Mapping[str, Any]) -> Iterator[Layer]:
    """Read the command line's dotted keys; text is read as in the environment, None counts as not given."""
    typed: dict[str, Any] = {}
    textual: dict[str, Any] = {}
    problems = []
    for name, value in flags.items():
        place = name.split(".", 2) if name.startswith(VARIABLES + ".") else name.split(".")
        if name in keys() or name.startswith(VARIABLES + "."):
            if value is not None:
                _put(textual if isinstance(value, str) else typed, place, value)
        else:
            problems.append(Problem(COMMAND_LINE, name, unknown(name)))
    yield Layer(typed, lambda _place: COMMAND_LINE, problems=tuple(problems))
    yield Layer(textual, lambda _place: COMMAND_LINE, textual=True)


def _put(values: dict[str, Any], place: Sequence[str], value: Any) -> None:
    *tables, last = place
    for table in tables:
        values = values.setdefault(table, {})
    values[last] = value


def _misspelt(variable: str, by_variable: Mapping[str, str]) -> Iterator[Problem]:
    """Report a variable that was surely meant as a setting; others of the prefix are none of ours."""
    meant = next((known for known in by_variable if known.replace(JOINT, "_") == variable), None)
    if JOINT in variable:
        guess = keys().get(nearest(variable.removeprefix(PREFIX).lower().replace(JOINT, ".")) or "")
        meant = guess.env if guess else None
    elif meant is None or variable in CONTRACT:
        return
    yield Problem(variable, "", f"there is no such setting; {f'did you mean {meant}?' if meant else 'unset it'}")


def _broken(origin: Path | str, wrong: str) -> Layer:
    return Layer({}, lambda _place: str(origin), problems=(Problem(str(origin), "", wrong),))


def _not_toml(path: Path, text: str, message: str) -> Layer:
    found = TOML_PLACE.search(message)
    what = TOML_PLACE.sub("", message).partition(";")[0]
    what = what[:1].lower() + what[1:]
    if not found:
        return _broken(path, f"is not valid TOML: {what}")
    if not found.group(1):
        return _broken(f"{path}:{text.rstrip().count(chr(10)) + 1}", f"is not valid TOML: {what} before the end")
    return _broken(f"{path}:{found.group(1)}", f"is not valid TOML: {what} (column {found.group(2)})")
